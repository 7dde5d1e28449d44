/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_SHAPE_H
#define DAEMON_PROBE_SHAPE_H

/*
 * Where a reply ends, applied to a record of what a program said: does it hold
 * one reply, none, several? Pure functions of bytes. The daemon's own framing
 * is for streams and bounded memory; here the whole record is at hand.
 */

#include "buf.h"
#include "macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum shape_kind {
	SHAPE_NONE,    /* no end mark was found */
	SHAPE_LINE,    /* one line */
	SHAPE_LINES,   /* a fixed number of lines */
	SHAPE_UNTIL,   /* lines until a fixed one */
	SHAPE_MATCH,   /* lines until one that matches */
	SHAPE_PROMPT,  /* until a text without newline */
	SHAPE_NUL,     /* until a NUL */
	SHAPE_SIZED,   /* the first line says how many bytes follow */
	SHAPE_PROBE,   /* until the reply to a marker sent behind the request */
	SHAPE_CHANNEL, /* one line, with the number that was put before the request */
};

struct patterns;

struct shape {
	enum shape_kind kind;
	char *option;              /* as the value of `reply`, owned; "" for SHAPE_NONE */
	char *text;                /* what ends a reply, owned; of a probe: the marker's reply */
	char *marker;              /* SHAPE_PROBE: the marker, owned */
	size_t lines;              /* SHAPE_LINES */
	struct patterns *patterns; /* SHAPE_MATCH, SHAPE_SIZED, owned */
};

/* A reply within a record. */
struct shape_piece {
	size_t off;
	size_t len;  /* with its end, without a marker's reply */
	size_t used; /* with everything */
};

/* Make the shape that the value @option of `reply` describes. 0, -EINVAL or -ENOMEM. */
int shape_parse(const char *option, struct shape *out) WARN_UNUSED;

/* Free what the shape owns. */
void shape_finish(struct shape *shape);

/* Free a text. Fit for CLEANUP. */
void shape_free_text(char **text);

/*
 * Make what is written for one request.
 *
 * @bytes   the request with what stands before and behind it
 * @number  one that was not used before, for markers and channels
 */
int shape_wrap(const struct shape *shape, const char *bytes, size_t len, uint64_t number,
	       struct buf *out) WARN_UNUSED;

/*
 * Find the first reply in @bytes, asked for with @number.
 *
 * Returns whether there is a complete one; *@out is set then.
 */
bool shape_next(const struct shape *shape, uint64_t number, const char *bytes, size_t len,
		struct shape_piece *out);

/* How many replies @bytes holds, asked for with @number and those behind it; *@rest bytes more. */
size_t shape_count(const struct shape *shape, uint64_t number, const char *bytes, size_t len,
		   size_t *rest);

/* Whether @bytes is exactly one reply to @number. */
bool shape_is_one(const struct shape *shape, uint64_t number, const char *bytes, size_t len);

/* Take the lines that match out of @bytes; returns the new length. @patterns may be NULL. */
size_t shape_drop_lines(struct patterns *patterns, char *bytes, size_t len);

#endif
