/* SPDX-License-Identifier: MIT */
/* The value of `reply`, read and checked. */
#include "framing.h"

#include "parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 1000000

static const char allowed[] =
    "line, lines:N, until:TEXT, until-match:REGEX, prompt:TEXT, nul, sized:REGEX, "
    "probe:REQUEST=>REPLY or channel";

static int set_lines(struct framing_spec *s, const char *value, char *why, size_t size)
{
	if (!parse_count(value, &s->lines) && s->lines >= 1 && s->lines <= LINES_MAX)
		return 0;
	snprintf(why, size, "\"%s\" is no number of lines; allowed are 1 to 1000000", value);
	return -EINVAL;
}

static int set_text(struct framing_spec *s, const char *value, char *why, size_t size)
{
	s->text = malloc(strlen(value) + 1);
	if (!s->text)
		return -ENOMEM;
	if (parse_escapes(value, s->text, &s->text_len)) {
		snprintf(why, size, "has an unknown escape; allowed are %s",
			 "\\n \\r \\t \\0 \\e \\\\ \\xNN");
		return -EINVAL;
	}
	if (!s->text_len && s->kind == FRAMING_PROMPT) {
		snprintf(why, size, "has an empty prompt; allowed is prompt:TEXT");
		return -EINVAL;
	}
	if (memchr(s->text, '\n', s->text_len)) {
		snprintf(why, size, "has an end of line in TEXT, which is compared with one line");
		return -EINVAL;
	}
	return 0;
}

static int set_match(struct framing_spec *s, const char *value, char *why, size_t size)
{
	if (!*value) {
		snprintf(why, size, "has an empty REGEX; allowed are %s", allowed);
		return -EINVAL;
	}
	s->text = strdup(value);
	if (!s->text)
		return -ENOMEM;
	if (s->kind == FRAMING_SIZED && !strchr(value, '(')) {
		snprintf(why, size, "has no group (...) around the number of bytes");
		return -EINVAL;
	}
	return patterns_add(&s->match, s->text, why, size);
}

static int set_probe(struct framing_spec *s, const char *value, char *why, size_t size)
{
	const char *arrow = strstr(value, "=>");
	int rc;

	if (!arrow || arrow == value || !arrow[2]) {
		snprintf(why, size, "lacks REQUEST or REPLY; allowed is probe:REQUEST=>REPLY");
		return -EINVAL;
	}
	rc = marker_parse(value, (size_t)(arrow - value), &s->probe);
	if (!rc)
		rc = marker_parse(arrow + 2, strlen(arrow + 2), &s->probe_answer);
	if (rc == -EINVAL)
		snprintf(why, size, "has an unknown escape or more than one %%n in a part");
	if (rc)
		return rc;
	if (s->probe_answer.numbered && !s->probe.numbered) {
		snprintf(why, size, "has %%n in REPLY but not in REQUEST");
		return -EINVAL;
	}
	if (memchr(s->probe_answer.text, '\n', s->probe_answer.len)) {
		snprintf(why, size, "has an end of line in REPLY, which is compared with one line");
		return -EINVAL;
	}
	return 0;
}

static int set_nothing(struct framing_spec *s, const char *value, char *why, size_t size)
{
	(void)s, (void)value, (void)why, (void)size;
	return 0;
}

static const struct kind_row {
	const char *word; /* with its colon, if a value follows */
	enum framing_kind kind;
	int (*set)(struct framing_spec *s, const char *value, char *why, size_t size);
} kinds[] = {{"line", FRAMING_LINE, set_nothing},      {"lines:", FRAMING_LINES, set_lines},
	     {"until:", FRAMING_UNTIL, set_text},      {"until-match:", FRAMING_MATCH, set_match},
	     {"prompt:", FRAMING_PROMPT, set_text},    {"nul", FRAMING_NUL, set_nothing},
	     {"sized:", FRAMING_SIZED, set_match},     {"probe:", FRAMING_PROBE, set_probe},
	     {"channel", FRAMING_CHANNEL, set_nothing}};

int framing_spec_parse(const char *text, struct framing_spec *out, char *why, size_t why_size)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kind_row *row = &kinds[i];
		size_t n = strlen(row->word);
		struct framing_spec spec = {.kind = row->kind};
		int rc;

		if (strncmp(text, row->word, n) || (row->word[n - 1] != ':' && text[n]))
			continue;
		rc = row->set(&spec, text + n, why, why_size);
		if (rc)
			framing_spec_finish(&spec);
		else
			*out = spec;
		if (rc == -ENOMEM)
			snprintf(why, why_size, "out of memory");
		return rc;
	}
	snprintf(why, why_size, "is no framing; allowed are %s", allowed);
	return -EINVAL;
}

void framing_spec_finish(struct framing_spec *s)
{
	free(s->text);
	patterns_free(s->match);
	marker_finish(&s->probe);
	marker_finish(&s->probe_answer);
	*s = (struct framing_spec){0};
}

bool framing_spec_is_proof(const struct framing_spec *s)
{
	return s->kind == FRAMING_CHANNEL || (s->kind == FRAMING_PROBE && s->probe_answer.numbered);
}
