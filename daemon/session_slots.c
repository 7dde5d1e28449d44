/* SPDX-License-Identifier: MIT */
/*
 * The requests of a session, each in a slot, and the way back: slot_on_done() writes
 * the ending into `out` if the slot is the oldest, or keeps it in the slot until it
 * is, so that a client gets its replies in the order of its requests.
 */
#include "session_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Replies from this size on are written straight from where they are. */
#define WRITE_THROUGH (64 << 10)

/* Requests of up to so many bytes share a size, and so many of them are kept to be used again. */
#define SMALL_REQUEST 64
#define SPARE_SLOTS   4096

static size_t unsent_limit(const struct session *s)
{
	const struct config *c = s->hall->config;

	return c->client_buffer + c->engine.max_reply;
}

/* Put @len bytes on their way to the client. */
static void emit(struct session *s, const char *bytes, size_t len)
{
	ssize_t n;

	if (s->broken)
		return;
	if (!s->out.len && len >= WRITE_THROUGH) {
		n = send(s->fd, bytes, len, MSG_NOSIGNAL);
		if (n > 0) {
			s->hall->bytes_out += (size_t)n;
			bytes += n;
			len -= (size_t)n;
		}
	}
	if (len && s->out.len > unsent_limit(s))
		session_break_off(s, "leaves more unread than client-buffer and max-reply allow");
	else if (buf_add(&s->out, bytes, len))
		session_break_off(s, "no memory for its reply");
	session_mark_dirty(s);
}

