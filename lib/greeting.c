/* SPDX-License-Identifier: MIT */
#include "greeting.h"

#include "parse.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *greeting_banner_allowed(void)
{
	return "lines:N, until:TEXT, until-match:REGEX or prompt:TEXT";
}

const char *greeting_ready_allowed(void)
{
	return "start, banner (with a banner) or probe:REQUEST=>REPLY";
}

/* What stands behind @prefix in @text, NULL if it does not start with it. */
static const char *behind(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) ? NULL : text + n;
}

/* A text that is compared with a line. */
static int set_text(struct greeting_spec *out, enum banner_kind kind, const char *value)
{
	out->banner = kind;
	out->text = malloc(strlen(value) + 1);
	if (!out->text)
		return -ENOMEM;
	if (parse_escapes(value, out->text, &out->text_len))
		return -EINVAL;
	return kind == BANNER_PROMPT && !out->text_len ? -EINVAL : 0;
}

static int set_pattern(struct greeting_spec *out, const char *value)
{
	char why[100];

	out->banner = BANNER_MATCH;
	out->text = strdup(value);
	if (!out->text)
		return -ENOMEM;
	return *value ? patterns_add(&out->match, out->text, why, sizeof(why)) : -EINVAL;
}

static int parse_banner(const char *text, struct greeting_spec *out)
{
	const char *value;
	uint64_t n;

	if (!text)
		return 0;
	if ((value = behind(text, "lines:"))) {
		if (parse_count(value, &n) || !n || n > 1000000)
			return -EINVAL;
		out->banner = BANNER_LINES;
		out->lines = n;
		return 0;
	}
	if ((value = behind(text, "until:")))
		return set_text(out, BANNER_UNTIL, value);
	if ((value = behind(text, "prompt:")))
		return set_text(out, BANNER_PROMPT, value);
	value = behind(text, "until-match:");
	return value ? set_pattern(out, value) : -EINVAL;
}

static int parse_ready(const char *text, struct greeting_spec *out)
{
	const char *probe, *arrow;
	int rc;

	if (!text || !strcmp(text, "start"))
		return 0;
	if (!strcmp(text, "banner")) {
		out->ready = READY_BANNER;
		return out->banner == BANNER_NONE ? -EDOM : 0;
	}
	probe = behind(text, "probe:");
	arrow = probe ? strstr(probe, "=>") : NULL;
	if (!arrow || arrow == probe)
		return -EDOM;
	out->ready = READY_PROBE;
	rc = marker_parse(probe, (size_t)(arrow - probe), &out->probe);
	if (!rc)
		rc = marker_parse(arrow + 2, strlen(arrow + 2), &out->probe_answer);
	return rc == -EINVAL ? -EDOM : rc;
}

int greeting_spec_parse(const char *banner, const char *ready, struct greeting_spec *out)
{
	struct greeting_spec spec = {0};
	int rc = parse_banner(banner, &spec);

	if (!rc)
		rc = parse_ready(ready, &spec);
	if (rc)
		greeting_spec_finish(&spec);
	else
		*out = spec;
	return rc;
}

void greeting_spec_finish(struct greeting_spec *spec)
{
	patterns_free(spec->match);
	free(spec->text);
	marker_finish(&spec->probe);
	marker_finish(&spec->probe_answer);
	*spec = (struct greeting_spec){0};
}

bool greeting_is_over(const struct greeting *g)
{
	return (g->banner_seen || g->spec->banner == BANNER_NONE) &&
	       (g->probe_seen || g->spec->ready != READY_PROBE);
}

static bool is_line(const char *line, size_t len, const char *text, size_t text_len)
{
	return text_len == len && !memcmp(line, text, len);
}

/* One line, without its end. */
static void take_line(struct greeting *g, const char *line, size_t len)
{
	const struct greeting_spec *spec = g->spec;

	if (len && line[len - 1] == '\r')
		len--;
	if (g->banner_seen || spec->banner == BANNER_NONE) {
		g->probe_seen = is_line(line, len, spec->probe_answer.text, spec->probe_answer.len);
		return;
	}
	switch (spec->banner) {
	case BANNER_NONE:
	case BANNER_PROMPT:
		break;
	case BANNER_LINES:
		g->banner_seen = ++g->lines == spec->lines;
		break;
	case BANNER_UNTIL:
		g->banner_seen = is_line(line, len, spec->text, spec->text_len);
		break;
	case BANNER_MATCH:
		g->banner_seen = patterns_find(spec->match, line, len, NULL);
		break;
	}
}

/* Whether the unfinished line starts with the prompt that ends the banner. */
static bool has_prompt(const struct greeting *g, const char *line, size_t len)
{
	const struct greeting_spec *spec = g->spec;

	return spec->banner == BANNER_PROMPT && !g->banner_seen && len >= spec->text_len &&
	       !memcmp(line, spec->text, spec->text_len);
}

size_t greeting_skip(struct greeting *g, const char *bytes, size_t len)
{
	size_t used = 0;

	while (!greeting_is_over(g) && used < len) {
		const char *line = bytes + used, *lf;

		if (has_prompt(g, line, len - used)) {
			g->banner_seen = true;
			g->scanned = 0;
			used += g->spec->text_len;
			continue;
		}
		lf = memchr(line + g->scanned, '\n', len - used - g->scanned);
		if (!lf) {
			g->scanned = len - used;
			break;
		}
		g->scanned = 0;
		take_line(g, line, (size_t)(lf - line));
		used += (size_t)(lf - line) + 1;
	}
	return used;
}
