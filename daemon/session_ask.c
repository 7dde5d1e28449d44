/* SPDX-License-Identifier: MIT */
/*
 * The way in: session_take_bytes() cuts what a client sends into requests, and ask()
 * makes a slot of each and submits it, for as long as session_may_ask() lets it.
 */
#include "session_parts.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

/* Who has sent within this time, or the one before, counts as a client that asks. */
#define EPOCH_MS 100

void session_uncrowd(struct session *s)
{
	if (!s->is_crowded)
		return;
	s->is_crowded = false;
	TAILQ_REMOVE(&s->hall->crowded, s, held_link);
}

/* Give an error as the ending of a request that never reaches the engine. */
static void refuse(struct session *s, enum coproc_code code, const char *text)
{
	struct slot *slot = slot_new(s, "", 0, 1);
	struct coproc_reply reply = {.code = code, .bytes = text, .len = strlen(text), .count = 1};

	if (slot)
		slot_end(slot, &reply);
	else
		session_break_off(s, "no memory for its request");
}

/* The `forbid` pattern that a request matches as a whole or in one of its lines. */
static const char *find_forbidden(const struct session *s, const char *bytes, size_t len)
{
	const struct config *c = s->hall->config;
	const char *pattern = c->forbid ? config_forbidden(c, bytes, len) : NULL;
	const char *end = bytes + len;

	if (s->cut.kind == CUT_LINE || !c->forbid)
		return pattern;
	for (const char *line = bytes; line < end && !pattern;) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));

		pattern = config_forbidden(c, line, (size_t)((lf ? lf : end) - line));
		line = lf ? lf + 1 : end;
	}
	return pattern;
}

/* One request, complete, without what ends it. */
static void ask(struct session *s, const char *bytes, size_t len)
{
	struct hall *h = s->hall;
	const char *pattern = find_forbidden(s, bytes, len);
	struct coproc_reply reply = {.count = 1};
	struct slot *slot;
	char text[300];

	if (pattern) {
		snprintf(text, sizeof(text), "the request matches the forbidden \"%s\"", pattern);
		refuse(s, COPROC_BAD_REQUEST, text);
		return;
	}
	slot = slot_new(s, bytes, len, 1);
	if (!slot) {
		session_break_off(s, "no memory for its request");
		return;
	}
	reply.code =
	    s->cut.kind == CUT_LINE
		? coproc_submit(h->engine, &slot->request, slot->bytes, len, slot_on_done, slot)
		: coproc_submit_block(h->engine, &slot->request, slot->bytes, len, slot_on_done,
				      slot);
	if (reply.code != COPROC_OK) {
		snprintf(text, sizeof(text), "%s", coproc_refusal(h->engine, reply.code));
		reply.bytes = text;
		reply.len = strlen(text);
		slot_end(slot, &reply);
	}
}

static void wait_for_room(struct session *s)
{
	if (s->is_waiting)
		return;
	s->is_waiting = true;
	TAILQ_INSERT_TAIL(&s->hall->waiting, s, held_link);
}

void session_note_sender(struct session *s)
{
	struct hall *h = s->hall;
	int64_t now = clock_now_ms();

	if (now >= h->epoch_until_ms) {
		h->senders_before = now >= h->epoch_until_ms + EPOCH_MS ? 0 : h->senders;
		h->senders = 0;
		h->epoch++;
		h->epoch_until_ms = now + EPOCH_MS;
	}
	h->senders += s->epoch != h->epoch;
	s->epoch = h->epoch;
}

static bool others_send(const struct session *s)
{
	const struct hall *h = s->hall;
	unsigned self = s->epoch + 1 >= h->epoch;

	return MAX(h->senders, h->senders_before) > self;
}

/*
 * While the processes are busy and others ask too, a client holds one place in
 * the queue: so one that floods gets its turn as the polite ones do, and
 * requests still start in the order in which they entered the queue.
 */
static bool is_crowded(struct session *s)
{
	struct hall *h = s->hall;

	if (!s->is_crowded && s->unfinished && others_send(s) && !coproc_has_spare(h->engine)) {
		s->is_crowded = true;
		TAILQ_INSERT_TAIL(&h->crowded, s, held_link);
	}
	return s->is_crowded;
}

/* Whether others have waited for longer, so that what room there is belongs to them. */
static bool must_line_up(const struct session *s)
{
	const struct hall *h = s->hall;

	return h->served != s && !TAILQ_EMPTY(&h->waiting);
}

/* Whether the session may hand one more request in now. */
bool session_may_ask(struct session *s, size_t len)
{
	const struct config *c = s->hall->config;

	if (s->broken || s->unfinished >= c->client_requests ||
	    s->out.len + s->kept >= c->client_buffer)
		return false;
	if (s->is_waiting || is_crowded(s))
		return false;
	if (s->hall->paused) {
		wait_for_room(s);
		return false;
	}
	/* What is longer is refused, which needs no room. */
	len = MIN(len, c->engine.max_request);
	if (c->overload == OVERLOAD_WAIT &&
	    (must_line_up(s) || !coproc_has_room(s->hall->engine, len))) {
		wait_for_room(s);
		return false;
	}
	return true;
}

