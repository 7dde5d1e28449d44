/* SPDX-License-Identifier: MIT */
#include "greeting.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * The greeting's bytes and what follows, whole and cut at every byte: always
 * the same number of bytes is skipped, and over it is not before.
 */
static void assert_skipped(const char *banner, const char *ready, const char *greeting,
			   const char *rest)
{
	struct greeting_spec spec;
	char all[300];

	assert_int_equal(greeting_spec_parse(banner, ready, &spec), 0);
	snprintf(all, sizeof(all), "%s%s", greeting, rest);
	for (size_t cut = 0; cut <= strlen(all); cut++) {
		struct greeting g = {.spec = &spec};
		size_t used = greeting_skip(&g, all, cut);

		if (cut < strlen(greeting))
			assert_false(greeting_is_over(&g));
		used += greeting_skip(&g, all + used, strlen(all) - used);
		assert_true(greeting_is_over(&g));
		assert_int_equal(used, strlen(greeting));
	}
	greeting_spec_finish(&spec);
}

static void test_nothing_is_skipped_by_default(void **state)
{
	(void)state;
	assert_skipped(NULL, NULL, "", "reply\n");
	assert_skipped(NULL, "start", "", "");
}

static void test_so_many_lines(void **state)
{
	(void)state;
	assert_skipped("lines:1", NULL, "@(#) International Ispell\n", "reply\n");
	assert_skipped("lines:3", "banner", "\n\r\nx\n", "\n");
}

static void test_up_to_a_line_that_is_equal(void **state)
{
	(void)state;
	assert_skipped("until:go", "banner", "go on\n go\nGO\ngo\n", "go\n");
	assert_skipped("until:", "banner", "text\n\r\n", "reply\n");
}

static void test_up_to_a_line_that_matches(void **state)
{
	(void)state;
	assert_skipped("until-match:^(ready|go)$", "banner", "not ready\nready\r\n", "go\n");
	assert_skipped("until-match:[0-9]+", NULL, "abc\nx7\n", "8\n");
}

static void test_a_probe_comes_after_the_banner(void **state)
{
	(void)state;
	assert_skipped(NULL, "probe:ping=>pong", "noise\npong\n", "reply\n");
	assert_skipped("lines:2", "probe:a=>b", "b\nb\nx\nb\n", "b\n");
	assert_skipped(NULL, "probe:x=>", "y\n\n", "z\n");
}

static void test_what_is_wrong_is_told_apart(void **state)
{
	static const char *const banners[] = {
	    "", "lines:", "lines:0", "lines:x", "lines:99999999", "until-match:", "until-match:(",
	    "x"};
	static const char *const proofs[] = {"", "now", "probe:", "probe:a", "probe:=>b", "banner"};
	struct greeting_spec spec;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(banners); i++)
		assert_int_equal(greeting_spec_parse(banners[i], NULL, &spec), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(proofs); i++)
		assert_int_equal(greeting_spec_parse(NULL, proofs[i], &spec), -EDOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_is_skipped_by_default),
	    cmocka_unit_test(test_so_many_lines),
	    cmocka_unit_test(test_up_to_a_line_that_is_equal),
	    cmocka_unit_test(test_up_to_a_line_that_matches),
	    cmocka_unit_test(test_a_probe_comes_after_the_banner),
	    cmocka_unit_test(test_what_is_wrong_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
