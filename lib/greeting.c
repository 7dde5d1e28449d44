/* SPDX-License-Identifier: MIT */
#include "greeting.h"

#include "parse.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *greeting_banner_allowed(void)
{
	return "lines:N, until:TEXT or until-match:REGEX";
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
	if ((value = behind(text, "until:"))) {
		out->banner = BANNER_UNTIL;
		out->text = strdup(value);
		return out->text ? 0 : -ENOMEM;
	}
	value = behind(text, "until-match:");
	if (!value || !*value || regcomp(&out->regex, value, REG_EXTENDED | REG_NOSUB))
		return -EINVAL;
	out->banner = BANNER_MATCH;
	return 0;
}

static int parse_ready(const char *text, struct greeting_spec *out)
{
	const char *probe, *arrow;

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
	out->probe = strndup(probe, (size_t)(arrow - probe));
	out->probe_reply = strdup(arrow + 2);
	return out->probe && out->probe_reply ? 0 : -ENOMEM;
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
	if (spec->banner == BANNER_MATCH)
		regfree(&spec->regex);
	free(spec->text);
	free(spec->probe);
	free(spec->probe_reply);
	*spec = (struct greeting_spec){0};
}

bool greeting_is_over(const struct greeting *g)
{
	return (g->banner_seen || g->spec->banner == BANNER_NONE) &&
	       (g->probe_seen || g->spec->ready != READY_PROBE);
}

static bool is_line(const char *line, size_t len, const char *text)
{
	return strlen(text) == len && !memcmp(line, text, len);
}

static bool matches(const regex_t *regex, const char *line, size_t len)
{
	regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)len};

	return !regexec(regex, line, 0, &range, REG_STARTEND);
}

/* One line, without its end. */
static void take_line(struct greeting *g, const char *line, size_t len)
{
	const struct greeting_spec *spec = g->spec;

	if (len && line[len - 1] == '\r')
		len--;
	if (g->banner_seen || spec->banner == BANNER_NONE) {
		g->probe_seen = is_line(line, len, spec->probe_reply);
		return;
	}
	switch (spec->banner) {
	case BANNER_NONE:
		break;
	case BANNER_LINES:
		g->banner_seen = ++g->lines == spec->lines;
		break;
	case BANNER_UNTIL:
		g->banner_seen = is_line(line, len, spec->text);
		break;
	case BANNER_MATCH:
		g->banner_seen = matches(&spec->regex, line, len);
		break;
	}
}

size_t greeting_skip(struct greeting *g, const char *bytes, size_t len)
{
	size_t used = 0;

	while (!greeting_is_over(g) && used < len) {
		const char *line = bytes + used;
		const char *lf = memchr(line + g->scanned, '\n', len - used - g->scanned);

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
