/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SESSION_PARTS_H
#define DAEMON_SESSION_PARTS_H

/* What session.c and session_state.c share; for no other module. */

#include "coproc.h"
#include "session.h"

/* One unfinished request. */
struct slot {
	struct coproc_request request;
	STAILQ_ENTRY(slot) link; /* session.slots */
	struct session *session; /* borrowed */
	bool pending;            /* with the engine */
	char *ending;            /* owned; kept until the older slots have ended */
	size_t ending_len;
	size_t len;
	char bytes[]; /* the request */
};

/* Append a slot with a copy of the request; NULL: no memory. */
struct slot *slot_new(struct session *s, const char *bytes, size_t len);

/* The engine's callback for a slot: its ending goes to the client when it is its turn. */
void slot_on_done(void *ctx, const struct coproc_reply *reply);

/* How its bytes are cut; @text is copied. Returns 0 or -ENOMEM. */
int session_set_cut(struct session *s, enum cut_kind kind, const char *text,
		    size_t len) WARN_UNUSED;

/* To be looked at when the turn of the loop ends. */
void session_mark_dirty(struct session *s);

/* Make a zeroed session one of the hall's. */
void session_enter(struct hall *h, struct session *s);

#endif