static size_t count_lines(const char *bytes, size_t len)
{
	const char *end = bytes + len;
	size_t n = 0;

	for (const char *p = bytes; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	return n + (len && end[-1] != '\n');
}

/*
 * Make the bytes of an ending. A plain one is @prefix and the bytes; the
 * caller emits both. Returns the length of the prefix.
 */
static int make_prefix(const struct session *s, const struct coproc_reply *reply, char *dst,
		       size_t size)
{
	size_t lines;

	if (reply->code != COPROC_OK)
		return snprintf(dst, size, s->status_replies ? "-%s " : "coprocd: error: %s: ",
				coproc_code_name(reply->code));
	if (!s->status_replies)
		return 0;
	lines = count_lines(reply->bytes, reply->len);
	return lines == 1 ? snprintf(dst, size, "+") : snprintf(dst, size, "*%zu\n", lines);
}

/* Whether an ending needs an LF of ours behind it. */
static bool needs_newline(const struct session *s, const struct coproc_reply *reply)
{
	if (reply->code != COPROC_OK)
		return true;
	return s->status_replies && reply->len && reply->bytes[reply->len - 1] != '\n';
}

static void emit_ending(struct session *s, const struct coproc_reply *reply)
{
	char prefix[64];
	int n = make_prefix(s, reply, prefix, sizeof(prefix));

	if (n)
		emit(s, prefix, (size_t)n);
	emit(s, reply->bytes, reply->len);
	if (needs_newline(s, reply))
		emit(s, "\n", 1);
}

/* Put the replies of a run on their way: as they are, or each with its sign. */
static void emit_run(struct session *s, const struct coproc_reply *reply)
{
	const char *line = reply->bytes, *end = line + reply->len;
	char *at;

	if (!s->status_replies || s->broken || s->out.len > unsent_limit(s)) {
		emit(s, reply->bytes, reply->len); /* which breaks it off, if it must */
		return;
	}
	if (buf_reserve(&s->out, reply->len + reply->count, &at)) {
		session_break_off(s, "no memory for its reply");
		return;
	}
	while (line < end) {
		const char *next = (const char *)rawmemchr(line, '\n') + 1;

		*at++ = '+';
		at = mempcpy(at, line, (size_t)(next - line));
		line = next;
	}
	buf_commit(&s->out, reply->len + reply->count);
	session_mark_dirty(s);
}

/* Keep an ending until it is its turn. */
static int keep_ending(struct slot *slot, const struct coproc_reply *reply)
{
	static const char full[] =
	    "replies behind an unfinished request are over client-buffer and max-reply";
	struct session *s = slot->session;
	struct coproc_reply shown = *reply;
	size_t before = slot->ending.len;
	char prefix[64];
	int n, rc;

	if (shown.code == COPROC_OK && s->out.len + s->kept + shown.len > unsent_limit(s))
		shown = (struct coproc_reply){
		    .code = COPROC_OVERLOADED, .bytes = full, .len = strlen(full)};
	n = make_prefix(s, &shown, prefix, sizeof(prefix));
	rc = buf_add(&slot->ending, prefix, (size_t)n);
	if (!rc)
		rc = buf_add(&slot->ending, shown.bytes, shown.len);
	if (!rc && needs_newline(s, &shown))
		rc = buf_add(&slot->ending, "\n", 1);
	s->kept += slot->ending.len - before;
	return rc;
}

/* One that is small may be used again, which costs less than malloc(3). */
static void slot_free(struct slot *slot)
{
	struct hall *h = slot->session->hall;

	buf_finish(&slot->ending);
	if (slot->len > SMALL_REQUEST || h->spare_count == SPARE_SLOTS) {
		free(slot);
		return;
	}
	STAILQ_INSERT_HEAD(&h->spare, slot, link);
	h->spare_count++;
}

struct slot *slot_alloc(struct hall *h, size_t len)
{
	struct slot *slot = len > SMALL_REQUEST ? NULL : STAILQ_FIRST(&h->spare);

	if (!slot)
		return malloc(sizeof(*slot) + MAX(len, SMALL_REQUEST));
	STAILQ_REMOVE_HEAD(&h->spare, link);
	h->spare_count--;
	return slot;
}

void session_remove_first(struct session *s)
{
	struct slot *slot = STAILQ_FIRST(&s->slots);

	STAILQ_REMOVE_HEAD(&s->slots, link);
	s->unfinished -= slot->count;
	s->kept -= slot->ending.len;
	slot_free(slot);
	if (!s->unfinished)
		session_uncrowd(s);
}

/* Give one ending, as its turn has come or not. */
static void give(struct slot *slot, const struct coproc_reply *reply)
{
	struct session *s = slot->session;

	if (slot == STAILQ_FIRST(&s->slots))
		emit_ending(s, reply);
	else if (keep_ending(slot, reply))
		session_break_off(s, "no memory for its reply");
}

/* Give the endings of some of a run: each has its line, or the same error. */
static void give_all(struct slot *slot, const struct coproc_reply *reply)
{
	struct coproc_reply one = *reply;

	one.count = 1;
	for (unsigned n = reply->count; n; n--) {
		if (one.code == COPROC_OK)
			one.len = (size_t)((char *)rawmemchr(one.bytes, '\n') + 1 - one.bytes);
		give(slot, &one);
		if (one.code == COPROC_OK)
			one.bytes += one.len;
	}
}

/* What was kept of a slot has its turn; bounded already, by keep_ending(). */
static void give_kept(struct slot *slot)
{
	struct session *s = slot->session;
	struct buf *kept = &slot->ending;

	if (buf_add(&s->out, buf_bytes(kept), kept->len))
		session_break_off(s, "no memory for its reply");
	s->kept -= kept->len;
	buf_finish(kept);
}

/* Some of the oldest slot has ended; it may be over. */
static void settle_first(struct session *s)
{
	struct slot *slot = STAILQ_FIRST(&s->slots);

	if (slot->ending.len)
		give_kept(slot);
	s->unfinished -= slot->count - slot->pending;
	slot->count = slot->pending;
	if (!slot->count)
		session_remove_first(s);
}

void slot_end(struct slot *slot, const struct coproc_reply *reply)
{
	struct session *s = slot->session;
	bool is_first = slot == STAILQ_FIRST(&s->slots);

	slot->pending -= reply->count;
	memory_used(&s->hall->memory);
	if (reply->count == 1)
		give(slot, reply);
	else if (is_first && reply->code == COPROC_OK)
		emit_run(s, reply);
	else
		give_all(slot, reply);
	while ((slot = STAILQ_FIRST(&s->slots)) && slot->count > slot->pending)
		settle_first(s);
	session_mark_dirty(s); /* it may read on */
}

void slot_on_done(void *ctx, const struct coproc_reply *reply)
{
	slot_end(ctx, reply);
}

const char *slot_first_pending(const struct slot *slot)
{
	const char *at = slot->bytes + slot->len;

	if (slot->pending && !slot->request.is_run)
		return slot->bytes;
	for (unsigned n = 0; n < slot->pending; n++) {
		const char *lf = memrchr(slot->bytes, '\n', (size_t)(at - 1 - slot->bytes));

		at = lf ? lf + 1 : slot->bytes;
	}
	return at;
}

struct slot *slot_new(struct session *s, const char *bytes, size_t len, unsigned count)
{
	struct slot *slot = slot_alloc(s->hall, len);

	if (!slot)
		return NULL;
	slot->session = s;
	slot->count = slot->pending = count;
	slot->ending = (struct buf){0};
	slot->len = len;
	memcpy(slot->bytes, bytes, len);
	STAILQ_INSERT_TAIL(&s->slots, slot, link);
	s->unfinished += count;
	return slot;
}
