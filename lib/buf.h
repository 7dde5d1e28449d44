/* SPDX-License-Identifier: MIT */
#ifndef COPROC_BUF_H
#define COPROC_BUF_H

/*
 * A flat byte buffer: bytes are added at its tail and consumed at its front.
 * The rest is moved down only when the hole before it is larger than the rest,
 * so that every byte is moved O(1) times. An empty buffer holds no memory
 * after buf_release().
 */

#include "macros.h"

#include <stddef.h>

struct buf {
	char *mem;
	size_t off; /* start of the bytes in mem */
	size_t len;
	size_t cap;
};

static inline char *buf_bytes(const struct buf *b)
{
	return b->mem ? b->mem + b->off : NULL;
}

/*
 * Make room for @n more bytes behind the present ones.
 *
 * @out  set to the first free byte; valid until the next call on @b
 *
 * Returns 0 or -ENOMEM, which leaves @b as it was.
 */
static inline int buf_reserve(struct buf *b, size_t n, char **out) WARN_UNUSED;

/* The same where it is not there yet; for buf_reserve(). */
int buf_grow(struct buf *b, size_t n, char **out) WARN_UNUSED;

/* Count @n bytes, written where buf_reserve() said, as present. */
void buf_commit(struct buf *b, size_t n);

/* Append @n bytes. Returns 0 or -ENOMEM, which leaves @b as it was. */
int buf_add(struct buf *b, const void *bytes, size_t n) WARN_UNUSED;

/* Drop @n bytes from the front; @n must not exceed b->len (asserted). */
void buf_consume(struct buf *b, size_t n);

/* Give memory above @keep bytes back if the buffer is empty; @keep 0 gives back all. */
void buf_release(struct buf *b, size_t keep);

/* Free the memory; @b is then an empty buffer. */
void buf_finish(struct buf *b);

static inline int buf_reserve(struct buf *b, size_t n, char **out)
{
	if (b->cap - b->off - b->len < n || !b->mem)
		return buf_grow(b, n, out);
	*out = b->mem + b->off + b->len;
	return 0;
}

#endif
