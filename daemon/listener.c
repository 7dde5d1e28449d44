/* SPDX-License-Identifier: MIT */
#include "listener.h"

#include "log.h"
#include "session.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Accepting is tried again so long after descriptors ran out, or when a session ends. */
#define RETRY_MS 100

char *listener_name(const struct config_listen *listen)
{
	char *name;

	if (asprintf(&name, "%s%s", listen->path ? "" : "fd:",
		     listen->path ? listen->path : listen->fd_name) < 0)
		return NULL;
	return name;
}

static void pause_if_full(struct listener *l)
{
	unsigned max = l->hall->config->max_clients;

	if (l->paused || l->hall->count < max)
		return;
	l->paused = true;
	log_at(LOG_WARNING, "%s: %u clients are connected (max-clients), accepting no more", l->name,
	       max);
	evconnlistener_disable(l->ev);
}

static void accept_cb(struct evconnlistener *ev UNUSED, evutil_socket_t fd,
		      struct sockaddr *address UNUSED, int len UNUSED, void *arg)
{
	struct listener *l = arg;

	l->starved = false;
	if (!hall_admit(l->hall, fd, l->replies))
		pause_if_full(l);
}

/* Without a pause a listener that cannot accept keeps the loop busy (libevent.md, X3). */
static void error_cb(struct evconnlistener *ev, void *arg)
{
	struct timeval wait = {.tv_usec = RETRY_MS * 1000};
	struct listener *l = arg;
	int error = errno;

	if (!l->starved)
		log_at(LOG_ERR, "%s: cannot accept: %s; trying again every %d ms", l->name,
		       strerror(error), RETRY_MS);
	l->starved = true;
	evconnlistener_disable(ev);
	event_add(l->retry, &wait);
}

static void retry_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct listener *l = arg;

	if (!l->paused)
		evconnlistener_enable(l->ev);
}

void listener_resume(struct listener *l)
{
	if (l->hall->count >= l->hall->config->max_clients)
		return;
	if (l->paused)
		log_at(LOG_NOTICE, "%s: accepting again", l->name);
	else if (!l->starved)
		return;
	l->paused = false;
	evconnlistener_enable(l->ev);
}

int listener_new(struct event_base *base, struct hall *hall, struct unix_socket *socket,
		 const struct config_listen *listen, struct listener **out)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l) {
		socket_close(socket);
		return -ENOMEM;
	}
	l->socket = *socket;
	*socket = (struct unix_socket){.fd = -1};
	l->hall = hall;
	l->replies = listen->replies;
	l->name = listener_name(listen);
	l->retry = evtimer_new(base, retry_cb, l);
	l->ev = evconnlistener_new(base, accept_cb, l, LEV_OPT_CLOSE_ON_EXEC, 0, l->socket.fd);
	if (!l->name || !l->retry || !l->ev) {
		listener_free(l);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(l->ev, error_cb);
	*out = l;
	return 0;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	if (l->ev)
		evconnlistener_free(l->ev);
	if (l->retry)
		event_free(l->retry);
	socket_close(&l->socket);
	free(l->name);
	free(l);
}
