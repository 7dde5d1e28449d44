/* SPDX-License-Identifier: MIT */
/*
 * The client of the library: whatever a daemon sends, however it is cut, each
 * request ends once, in order, and as if all had come at once. The input: what
 * the client is like, requests, which of them are cancelled, the lengths of
 * the pieces, then what the daemon sends.
 */
#include "coproc_client.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4, PIECES = 8, STREAM_MAX = 4096, REQUESTS_MAX = 16, TEXT = 1 << 16 };

struct run {
	char text[TEXT]; /* what came, as text */
	size_t len;
	uint64_t last; /* number of the last one that ended */
	unsigned ended;
};

static void add(struct run *r, const void *bytes, size_t len)
{
	if (len > sizeof(r->text) - r->len)
		abort();
	memcpy(r->text + r->len, bytes, len);
	r->len += len;
}

static void on_answer(void *ctx, const struct coproc_answer *answer)
{
	struct run *r = ctx;
	char head[80];

	if (answer->number <= r->last || answer->bytes[answer->len])
		abort();
	r->last = answer->number;
	r->ended++;
	add(r, head,
	    (size_t)snprintf(head, sizeof(head), "[%llu %d %d ", (unsigned long long)answer->number,
			     answer->error, answer->code));
	add(r, answer->name, strlen(answer->name));
	add(r, answer->bytes, answer->len);
}

static void on_piece(void *ctx, const char *bytes, size_t len)
{
	add(ctx, bytes, len);
}

/* @lengths: of the pieces, over and over; NULL: all in one */
static void run(struct run *r, const uint8_t *head, const uint8_t *lengths, const char *bytes,
		size_t len)
{
	unsigned requests = head[1] % (REQUESTS_MAX + 1), wanted = 0;
	struct coproc_client_options options;
	struct coproc_client *c;
	size_t off = 0, piece = 0;
	long rc = 0;
	int fds[2];

	coproc_client_options_init(&options);
	options.plain = head[0] & 1;
	options.on_piece = head[0] & 2 ? on_piece : NULL;
	options.max_reply = head[0] & 4 ? 64 : 0;
	options.ctx = r;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) || coproc_client_adopt(fds[0], &options, &c))
		abort();
	for (unsigned i = 0; i < requests; i++)
		if (coproc_client_submit(c, "x", 1, on_answer, r, NULL))
			abort();
	for (unsigned i = 0; i < requests; i++) {
		bool cancelled = (head[2] | head[3] << 8) >> i & 1;

		if (cancelled)
			coproc_client_cancel(c, i + 1);
		wanted += !cancelled;
	}
	while (off < len && rc >= 0) {
		size_t n = lengths ? lengths[piece++ % PIECES] % 32 + 1 : len;

		n = n < len - off ? n : len - off;
		if (write(fds[1], bytes + off, n) != (ssize_t)n)
			abort();
		off += n;
		rc = coproc_client_turn(c, POLLIN);
	}
	close(fds[1]);
	while (rc >= 0)
		rc = coproc_client_turn(c, POLLIN | POLLOUT);
	if (r->ended != wanted || coproc_client_pending(c) || !coproc_client_failure(c))
		abort();
	coproc_client_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run whole, cut;
	const char *bytes;
	size_t len;

	if (size < HEAD + PIECES)
		return 0;
	bytes = (const char *)data + HEAD + PIECES;
	len = size - HEAD - PIECES;
	len = len < STREAM_MAX ? len : STREAM_MAX;
	whole = cut = (struct run){.len = 0};
	run(&whole, data, NULL, bytes, len);
	run(&cut, data, data + HEAD, bytes, len);
	if (whole.len != cut.len || memcmp(whole.text, cut.text, whole.len))
		abort();
	return 0;
}
