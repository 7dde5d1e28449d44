/* SPDX-License-Identifier: MIT */
/* Forbidden requests, and what recognising them may cost. */
#include "patterns.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct rig {
	struct patterns *patterns;
	char *request;
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct rig));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	patterns_free(r->patterns);
	free(r->request);
	free(r);
	return 0;
}

static void add(struct rig *r, const char *pattern)
{
	char why[200] = "";

	if (patterns_add(&r->patterns, pattern, why, sizeof(why)))
		fail_msg("%s %s", pattern, why);
}

static const char *match(struct rig *r, const char *request)
{
	return patterns_match(r->patterns, request, strlen(request));
}

static void test_patterns_without_patterns_forbids_nothing(void **state)
{
	(void)state;
	assert_null(patterns_match(NULL, "x", 1));
}

static void test_patterns_names_the_first_pattern_that_matches(void **state)
{
	struct rig *r = *state;

	add(r, "^!");
	add(r, "(?i)\\bsystem\\b");
	add(r, "sys");
	assert_null(match(r, "a ! b"));
	assert_null(match(r, ""));
	assert_string_equal(match(r, "!ls"), "^!");
	assert_string_equal(match(r, "a System b"), "(?i)\\bsystem\\b");
	assert_string_equal(match(r, "systems"), "sys");
}

static void test_patterns_matches_any_bytes(void **state)
{
	static const char nul[] = "a\0!b";
	struct rig *r = *state;

	add(r, "!b");
	assert_non_null(patterns_match(r->patterns, nul, sizeof(nul) - 1));
	assert_null(match(r, "\xff\xfe\x80"));
	assert_non_null(match(r, "\xff!b"));
	assert_null(patterns_match(r->patterns, "!bbb", 1));
}

static void test_patterns_says_where_a_pattern_is_wrong(void **state)
{
	struct rig *r = *state;
	char why[200] = "";

	assert_int_equal(patterns_add(&r->patterns, "ab(c", why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "missing closing parenthesis at byte 4"));
	assert_null(match(r, "abc"));
	add(r, "abc");
	assert_non_null(match(r, "abc"));
}

/* @pattern on @len times 'a' and a '!': it counts as a match, soon. */
static void check_bounded(struct rig *r, const char *pattern, size_t len)
{
	clock_t begin;
	double seconds;

	patterns_free(r->patterns);
	r->patterns = NULL;
	add(r, pattern);
	free(r->request);
	r->request = malloc(len + 1);
	assert_non_null(r->request);
	memset(r->request, 'a', len);
	r->request[len] = '!';
	begin = clock();
	assert_ptr_equal(patterns_match(r->patterns, r->request, len + 1), pattern);
	seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
	/* Without the bound the second takes most of a second, the third fifteen times that. */
	if (seconds > 0.4)
		fail_msg("%s took %.3f s for %zu bytes", pattern, seconds, len);
}

static void test_patterns_takes_a_match_that_lasts_too_long_for_a_match(void **state)
{
	check_bounded(*state, "(a+)+$", 60);
	check_bounded(*state, "a+a+[bc]", 64 << 10);
	check_bounded(*state, "a+a+[bc]", 1 << 20);
	check_bounded(*state, "(?:a|aa)*[bc]", 64 << 10);
}

static void test_patterns_find_gives_the_first_group(void **state)
{
	struct rig *r = *state;
	size_t group[2];

	add(r, "^size (\\d+)$");
	add(r, "^plain$");
	add(r, "^(a)(b)(c)");
	assert_true(patterns_find(r->patterns, "size 17", 7, group));
	assert_int_equal(group[0], 5);
	assert_int_equal(group[1], 7);
	assert_true(patterns_find(r->patterns, "plain", 5, group));
	assert_int_equal(group[1], 0);
	assert_true(patterns_find(r->patterns, "abc", 3, group));
	assert_int_equal(group[1], 1);
	assert_false(patterns_find(r->patterns, "size x", 6, group));
	assert_true(patterns_find(r->patterns, "plain", 5, NULL));
	assert_false(patterns_find(NULL, "plain", 5, group));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_patterns_find_gives_the_first_group, set_up,
					    tear_down),
	    cmocka_unit_test(test_patterns_without_patterns_forbids_nothing),
	    cmocka_unit_test_setup_teardown(test_patterns_names_the_first_pattern_that_matches,
					    set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_patterns_matches_any_bytes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_patterns_says_where_a_pattern_is_wrong, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(
		test_patterns_takes_a_match_that_lasts_too_long_for_a_match, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("forbid", tests, NULL, NULL);
}
