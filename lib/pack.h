/* SPDX-License-Identifier: MIT */
#ifndef COPROC_PACK_H
#define COPROC_PACK_H

/*
 * Values into a flat memory and back, for the state that passes from one
 * program image to the next on the same machine. Errors stick: a sequence of
 * calls is checked once, at its end.
 */

#include "buf.h"

#include <stdbool.h>
#include <stdint.h>

struct pack {
	struct buf bytes; /* owned */
	int *fds;         /* owned; every descriptor that was put */
	size_t fd_count;
	bool failed; /* out of memory */
};

void pack_u64(struct pack *p, uint64_t value);
void pack_bytes(struct pack *p, const void *bytes, size_t len);
void pack_text(struct pack *p, const char *text); /* NULL stays NULL */

/* A descriptor that the next image is to inherit, -1 for none. It stays the caller's. */
void pack_fd(struct pack *p, int fd);

void pack_finish(struct pack *p);

struct unpack {
	const char *at, *end; /* borrowed */
	bool failed;          /* the bytes do not fit what was asked for */
};

/* 0 once failed. */
uint64_t unpack_u64(struct unpack *u);

/* *@len bytes, borrowed from the memory; an empty string once failed. */
const char *unpack_bytes(struct unpack *u, size_t *len);

/* A NUL-terminated text, borrowed; NULL where NULL was put, or once failed. */
const char *unpack_text(struct unpack *u);

/* An inherited descriptor, made close-on-exec again; -1 for none, or once failed. */
int unpack_fd(struct unpack *u);

#endif
