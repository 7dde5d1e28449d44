/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SESSION_PARTS_H
#define DAEMON_SESSION_PARTS_H

/* What the files of the session share; for no other module. */

#include "coproc.h"
#include "session.h"

/* One unfinished request, or a run of them. */
struct slot {
	struct coproc_request request;
	STAILQ_ENTRY(slot) link; /* session.slots */
	struct session *session; /* borrowed */
	unsigned count;          /* of session.unfinished; of them, */
	unsigned pending;        /* the last ones, so many are with the engine */
	struct buf ending;       /* of the others, kept until the older slots have ended */
	size_t len;
	char bytes[]; /* the request; of a run all, each with its LF */
};

/* ---- session_slots.c ---- */

/* Append a slot with a copy of the request, or of a run of @count; NULL: no memory. */
struct slot *slot_new(struct session *s, const char *bytes, size_t len, unsigned count);

/* The engine's callback for a slot: its ending goes to the client when it is its turn. */
void slot_on_done(void *ctx, const struct coproc_reply *reply);

/* A request has ended, or some of a run; the bytes are borrowed. */
void slot_end(struct slot *slot, const struct coproc_reply *reply);

/* The first of those that are pending, of a run, and what is behind it. */
const char *slot_first_pending(const struct slot *slot);

/* Memory for a slot, maybe of one that was used before; free(3) takes it. NULL: none. */
struct slot *slot_alloc(struct hall *h, size_t len);

/* Drop the oldest slot; nothing of it must be with the engine any more. */
void session_remove_first(struct session *s);

/* ---- session_ask.c ---- */

/* Whether the session may hand one more request of @len bytes in now. */
bool session_may_ask(struct session *s, size_t len);

/* Others have had their turn: it may ask again. */
void session_uncrowd(struct session *s);

/* Count the sessions that send, anew for each epoch. */
void session_note_sender(struct session *s);

/* Take what was read; what may not be asked yet is kept in `in`. */
void session_take_bytes(struct session *s, const char *bytes, size_t len);

/*
 * Cut @bytes into requests for as long as the session may ask. Returns how many
 * bytes are done with.
 */
size_t session_take_requests(struct session *s, const char *bytes, size_t len);

/* At the end of input an unterminated rest is a request too. */
void session_take_last(struct session *s);

/* Whether `in` holds a complete request. */
bool session_has_request(const struct session *s);

/* ---- session.c ---- */

/* The session can be served no longer; it is closed at the end of the turn. */
void session_break_off(struct session *s, const char *why);

/* How its bytes are cut; @text is copied. Returns 0 or -ENOMEM. */
int session_set_cut(struct session *s, enum cut_kind kind, const char *text,
		    size_t len) WARN_UNUSED;

/* To be looked at when the turn of the loop ends. */
void session_mark_dirty(struct session *s);

/* Make a zeroed session one of the hall's. */
void session_enter(struct hall *h, struct session *s);

#endif
