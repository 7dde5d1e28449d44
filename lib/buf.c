/* SPDX-License-Identifier: MIT */
#include "buf.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MIN 256

/* Small buffers double; large ones grow by half. */
#define LARGE (1 << 20)

int buf_grow(struct buf *b, size_t n, char **out)
{
	if (b->cap - b->off - b->len < n && b->off > b->len) {
		memcpy(b->mem, b->mem + b->off, b->len);
		b->off = 0;
	}
	if (b->cap - b->off - b->len < n) {
		size_t used = b->off + b->len, cap = b->cap ? b->cap : BUF_MIN;
		char *mem;

		if (n > SIZE_MAX / 4 - used)
			return -ENOMEM;
		while (cap < used + n)
			cap += cap < LARGE ? cap : cap / 2;
		mem = realloc(b->mem, cap);
		if (!mem)
			return -ENOMEM;
		b->mem = mem;
		b->cap = cap;
	}
	*out = b->mem + b->off + b->len;
	return 0;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->off - b->len);
	b->len += n;
}

int buf_add(struct buf *b, const void *bytes, size_t n)
{
	char *at;
	int rc;

	if (!n)
		return 0;
	rc = buf_reserve(b, n, &at);
	if (rc)
		return rc;
	memcpy(at, bytes, n);
	b->len += n;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->len -= n;
	b->off = b->len ? b->off + n : 0;
}

void buf_release(struct buf *b, size_t keep)
{
	if (!b->len && b->cap > keep)
		buf_finish(b);
}

void buf_finish(struct buf *b)
{
	free(b->mem);
	*b = (struct buf){0};
}
