/* SPDX-License-Identifier: MIT */
#ifndef TESTS_BENCH_BYTES_H
#define TESTS_BENCH_BYTES_H

/* What the programs of the benchmark share: bytes that wait, and giving up. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes from..to of a block that grows. */
struct bytes {
	char *data;
	size_t from, to, cap;
};

_Noreturn static inline void die(const char *what)
{
	perror(what);
	exit(71);
}

static inline void *grown(void *block, size_t len)
{
	block = realloc(block, len);
	if (!block)
		die("realloc");
	return block;
}

/* Make room for @more bytes. Bytes are moved only where the gap is larger than they. */
static inline char *room(struct bytes *b, size_t more)
{
	size_t len = b->to - b->from;

	if (!len)
		b->from = b->to = 0;
	if (b->cap - b->to >= more)
		return b->data + b->to;
	if (b->from > len) {
		memmove(b->data, b->data + b->from, len);
		b->from = 0;
		b->to = len;
	}
	if (b->cap - b->to < more) {
		b->cap = (b->to + more) * 2;
		b->data = grown(b->data, b->cap);
	}
	return b->data + b->to;
}

static inline void add(struct bytes *b, const char *data, size_t len)
{
	memcpy(room(b, len), data, len);
	b->to += len;
}

#endif
