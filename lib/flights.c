/* SPDX-License-Identifier: MIT */
#include "flights.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_channel(const struct flights *f)
{
	return f->framing.spec && f->framing.spec->kind == FRAMING_CHANNEL;
}

int flights_init(struct flights *f, unsigned window, const struct framing_spec *spec,
		 size_t max_reply)
{
	uint32_t size = 1;

	*f = (struct flights){.framing = {.spec = spec, .max_reply = max_reply}};
	/* One that is slow must not hold up those that are answered before it. */
	while (size < (is_channel(f) ? window * 8 : window))
		size *= 2;
	f->mask = size - 1;
	f->ring = calloc(size, sizeof(*f->ring));
	if (is_channel(f))
		f->order = calloc(size, sizeof(*f->order));
	return f->ring && (f->order || !is_channel(f)) ? 0 : -ENOMEM;
}

void flights_finish(struct flights *f)
{
	free(f->ring);
	free(f->order);
	buf_finish(&f->bytes);
	*f = (struct flights){0};
}

uint32_t flights_push(struct flights *f, void *tag, bool suspicious)
{
	assert(flights_free(f));
	*flights_at(f, f->tail) = (struct flight){.tag = tag, .count = 1, .suspicious = suspicious};
	f->places++;
	return f->tail++;
}

uint32_t flights_push_run(struct flights *f, void *tag, unsigned count)
{
	struct flight *last = flights_at(f, f->tail - 1);

	assert(count && count <= flights_free(f));
	if (f->parsed != f->tail && last->tag == tag) {
		last->count += count;
		f->places += count;
		return f->tail - 1;
	}
	flights_push(f, tag, false);
	flights_at(f, f->tail - 1)->count = count;
	f->places += count - 1;
	return f->tail - 1;
}

void flights_forget(struct flights *f, uint32_t place)
{
	const void *tag = flights_at(f, place)->tag;

	assert(place - f->head < f->tail - f->head);
	do
		flights_at(f, place)->tag = NULL;
	while (tag && place-- != f->head && flights_at(f, place)->tag == tag);
}

bool flights_is_suspicious(const struct flights *f)
{
	return flights_at(f, f->head)->suspicious;
}

struct flight *flights_oldest(const struct flights *f)
{
	uint32_t place = f->parsed;

	return place == f->tail ? NULL : flights_at(f, place);
}

/* Give a tagged reply to its place. Returns false if it has none. */
static bool take_tagged(struct flights *f, const struct frame *frame)
{
	uint32_t place = (uint32_t)frame->from;
	struct flight *flight = flights_at(f, place);

	if (frame->from > UINT32_MAX || place - f->head >= f->tail - f->head || flight->done)
		return false;
	flight->off = f->parsed_bytes + frame->off;
	flight->len = frame->len;
	flight->done = true;
	f->order[f->order_count++] = place;
	f->answered++;
	return true;
}

static void take_in_order(struct flights *f, const struct frame *frame)
{
	struct flight *flight = flights_at(f, f->parsed);

	if (!flight->ready)
		flight->off = f->parsed_bytes + frame->off;
	flight->len += frame->len;
	f->parsed += ++flight->ready == flight->count;
	f->ready++;
}

/* Cut a line out that is part of no reply; the shorter side is moved. */
static void cut_async(struct flights *f, const struct frame *frame)
{
	char *start = buf_bytes(&f->bytes), *line = start + f->parsed_bytes + frame->off;
	size_t before = (size_t)(line - start), behind = f->bytes.len - before - frame->len;

	if (f->on_async)
		f->on_async(f->ctx, line, frame->len);
	if (before <= behind) {
		memmove(start + frame->len, start, before);
		buf_consume(&f->bytes, frame->len);
	} else {
		memmove(line, line + frame->len, behind);
		f->bytes.len -= frame->len;
	}
}

static enum flights_verdict parse_idle(struct flights *f)
{
	enum frame_result result = FRAME_ASYNC;
	struct frame frame = {0};
	bool cut = false;

