/* SPDX-License-Identifier: MIT */
#include "flights.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static struct flight *flight_at(const struct flights *f, uint32_t place)
{
	return &f->ring[place & f->mask];
}

int flights_init(struct flights *f, unsigned window, const struct framing_spec *spec,
		 size_t max_reply)
{
	uint32_t size = 1;

	while (size < window)
		size *= 2;
	*f = (struct flights){.mask = size - 1, .framing = {.spec = spec, .max_reply = max_reply}};
	f->ring = calloc(size, sizeof(*f->ring));
	return f->ring ? 0 : -ENOMEM;
}

void flights_finish(struct flights *f)
{
	free(f->ring);
	buf_finish(&f->bytes);
	*f = (struct flights){0};
}

uint32_t flights_push(struct flights *f, void *tag, bool suspicious)
{
	assert(flights_count(f) <= f->mask);
	*flight_at(f, f->tail) = (struct flight){.tag = tag, .suspicious = suspicious};
	return f->tail++;
}

void flights_forget(struct flights *f, uint32_t place)
{
	assert(place - f->head < flights_count(f));
	flight_at(f, place)->tag = NULL;
}

bool flights_is_suspicious(const struct flights *f)
{
	return flight_at(f, f->head)->suspicious;
}

enum flights_verdict flights_parse(struct flights *f)
{
	const char *bytes = buf_bytes(&f->bytes);
	size_t len = f->bytes.len;
	struct frame frame;

	while (f->parsed != f->tail && len > f->parsed_bytes) {
		enum frame_result result = framing_next(&f->framing, bytes + f->parsed_bytes,
							len - f->parsed_bytes, &frame);
		struct flight *flight = flight_at(f, f->parsed);

		if (result == FRAME_TOO_LONG)
			return FLIGHTS_TOO_LONG;
		if (result == FRAME_PARTIAL)
			break;
		flight->off = f->parsed_bytes + frame.off;
		flight->len = frame.len;
		f->parsed_bytes += frame.used;
		f->parsed++;
	}
	if (f->parsed == f->tail && len > f->parsed_bytes)
		return FLIGHTS_SURPLUS;
	return flights_has_reply(f) ? FLIGHTS_READY : FLIGHTS_PARTIAL;
}

void flights_release(struct flights *f, const struct flight_sink *sink)
{
	const char *bytes = buf_bytes(&f->bytes);

	while (f->head != f->parsed) {
		const struct flight *flight = flight_at(f, f->head++);

		if (flight->tag)
			sink->on_reply(sink->ctx, flight->tag, bytes + flight->off, flight->len);
		else
			sink->on_late(sink->ctx);
	}
	buf_consume(&f->bytes, f->parsed_bytes);
	f->parsed_bytes = 0;
}

void flights_lose(struct flights *f, const struct flight_sink *sink, enum coproc_code first,
		  enum coproc_code others, const char *why)
{
	enum coproc_code code = first;

	while (f->head != f->tail) {
		void *tag = flight_at(f, f->head++)->tag;

		if (tag)
			sink->on_lost(sink->ctx, tag, code, why);
		code = others;
	}
	f->parsed = f->head;
	f->parsed_bytes = 0;
	f->framing.scanned = 0;
	buf_consume(&f->bytes, f->bytes.len);
}

void flights_save(const struct flights *f, struct pack *p, uint64_t (*name)(const void *tag))
{
	pack_u64(p, flights_count(f));
	for (uint32_t i = f->head; i != f->tail; i++) {
		const struct flight *flight = flight_at(f, i);

		pack_u64(p, flight->tag ? name(flight->tag) : 0);
		pack_u64(p, flight->suspicious);
	}
	pack_bytes(p, f->bytes.len ? buf_bytes(&f->bytes) : NULL, f->bytes.len);
}

int flights_load(struct flights *f, struct unpack *u)
{
	uint64_t count = unpack_u64(u);
	const char *bytes;
	size_t len;

	if (count > f->mask + 1U)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t number = unpack_u64(u);
		uint32_t place = flights_push(f, NULL, unpack_u64(u) != 0);

		flight_at(f, place)->number = number;
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
		struct flight *flight = flight_at(f, i);

		if (flight->number != number || flight->tag)
			continue;
		flight->tag = tag;
		*place = i;
		return true;
	}
	return false;
}
