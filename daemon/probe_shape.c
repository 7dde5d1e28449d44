/* SPDX-License-Identifier: MIT */
#include "probe_shape.h"

#include "parse.h"
#include "patterns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name; /* up to its argument */
	enum shape_kind kind;
} names[] = {
    {"lines:", SHAPE_LINES},   {"line", SHAPE_LINE},          {"until:", SHAPE_UNTIL},
    {"prompt:", SHAPE_PROMPT}, {"until-match:", SHAPE_MATCH}, {"nul", SHAPE_NUL},
    {"sized:", SHAPE_SIZED},   {"probe:", SHAPE_PROBE},       {"channel", SHAPE_CHANNEL},
};

/* ---- from an option ---- */

static char *unescape(const char *text, size_t len)
{
	CLEANUP(shape_free_text) char *copy = strndup(text, len);
	char *out = copy ? malloc(len + 1) : NULL;
	size_t out_len;

	if (out && parse_escapes(copy, out, &out_len) < 0)
		memcpy(out, copy, len + 1);
	return out;
}

void shape_free_text(char **text)
{
	free(*text);
	*text = NULL;
}

static int take_probe(struct shape *s, const char *value)
{
	const char *arrow = strstr(value, "=>");

	if (!arrow || arrow == value)
		return -EINVAL;
	s->marker = unescape(value, (size_t)(arrow - value));
	s->text = unescape(arrow + 2, strlen(arrow + 2));
	return s->marker && s->text ? 0 : -ENOMEM;
}

static int take_pattern(struct shape *s, const char *value)
{
	char why[200];

	s->text = strdup(value);
	return s->text ? patterns_add(&s->patterns, s->text, why, sizeof(why)) : -ENOMEM;
}

static int take_argument(struct shape *s, const char *value)
{
	uint64_t n = 0;

	switch (s->kind) {
	case SHAPE_NONE:
	case SHAPE_LINE:
	case SHAPE_NUL:
	case SHAPE_CHANNEL:
		return *value ? -EINVAL : 0;
	case SHAPE_LINES:
		if (parse_count(value, &n) < 0 || !n)
			return -EINVAL;
		s->lines = n;
		return 0;
	case SHAPE_UNTIL:
	case SHAPE_PROMPT:
		s->text = unescape(value, strlen(value));
		return s->text ? 0 : -ENOMEM;
	case SHAPE_MATCH:
	case SHAPE_SIZED:
		return take_pattern(s, value);
	case SHAPE_PROBE:
		return take_probe(s, value);
	}
	return -EINVAL;
}

int shape_parse(const char *option, struct shape *out)
{
	struct shape shape = {.option = strdup(option)};
	size_t skip = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !skip; i++)
		if (!strncmp(option, names[i].name, strlen(names[i].name))) {
			shape.kind = names[i].kind;
			skip = strlen(names[i].name);
		}
	if (!shape.option)
		rc = -ENOMEM;
	else
		rc = skip || !*option ? take_argument(&shape, option + skip) : -EINVAL;
	if (rc)
		shape_finish(&shape);
	else
		*out = shape;
	return rc;
}

void shape_finish(struct shape *shape)
{
	patterns_free(shape->patterns);
	free(shape->option);
	free(shape->text);
	free(shape->marker);
	*shape = (struct shape){0};
}

/* ---- asking ---- */

/* Append @text with the number in the place of %n. */
static int add_numbered(struct buf *out, const char *text, uint64_t number)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number), rc = 0;

	while (!rc && *text) {
		const char *place = strstr(text, "%n");
		size_t plain = place ? (size_t)(place - text) : strlen(text);

		rc = buf_add(out, text, plain);
		if (!rc && place)
			rc = buf_add(out, digits, (size_t)n);
		text += plain + (place ? 2 : 0);
	}
	return rc;
}

int shape_wrap(const struct shape *shape, const char *bytes, size_t len, uint64_t number,
	       struct buf *out)
{
	int rc = 0;

	if (shape->kind == SHAPE_CHANNEL)
		rc = add_numbered(out, "%n ", number);
	if (!rc)
		rc = buf_add(out, bytes, len);
	if (!rc && shape->kind == SHAPE_PROBE) {
		rc = add_numbered(out, shape->marker, number);
		if (!rc)
			rc = buf_add(out, "\n", 1);
	}
	return rc;
}

/* ---- the reply ---- */

/* The line at @bytes; its length with its LF, 0 if it is not complete. */
static size_t line_length(const char *bytes, size_t len)
{
	const char *lf = len ? memchr(bytes, '\n', len) : NULL;

	return lf ? (size_t)(lf - bytes) + 1 : 0;
}

