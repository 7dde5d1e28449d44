/* SPDX-License-Identifier: MIT */
#ifndef COPROC_GREETING_H
#define COPROC_GREETING_H

/*
 * What a process says before its first reply, and what proves it ready: the
 * options `banner` and `ready`. Like framing a pure function of the bytes.
 */

#include "macros.h"
#include "marker.h"
#include "patterns.h"

#include <stdbool.h>
#include <stddef.h>

enum banner_kind {
	BANNER_NONE,
	BANNER_LINES,  /* so many lines */
	BANNER_UNTIL,  /* up to a line equal to a text */
	BANNER_MATCH,  /* up to a line that matches a regular expression */
	BANNER_PROMPT, /* up to a text at the start of a line, which has no end */
};

enum ready_kind {
	READY_START,  /* exec has succeeded */
	READY_BANNER, /* the banner is complete */
	READY_PROBE,  /* a request is answered as expected */
};

struct greeting_spec {
	enum banner_kind banner;
	unsigned long lines;
	char *text; /* owned; what a line is compared with, or the pattern */
	size_t text_len;
	struct patterns *match; /* owned, of BANNER_MATCH */
	enum ready_kind ready;
	struct marker probe;        /* the request, without suffix */
	struct marker probe_answer; /* the line that answers it */
};

/* The position in one process's output. Starts as {.spec = ...}. */
struct greeting {
	const struct greeting_spec *spec; /* borrowed */
	unsigned long lines;              /* of the banner, seen */
	bool banner_seen;
	bool probe_seen;
	size_t scanned; /* bytes of the unfinished line already looked at */
};

/*
 * Read the values of `banner` and `ready`.
 *
 * @banner  NULL for none
 * @ready   NULL for "start"
 * @out     on success to be ended with greeting_spec_finish()
 *
 * Returns 0, -EINVAL (banner), -EDOM (ready) or -ENOMEM.
 */
int greeting_spec_parse(const char *banner, const char *ready,
			struct greeting_spec *out) WARN_UNUSED;

/* Free what it owns. Accepts zeroed memory. */
void greeting_spec_finish(struct greeting_spec *spec);

/* What is allowed, as phrases for error messages. */
const char *greeting_banner_allowed(void);
const char *greeting_ready_allowed(void);

/* Whether all that comes before the first reply has been seen. */
bool greeting_is_over(const struct greeting *g);

/*
 * Skip what belongs to the greeting at the front of @bytes. Between calls the
 * bytes may only grow, but for those that were skipped.
 *
 * Returns how many bytes belong to it.
 */
size_t greeting_skip(struct greeting *g, const char *bytes, size_t len);

#endif
