/* SPDX-License-Identifier: MIT */
#include "framing.h"

#include <string.h>

/* What a complete line is to the reply that it is found in. */
enum line_role {
	LINE_INSIDE, /* the reply goes on behind it */
	LINE_LAST,   /* the reply ends with it */
	LINE_MARK,   /* it is what ends the reply */
	LINE_LOST,   /* it cannot be */
};

static void start_over(struct framing *f)
{
	f->scanned = f->line_at = f->whole = 0;
	f->lines = 0;
}

/* A line may end in CR LF; what it is compared with has none of them. */
static size_t without_cr(const char *line, size_t len)
{
	return len && line[len - 1] == '\r' ? len - 1 : len;
}

static bool is_async(const struct framing_spec *s, const char *line, size_t len)
{
	return s->async && patterns_find(s->async, line, without_cr(line, len), NULL);
}

/* The header of a sized reply: how many bytes follow, then what ends them. */
static enum line_role look_at_header(struct framing *f, const char *line, size_t len)
{
	size_t group[2], n = 0;

	if (!patterns_find(f->spec->match, line, without_cr(line, len), group) ||
	    group[0] == group[1])
		return LINE_LAST;
	for (size_t i = group[0]; i < group[1]; i++) {
		if (line[i] < '0' || line[i] > '9')
			return LINE_LOST;
		n = MIN(n * 10 + (size_t)(line[i] - '0'), SIZE_MAX / 16);
	}
	f->whole = f->line_at + len + 1 + n + 1;
	return LINE_INSIDE;
}

static enum line_role look_for_answer(const struct framing *f, const char *line, size_t len,
				      size_t *tail)
{
	const struct marker *answer = &f->spec->probe_answer;

	len = without_cr(line, len);
	if (marker_ends(answer, f->number, line, len, tail))
		return LINE_MARK;
	*tail = 0;
	return marker_is_any(answer, f->key, line, len) ? LINE_LOST : LINE_INSIDE;
}

/* "17 text": the number of the request, and the reply behind it. */
static enum line_role look_at_channel(const char *line, size_t len, struct frame *frame)
{
	size_t n = 0;
	uint64_t id = 0;

	for (; n < len && line[n] >= '0' && line[n] <= '9' && n < 18; n++)
		id = id * 10 + (uint64_t)(line[n] - '0');
	if (!n || (n < len && line[n] != ' '))
		return LINE_LOST;
	frame->from = id;
	frame->off = MIN(n + 1, len);
	return LINE_LAST;
}

/* @tail: set to the bytes of a marking line that belong to the reply. */
static enum line_role look(struct framing *f, const char *line, size_t len, struct frame *frame,
			   size_t *tail)
{
	const struct framing_spec *s = f->spec;
	size_t n = without_cr(line, len);

	switch (s->kind) {
	case FRAMING_LINE:
	case FRAMING_NUL:
		return LINE_LAST;
	case FRAMING_LINES:
		return ++f->lines == s->lines ? LINE_LAST : LINE_INSIDE;
	case FRAMING_UNTIL:
		return n == s->text_len && !memcmp(line, s->text, n) ? LINE_MARK : LINE_INSIDE;
	case FRAMING_MATCH:
		return patterns_find(s->match, line, n, NULL) ? LINE_MARK : LINE_INSIDE;
	case FRAMING_PROMPT:
		return LINE_INSIDE;
	case FRAMING_SIZED:
		return look_at_header(f, line, len);
	case FRAMING_PROBE:
		return look_for_answer(f, line, len, tail);
	case FRAMING_CHANNEL:
		return look_at_channel(line, len, frame);
	}
	return LINE_LOST;
}

/* The reply is bytes[off..end), what belongs to it ends at @used. */
static enum frame_result complete(struct framing *f, struct frame *frame, size_t end, size_t used)
{
	frame->len = end - frame->off;
	frame->used = used;
	start_over(f);
	return FRAME_READY;
}

/* Bytes by which an unfinished line that ends a reply, and whose length is known, may be over. */
static size_t slack(const struct framing_spec *s)
{
	if (s->kind == FRAMING_PROBE)
		return marker_max(&s->probe_answer) + 1;
	return s->kind == FRAMING_UNTIL || s->kind == FRAMING_PROMPT ? s->text_len + 1 : 0;
}

