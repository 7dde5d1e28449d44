/* SPDX-License-Identifier: MIT */
/*
 * A client driven by libevent: one event to read, one to write while there is
 * something to, one timer for silence, which is moved only when it fires.
 */
#include "client.h"

#include "clock.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

struct client_watch {
	struct event read, write, timer;
	void (*on_closed)(void *ctx, int error);
	void *ctx;
	int64_t heard_ms; /* when something came last, or began to be waited for */
	bool waits;       /* the timer runs */
	bool busy;        /* something was unanswered when this was looked at last */
};

static void arm(struct coproc_client *c, int64_t in_ms)
{
	struct timeval tv = {.tv_sec = in_ms / 1000, .tv_usec = in_ms % 1000 * 1000};

	c->watch->waits = event_add(&c->watch->timer, &tv) == 0;
}

static void stop(struct client_watch *w)
{
	event_del(&w->read);
	event_del(&w->write);
	event_del(&w->timer);
}

void client_watch_changed(struct coproc_client *c)
{
	struct client_watch *w = c->watch;

	if (c->error) {
		/* Before the descriptor is closed; report() tells the owner in its turn. */
		stop(w);
		event_active(&w->timer, EV_TIMEOUT, 0);
		return;
	}
	if (c->out.len && !c->cannot_send)
		event_add(&w->write, NULL);
	else
		event_del(&w->write);
	if (c->pending && !w->busy)
		w->heard_ms = clock_now_ms();
	w->busy = c->pending > 0;
	if (w->busy && !w->waits && c->options.timeout_ms)
		arm(c, c->options.timeout_ms);
}

void client_watch_free(struct coproc_client *c)
{
	stop(c->watch);
	free(c->watch);
	c->watch = NULL;
}

/* The connection is lost: say so, once. */
static void report(struct coproc_client *c)
{
	void (*on_closed)(void *ctx, int error) = c->watch->on_closed;
	void *ctx = c->watch->ctx;

	client_watch_free(c);
	if (on_closed)
		on_closed(ctx, c->error == -ENOTCONN ? 0 : c->error);
}

static void io_cb(evutil_socket_t fd UNUSED, short what, void *arg)
{
	struct coproc_client *c = arg;
	long n;

	client_enter(c);
	n = client_turn(c, what & EV_READ);
	if (c->watch && n > 0)
		c->watch->heard_ms = clock_now_ms();
	if (c->watch && !c->error)
		client_watch_changed(c);
	client_leave(c);
}

static void timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct coproc_client *c = arg;
	struct client_watch *w = c->watch;
	int64_t left = w->heard_ms + c->options.timeout_ms - clock_now_ms();
	char text[80];

	client_enter(c);
	w->waits = false;
	if (c->error) {
		report(c);
	} else if (c->pending && left > 0) {
		arm(c, left);
	} else if (c->pending) {
		snprintf(text, sizeof(text), "no reply in %lld ms",
			 (long long)c->options.timeout_ms);
		client_fail(c, -ETIMEDOUT, text);
	}
	client_leave(c);
}

int coproc_client_watch(struct coproc_client *c, struct event_base *base,
			void (*on_closed)(void *ctx, int error), void *ctx)
{
	struct client_watch *w;

	if (c->error || c->doomed)
		return -ENOTCONN;
	if (c->watch)
		return -EALREADY;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->on_closed = on_closed;
	w->ctx = ctx;
	if (event_assign(&w->read, base, c->fd, EV_READ | EV_PERSIST, io_cb, c) ||
	    event_assign(&w->write, base, c->fd, EV_WRITE | EV_PERSIST, io_cb, c) ||
	    evtimer_assign(&w->timer, base, timer_cb, c) || event_add(&w->read, NULL)) {
		free(w);
		return -ENOMEM;
	}
	c->watch = w;
	client_watch_changed(c);
	return 0;
}
