/* SPDX-License-Identifier: MIT */
#include "cut.h"

#include "parse.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static size_t without_cr(const char *line, size_t len)
{
	return len && line[len - 1] == '\r' ? len - 1 : len;
}

static enum cut_result found(struct cut *c, struct cut_piece *piece, size_t off, size_t len,
			     size_t used)
{
	*piece = (struct cut_piece){.off = off, .len = len, .used = used};
	c->scanned = c->line_at = 0;
	return CUT_READY;
}

/* Up to one byte: LF or NUL. */
static enum cut_result next_by(struct cut *c, char end, const char *bytes, size_t len, size_t max,
			       struct cut_piece *piece)
{
	const char *at = memchr(bytes + c->scanned, end, len - c->scanned);
	size_t n = at ? (size_t)(at - bytes) : len;

	if (!at) {
		c->scanned = len;
		return len > max + 1 ? CUT_TOO_BIG : CUT_PARTIAL; /* a CR may come */
	}
	return found(c, piece, 0, end == '\n' ? without_cr(bytes, n) : n, n + 1);
}

static bool is_text(const struct cut *c, const char *line, size_t len)
{
	len = without_cr(line, len);
	return len == c->text_len && !memcmp(line, c->text, len);
}

static enum cut_result next_until(struct cut *c, const char *bytes, size_t len, size_t max,
				  struct cut_piece *piece)
{
	const char *lf;

	while ((lf = memchr(bytes + c->scanned, '\n', len - c->scanned))) {
		size_t end = (size_t)(lf - bytes), at = c->line_at;

		if (is_text(c, bytes + at, end - at))
			return found(c, piece, 0, at ? at - 1 : 0, end + 1);
		c->line_at = c->scanned = end + 1;
		if (end > max)
			return CUT_TOO_BIG;
	}
	c->scanned = len;
	return len > max + c->text_len + 2U ? CUT_TOO_BIG : CUT_PARTIAL;
}

/* The number in a request's first line. */
static bool read_size(const char *line, size_t len, size_t *size)
{
	*size = 0;
	len = without_cr(line, len);
	if (!len || len > 15)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
		*size = *size * 10 + (size_t)(line[i] - '0');
	}
	return true;
}

static enum cut_result next_sized(struct cut *c, const char *bytes, size_t len, size_t max,
				  struct cut_piece *piece)
{
	const char *lf = memchr(bytes, '\n', MIN(len, 18));
	size_t size, head = lf ? (size_t)(lf - bytes) + 1 : 0;

	if (!lf)
		return len < 18 ? CUT_PARTIAL : CUT_BAD;
	if (!read_size(bytes, head - 1, &size))
		return CUT_BAD;
	if (size > max) {
		c->left = head + size;
		return CUT_TOO_BIG;
	}
	return len - head < size ? CUT_PARTIAL : found(c, piece, head, size, head + size);
}

enum cut_result cut_next(struct cut *c, const char *bytes, size_t len, size_t max,
			 struct cut_piece *piece)
{
	switch (c->kind) {
	case CUT_LINE:
		return next_by(c, '\n', bytes, len, max, piece);
	case CUT_UNTIL:
		return next_until(c, bytes, len, max, piece);
	case CUT_NUL:
		return next_by(c, '\0', bytes, len, max, piece);
	case CUT_SIZED:
		return next_sized(c, bytes, len, max, piece);
	}
	return CUT_BAD;
}

enum cut_result cut_last(struct cut *c, const char *bytes, size_t len, struct cut_piece *piece)
{
	if (c->kind == CUT_SIZED)
		return CUT_BAD;
	if (c->kind == CUT_UNTIL && is_text(c, bytes + c->line_at, len - c->line_at))
		return found(c, piece, 0, c->line_at ? c->line_at - 1 : 0, len);
	if (c->kind == CUT_UNTIL && bytes[len - 1] == '\n')
		return found(c, piece, 0, len - 1, len);
	return found(c, piece, 0, c->kind == CUT_LINE ? without_cr(bytes, len) : len, len);
}

static bool skip_until(struct cut *c, const char *bytes, size_t len, size_t *used)
{
	const char *lf;

	c->scanned = c->line_at = 0;
	for (*used = 0; (lf = memchr(bytes + *used, '\n', len - *used));) {
		size_t at = *used, end = (size_t)(lf - bytes);
		bool whole = !c->mid_line;

		*used = end + 1;
		c->mid_line = false;
		if (whole && is_text(c, bytes + at, end - at))
			return true;
	}
	/* What may become the text is kept. */
	if (c->mid_line || len - *used > c->text_len + 1U) {
		c->mid_line = true;
		*used = len;
	}
	return false;
}

bool cut_skip(struct cut *c, const char *bytes, size_t len, size_t *used)
{
	const char *at;

	if (c->kind == CUT_UNTIL)
		return skip_until(c, bytes, len, used);
	if (c->kind == CUT_SIZED) {
		*used = MIN(len, c->left);
		c->left -= *used;
		return !c->left;
	}
	at = memchr(bytes, c->kind == CUT_LINE ? '\n' : '\0', len);
	c->scanned = 0;
	*used = at ? (size_t)(at - bytes) + 1 : len;
	return at != NULL;
}

const char *cut_parse(char *text, struct cut *c)
{
	static const struct {
		const char *word;
		enum cut_kind kind;
	} words[] = {{"line", CUT_LINE}, {"nul", CUT_NUL}, {"sized", CUT_SIZED}};
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i].word) != 0)
			continue;
		c->kind = words[i].kind;
		return NULL;
	}
	if (strncmp(text, "until:", 6) != 0)
		return "request is none of line, until:TEXT, nul and sized";
	c->kind = CUT_UNTIL;
	c->text = text + 6;
	if (parse_escapes(text + 6, text + 6, &len))
		return "request has an unknown escape in its TEXT";
	if (len > CUT_TEXT_MAX || memchr(c->text, '\n', len))
		return "request has a TEXT that is no line of up to 255 bytes";
	c->text_len = (uint8_t)len;
	return NULL;
}