/* Whether the line of @len bytes, without its LF, ends a reply of @shape; @mark is for a probe. */
static bool is_last_line(const struct shape *shape, const struct buf *mark, const char *line,
			 size_t len)
{
	if (shape->kind == SHAPE_MATCH)
		return patterns_find(shape->patterns, line, len, NULL);
	if (shape->kind == SHAPE_PROBE)
		return mark->len == len && !memcmp(buf_bytes(mark), line, len);
	return strlen(shape->text) == len && !memcmp(shape->text, line, len);
}

static bool next_until(const struct shape *shape, uint64_t number, const char *bytes, size_t len,
		       struct shape_piece *out)
{
	CLEANUP(buf_finish) struct buf mark = {0};
	size_t at = 0, n;

	if (shape->kind == SHAPE_PROBE && add_numbered(&mark, shape->text, number) < 0)
		return false;
	for (; (n = line_length(bytes + at, len - at)); at += n)
		if (is_last_line(shape, &mark, bytes + at, n - 1)) {
			out->used = at + n;
			out->len = shape->kind == SHAPE_PROBE ? at : out->used;
			return true;
		}
	return false;
}

static bool next_lines(size_t lines, const char *bytes, size_t len, struct shape_piece *out)
{
	size_t at = 0, n;

	while (lines && (n = line_length(bytes + at, len - at))) {
		at += n;
		lines--;
	}
	out->len = out->used = at;
	return !lines;
}

static bool next_sized(const struct shape *shape, const char *bytes, size_t len,
		       struct shape_piece *out)
{
	size_t line = line_length(bytes, len), group[2] = {0}, more = 0;
	char digits[24] = "";
	uint64_t n;

	if (!line)
		return false;
	if (patterns_find(shape->patterns, bytes, line - 1, group) &&
	    group[1] - group[0] < sizeof(digits)) {
		memcpy(digits, bytes + group[0], group[1] - group[0]);
		if (parse_count(digits, &n) == 0 && n < SIZE_MAX / 2)
			more = n + 1;
	}
	out->len = out->used = line + more;
	return out->used <= len;
}

static bool next_ending(const char *end, size_t end_len, const char *bytes, size_t len,
			struct shape_piece *out)
{
	const char *found = len ? memmem(bytes, len, end, end_len) : NULL;

	if (!found)
		return false;
	out->len = out->used = (size_t)(found - bytes) + end_len;
	return true;
}

static bool next_channel(const char *bytes, size_t len, struct shape_piece *out)
{
	size_t line = line_length(bytes, len), digits = 0;

	while (digits < line && bytes[digits] >= '0' && bytes[digits] <= '9')
		digits++;
	if (!digits || digits >= line || (bytes[digits] != ' ' && bytes[digits] != '\n'))
		return false;
	out->off = digits + (bytes[digits] == ' ');
	out->len = line - out->off;
	out->used = line;
	return true;
}

bool shape_next(const struct shape *shape, uint64_t number, const char *bytes, size_t len,
		struct shape_piece *out)
{
	*out = (struct shape_piece){0};
	switch (shape->kind) {
	case SHAPE_NONE:
		return false;
	case SHAPE_LINE:
		return next_lines(1, bytes, len, out);
	case SHAPE_LINES:
		return next_lines(shape->lines, bytes, len, out);
	case SHAPE_UNTIL:
	case SHAPE_MATCH:
	case SHAPE_PROBE:
		return next_until(shape, number, bytes, len, out);
	case SHAPE_PROMPT:
		return next_ending(shape->text, strlen(shape->text), bytes, len, out);
	case SHAPE_NUL:
		return next_ending("", 1, bytes, len, out);
	case SHAPE_SIZED:
		return next_sized(shape, bytes, len, out);
	case SHAPE_CHANNEL:
		return next_channel(bytes, len, out);
	}
	return false;
}

size_t shape_count(const struct shape *shape, uint64_t number, const char *bytes, size_t len,
		   size_t *rest)
{
	struct shape_piece piece;
	size_t count = 0;

	while (len && shape_next(shape, number + count, bytes, len, &piece)) {
		bytes += piece.used;
		len -= piece.used;
		count++;
	}
	*rest = len;
	return count;
}

bool shape_is_one(const struct shape *shape, uint64_t number, const char *bytes, size_t len)
{
	size_t rest;

	return shape_count(shape, number, bytes, len, &rest) == 1 && !rest;
}

size_t shape_drop_lines(struct patterns *patterns, char *bytes, size_t len)
{
	size_t at = 0, kept = 0, n;

	if (!patterns)
		return len;
	for (; at < len; at += n) {
		n = line_length(bytes + at, len - at);
		if (n && patterns_find(patterns, bytes + at, n - 1, NULL))
			continue;
		n = n ? n : len - at;
		memmove(bytes + kept, bytes + at, n);
		kept += n;
	}
	return kept;
}
