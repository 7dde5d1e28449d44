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
static int make_prefix(const struct session *s, enum coproc_code code, const char *bytes,
		       size_t len, char *dst, size_t size)
{
	size_t lines;

	if (code != COPROC_OK)
		return snprintf(dst, size, s->status_replies ? "-%s " : "coprocd: error: %s: ",
				coproc_code_name(code));
	if (!s->status_replies)
		return 0;
	lines = count_lines(bytes, len);
	return lines == 1 ? snprintf(dst, size, "+") : snprintf(dst, size, "*%zu\n", lines);
}

/* Whether an ending needs an LF of ours behind it. */
static bool needs_newline(const struct session *s, enum coproc_code code, const char *bytes,
			  size_t len)
{
	if (code != COPROC_OK)
		return true;
	return s->status_replies && len && bytes[len - 1] != '\n';
}

static void emit_ending(struct session *s, enum coproc_code code, const char *bytes, size_t len)
{
	char prefix[64];
	int n = make_prefix(s, code, bytes, len, prefix, sizeof(prefix));

	if (n)
		emit(s, prefix, (size_t)n);
	emit(s, bytes, len);
	if (needs_newline(s, code, bytes, len))
		emit(s, "\n", 1);
}

/* Keep an ending until it is its turn. */
static int keep_ending(struct slot *slot, enum coproc_code code, const char *bytes, size_t len)
{
	struct session *s = slot->session;
	char prefix[64];
	int n;
	char *p;

	if (code == COPROC_OK && s->out.len + s->kept + len > unsent_limit(s)) {
		code = COPROC_OVERLOADED;
		bytes = "replies behind an unfinished request are over client-buffer and max-reply";
		len = strlen(bytes);
	}
	n = make_prefix(s, code, bytes, len, prefix, sizeof(prefix));
	p = malloc((size_t)n + len + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p, prefix, (size_t)n);
	memcpy(p + n, bytes, len);
	slot->ending = p;
	slot->ending_len = (size_t)n + len;
	if (needs_newline(s, code, bytes, len))
		p[slot->ending_len++] = '\n';
	s->kept += slot->ending_len;
	return 0;
}

/* One that is small may be used again, which costs less than malloc(3). */
static void slot_free(struct slot *slot)
{
	struct hall *h = slot->session->hall;

	free(slot->ending);
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
	s->kept -= slot->ending_len;
	slot_free(slot);
	if (--s->unfinished)
		return;
	session_uncrowd(s);
}

/* A request has ended. */
void slot_end(struct slot *slot, enum coproc_code code, const char *bytes, size_t len)
{
	struct session *s = slot->session;

	slot->pending = false;
	if (slot != STAILQ_FIRST(&s->slots)) {
		if (keep_ending(slot, code, bytes, len))
			session_break_off(s, "no memory for its reply");
		return;
	}
	emit_ending(s, code, bytes, len);
	session_remove_first(s);
	while ((slot = STAILQ_FIRST(&s->slots)) && !slot->pending) {
		/* Bounded already, by keep_ending(). */
		if (slot->ending && buf_add(&s->out, slot->ending, slot->ending_len))
			session_break_off(s, "no memory for its reply");
		session_remove_first(s);
	}
	session_mark_dirty(s); /* it may read on */
}

void slot_on_done(void *ctx, const struct coproc_reply *reply)
{
	slot_end(ctx, reply->code, reply->bytes, reply->len);
}

struct slot *slot_new(struct session *s, const char *bytes, size_t len)
{
	struct slot *slot = slot_alloc(s->hall, len);

	if (!slot)
		return NULL;
	slot->session = s;
	slot->pending = true;
	slot->ending = NULL;
	slot->ending_len = 0;
	slot->len = len;
	memcpy(slot->bytes, bytes, len);
	STAILQ_INSERT_TAIL(&s->slots, slot, link);
	s->unfinished++;
	return slot;
}
