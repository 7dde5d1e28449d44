/* SPDX-License-Identifier: MIT */
/*
 * Each way of framing: output that comes in pieces gives the same replies as
 * the same output at once, and never more than max_reply of them. The input:
 * which framing, strip, then the output; it is cut where a byte is above 0xf0.
 */
#include "framing.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_REPLY 40
#define REPLIES   64

/* What was found in one output. */
struct found {
	struct frame frame[REPLIES];
	size_t count;
	enum frame_result last;
	size_t used;
};

static const char *const kinds[] = {
    "line",      "lines:2", "until:.",        "until:",     "until-match:^(E|F)",
    "prompt:> ", "nul",     "sized:^(\\d+)$", "probe:a=>b", "probe:%n=>x%n",
    "channel"};

static void take(struct framing *f, const char *bytes, size_t len, struct found *out)
{
	enum frame_result result = FRAME_READY;

	while (result == FRAME_READY && out->used < len && out->count < REPLIES) {
		struct frame *frame = &out->frame[out->count];

		result = framing_next(f, bytes + out->used, len - out->used, frame);
		if (result != FRAME_READY)
			break;
		if (frame->off + frame->len > frame->used || frame->used > len - out->used)
			abort();
		out->used += frame->used;
		out->count++;
	}
	out->last = result;
}

static void compare(const struct found *a, const struct found *b)
{
	size_t n = a->count < b->count ? a->count : b->count;

	for (size_t i = 0; i < n; i++)
		if (a->frame[i].off != b->frame[i].off || a->frame[i].len != b->frame[i].len ||
		    a->frame[i].used != b->frame[i].used)
			abort();
	/* A limit is found earlier in pieces, or later, but no reply is found beside it. */
	if (a->last == b->last && a->count != b->count)
		abort();
	if (a->last != FRAME_TOO_LONG && b->last != FRAME_TOO_LONG && a->count != b->count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct framing_spec spec;
	struct found whole = {0}, cut = {0};
	struct framing f;
	const char *bytes;
	char why[400];

	if (size < 2 || framing_spec_parse(kinds[data[0] % (sizeof(kinds) / sizeof(*kinds))], &spec,
					   why, sizeof(why)))
		return 0;
	spec.strip = data[1] & 1;
	bytes = (const char *)data + 2;
	size -= 2;
	f = (struct framing){.spec = &spec, .max_reply = MAX_REPLY, .number = 7, .key = 1};
	take(&f, bytes, size, &whole);
	f = (struct framing){.spec = &spec, .max_reply = MAX_REPLY, .number = 7, .key = 1};
	for (size_t have = 1; have <= size; have++)
		if ((have == size || (uint8_t)bytes[have - 1] > 0xf0) &&
		    (cut.last == FRAME_READY || cut.last == FRAME_PARTIAL))
			take(&f, bytes, have, &cut);
	compare(&whole, &cut);
	framing_spec_finish(&spec);
	return 0;
}
