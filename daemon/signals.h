/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

/*
 * Signals as calls in the event loop. SIGCHLD has no handler: processes are
 * reaped through their pidfds, one by one, so none is ever missed or stolen.
 */

#include "macros.h"

struct event;
struct event_base;

struct signals_ops {
	void (*on_stop)(void *ctx, int sig); /* TERM, INT */
	void (*on_reload)(void *ctx);        /* HUP */
	void (*on_stats)(void *ctx);         /* USR1 */
	void (*on_upgrade)(void *ctx);       /* USR2 */
};

struct signals {
	struct event *events[5]; /* owned */
	const struct signals_ops *ops;
	void *ctx;
};

/* Ignore SIGPIPE, handle the others on @base. @ops borrowed. Returns 0 or -ENOMEM. */
int signals_init(struct signals *s, struct event_base *base, const struct signals_ops *ops,
		 void *ctx) WARN_UNUSED;

/* Back to the defaults. */
void signals_finish(struct signals *s);

#endif
