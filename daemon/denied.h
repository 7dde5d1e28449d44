/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_DENIED_H
#define DAEMON_DENIED_H

/*
 * Connections that were refused and are closed in a while: a client whose bytes
 * are unread when we close gets an error instead of what we said.
 */

#include "macros.h"

struct denied;
struct event_base;

TAILQ_HEAD(denied_queue, denied);

struct denied_list {
	struct event_base *base;   /* borrowed */
	struct denied_queue queue; /* owned */
	unsigned count;
};

void denied_init(struct denied_list *list, struct event_base *base);

/* Stop sending on @fd, and close it in a while; at once if there are too many. Consumes @fd. */
void denied_add(struct denied_list *list, int fd);

/* Close all at once; accepts zeroed memory. */
void denied_finish(struct denied_list *list);

#endif
