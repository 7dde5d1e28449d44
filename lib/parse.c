/* SPDX-License-Identifier: MIT */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEN_YEARS_MS (INT64_C(3652) * 24 * 3600 * 1000)

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
    {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};

static const struct unit sizes[] = {
    {"G", UINT64_C(1) << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}};

/* Digits at *@text, which is moved behind them. Returns 0, -EINVAL or -ERANGE. */
static int parse_digits(const char **text, uint64_t *out)
{
	uint64_t n = 0;
	const char *p = *text;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		n = n * 10 + digit;
	}
	*text = p;
	*out = n;
	return 0;
}

/* Digits and one of @units. */
static int parse_with_unit(const char *text, const struct unit *units, size_t count, uint64_t max,
			   uint64_t *out)
{
	uint64_t n;
	int rc = parse_digits(&text, &n);

	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, units[i].name))
			continue;
		if (n > max / units[i].factor)
			return -ERANGE;
		*out = n * units[i].factor;
		return 0;
	}
	return -EINVAL;
}

int parse_duration_ms(const char *text, int64_t *out_ms)
{
	uint64_t n;
	int rc;

	if (!strcmp(text, "0")) {
		*out_ms = 0;
		return 0;
	}
	rc = parse_with_unit(text, durations, ARRAY_SIZE(durations), TEN_YEARS_MS, &n);
	if (!rc)
		*out_ms = (int64_t)n;
	return rc;
}

int parse_size(const char *text, size_t *out)
{
	uint64_t n;
	int rc = parse_with_unit(text, sizes, ARRAY_SIZE(sizes), SIZE_MAX / 2, &n);

	if (!rc)
		*out = (size_t)n;
	return rc;
}

int parse_count(const char *text, uint64_t *out)
{
	uint64_t n;
	int rc = parse_digits(&text, &n);

	if (rc)
		return rc;
	if (*text)
		return -EINVAL;
	*out = n;
	return 0;
}

int parse_bool(const char *text, bool *out)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcasecmp(text, words[i])) {
			*out = i % 2;
			return 0;
		}
	}
	return -EINVAL;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte of the escape whose backslash is behind us; *@text is moved behind it. */
static int parse_escape(const char **text, char *out)
{
	static const char names[] = "nrt0e\\", values[] = "\n\r\t\0\033\\";
	char c = **text;
	const char *known = c ? strchr(names, c) : NULL;

	if (known) {
		*out = values[known - names];
		*text += 1;
		return 0;
	}
	if (c != 'x' || hex_value((*text)[1]) < 0 || hex_value((*text)[2]) < 0)
		return -EINVAL;
	*out = (char)(hex_value((*text)[1]) * 16 + hex_value((*text)[2]));
	*text += 3;
	return 0;
}

int parse_escapes(const char *text, char *dst, size_t *out_len)
{
	char *d = dst;

	while (*text) {
		char c = *text++;

		if (c == '\\' && parse_escape(&text, &c))
			return -EINVAL;
		*d++ = c;
	}
	*d = '\0';
	*out_len = (size_t)(d - dst);
	return 0;
}

/* One word at *@text (no blank there) into @dst; *@text is moved behind it. */
static int parse_word(const char **text, char *dst)
{
	const char *p = *text;
	char quote = 0;

	for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
		if (quote ? *p == quote : (*p == '\'' || *p == '"')) {
			quote = quote ? 0 : *p;
			continue;
		}
		if (*p == '\\' && quote != '\'' &&
		    (!quote || p[1] == '"' || p[1] == '\\' || !p[1])) {
			if (!*++p)
				return -EINVAL;
		}
		*dst++ = *p;
	}
	*dst = '\0';
	*text = p;
	return quote ? -EINVAL : 0;
}

static void words_cleanup(char ***words)
{
	parse_words_free(*words);
}

static void word_cleanup(char **word)
{
	free(*word);
}

int parse_words(const char *text, char ***out)
{
	/* There are no more words than every other byte, none is longer than the text. */
	size_t len = strlen(text), count = 0;
	char **words CLEANUP(words_cleanup) = calloc(len / 2 + 2, sizeof(*words));
	char *word CLEANUP(word_cleanup) = malloc(len + 1);

	if (!words || !word)
		return -ENOMEM;
	while (isspace((unsigned char)*text))
		text++;
	while (*text) {
		if (parse_word(&text, word))
			return -EINVAL;
		words[count] = strdup(word);
		if (!words[count++])
			return -ENOMEM;
		while (isspace((unsigned char)*text))
			text++;
	}
	*out = TAKE(words);
	return 0;
}

void parse_words_free(char **words)
{
	if (!words)
		return;
	for (char **w = words; *w; w++)
		free(*w);
	free(words);
}

const char *parse_format_duration(int64_t ms, char *dst, size_t size)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(durations) - 1 && (!ms || ms % (int64_t)durations[i].factor))
		i++;
	if (!ms)
		i = 2; /* "0s" */
	snprintf(dst, size, "%lld%s", (long long)(ms / (int64_t)durations[i].factor),
		 durations[i].name);
	return dst;
}

const char *parse_format_size(size_t n, char *dst, size_t size)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(sizes) - 1 && (!n || n % sizes[i].factor))
		i++;
	snprintf(dst, size, "%zu%s", n / (size_t)sizes[i].factor, sizes[i].name);
	return dst;
}
