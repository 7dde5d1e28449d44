/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SESSION_H
#define DAEMON_SESSION_H

/*
 * A session is one client connection: it cuts the client's bytes into requests,
 * hands them to the engine, and writes the endings back in the order of the
 * requests. It meets no process; it owns its requests (slots) and its buffers.
 *
 * Sessions live in a hall, which owns them and has what they share.
 */

#include "buf.h"
#include "config.h"
#include "denied.h"
#include "log.h"
#include "macros.h"
#include "memory.h"
#include "pack.h"

#include <event2/event_struct.h>

struct session;
struct slot;

TAILQ_HEAD(session_list, session);
STAILQ_HEAD(slot_list, slot);

struct hall {
	struct event_base *base;      /* borrowed */
	struct coproc *engine;        /* borrowed */
	const struct config *config;  /* borrowed; changes with a reload */
	struct session_list all;      /* owned; linked by session.link */
	struct session_list dirty;    /* with something to write or resume; session.dirty_link */
	struct session_list waiting;  /* for room in the queue; session.held_link */
	const struct session *served; /* borrowed; the one of them that has its turn, or NULL */
	struct session_list crowded;  /* may not ask before others had a turn; session.held_link */
	unsigned epoch;               /* a number for each EPOCH_MS in which somebody sent */
	int64_t epoch_until_ms;
	unsigned senders, senders_before; /* sessions that sent in this epoch, and the one before */
	struct event flush;               /* activated at most once per turn of the loop */
	bool flushing;
	struct slot_list spare; /* owned; to be used again, */
	unsigned spare_count;   /* so many */
	char *area;             /* what sessions read into, one after the other */
	unsigned count;
	bool paused;               /* no more requests are taken */
	struct denied_list denied; /* refused connections */
	struct memory memory;
	struct log_limit breaks; /* sessions broken off */
	uint64_t last_id;
	uint64_t bytes_in, bytes_out;
	void (*on_closed)(void *ctx); /* a session has ended */
	void *ctx;
};

struct session {
	TAILQ_ENTRY(session) link;       /* hall.all */
	TAILQ_ENTRY(session) dirty_link; /* hall.dirty, while is_dirty */
	/* hall.waiting while is_waiting, hall.crowded while is_crowded; never both. */
	TAILQ_ENTRY(session) held_link;
	struct hall *hall; /* borrowed */
	struct event io;
	struct slot_list slots; /* owned; unfinished requests, the oldest first */
	struct buf in;          /* received, not yet cut into requests */
	struct buf out;         /* not yet written */
	size_t kept;            /* bytes of endings whose turn has not come */
	struct cut cut;         /* the position in it; cut.text is owned */
	uint64_t id;
	int fd; /* owned */
	uid_t uid;
	pid_t pid;
	unsigned unfinished; /* requests in slots */
	unsigned epoch;      /* the last one in which it sent */
	short interest;      /* what `io` waits for */
	bool status_replies : 1;
	bool skipping : 1;  /* the rest of a request that was too long */
	bool eof : 1;       /* the client sends no more */
	bool throttled : 1; /* input has come that may not be taken yet */
	bool broken : 1;    /* to be closed at the end of the turn */
	bool is_dirty : 1, is_waiting : 1, is_crowded : 1;
};

/*
 * @base, @engine, @config  borrowed; must outlive the hall
 * @on_closed  called after a session has ended
 *
 * Returns 0 or -ENOMEM.
 */
int hall_init(struct hall *h, struct event_base *base, struct coproc *engine,
	      const struct config *config, void (*on_closed)(void *ctx), void *ctx) WARN_UNUSED;

/* Close all sessions and free the memory. */
void hall_finish(struct hall *h);

/* Take a new connection in. @fd is consumed always. Returns 0 or -ENOMEM (logged). */
int hall_admit(struct hall *h, int fd, const struct config_listen *rules) WARN_UNUSED;

/* The queue has room, or no backlog: let the sessions that wait for it go on, in order. */
void hall_resume(struct hall *h);

/* Take no more requests from any session, or take them again. */
void hall_pause(struct hall *h, bool paused);

/* Write the state of all sessions, descriptors included. */
void hall_save(const struct hall *h, struct pack *p);

/* Take it up into a fresh hall, after coproc_load(). Returns 0, -EINVAL or -ENOMEM. */
int hall_load(struct hall *h, struct unpack *u) WARN_UNUSED;

/* Whether anything is still to be written to a client. */
bool hall_has_unwritten(const struct hall *h);

#endif