/* A line has ended at @lf; PARTIAL if the reply goes on. */
static enum frame_result take_line(struct framing *f, const char *bytes, size_t lf,
				   struct frame *frame)
{
	bool strip = f->spec->strip || f->spec->kind == FRAMING_PROBE;
	size_t at = f->line_at, tail = 0;

	switch (look(f, bytes + at, lf - at, frame, &tail)) {
	case LINE_INSIDE:
		f->line_at = f->scanned = lf + 1;
		return lf > f->max_reply ? FRAME_TOO_LONG : FRAME_PARTIAL;
	case LINE_LAST:
		return lf > f->max_reply ? FRAME_TOO_LONG : complete(f, frame, lf + 1, lf + 1);
	case LINE_MARK:
		if (lf > f->max_reply + slack(f->spec))
			return FRAME_TOO_LONG;
		return complete(f, frame, strip ? at + tail : lf + 1, lf + 1);
	case LINE_LOST:
		break;
	}
	return FRAME_DESYNC;
}

static enum frame_result next_sized(struct framing *f, size_t len, struct frame *frame)
{
	if (f->whole - f->line_at - 1 > f->max_reply)
		return FRAME_TOO_LONG;
	f->scanned = MIN(len, f->whole);
	if (len < f->whole)
		return FRAME_PARTIAL;
	return complete(f, frame, f->spec->strip ? f->whole - 1 : f->whole, f->whole);
}

static enum frame_result next_nul(struct framing *f, const char *bytes, size_t len,
				  struct frame *frame)
{
	const char *nul = memchr(bytes + f->scanned, '\0', len - f->scanned);
	size_t end = nul ? (size_t)(nul - bytes) : len;

	if (end > f->max_reply)
		return FRAME_TOO_LONG;
	f->scanned = len;
	return nul ? complete(f, frame, f->spec->strip ? end : end + 1, end + 1) : FRAME_PARTIAL;
}

/* Whether the unfinished line is what a prompt looks like; it may only be its beginning yet. */
static bool has_prompt(const struct framing *f, const char *bytes, size_t len)
{
	const struct framing_spec *s = f->spec;

	return s->kind == FRAMING_PROMPT && len - f->line_at >= s->text_len &&
	       !memcmp(bytes + f->line_at, s->text, s->text_len);
}

static enum frame_result next_in_lines(struct framing *f, const char *bytes, size_t len,
				       struct frame *frame)
{
	enum frame_result result = FRAME_PARTIAL;

	while (result == FRAME_PARTIAL && !f->whole) {
		const char *lf;
		size_t at = f->line_at, end;

		if (has_prompt(f, bytes, len)) {
			end = at + f->spec->text_len;
			return complete(f, frame, f->spec->strip ? at : end, end);
		}
		lf = memchr(bytes + f->scanned, '\n', len - f->scanned);
		if (!lf) {
			f->scanned = len;
			return len > f->max_reply + slack(f->spec) ? FRAME_TOO_LONG : FRAME_PARTIAL;
		}
		end = (size_t)(lf - bytes);
		if (is_async(f->spec, bytes + at, end - at)) {
			*frame = (struct frame){.off = at, .len = end + 1 - at};
			f->scanned = at;
			return FRAME_ASYNC;
		}
		result = take_line(f, bytes, end, frame);
	}
	return result;
}

enum frame_result framing_next(struct framing *f, const char *bytes, size_t len,
			       struct frame *frame)
{
	enum frame_result result;

	frame->off = 0;
	if (f->spec->kind == FRAMING_NUL)
		return next_nul(f, bytes, len, frame);
	result = f->whole ? FRAME_PARTIAL : next_in_lines(f, bytes, len, frame);
	return result == FRAME_PARTIAL && f->whole ? next_sized(f, len, frame) : result;
}

enum frame_result framing_idle(const struct framing *f, const char *bytes, size_t len,
			       struct frame *frame)
{
	const char *lf;

	if (!f->spec->async)
		return FRAME_DESYNC;
	lf = memchr(bytes, '\n', len);
	if (!lf)
		return len > f->max_reply ? FRAME_DESYNC : FRAME_PARTIAL;
	*frame = (struct frame){.len = (size_t)(lf - bytes) + 1};
	return is_async(f->spec, bytes, frame->len - 1) ? FRAME_ASYNC : FRAME_DESYNC;
}
