/* SPDX-License-Identifier: MIT */
#ifndef COPROC_MARKER_H
#define COPROC_MARKER_H

/*
 * The marker of probe framing: a text with a number in it. It is sent behind a
 * request and its answer is the end of the reply. A number never repeats and
 * cannot be guessed by a client, so that its return proves the position: it is
 * a counter, and behind that some bits that follow from the counter and a key.
 */

#include "macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for the digits of a number, with a NUL. */
#define MARKER_DIGITS 21

/* A text in which %n stands for the number. Zeroed memory is an empty one. */
struct marker {
	char *text; /* owned; with its escapes resolved */
	size_t len;
	bool numbered; /* it has a %n */
};

/*
 * Read a text of @len bytes with escapes (parse_escapes()) and at most one %n.
 *
 * @out  end with marker_finish()
 *
 * Returns 0, -EINVAL for an unknown escape or a second %n, -ENOMEM.
 */
int marker_parse(const char *text, size_t len, struct marker *out) WARN_UNUSED;

void marker_finish(struct marker *m);

/* The number of @counter (1 to 2^33) under @key. */
uint64_t marker_number(uint64_t key, uint64_t counter);

/* Whether @number is that of any counter under @key. */
bool marker_is_number(uint64_t key, uint64_t number);

/* Bytes that marker_write() writes at most. */
static inline size_t marker_max(const struct marker *m)
{
	return m->len + MARKER_DIGITS;
}

/* Write the text with its number to @dst. Returns how many bytes. */
size_t marker_write(const struct marker *m, uint64_t number, char *dst);

/*
 * Whether @line ends with the text and that number; one without a number must
 * be the whole line.
 *
 * @before  set to how many bytes of the line stand before it
 */
bool marker_ends(const struct marker *m, uint64_t number, const char *line, size_t len,
		 size_t *before);

/* Whether @line is the text with a number under @key, whichever. */
bool marker_is_any(const struct marker *m, uint64_t key, const char *line, size_t len);

#endif
