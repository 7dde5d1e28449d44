/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

/*
 * The control socket: one command a line, answered like a listener with
 * replies=status ("+text", "*N" and N lines, "-CODE text"). Commands whose
 * outcome takes a while are answered when it is known.
 */

#include "log.h"
#include "macros.h"
#include "socket.h"

#include <stdbool.h>

struct bufferevent;
struct event_base;
struct evconnlistener;

/* One connection; it may end at any time, then what waits for its reply is told nothing. */
struct control_client;

TAILQ_HEAD(control_list, control_client);

/* What the answer of a command may have to wait for. */
enum control_wait {
	CONTROL_NOTHING,
	CONTROL_REPLACED, /* the process has been, or has not */
	CONTROL_DRAINED,  /* nothing is being asked */
};

struct control {
	struct unix_socket socket;   /* owned */
	struct evconnlistener *ev;   /* owned */
	struct control_list clients; /* owned */
	unsigned count;
	struct log_limit refusals; /* for want of room */
	/* A command has come; to be answered by control_reply() or, later, control_outcome(). */
	void (*on_command)(void *ctx, struct control_client *client, const char *command);
	void *ctx;
};

/*
 * @socket  consumed always
 *
 * Returns 0 or -ENOMEM.
 */
int control_init(struct control *c, struct event_base *base, struct unix_socket *socket,
		 void (*on_command)(void *ctx, struct control_client *client, const char *command),
		 void *ctx) WARN_UNUSED;

/* Close all; accepts zeroed memory. */
void control_finish(struct control *c);

/* Answer with one line or, if @text has several, with their number in front. */
void control_reply(struct control_client *client, const char *text);

/* Answer with an error. */
void control_refuse(struct control_client *client, const char *code, const char *text);

/* The answer of this client comes with the next control_outcome() of this kind. */
void control_wait(struct control_client *client, enum control_wait what);

/* What these clients have waited for has succeeded or failed. */
void control_outcome(struct control *c, enum control_wait what, bool success, const char *text);

#endif
