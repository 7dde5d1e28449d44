/* SPDX-License-Identifier: MIT */
/*
 * Each kind of ending is a short function that says whether all samples fit
 * it, and if so writes the option; they are tried from the most to the least
 * telling one.
 */
#include "probe_find.h"

#include "probe_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MIN = 3, SIZED_MIN = 12, VERDICTS = 4, VERDICT_MAX = 24 };

typedef bool (*fits_fn)(const struct find_sample *samples, size_t count, char **option);

/* ---- lines ---- */

static size_t count_lines(const struct find_sample *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->len; i++)
		n += s->bytes[i] == '\n';
	return n;
}

/* The last line, which has its LF: where it starts; its length without the LF in *@len. */
static const char *last_line(const struct find_sample *s, size_t *len)
{
	const char *end = s->bytes + s->len - 1;
	const char *before = s->len > 1 ? memrchr(s->bytes, '\n', s->len - 1) : NULL;
	const char *start = before ? before + 1 : s->bytes;

	*len = (size_t)(end - start);
	return start;
}

static bool ends_in_newline(const struct find_sample *s)
{
	return s->bytes[s->len - 1] == '\n';
}

static bool all_end_in_newline(const struct find_sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!ends_in_newline(&samples[i]))
			return false;
	return true;
}

/* ---- the kinds ---- */

static bool fits_nul(const struct find_sample *samples, size_t count, char **option)
{
	for (size_t i = 0; i < count; i++)
		if (memchr(samples[i].bytes, '\0', samples[i].len) !=
		    samples[i].bytes + samples[i].len - 1)
			return false;
	*option = strdup("nul");
	return true;
}

static bool fits_line(const struct find_sample *samples, size_t count, char **option)
{
	for (size_t i = 0; i < count; i++)
		if (!ends_in_newline(&samples[i]) || count_lines(&samples[i]) != 1)
			return false;
	*option = strdup("line");
	return true;
}

/* Words in a first line whose last word is the number of bytes that follow, 0 if it is not so. */
static size_t sized_words(const struct find_sample *s)
{
	const char *lf = memchr(s->bytes, '\n', s->len);
	const char *digits = lf;
	size_t words = 1;
	char *end;

	while (digits && digits > s->bytes && isdigit((unsigned char)digits[-1]))
		digits--;
	if (!lf || digits == lf || (digits > s->bytes && digits[-1] != ' '))
		return 0;
	if (strtoull(digits, &end, 10) + 1 != s->len - (size_t)(lf + 1 - s->bytes) || end != lf)
		return 0;
	for (const char *p = s->bytes; p < lf; p++)
		words += *p == ' ';
	return words;
}

static bool fits_sized(const struct find_sample *samples, size_t count, char **option)
{
	size_t words = 0, longest = 0, size;
	FILE *out;

	for (size_t i = 0; i < count; i++) {
		size_t n = sized_words(&samples[i]);

		longest = MAX(longest, n ? samples[i].len : 0);
		if ((n && words && n != words) || (!n && count_lines(&samples[i]) != 1))
			return false;
		words = n ? n : words;
	}
	/* "1", then the line "2", is as well a reply of two lines. */
	out = longest >= SIZED_MIN ? open_memstream(option, &size) : NULL;
	if (!out)
		return false;
	fputs("sized:^", out);
	while (--words)
		fputs("\\S+ ", out);
	fputs("(\\d+)$", out);
	return !fclose(out);
}

static bool line_is(const char *line, size_t len, const char *text, size_t text_len)
{
	return len == text_len && !memcmp(line, text, len);
}

/* Whether a line before the last one of @s is @text. */
static bool has_earlier(const struct find_sample *s, const char *text, size_t len)
{
	size_t last_len;
	const char *last = last_line(s, &last_len), *line = s->bytes;

	while (line < last) {
		const char *lf = memchr(line, '\n', (size_t)(last - line));

		if (line_is(line, (size_t)(lf - line), text, len))
			return true;
		line = lf + 1;
	}
	return false;
}

static bool fits_until(const struct find_sample *samples, size_t count, char **option)
{
	size_t len, other_len;
	const char *text, *other;

	if (!all_end_in_newline(samples, count))
		return false;
	text = last_line(&samples[0], &len);
	for (size_t i = 0; i < count; i++) {
		other = last_line(&samples[i], &other_len);
		if (!line_is(other, other_len, text, len) || has_earlier(&samples[i], text, len))
			return false;
	}
	/* A number is a result, which two requests may well have in common. */
	if (len && strspn(text, "0123456789") >= len)
		return false;
	*option = text_is_printable(text, len) ? text_until(text, len) : NULL;
	return *option;
}

/* Whether all samples are of @kind and hold one reply each: a pattern may match too early. */
static bool fits_option(const struct find_sample *samples, size_t count, const char *option)
{
	struct shape shape;
	bool fits = true;

	if (shape_parse(option, &shape) < 0)
		return false;
	for (size_t i = 0; i < count && fits; i++)
		fits = shape_is_one(&shape, 0, samples[i].bytes, samples[i].len);
	shape_finish(&shape);
	return fits;
}

/* Keep *@option if all samples fit it. */
static bool keep_fitting(const struct find_sample *samples, size_t count, char **option)
{
	if (*option && fits_option(samples, count, *option))
		return true;
	free(*option);
	*option = NULL;
	return false;
}

