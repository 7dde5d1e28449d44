/* SPDX-License-Identifier: MIT */
#include "replies.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN_ERROR "coprocd: error: "

/* Of a longer error the rest is dropped; of a longer count nothing is believed. */
enum { MAX_ERROR = 64 << 10, MAX_COUNT = 20 };

static void end(struct replies *r)
{
	r->ended++;
	r->state = REPLIES_START;
	buf_consume(&r->kept, r->kept.len);
}

static void end_reply(struct replies *r)
{
	end(r);
	if (r->on_end)
		r->on_end(r->ctx, r->ended);
}

/* Each take_...() returns how many of the bytes it has used, or -errno. */

static ssize_t take_line(struct replies *r, const char *bytes, size_t len)
{
	const char *lf = memchr(bytes, '\n', len);
	size_t n = lf ? (size_t)(lf - bytes) + 1 : len;

	r->on_bytes(r->ctx, bytes, n);
	if (lf && r->lines_left)
		r->lines_left--;
	else if (lf)
		end_reply(r);
	return (ssize_t)n;
}

/* Keep bytes up to a newline, which is used but not kept. */
static ssize_t keep_line(struct replies *r, const char *bytes, size_t len, size_t max, bool *ended)
{
	const char *lf = memchr(bytes, '\n', len);
	size_t n = lf ? (size_t)(lf - bytes) : len;
	int error = buf_add(&r->kept, bytes, MIN(n, max - MIN(max, r->kept.len)));

	*ended = lf != NULL;
	return error ? error : (ssize_t)(n + *ended);
}

static ssize_t take_error(struct replies *r, const char *bytes, size_t len)
{
	bool ended;
	ssize_t n = keep_line(r, bytes, len, MAX_ERROR, &ended);

	if (n < 0 || !ended)
		return n;
	r->on_error(r->ctx, r->ended + 1, r->kept.len ? buf_bytes(&r->kept) : "", r->kept.len);
	end(r);
	return n;
}

/* The number of lines that follow, which may be 0. */
static ssize_t take_count(struct replies *r, const char *bytes, size_t len)
{
	bool ended;
	ssize_t n = keep_line(r, bytes, len, MAX_COUNT, &ended);
	char text[MAX_COUNT + 1] = "";

	if (n < 0 || (!ended && r->kept.len < MAX_COUNT))
		return n;
	if (r->kept.len)
		memcpy(text, buf_bytes(&r->kept), r->kept.len);
	if (!r->kept.len || r->kept.len >= MAX_COUNT || strspn(text, "0123456789") != r->kept.len)
		return -EPROTO;
	r->lines_left = strtoull(text, NULL, 10);
	buf_consume(&r->kept, r->kept.len);
	if (!r->lines_left) {
		end_reply(r);
		return n;
	}
	r->lines_left--;
	r->state = REPLIES_LINE;
	return n;
}

static ssize_t start_status(struct replies *r, char first)
{
	switch (first) {
	case '+':
		r->state = REPLIES_LINE;
		return 1;
	case '*':
		r->state = REPLIES_COUNT;
		return 1;
	case '-':
		r->state = REPLIES_ERROR;
		return 1;
	default:
		return -EPROTO;
	}
}

/* A line is a reply as soon as one byte of it differs from the mark of an error. */
static ssize_t start_plain(struct replies *r, const char *bytes, size_t len)
{
	const char *mark = PLAIN_ERROR;
	size_t had = r->kept.len, n = 0;
	int error;

	while (n < len && mark[had + n] && bytes[n] == mark[had + n])
		n++;
	if (!mark[had + n]) {
		r->state = REPLIES_ERROR;
		buf_consume(&r->kept, had);
		return (ssize_t)n;
	}
	if (n == len) {
		error = buf_add(&r->kept, bytes, n);
		return error ? error : (ssize_t)n;
	}
	if (had)
		r->on_bytes(r->ctx, buf_bytes(&r->kept), had);
	buf_consume(&r->kept, had);
	r->state = REPLIES_LINE;
	return take_line(r, bytes, len);
}

static ssize_t take_some(struct replies *r, const char *bytes, size_t len)
{
	switch (r->state) {
	case REPLIES_START:
		return r->status ? start_status(r, *bytes) : start_plain(r, bytes, len);
	case REPLIES_LINE:
		return take_line(r, bytes, len);
	case REPLIES_COUNT:
		return take_count(r, bytes, len);
	case REPLIES_ERROR:
		return take_error(r, bytes, len);
	}
	abort();
}

int replies_take(struct replies *r, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = take_some(r, bytes, len);

		if (n < 0)
			return (int)n;
		assert((size_t)n <= len);
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

void replies_finish(struct replies *r)
{
	buf_finish(&r->kept);
}
