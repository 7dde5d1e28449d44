/* SPDX-License-Identifier: MIT */
#ifndef COPROC_FRAMING_H
#define COPROC_FRAMING_H

/*
 * Framing: where a reply ends. A pure function of the bytes received so far:
 * it reads no descriptor, allocates nothing and knows no time, so that a test
 * can split every sample at every byte.
 */

#include "macros.h"
#include "marker.h"
#include "patterns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum framing_kind {
	FRAMING_LINE,    /* a reply is one line */
	FRAMING_LINES,   /* so many lines */
	FRAMING_UNTIL,   /* up to a line equal to a text */
	FRAMING_MATCH,   /* up to a line that matches */
	FRAMING_PROMPT,  /* up to a text at the start of a line, which has no end */
	FRAMING_NUL,     /* up to a NUL */
	FRAMING_SIZED,   /* a line that says how many bytes follow it, and one more */
	FRAMING_PROBE,   /* up to the answer of a request of our own */
	FRAMING_CHANNEL, /* one line that begins with the number of its request */
};

/* What the options say; end with framing_spec_finish(). Zeroed memory is `line`. */
struct framing_spec {
	enum framing_kind kind;
	bool strip;     /* what ends a reply is not handed on */
	uint64_t lines; /* of FRAMING_LINES */
	char *text;     /* owned; what a line is compared with, or a pattern */
	size_t text_len;
	struct patterns *match;            /* owned; of FRAMING_MATCH and FRAMING_SIZED */
	struct marker probe, probe_answer; /* of FRAMING_PROBE; the request without suffix */
	struct patterns *async;            /* borrowed; lines that are no part of any reply */
};

/* The position in one process's output. Starts as {.spec = ..., .max_reply = ...}. */
struct framing {
	const struct framing_spec *spec; /* borrowed */
	size_t max_reply;                /* bytes of a reply, what ends it not counted */
	size_t scanned;                  /* bytes of the unfinished reply already looked at */
	size_t line_at;                  /* where its unfinished line starts */
	uint64_t lines;                  /* complete ones in it */
	size_t whole;                    /* FRAMING_SIZED: its length, 0 before that is known */
	uint64_t key, number;            /* FRAMING_PROBE: what the answer must have */
};

enum frame_result {
	FRAME_READY,    /* a reply is complete: *frame is set */
	FRAME_PARTIAL,  /* more bytes are needed */
	FRAME_TOO_LONG, /* the reply is over max_reply */
	FRAME_DESYNC,   /* the bytes prove that the position is lost */
	FRAME_ASYNC,    /* frame->off and len are a line to be cut out; then call again */
};

/* A reply within the bytes given. */
struct frame {
	size_t off;    /* where the reply starts */
	size_t len;    /* its length as it is handed on */
	size_t used;   /* bytes to consume, what is not handed on included */
	uint64_t from; /* FRAMING_CHANNEL: the number of its request */
};

/*
 * Read the value of the option `reply`.
 *
 * @why  of @why_size bytes; set to what is wrong and what is allowed
 *
 * Returns 0 with *@out set, -EINVAL or -ENOMEM.
 */
int framing_spec_parse(const char *text, struct framing_spec *out, char *why,
		       size_t why_size) WARN_UNUSED;

/* Free what it owns. Accepts zeroed memory. */
void framing_spec_finish(struct framing_spec *spec);

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

/*
 * Look at output that no request asked for.
 *
 * Returns FRAME_ASYNC for a line to be cut out, FRAME_PARTIAL if it may become
 * one, else FRAME_DESYNC.
 */
enum frame_result framing_idle(const struct framing *f, const char *bytes, size_t len,
			       struct frame *frame);

#endif