static bool fits_numbered(const struct find_sample *samples, size_t count, char **option)
{
	size_t len, size;
	const char *text;
	FILE *out;

	if (!all_end_in_newline(samples, count))
		return false;
	text = last_line(&samples[0], &len);
	if (!text_is_printable(text, len) || !len || isdigit((unsigned char)text[0]))
		return false;
	out = open_memstream(option, &size);
	if (!out)
		return false;
	fputs("until-match:^", out);
	text_put_numbered(out, text, len);
	putc('$', out);
	fclose(out);
	return keep_fitting(samples, count, option);
}

/* The last line starts with a word of its own, as in `bestmove e2e4`. */
static bool fits_word(const struct find_sample *samples, size_t count, char **option)
{
	size_t len, word = 0;
	const char *text;

	for (size_t i = 0; i < count; i++)
		if (!ends_in_newline(&samples[i]) || count_lines(&samples[i]) < 2)
			return false;
	text = last_line(&samples[0], &len);
	while (word < len && isalpha((unsigned char)text[word]))
		word++;
	if (word < WORD_MIN || word == len || !strchr(" :=", text[word]) ||
	    asprintf(option, "until-match:^%.*s", (int)word + 1, text) < 0)
		return false;
	/* A blank at the end would not survive in a file. */
	if (text[word] == ' ')
		(*option)[strlen(*option) - 1] = '\0';
	return keep_fitting(samples, count, option);
}

static bool fits_prompt(const struct find_sample *samples, size_t count, char **option)
{
	const char *text = NULL, *lf;
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		const struct find_sample *s = &samples[i];

		lf = memrchr(s->bytes, '\n', s->len);
		if (ends_in_newline(s) ||
		    (i && (s->len < len || memcmp(s->bytes + s->len - len, text, len))))
			return false;
		if (i)
			continue;
		text = lf ? lf + 1 : s->bytes;
		len = (size_t)(s->bytes + s->len - text);
	}
	*option = text_is_printable(text, len) ? text_prompt(text, len) : NULL;
	return keep_fitting(samples, count, option);
}

/* Whether the line is one word in capitals, as END and FAIL are. */
static bool is_verdict(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isupper((unsigned char)line[i]))
			return false;
	return len > 1 && len < VERDICT_MAX;
}

/* The last line is one of a few words in capitals. */
static bool fits_verdicts(const struct find_sample *samples, size_t count, char **option)
{
	char words[VERDICTS * VERDICT_MAX] = "|", word[VERDICT_MAX + 2];
	size_t distinct = 0, len;
	const char *line;

	if (!all_end_in_newline(samples, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		line = last_line(&samples[i], &len);
		if (!is_verdict(line, len))
			return false;
		snprintf(word, sizeof(word), "|%.*s|", (int)len, line);
		if (strstr(words, word))
			continue;
		if (++distinct >= VERDICTS)
			return false;
		strcat(words, word + 1);
	}
	words[strlen(words) - 1] = '\0';
	if (asprintf(option, "until-match:^(%s)$", words + 1) < 0)
		*option = NULL;
	return keep_fitting(samples, count, option);
}

static bool fits_lines(const struct find_sample *samples, size_t count, char **option)
{
	size_t lines = count_lines(&samples[0]);

	for (size_t i = 0; i < count; i++)
		if (!ends_in_newline(&samples[i]) || count_lines(&samples[i]) != lines)
			return false;
	return asprintf(option, "lines:%zu", lines) >= 0;
}

static bool all_are_equal(const struct find_sample *samples, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (samples[i].len != samples[0].len ||
		    memcmp(samples[i].bytes, samples[0].bytes, samples[0].len))
			return false;
	return true;
}

static const fits_fn kinds[] = {fits_nul,      fits_line, fits_sized,  fits_until, fits_numbered,
				fits_verdicts, fits_word, fits_prompt, fits_lines};

/* The same reply to everything has no end that could be told from its middle. */
static const fits_fn kinds_of_equal[] = {fits_nul, fits_line, fits_sized, fits_prompt, fits_lines};

int find_shape(const struct find_sample *samples, size_t count, struct shape *out)
{
	struct find_sample said[64];
	char *option = NULL;
	size_t n = 0;
	bool equal;
	int rc;

	for (size_t i = 0; i < count && n < ARRAY_SIZE(said); i++)
		if (samples[i].len)
			said[n++] = samples[i];
	equal = all_are_equal(said, n) && n && count_lines(&said[0]) > 1;
	for (size_t i = 0; n && i < (equal ? ARRAY_SIZE(kinds_of_equal) : ARRAY_SIZE(kinds)); i++)
		if ((equal ? kinds_of_equal[i] : kinds[i])(said, n, &option))
			break;
	rc = shape_parse(option ? option : "", out);
	free(option);
	return rc;
}

int find_banner(const struct shape *shape, const char *bytes, size_t len, char **out)
{
	const char *end = len ? memrchr(bytes, '\n', len) : NULL;
	struct find_sample lines = {.bytes = bytes, .len = end ? (size_t)(end - bytes) + 1 : 0};
	const char *last;
	size_t last_len;

	*out = NULL;
	if (lines.len < len && text_is_printable(bytes + lines.len, len - lines.len)) {
		*out = text_prompt(bytes + lines.len, len - lines.len);
		return *out ? 0 : -ENOMEM;
	}
	if (!end)
		return 0;
	last = last_line(&lines, &last_len);
	if ((shape->kind == SHAPE_UNTIL || shape->kind == SHAPE_MATCH) && last_len &&
	    shape_is_one(shape, 0, bytes, lines.len))
		*out = text_until(last, last_len);
	else if (asprintf(out, "lines:%zu", count_lines(&lines)) < 0)
		*out = NULL;
	return *out ? 0 : -ENOMEM;
}
