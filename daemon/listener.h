/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

/*
 * A listening socket that admits connections to the hall. It pauses at
 * max-clients and when descriptors run out, and never spins.
 */

#include "config.h"
#include "log.h"
#include "macros.h"
#include "socket.h"

struct evconnlistener;
struct event;
struct hall;

struct listener {
	TAILQ_ENTRY(listener) link;        /* server.listeners */
	struct unix_socket socket;         /* owned */
	struct evconnlistener *ev;         /* owned */
	struct event *retry;               /* owned; after descriptors ran out */
	struct hall *hall;                 /* borrowed */
	const struct config_listen *rules; /* borrowed; of the config in force */
	char *name;                        /* owned; the path or fd:NAME */
	bool paused;                       /* by max-clients */
	bool starved;                      /* descriptors have run out; said once */
	struct log_limit denials;
};

/*
 * @base, @hall  borrowed; must outlive the listener
 * @socket       consumed always
 * @out          set on success; free with listener_free()
 *
 * Returns 0 or -ENOMEM.
 */
int listener_new(struct event_base *base, struct hall *hall, struct unix_socket *socket,
		 const struct config_listen *listen, struct listener **out) WARN_UNUSED;

/* Stop accepting, close and remove the socket. Accepts NULL. */
void listener_free(struct listener *l);

/* A session has ended or the limit was changed: accept again if there is room. */
void listener_resume(struct listener *l);

/* The name of a `listen` line, for logs and for comparison; free() it. NULL: no memory. */
char *listener_name(const struct config_listen *listen);

#endif
