/* SPDX-License-Identifier: MIT */
/*
 * Framing and flights against a naive implementation that sees all bytes at
 * once: whatever the bytes, the cuts and the forgotten places, the same
 * replies must go to the same places. The input: window, max_reply, requests,
 * which of them are forgotten, the lengths of the pieces, which are a run with the one
 * before, then the output.
 */
#include "flights.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS_MAX 16

struct ending {
	const char *bytes; /* NULL: none */
	size_t len;
};

struct fuzz {
	const char *all; /* the output, whole */
	size_t handed_on;
	struct ending ending[REQUESTS_MAX];
	char tags[REQUESTS_MAX];
	unsigned answered[REQUESTS_MAX]; /* of the run that begins there */
	unsigned late;
};

/* Each reply is compared with what the naive reading says stands there. */
static void on_reply(void *ctx, void *tag, const char *bytes, size_t len, unsigned count)
{
	struct fuzz *f = ctx;
	size_t of_run = (size_t)((char *)tag - f->tags);

	for (; count; count--) {
		const struct ending *e = &f->ending[of_run + f->answered[of_run]++];

		if (!e->bytes || e->len > len || memcmp(e->bytes, bytes, e->len))
			abort();
		bytes += e->len;
		len -= e->len;
		f->handed_on++;
	}
	if (len)
		abort();
}

static void on_lost(void *ctx, void *tag, enum coproc_code code, const char *why, unsigned count)
{
	(void)ctx, (void)tag, (void)code, (void)why, (void)count;
}

static void on_late(void *ctx, unsigned count)
{
	((struct fuzz *)ctx)->late += count;
}

/*
 * Send the requests: one whose bit of @joins is set belongs to the run before it.
 *
 * @forget  the bits of runs, by their first, that are forgotten
 *
 * Returns the bits of all requests that were forgotten.
 */
static unsigned send_all(struct fuzz *f, struct flights *flights, unsigned requests, unsigned joins,
			 unsigned forget)
{
	uint32_t place[REQUESTS_MAX];
	unsigned first = 0, forgotten = 0;

	for (unsigned i = 0; i < requests; i++) {
		first = i && joins >> i & 1 ? first : i;
		place[first] = flights_push_run(flights, &f->tags[first], 1);
		forgotten |= (forget >> first & 1) << i;
	}
	for (unsigned i = 0; i < requests; i++)
		if (forgotten >> i & 1 && !(i && joins >> i & 1))
			flights_forget(flights, place[i]);
	return forgotten;
}

/* The naive reading. Returns how many replies are whole, and where they end. */
static unsigned read_naively(struct fuzz *f, const char *bytes, size_t len, unsigned requests,
			     size_t max_reply, size_t *end)
{
	unsigned n = 0;

	*end = 0;
	while (n < requests) {
		size_t line = 0;

		while (*end + line < len && bytes[*end + line] != '\n')
			line++;
		if (*end + line == len || line > max_reply)
			break;
		f->ending[n++] = (struct ending){bytes + *end, line + 1};
		*end += line + 1;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct framing_spec spec = {.kind = FRAMING_LINE};
	struct fuzz f = {0};
	struct flight_sink sink = {
	    .on_reply = on_reply, .on_lost = on_lost, .on_late = on_late, .ctx = &f};
	enum flights_verdict verdict = FLIGHTS_PARTIAL;
	unsigned requests, whole, forgotten = 0, mask;
	size_t max_reply, piece, end, len, at = 0;
	struct flights flights;
	const char *bytes;

	if (size < 7)
		return 0;
	requests = data[0] % (REQUESTS_MAX + 1);
	max_reply = data[1] % 64 + 1U;
	mask = data[2] | (unsigned)data[3] << 8;
	piece = data[4];
	bytes = (const char *)data + 7;
	len = size - 7;
	if (flights_init(&flights, REQUESTS_MAX, &spec, max_reply))
		abort();
	mask = send_all(&f, &flights, requests, data[5] | (unsigned)data[6] << 8, mask);
	whole = read_naively(&f, bytes, len, requests, max_reply, &end);
	while (at < len && verdict != FLIGHTS_SURPLUS && verdict != FLIGHTS_TOO_LONG) {
		size_t n = piece % 13 + 1;

		n = n < len - at ? n : len - at;
		piece = piece * 31 + 7;
		if (buf_add(&flights.bytes, bytes + at, n))
			abort();
		at += n;
		verdict = flights_parse(&flights);
		if (verdict == FLIGHTS_SURPLUS && (whole < requests || at <= end))
			abort();
		if (verdict == FLIGHTS_TOO_LONG && whole == requests)
			abort();
		flights_release(&flights, &sink);
	}
	for (unsigned i = 0; i < whole; i++)
		forgotten += mask >> i & 1;
	if (f.handed_on != whole - forgotten || f.late != forgotten)
		abort();
	if (whole == requests && len > end && verdict != FLIGHTS_SURPLUS)
		abort();
	flights_finish(&flights);
	return 0;
}
