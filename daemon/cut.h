/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CUT_H
#define DAEMON_CUT_H

/*
 * Where a client's request ends: the detail `request` of a socket. A pure
 * function of the bytes received so far, as the engine's framing is of replies.
 */

#include "macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cut_kind {
	CUT_LINE,  /* up to LF; a CR before it is dropped */
	CUT_UNTIL, /* lines up to one equal to a text, which is dropped */
	CUT_NUL,   /* up to NUL */
	CUT_SIZED, /* a line with the number of bytes, then these */
};

#define CUT_TEXT_MAX 255

/* The position in what one client sends. Starts as {.kind, .text, .text_len, .max}. */
struct cut {
	enum cut_kind kind;
	bool mid_line;    /* skipping: the line's beginning is gone already */
	uint8_t text_len; /* of CUT_UNTIL, as the next */
	const char *text; /* borrowed */
	size_t scanned;   /* bytes known to hold no end */
	size_t line_at;   /* CUT_UNTIL: where the unfinished line starts */
	size_t left;      /* skipping CUT_SIZED: so many bytes */
};

enum cut_result {
	CUT_READY,   /* *piece is set */
	CUT_PARTIAL, /* more bytes are needed */
	CUT_TOO_BIG, /* the request is over @max: cut_skip() it */
	CUT_BAD,     /* where the next request starts cannot be known */
};

struct cut_piece {
	size_t off, len; /* the request */
	size_t used;     /* with what ends it */
};

/*
 * Look for the end of the request that starts at @bytes.
 *
 * @bytes  between calls they may only grow, until a request was found
 * @max    bytes of a request
 *
 * Looks at each byte once, however the bytes were cut.
 */
enum cut_result cut_next(struct cut *c, const char *bytes, size_t len, size_t max,
			 struct cut_piece *piece);

/* The request that the bytes are when no more come. CUT_BAD if they are none. */
enum cut_result cut_last(struct cut *c, const char *bytes, size_t len, struct cut_piece *piece);

/*
 * After CUT_TOO_BIG: drop the rest of the request.
 *
 * @used  set to how many bytes are to be dropped
 *
 * Returns whether its end was among them.
 */
bool cut_skip(struct cut *c, const char *bytes, size_t len, size_t *used);

/*
 * Read the value of the detail `request`.
 *
 * @text  cut to pieces; c->text points into it
 *
 * Returns NULL with kind and text set, or what is wrong.
 */
const char *cut_parse(char *text, struct cut *c) WARN_UNUSED;

#endif
