/* SPDX-License-Identifier: MIT */
#ifndef COPROC_FRAMING_H
#define COPROC_FRAMING_H

/*
 * Framing: where a reply ends. A pure function of the bytes received so far:
 * it reads no descriptor, allocates nothing and knows no time, so that a test
 * can split every sample at every byte.
 */

#include "macros.h"

#include <stdbool.h>
#include <stddef.h>

enum framing_kind {
	FRAMING_LINE, /* a reply is one line */
};

/* What an option says; plain data. */
struct framing_spec {
	enum framing_kind kind;
};

/* The position in one process's output. Starts as {.spec = ..., .max_reply = ...}. */
struct framing {
	const struct framing_spec *spec; /* borrowed */
	size_t max_reply;                /* bytes of a reply, its terminator not counted */
	size_t scanned;                  /* bytes of the unfinished reply already looked at */
};

enum frame_result {
	FRAME_READY,    /* a reply is complete: *frame is set */
	FRAME_PARTIAL,  /* more bytes are needed */
	FRAME_TOO_LONG, /* the reply is over max_reply */
};

/* A reply within the bytes given. */
struct frame {
	size_t off;  /* where the reply starts */
	size_t len;  /* its length as it is handed on */
	size_t used; /* bytes to consume, what is not handed on included */
};

/*
 * Read the value of the option `reply`.
 *
 * Returns 0 with *@out set, or -EINVAL; framing_allowed() names what is allowed.
 */
int framing_spec_parse(const char *text, struct framing_spec *out) WARN_UNUSED;

/* What framing_spec_parse() takes, as a phrase for an error message. */
const char *framing_allowed(void);

/*
 * Whether a reply of this framing proves to which request it belongs (ids, a
 * nonce). Without proof only discipline keeps the position: DESIGN, Exactness.
 */
bool framing_spec_is_proof(const struct framing_spec *spec);

/*
 * Look for the end of the reply that starts at @bytes.
 *
 * @bytes  the unconsumed output; between calls it may only grow, until a reply
 *	   was found: then the next call starts behind frame.used
 *
 * Looks at each byte once, however the bytes were cut (linear time).
 */
enum frame_result framing_next(struct framing *f, const char *bytes, size_t len,
			       struct frame *frame);

#endif
