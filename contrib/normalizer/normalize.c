/* SPDX-License-Identifier: MIT */
#include "normalize.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Scripts that are written without spaces between words. */
static const struct {
	utf8proc_int32_t first, last;
} unspaced[] = {
    {0x0e00, 0x0eff},   /* Thai, Lao */
    {0x1000, 0x109f},   /* Myanmar */
    {0x1780, 0x17ff},   /* Khmer */
    {0x2e80, 0x2fdf},   /* CJK radicals */
    {0x3005, 0x3007},   /* iteration mark, closing mark, zero */
    {0x3040, 0x30ff},   /* Hiragana, Katakana */
    {0x3400, 0x9fff},   /* Han */
    {0xf900, 0xfaff},   /* Han, compatibility */
    {0x20000, 0x3ffff}, /* Han, supplementary */
};

static bool is_unspaced(utf8proc_int32_t c)
{
	for (size_t i = 0; i < sizeof(unspaced) / sizeof(unspaced[0]); i++) {
		if (c >= unspaced[i].first && c <= unspaced[i].last)
			return true;
	}
	return false;
}

/* Control characters count as white space, so that a reply can only be one line. */
static bool is_space(utf8proc_int32_t c)
{
	switch ((int)utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
	case UTF8PROC_CATEGORY_CC:
		return true;
	default:
		return false;
	}
}

/* The position of the first byte that is not UTF-8, counted from 1; 0: all are. */
static size_t find_bad_byte(const char *line, size_t len)
{
	const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)line;
	size_t at = 0;

	while (at < len) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate(bytes + at, (utf8proc_ssize_t)(len - at), &c);

		if (n <= 0)
			return at + 1;
		at += (size_t)n;
	}
	return 0;
}

/* NFKC_Casefold of Unicode: full width becomes half width, upper case lower, invisible nothing. */
static int fold(const char *line, size_t len, char **out, size_t *out_len, size_t *bad_byte)
{
	utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
				    UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;
	utf8proc_uint8_t *folded;
	utf8proc_ssize_t n;

	*bad_byte = find_bad_byte(line, len);
	if (*bad_byte)
		return -EILSEQ;
	n = utf8proc_map((const utf8proc_uint8_t *)line, (utf8proc_ssize_t)len, &folded, options);
	if (n < 0)
		return -ENOMEM;
	*out = (char *)folded;
	*out_len = (size_t)n;
	return 0;
}

/* The code point at @at of text that is known to be UTF-8. Returns its length. */
static size_t next_char(const char *text, size_t at, size_t len, utf8proc_int32_t *c)
{
	utf8proc_ssize_t n =
	    utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(len - at), c);

	return n > 0 ? (size_t)n : 1;
}

static size_t skip_spaces(const char *text, size_t at, size_t len)
{
	utf8proc_int32_t c;
	size_t n;

	while (at < len && (n = next_char(text, at, len, &c)) && is_space(c))
		at += n;
	return at;
}

static size_t skip_word(const char *text, size_t at, size_t len)
{
	utf8proc_int32_t c;
	size_t n;

	while (at < len && (n = next_char(text, at, len, &c)) && !is_space(c))
		at += n;
	return at;
}

struct slice {
	const char *text;
	size_t len;
};

static int compare_word(const void *key, const void *element)
{
	const struct slice *k = key;
	const char *word = *(char *const *)element;
	int order = strncmp(k->text, word, k->len);

	return order ? order : -(word[k->len] != '\0');
}

static bool is_stop_word(const struct stop_words *s, const char *text, size_t len)
{
	struct slice key = {text, len};

	return s->count && bsearch(&key, s->words, s->count, sizeof(*s->words), compare_word);
}

/* The length of the stop word that stands here in the midst of a text without spaces. */
static size_t piece_here(const struct stop_words *s, const char *text, size_t len)
{
	for (size_t i = 0; i < s->piece_count; i++) {
		size_t n = strlen(s->pieces[i]);

		if (n <= len && !memcmp(text, s->pieces[i], n))
			return n;
	}
	return 0;
}