	while (f->bytes.len > f->parsed_bytes) {
		result = framing_idle(&f->framing, buf_bytes(&f->bytes) + f->parsed_bytes,
				      f->bytes.len - f->parsed_bytes, &frame);
		if (result == FRAME_PARTIAL)
			return cut ? FLIGHTS_FLOOD : FLIGHTS_LOOSE;
		if (result != FRAME_ASYNC)
			return FLIGHTS_SURPLUS;
		cut_async(f, &frame);
		cut = true;
	}
	return flights_has_reply(f) ? FLIGHTS_READY : FLIGHTS_PARTIAL;
}

/* The lines of one flight, as far as they are there and not odd. */
static void parse_flight(struct flights *f, struct flight *flight)
{
	const char *bytes = buf_bytes(&f->bytes), *end = bytes + f->bytes.len;
	const char *start = bytes + f->parsed_bytes, *at = start, *lf;
	const char *from = at + f->framing.scanned;
	unsigned n = 0, most = flight->count - flight->ready;

	while (n < most && from < end && (lf = memchr(from, '\n', (size_t)(end - from)))) {
		if ((size_t)(lf - at) > f->framing.max_reply)
			break;
		from = at = lf + 1;
		n++;
	}
	if (!n)
		return;
	if (!flight->ready)
		flight->off = f->parsed_bytes;
	flight->len += (size_t)(at - start);
	flight->ready += n;
	f->parsed_bytes += (size_t)(at - start);
	f->framing.scanned = 0;
	f->ready += n;
	f->parsed += n == most;
}

/* The commonest framing, as far as it goes; what is odd is left to framing_next(). */
static void parse_lines(struct flights *f)
{
	uint32_t place;

	do {
		place = f->parsed;
		if (place != f->tail)
			parse_flight(f, flights_at(f, place));
	} while (f->parsed != place);
}

enum flights_verdict flights_parse(struct flights *f)
{
	struct frame frame = {0};

	if (f->bytes.len && f->framing.spec->kind == FRAMING_LINE && !f->framing.spec->async)
		parse_lines(f);
	while (f->parsed != f->tail && f->answered != f->places && f->bytes.len > f->parsed_bytes) {
		struct framing *framing = &f->framing;
		enum frame_result result;

		framing->number = flights_at(f, f->parsed)->nonce;
		result = framing_next(framing, buf_bytes(&f->bytes) + f->parsed_bytes,
				      f->bytes.len - f->parsed_bytes, &frame);
		if (result == FRAME_TOO_LONG)
			return FLIGHTS_TOO_LONG;
		if (result == FRAME_PARTIAL)
			return flights_has_reply(f) ? FLIGHTS_READY : FLIGHTS_PARTIAL;
		if (result == FRAME_ASYNC) {
			cut_async(f, &frame);
			continue;
		}
		if (result == FRAME_DESYNC || (is_channel(f) && !take_tagged(f, &frame)))
			return FLIGHTS_LOST;
		if (!is_channel(f))
			take_in_order(f, &frame);
		f->parsed_bytes += frame.used;
	}
	return parse_idle(f);
}

static void hand_on(const struct flights *f, const struct flight *flight, size_t len,
		    unsigned count, const struct flight_sink *sink)
{
	if (flight->tag)
		sink->on_reply(sink->ctx, flight->tag, buf_bytes(&f->bytes) + flight->off, len,
			       count);
	else
		sink->on_late(sink->ctx, count);
}

/* Tagged replies, as they came; then the places at the front that are done are free. */
static void release_tagged(struct flights *f, const struct flight_sink *sink)
{
	for (uint32_t i = 0; i < f->order_count; i++) {
		struct flight *flight = flights_at(f, f->order[i]);

		hand_on(f, flight, flight->len, 1, sink);
		flight->tag = NULL;
	}
	f->order_count = 0;
	while (f->head != f->tail && flights_at(f, f->head)->done) {
		flights_at(f, f->head++)->done = false;
		f->places--;
		f->answered--;
	}
	f->parsed = f->head;
}

/*
 * The replies at the front. What of the run has none yet keeps its place, so that
 * the upcall may forget it.
 */
static void release_first(struct flights *f, const struct flight_sink *sink)
{
	struct flight *flight = flights_at(f, f->head);
	unsigned count = flight->ready;
	size_t len = flight->len;

	flight->count -= count;
	flight->ready = 0;
	flight->len = 0;
	f->head += !flight->count;
	f->places -= count;
	f->ready -= count;
	hand_on(f, flight, len, count, sink);
}

