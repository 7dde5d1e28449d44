/* SPDX-License-Identifier: MIT */
#include "denied.h"

#include "fd.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A client has so long to read why, so many of them at one time. */
#define LINGER_MS 500
#define MAX_COUNT 256

struct denied {
	TAILQ_ENTRY(denied) link; /* denied_list.queue */
	struct denied_list *list; /* borrowed */
	struct event timer;
	int fd; /* owned */
};

static void denied_free(struct denied *d)
{
	TAILQ_REMOVE(&d->list->queue, d, link);
	d->list->count--;
	event_del(&d->timer);
	fd_close(&d->fd);
	free(d);
}

static void timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	denied_free(arg);
}

void denied_init(struct denied_list *list, struct event_base *base)
{
	*list = (struct denied_list){.base = base};
	TAILQ_INIT(&list->queue);
}

void denied_add(struct denied_list *list, int fd)
{
	struct timeval wait = {.tv_usec = LINGER_MS * 1000};
	struct denied *d = list->count < MAX_COUNT ? calloc(1, sizeof(*d)) : NULL;

	if (!d) {
		fd_close(&fd);
		return;
	}
	d->list = list;
	d->fd = fd;
	shutdown(fd, SHUT_WR);
	TAILQ_INSERT_TAIL(&list->queue, d, link);
	list->count++;
	evtimer_assign(&d->timer, list->base, timer_cb, d);
	if (event_add(&d->timer, &wait))
		denied_free(d);
}

void denied_finish(struct denied_list *list)
{
	while (list->base && TAILQ_FIRST(&list->queue))
		denied_free(TAILQ_FIRST(&list->queue));
}
