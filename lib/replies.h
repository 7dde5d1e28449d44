/* SPDX-License-Identifier: MIT */
#ifndef COPROC_REPLIES_H
#define COPROC_REPLIES_H

/*
 * The client's side of the line protocol: where a reply or an error starts and
 * ends in what the daemon sends. Replies are handed on in the pieces they come
 * in, so that a reply of any length needs no memory here.
 */

#include "buf.h"
#include "macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the next byte belongs. */
enum replies_state {
	REPLIES_START, /* to the start of an ending, kept until it is known which */
	REPLIES_LINE,  /* to a line of a reply */
	REPLIES_COUNT, /* to the number behind `*` */
	REPLIES_ERROR, /* to an error, kept until it is complete */
};

struct replies {
	bool status; /* the listener has replies=status */
	/* A piece of a reply, newlines included. */
	void (*on_bytes)(void *ctx, const char *bytes, size_t len);
	/* The ending @number (the first is 1) is the error "CODE: text" or "CODE text". */
	void (*on_error)(void *ctx, uint64_t number, const char *error, size_t len);
	/* The ending @number is a reply, which is complete. NULL: who counts does so by `ended`. */
	void (*on_end)(void *ctx, uint64_t number);
	void *ctx;

	/* The rest starts as zeroes. */
	enum replies_state state;
	uint64_t ended;      /* replies and errors that are complete */
	uint64_t lines_left; /* of the reply, the present one not counted */
	struct buf kept;
};

/*
 * Take the next @len bytes.
 *
 * Upcalls: on_bytes, on_error, on_end; `ended` counts the ending already in the last only.
 * Returns 0, -ENOMEM, or -EPROTO: what the daemon sends is not the status form.
 */
int replies_take(struct replies *r, const char *bytes, size_t len) WARN_UNUSED;

/* Free what is kept. */
void replies_finish(struct replies *r);

#endif