void flights_release(struct flights *f, const struct flight_sink *sink)
{
	while (f->ready)
		release_first(f, sink);
	if (is_channel(f))
		release_tagged(f, sink);
	buf_consume(&f->bytes, f->parsed_bytes);
	f->parsed_bytes = 0;
}

const char *flights_first_reply(const struct flights *f, size_t *len)
{
	const struct flight *flight = flights_at(f, is_channel(f) ? f->order[0] : f->head);

	assert(flights_has_reply(f));
	*len = flight->len;
	return buf_bytes(&f->bytes) + flight->off;
}

static void drop(void *ctx, void *tag, const char *bytes, size_t len, unsigned count)
{
	(void)ctx, (void)tag, (void)bytes, (void)len, (void)count;
}

static void drop_late(void *ctx, unsigned count)
{
	(void)ctx, (void)count;
}

void flights_drop_all(struct flights *f)
{
	static const struct flight_sink nobody = {.on_reply = drop, .on_late = drop_late};

	flights_release(f, &nobody);
}

void flights_lose(struct flights *f, const struct flight_sink *sink, enum coproc_code first,
		  enum coproc_code others, const char *why)
{
	enum coproc_code code = first;

	while (f->head != f->tail) {
		struct flight *flight = flights_at(f, f->head);
		void *tag = flight->done ? NULL : flight->tag;
		unsigned n = code == others ? flight->count : 1;

		flight->count -= n;
		f->head += !flight->count;
		f->places -= n;
		if (tag)
			sink->on_lost(sink->ctx, tag, code, why, n);
		code = others;
	}
	f->parsed = f->head;
	f->parsed_bytes = 0;
	f->places = f->ready = f->answered = f->order_count = 0;
	f->framing = (struct framing){
	    .spec = f->framing.spec, .max_reply = f->framing.max_reply, .key = f->framing.key};
	buf_consume(&f->bytes, f->bytes.len);
}

static void save_place(const struct flight *flight, uint64_t number, struct pack *p)
{
	pack_u64(p, number);
	pack_u64(p, flight->nonce);
	pack_u64(p, (uint64_t)flight->sent_ms);
	pack_u64(p, flight->suspicious);
	pack_u64(p, flight->cancelled);
	pack_u64(p, flight->done);
}

void flights_save(const struct flights *f, struct pack *p, uint64_t (*name)(const void *tag))
{
	const void *tag = NULL;
	unsigned nth = 0; /* of the same tag */

	pack_u64(p, f->head);
	pack_u64(p, f->places);
	for (uint32_t i = f->head; i != f->tail; i++) {
		const struct flight *flight = flights_at(f, i);

		nth = flight->tag == tag ? nth : 0;
		tag = flight->tag;
		for (unsigned n = 0; n < flight->count; n++)
			save_place(flight, tag ? name(tag) + nth++ : 0, p);
	}
	pack_bytes(p, f->bytes.len ? buf_bytes(&f->bytes) : NULL, f->bytes.len);
}

int flights_load(struct flights *f, struct unpack *u)
{
	uint64_t count;
	const char *bytes;
	size_t len;

	f->head = f->parsed = f->tail = (uint32_t)unpack_u64(u);
	count = unpack_u64(u);
	if (count > f->mask + 1U)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		struct flight *flight = flights_at(f, flights_push(f, NULL, false));

		flight->number = unpack_u64(u);
		flight->nonce = unpack_u64(u);
		flight->sent_ms = (int64_t)unpack_u64(u);
		flight->suspicious = unpack_u64(u) != 0;
		flight->cancelled = unpack_u64(u) != 0;
		flight->done = unpack_u64(u) != 0;
		f->answered += flight->done;
	}
	bytes = unpack_bytes(u, &len);
	if (u->failed)
		return -EINVAL;
	return buf_add(&f->bytes, bytes, len);
}

bool flights_claim(struct flights *f, uint64_t number, void *tag, uint32_t *place)
{
	/* Requests are sent in order, so the numbers mostly ascend and the first one fits. */
	for (uint32_t i = f->head; i != f->tail; i++) {
		struct flight *flight = flights_at(f, i);

		if (flight->number != number || flight->tag || flight->done)
			continue;
		flight->tag = tag;
		*place = i;
		return true;
	}
	return false;
}
