/* SPDX-License-Identifier: MIT */
/*
 * Behind each odd request the first ordinary one is asked again: only if its
 * reply is the usual one was the odd one harmless, whatever came for it.
 */
#include "probe_odd.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 64 << 10, TOGETHER = 20, ODD_LIMIT_MS = 5000, LONG_MS = 8000, BISECT_STEPS = 8 };

static bool is_usual(const struct trial *t, const char *bytes, size_t len)
{
	return !t->steady || (len == t->usual.len && !memcmp(bytes, buf_bytes(&t->usual), len));
}

/* Whether the first request has its usual reply. */
static bool asks_well(struct trial *t)
{
	struct shape_piece piece;

	if (!trial_ask(t, t->requests[0], strlen(t->requests[0])))
		return false;
	if (t->f->shape.kind == SHAPE_NONE)
		return is_usual(t, buf_bytes(&t->answer.out), t->answer.out.len);
	return trial_reply(t, &piece) &&
	       is_usual(t, buf_bytes(&t->answer.out) + piece.off, piece.len);
}

static struct odd judge(struct trial *t)
{
	size_t rest, len = t->answer.out.len;
	size_t n = shape_count(&t->f->shape, t->number, buf_bytes(&t->answer.out), len, &rest);
	bool slow = t->answer.end == PROBE_SLOW || t->answer.end == PROBE_FLOOD;

	if (slow)
		return (struct odd){.kind = ODD_SLOW};
	if (t->f->shape.kind == SHAPE_NONE)
		return (struct odd){.kind = len ? ODD_ONE : ODD_NONE};
	if (n == 1 && !rest)
		return (struct odd){.kind = ODD_ONE};
	if (!len)
		return (struct odd){.kind = ODD_NONE};
	return (struct odd){.kind = n > 1 ? ODD_MANY : ODD_SPOILS, .replies = n};
}

static struct odd try_odd(struct trial *t, const char *request, size_t len)
{
	struct odd odd;

	if (!trial_live(t))
		return (struct odd){.kind = ODD_UNTRIED};
	if (!trial_ask(t, request, len))
		return (struct odd){.kind = ODD_ENDED, .status = t->status};
	odd = judge(t);
	if (odd.kind != ODD_SLOW && odd.kind != ODD_SPOILS && !asks_well(t))
		odd = (struct odd){.kind = t->alive ? ODD_SPOILS : ODD_ENDED, .status = t->status};
	if (odd.kind == ODD_SLOW || odd.kind == ODD_SPOILS)
		trial_kill(t);
	return odd;
}

/* ---- long ones ---- */

/* A request of at most @len bytes, the caller's; NULL without memory. */
static char *make_long(const struct trial *t, size_t len)
{
	const struct probe_known *k = t->f->known;
	const char *head = k->head ? k->head : "", *tail = k->tail ? k->tail : "";
	const char *unit = k->unit ? k->unit : "hello ";
	size_t head_len = strlen(head), tail_len = strlen(tail), unit_len = strlen(unit);
	char *text = calloc(1, len + head_len + tail_len + 1);
	size_t at = head_len;

	if (!text)
		return NULL;
	mempcpy(text, head, head_len);
	for (; at + unit_len + tail_len <= len; at += unit_len)
		mempcpy(text + at, unit, unit_len);
	/* Words may be cut, statements not. */
	for (; !k->unit && at < len; at++)
		text[at] = 'x';
	memcpy(text + at, tail, tail_len + 1);
	return text;
}

/* Try one of @len bytes. Returns false if that cannot be done. */
static bool note_long(struct trial *t, size_t len)
{
	struct findings *f = t->f;
	char *text = make_long(t, len);
	struct odd odd;

	if (!text) {
		t->error = -ENOMEM;
		return false;
	}
	len = strlen(text);
	odd = try_odd(t, text, len);
	free(text);
	if (odd.kind == ODD_ONE) {
		f->long_good = MAX(f->long_good, len);
	} else if (odd.kind != ODD_UNTRIED) {
		f->long_bad = len;
		f->long_odd = odd;
	}
	return odd.kind != ODD_UNTRIED;
}

static void find_longest(struct trial *t)
{
	static const size_t tried[] = {1024, 8400, LONGEST};
	struct findings *f = t->f;
	int64_t end_ms = clock_now_ms() + LONG_MS;

	for (size_t i = 0; i < ARRAY_SIZE(tried) && !f->long_bad; i++)
		if (!note_long(t, tried[i]))
			return;
	for (int i = 0; i < BISECT_STEPS && clock_now_ms() < end_ms &&
			f->long_bad > f->long_good + f->long_bad / 100;
	     i++)
		if (!note_long(t, (f->long_good + f->long_bad) / 2))
			return;
}

/* ---- the others ---- */

static struct odd try_not_utf8(struct trial *t)
{
	const struct probe_known *k = t->f->known;
	CLEANUP(buf_finish) struct buf text = {0};
	const char *head = k->head ? k->head : "", *tail = k->tail ? k->tail : "";

	if (buf_add(&text, head, strlen(head)) < 0 || buf_add(&text, "a\xff\xfe\xc3(b", 6) < 0 ||
	    buf_add(&text, tail, strlen(tail)) < 0) {
		t->error = -ENOMEM;
		return (struct odd){.kind = ODD_UNTRIED};
	}
	return try_odd(t, buf_bytes(&text), text.len);
}

/* The first request many times in one write: as many replies, all of them the usual one? */
static struct odd try_together(struct trial *t)
{
	const char *requests[TOGETHER], *bytes;
	struct shape_piece piece;
	size_t lens[TOGETHER], left;

	for (size_t i = 0; i < TOGETHER; i++) {
		requests[i] = t->requests[0];
		lens[i] = strlen(requests[i]);
	}
	if (t->f->shape.kind == SHAPE_NONE || !trial_live(t))
		return (struct odd){.kind = ODD_UNTRIED};
	if (!trial_ask_several(t, requests, lens, TOGETHER))
		return (struct odd){.kind = ODD_ENDED, .status = t->status};
	bytes = buf_bytes(&t->answer.out);
	left = t->answer.out.len;
	for (size_t i = 0; i < TOGETHER; i++) {
		if (!shape_next(&t->f->shape, t->number + i, bytes, left, &piece) ||
		    !is_usual(t, bytes + piece.off, piece.len)) {
			trial_kill(t);
			return (struct odd){.kind = ODD_SPOILS};
		}
		bytes += piece.used;
		left -= piece.used;
	}
	return (struct odd){.kind = left ? ODD_SPOILS : ODD_ONE};
}

void probe_odd(struct trial *t)
{
	int64_t limit_ms = t->patience.limit_ms;

	t->patience.limit_ms = MIN(limit_ms, ODD_LIMIT_MS + t->f->start_ms);
	trial_tell(t, "asking several at once");
	t->f->together_count = TOGETHER;
	t->f->together = try_together(t);
	trial_tell(t, "asking odd things");
	t->f->empty = try_odd(t, "", 0);
	t->f->not_utf8 = try_not_utf8(t);
	trial_tell(t, "asking at length");
	find_longest(t);
	t->patience.limit_ms = limit_ms;
}
