/* SPDX-License-Identifier: MIT */
/*
 * PCRE2's own match limit counts backtracking points, each of which may cost as
 * much as the request is long, and starts over at each place where a match may
 * begin: it bounds neither time nor work. So the compiler puts a callout before
 * every item of the pattern, and the callout looks at the clock.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "patterns.h"

#include <errno.h>
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What one request may cost per pattern, and what more for each KiB of it. */
#define BUDGET_US         20000
#define BUDGET_US_PER_KIB 50

/* Callouts between two looks at the clock; one item passes over the request once at most. */
#define CALLOUTS_PER_LOOK 64

/* Backtracking points at most; it bounds the memory of a match. */
#define MATCH_LIMIT 100000

struct pattern {
	pcre2_code *code; /* owned */
	const char *text; /* borrowed */
};

struct patterns {
	struct pattern *list; /* owned */
	size_t count;
	pcre2_match_data *data; /* owned */
	pcre2_match_context *limits;
};

/* The cost of one match so far. */
struct meter {
	unsigned callouts;
	clock_t budget; /* in processor time: waiting for a processor is nobody's fault */
	clock_t end;    /* 0 before the first look, which most matches never come to */
};

/* Ends the match with a negative result when its time is over. */
static int on_callout(pcre2_callout_block *block, void *arg)
{
	struct meter *m = arg;

	(void)block;
	if (++m->callouts % CALLOUTS_PER_LOOK)
		return 0;
	if (!m->end)
		m->end = clock() + m->budget;
	return clock() < m->end ? 0 : PCRE2_ERROR_MATCHLIMIT;
}

static struct patterns *patterns_new(void)
{
	struct patterns *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->data = pcre2_match_data_create(2, NULL);
	p->limits = pcre2_match_context_create(NULL);
	if (!p->data || !p->limits) {
		patterns_free(p);
		return NULL;
	}
	pcre2_set_match_limit(p->limits, MATCH_LIMIT);
	return p;
}

void patterns_free(struct patterns *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++)
		pcre2_code_free(p->list[i].code);
	pcre2_match_data_free(p->data);
	pcre2_match_context_free(p->limits);
	free(p->list);
	free(p);
}

int patterns_add(struct patterns **patterns, const char *text, char *why, size_t why_size)
{
	struct patterns *p = *patterns ? *patterns : patterns_new();
	struct pattern *list;
	char message[200];
	PCRE2_SIZE offset;
	pcre2_code *code;
	int error;

	if (!p)
		return -ENOMEM;
	*patterns = p;
	list = realloc(p->list, (p->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	p->list = list;
	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_AUTO_CALLOUT, &error,
			     &offset, NULL);
	if (!code) {
		pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message));
		snprintf(why, why_size, "is no regular expression (PCRE2): %s at byte %zu", message,
			 offset);
		return -EINVAL;
	}
	list[p->count++] = (struct pattern){.code = code, .text = text};
	return 0;
}

/* Match one of them: what pcre2_match() returns. */
static int match_one(struct patterns *p, const struct pattern *pattern, const char *bytes,
		     size_t len)
{
	int64_t budget_us = BUDGET_US + (int64_t)(len / 1024) * BUDGET_US_PER_KIB;
	struct meter m = {.budget = (clock_t)(budget_us * CLOCKS_PER_SEC / 1000000)};

	pcre2_set_callout(p->limits, on_callout, &m);
	return pcre2_match(pattern->code, (PCRE2_SPTR)bytes, len, 0, 0, p->data, p->limits);
}

const char *patterns_match(struct patterns *p, const char *bytes, size_t len)
{
	for (size_t i = 0; p && i < p->count; i++)
		if (match_one(p, &p->list[i], bytes, len) != PCRE2_ERROR_NOMATCH)
			return p->list[i].text;
	return NULL;
}

bool patterns_find(struct patterns *p, const char *bytes, size_t len, size_t group[2])
{
	for (size_t i = 0; p && i < p->count; i++) {
		int rc = match_one(p, &p->list[i], bytes, len);
		const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->data);
		/* 0: there are more groups than there is room for, the first among them */
		bool has_group = rc != 1 && at[2] != PCRE2_UNSET;

		if (rc < 0)
			continue;
		if (group) {
			group[0] = has_group ? at[2] : 0;
			group[1] = has_group ? at[3] : 0;
		}
		return true;
	}
	return false;
}