/* Copy a word without its pieces, down to a @dst that may overlap it. Returns the new length. */
static size_t copy_word(const struct stop_words *s, const char *word, size_t len, char *dst)
{
	size_t at = 0, copied = 0;

	while (at < len) {
		utf8proc_int32_t c;
		size_t n = next_char(word, at, len, &c);
		size_t piece = is_unspaced(c) ? piece_here(s, word + at, len - at) : 0;

		if (!piece) {
			memmove(dst + copied, word + at, n);
			copied += n;
		}
		at += piece ? piece : n;
	}
	return copied;
}

/* The result is never longer than the text, so that it is written over it. */
static size_t squeeze(const struct stop_words *s, char *text, size_t len)
{
	size_t at = skip_spaces(text, 0, len), out = 0;

	while (at < len) {
		size_t end = skip_word(text, at, len);
		size_t gap = out ? 1 : 0, n = 0;

		if (!is_stop_word(s, text + at, end - at)) {
			/* Behind a word there was at least one byte of space. */
			n = copy_word(s, text + at, end - at, text + out + gap);
			if (n && gap)
				text[out] = ' ';
		}
		out += n ? n + gap : 0;
		at = skip_spaces(text, end, len);
	}
	return out;
}

int normalize(const struct stop_words *s, const char *line, size_t len, char **out,
	      size_t *bad_byte)
{
	char *text;
	size_t text_len;
	int error = fold(line, len, &text, &text_len, bad_byte);

	if (error)
		return error;
	text[squeeze(s, text, text_len)] = '\0';
	*out = text;
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_length_down(const void *a, const void *b)
{
	size_t n = strlen(*(char *const *)a), m = strlen(*(char *const *)b);

	return (n < m) - (n > m);
}

static int append(char ***words, size_t *count, char *word)
{
	char **more = realloc(*words, (*count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	*words = more;
	more[(*count)++] = word;
	return 0;
}

/* Whether the whole word is of scripts without spaces. */
static bool is_piece(const char *word)
{
	size_t len = strlen(word), at = 0;
	utf8proc_int32_t c;

	while (at < len) {
		at += next_char(word, at, len, &c);
		if (!is_unspaced(c))
			return false;
	}
	return len > 0;
}

static int add_line(struct stop_words *s, const char *line, size_t len, size_t *bad_byte)
{
	static const struct stop_words none;
	char *word;
	int error = normalize(&none, line, len, &word, bad_byte);

	if (error)
		return error;
	if (*word)
		error = append(&s->words, &s->count, word);
	if (!*word || error) {
		free(word);
		return error;
	}
	return is_piece(word) ? append(&s->pieces, &s->piece_count, word) : 0;
}

static int read_words(struct stop_words *s, FILE *file, size_t *bad_line)
{
	char *line = NULL;
	size_t cap = 0, number = 0, bad_byte;
	ssize_t n;
	int error = 0;

	while (!error && (n = getline(&line, &cap, file)) >= 0) {
		number++;
		error = add_line(s, line, strcspn(line, "#\n"), &bad_byte);
	}
	free(line);
	*bad_line = number;
	if (!error && ferror(file))
		return -EIO;
	return error;
}

int stop_words_load(struct stop_words *s, const char *path, size_t *bad_line)
{
	FILE *file = fopen(path, "re");
	int error;

	*s = (struct stop_words){0};
	if (!file)
		return -errno;
	error = read_words(s, file, bad_line);
	fclose(file);
	if (error) {
		stop_words_free(s);
		return error;
	}
	if (s->count)
		qsort(s->words, s->count, sizeof(*s->words), by_bytes);
	if (s->piece_count)
		qsort(s->pieces, s->piece_count, sizeof(*s->pieces), by_length_down);
	return 0;
}

void stop_words_free(struct stop_words *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->words[i]);
	free(s->words);
	free(s->pieces);
	*s = (struct stop_words){0};
}
