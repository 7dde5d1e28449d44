/* SPDX-License-Identifier: MIT */
#ifndef COPROC_CLIENT_PARTS_H
#define COPROC_CLIENT_PARTS_H

/*
 * The inside of a client, for the forms of driving it. Of the requests, those
 * still unanswered stand in a ring in their order; each ending that comes is
 * that of the oldest.
 */

#include "buf.h"
#include "coproc_client.h"
#include "macros.h"
#include "replies.h"

/* Enough unsent for one write; who hands in many requests pauses here. */
enum { CLIENT_CHUNK = 64 << 10 };

struct client_pending {
	coproc_answer_fn done; /* NULL: nobody waits any more */
	void *ctx;
};

struct coproc_client {
	int fd; /* owned; -1 once the connection is lost */
	struct coproc_client_options options;
	struct buf out;    /* requests to send */
	struct buf in;     /* what was received last */
	struct buf reply;  /* as much as has come of the oldest one's */
	struct buf answer; /* of the last coproc_client_ask() */
	struct replies replies;

	struct client_pending *ring; /* owned */
	size_t room;                 /* of the ring, a power of 2 or 0 */
	size_t pending;
	uint64_t oldest; /* number of the oldest pending */

	bool ending;      /* to half-close when all is sent */
	bool half_closed; /* done so */
	bool cannot_send; /* the daemon reads no more; what it has sent may still be there */
	int error;        /* why the connection is lost, 0 while it stands */
	char failure[160];

	unsigned upcalls; /* under way */
	bool doomed;      /* to be freed at the end of the last of them */

	/* libevent, see client_async.c */
	struct client_watch *watch; /* owned; NULL if not watched */
};

/* Around everything that may call up. After leave, @c may be gone. */
void client_enter(struct coproc_client *c);
void client_leave(struct coproc_client *c);

/*
 * Read what is there, if @readable, and send what can be sent.
 *
 * Returns as coproc_client_turn(), but leaves the watching alone; @c is there
 * still as the caller has entered.
 */
long client_turn(struct coproc_client *c, bool readable) WARN_UNUSED;

/*
 * The connection is lost for the reason @error, said in @text. What is pending
 * ends.
 */
void client_fail(struct coproc_client *c, int error, const char *text);

/* Of client_async.c: what is to be sent or waited for has changed; the client ends. */
void client_watch_changed(struct coproc_client *c);
void client_watch_free(struct coproc_client *c);

#endif