/* Nothing more can be understood of what this client sends. */
static void refuse_rest(struct session *s, const char *why)
{
	refuse(s, COPROC_BAD_REQUEST, why);
	s->eof = true;
	session_mark_dirty(s);
}

/* Take one request off the front of @bytes. Returns whether one, or its end, was there. */
static bool take_one(struct session *s, const char *bytes, size_t len, size_t *used)
{
	size_t max = s->hall->config->engine.max_request;
	struct cut_piece piece = {0};
	struct cut before = s->cut;
	enum cut_result result;

	if (s->skipping) {
		s->skipping = !cut_skip(&s->cut, bytes, len, used);
		return !s->skipping;
	}
	result = cut_next(&s->cut, bytes, len, max, &piece);
	switch (result) {
	case CUT_READY:
		if (!session_may_ask(s, piece.len)) {
			s->cut = before;
			return false;
		}
		ask(s, bytes + piece.off, piece.len);
		*used = piece.used;
		return true;
	case CUT_PARTIAL:
		return false;
	case CUT_TOO_BIG:
	case CUT_BAD:
		break;
	}
	if (!session_may_ask(s, 0)) {
		s->cut = before;
		return false;
	}
	if (result == CUT_BAD) {
		refuse_rest(s, "a request must start with a line that is the number of its bytes");
		*used = len;
		return false;
	}
	refuse(s, COPROC_TOO_LONG, coproc_refusal(s->hall->engine, COPROC_TOO_LONG));
	s->skipping = true;
	s->cut.mid_line = false;
	*used = 0;
	return true;
}

/* Hand in as a run what may be one. Returns the bytes taken. */
static size_t ask_run(struct session *s, const char *bytes, size_t len)
{
	struct hall *h = s->hall;
	unsigned most, count;
	struct slot *slot;

	if (h->config->forbid || !session_may_ask(s, 0))
		return 0;
	most = h->config->client_requests - s->unfinished;
	if (others_send(s))
		most = MIN(most, coproc_spare(h->engine));
	count = most > 1 ? coproc_measure_run(h->engine, bytes, &len, most) : 0;
	/* A CR may have to be taken away. */
	if (count < 2 || memchr(bytes, '\r', len))
		return 0;
	slot = slot_new(s, bytes, len, count);
	if (!slot) {
		session_break_off(s, "no memory for its requests");
		return 0;
	}
	coproc_submit_run(h->engine, &slot->request, slot->bytes, len, count, slot_on_done, slot);
	return len;
}

/* The commonest cut, as far as whole lines go; what may be a run begins the bytes. */
static size_t take_lines(struct session *s, const char *bytes, size_t len)
{
	const char *at = bytes, *end = bytes + len, *lf = memchr(at, '\n', len);

	if (lf && lf + 1 < end) {
		at += ask_run(s, at, len);
		lf = at > lf ? memchr(at, '\n', (size_t)(end - at)) : lf;
	}
	while (lf) {
		size_t n = (size_t)(lf - at);

		n -= n && at[n - 1] == '\r';
		if (!session_may_ask(s, n))
			break;
		ask(s, at, n);
		at = lf + 1;
		lf = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
	}
	return (size_t)(at - bytes);
}

size_t session_take_requests(struct session *s, const char *bytes, size_t len)
{
	size_t used = 0, n = 0;
	bool more = true;

	if (s->cut.kind == CUT_LINE && !s->skipping && !s->cut.scanned)
		used = take_lines(s, bytes, len);
	for (; more && used < len; used += n) {
		n = 0;
		more = take_one(s, bytes + used, len - used, &n);
	}
	return used;
}

bool session_has_request(const struct session *s)
{
	struct cut c = s->cut; /* a look changes nothing */
	struct cut_piece piece;

	return s->in.len && !s->skipping &&
	       cut_next(&c, buf_bytes(&s->in), s->in.len, s->hall->config->engine.max_request,
			&piece) != CUT_PARTIAL;
}

void session_take_last(struct session *s)
{
	struct cut_piece piece;

	if (!s->eof || s->skipping || !s->in.len || !session_may_ask(s, s->in.len))
		return;
	if (session_has_request(
		s)) { /* it became possible to ask only now: the whole ones come first */
		session_mark_dirty(s);
		return;
	}
	if (cut_last(&s->cut, buf_bytes(&s->in), s->in.len, &piece) == CUT_READY)
		ask(s, buf_bytes(&s->in), piece.len);
	else
		refuse_rest(s, "the request ends before the number of its bytes");
	buf_consume(&s->in, s->in.len);
}

void session_take_bytes(struct session *s, const char *bytes, size_t len)
{
	size_t used = 0;

	s->hall->bytes_in += len;
	if (!s->in.len)
		used = session_take_requests(s, bytes, len);
	if (used == len)
		return;
	if (buf_add(&s->in, bytes + used, len - used)) {
		session_break_off(s, "no memory for its request");
		return;
	}
	if (s->in.len > len - used) {
		used = session_take_requests(s, buf_bytes(&s->in), s->in.len);
		buf_consume(&s->in, used);
		buf_release(&s->in, 0);
	}
}
