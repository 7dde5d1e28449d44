/* SPDX-License-Identifier: MIT */
/* What may reach a process, and what is suspicious. */
#include "filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct coproc_options options(enum coproc_bytes bytes, const char *suffix)
{
	return (struct coproc_options){.request_bytes = bytes,
				       .max_request = 10,
				       .suffix = suffix,
				       .suffix_len = strlen(suffix)};
}

static void test_filter_takes_max_request_bytes_and_refuses_one_more(void **state)
{
	struct coproc_options o = options(COPROC_BYTES_TEXT, "\n");

	(void)state;
	assert_int_equal(filter_check(&o, "0123456789", 10), FILTER_OK);
	assert_int_equal(filter_check(&o, "0123456789a", 11), FILTER_TOO_LONG);
	assert_int_equal(filter_check(&o, "", 0), FILTER_OK);
}

static void test_filter_refuses_a_nul_unless_any_byte_is_allowed(void **state)
{
	struct coproc_options text = options(COPROC_BYTES_TEXT, "\n");
	struct coproc_options utf8 = options(COPROC_BYTES_UTF8, "\n");
	struct coproc_options any = options(COPROC_BYTES_ANY, "\n");

	(void)state;
	assert_int_equal(filter_check(&text, "a\0b", 3), FILTER_NUL);
	assert_int_equal(filter_check(&utf8, "a\0b", 3), FILTER_NUL);
	assert_int_equal(filter_check(&any, "a\0b", 3), FILTER_OK);
}

static void test_filter_checks_utf8_only_where_asked(void **state)
{
	struct coproc_options text = options(COPROC_BYTES_TEXT, "\n");
	struct coproc_options utf8 = options(COPROC_BYTES_UTF8, "\n");

	(void)state;
	assert_int_equal(filter_check(&text, "\xff", 1), FILTER_OK);
	assert_int_equal(filter_check(&utf8, "\xff", 1), FILTER_UTF8);
	assert_int_equal(filter_check(&utf8, "\xc3", 1), FILTER_UTF8);
	assert_int_equal(filter_check(&utf8, "\xc0\x80", 2), FILTER_UTF8);
	assert_int_equal(filter_check(&utf8, "\xed\xa0\x80", 3), FILTER_UTF8);
	assert_int_equal(filter_check(&utf8, "gr\xc3\xbc", 4), FILTER_OK);
}

static void test_filter_refuses_a_request_that_holds_the_suffix(void **state)
{
	struct coproc_options lf = options(COPROC_BYTES_ANY, "\n");
	struct coproc_options end = options(COPROC_BYTES_ANY, "END");

	(void)state;
	assert_int_equal(filter_check(&lf, "a\nb", 3), FILTER_SUFFIX);
	assert_int_equal(filter_check(&end, "a\nb", 3), FILTER_OK);
	assert_int_equal(filter_check(&end, "xENDy", 5), FILTER_SUFFIX);
	assert_int_equal(filter_check(&end, "xEN", 3), FILTER_OK);
}

static void test_filter_refuses_a_request_that_makes_a_suffix_with_its_own(void **state)
{
	struct coproc_options blank = options(COPROC_BYTES_TEXT, "\n\n");
	struct coproc_options aba = options(COPROC_BYTES_TEXT, "aba");

	(void)state;
	assert_int_equal(filter_check(&blank, "x", 1), FILTER_OK);
	assert_int_equal(filter_check(&blank, "x\ny", 3), FILTER_OK);
	assert_int_equal(filter_check(&blank, "x\n", 2), FILTER_SUFFIX);
	assert_int_equal(filter_check(&blank, "\n", 1), FILTER_SUFFIX);
	assert_int_equal(filter_check(&aba, "xab", 3), FILTER_SUFFIX);
	assert_int_equal(filter_check(&aba, "xa", 2), FILTER_OK);
}

static void test_filter_suspects_long_odd_and_broken_requests(void **state)
{
	(void)state;
	assert_false(filter_is_suspicious("hello\tworld", 11, 700));
	assert_false(filter_is_suspicious("gr\xc3\xbc\xc3\x9f", 6, 700));
	assert_false(filter_is_suspicious("12345", 5, 5));
	assert_true(filter_is_suspicious("123456", 6, 5));
	assert_true(filter_is_suspicious("\x1b[A", 3, 700));
	assert_true(filter_is_suspicious("\x7f", 1, 700));
	assert_true(filter_is_suspicious("a\rb", 3, 700));
	assert_true(filter_is_suspicious("\xff", 1, 700));
	assert_true(filter_is_suspicious("gr\xc3", 3, 700));
	assert_false(filter_is_suspicious("", 0, 700));
}

/* What filter_lines() finds in @text: lines/bytes. */
static const char *lines(const struct coproc_options *o, const char *text, unsigned most)
{
	static char found[40];
	size_t len = strlen(text);
	unsigned n = filter_lines(o, text, &len, most);

	snprintf(found, sizeof(found), "%u/%zu", n, len);
	return found;
}

static void test_filter_takes_whole_lines_together_as_far_as_they_are_good(void **state)
{
	struct coproc_options o = options(COPROC_BYTES_TEXT, "\n");
	size_t len = 6;

	(void)state;
	o.max_request = 5;
	assert_string_equal(lines(&o, "a\n\nbb\n", 9), "3/6");
	assert_string_equal(lines(&o, "a\n\nbb\n", 2), "2/3");
	assert_string_equal(lines(&o, "a\nbb", 9), "1/2");
	assert_string_equal(lines(&o, "a", 9), "0/0");
	assert_string_equal(lines(&o, "a\n12345\n123456\nb\n", 9), "2/8");
	assert_int_equal(filter_lines(&o, "a\nb\0\n", &len, 9), 0);
	/* A bad one behind them is another's matter. */
	len = 6;
	assert_int_equal(filter_lines(&o, "a\nb\n\0\n", &len, 2), 2);
	o.request_bytes = COPROC_BYTES_UTF8;
	assert_string_equal(lines(&o, "\xc3\xbc\na\n", 9), "2/5");
	assert_string_equal(lines(&o, "a\n\xc3\n\xbc\n", 9), "0/6");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_filter_takes_max_request_bytes_and_refuses_one_more),
	    cmocka_unit_test(test_filter_refuses_a_nul_unless_any_byte_is_allowed),
	    cmocka_unit_test(test_filter_checks_utf8_only_where_asked),
	    cmocka_unit_test(test_filter_refuses_a_request_that_holds_the_suffix),
	    cmocka_unit_test(test_filter_refuses_a_request_that_makes_a_suffix_with_its_own),
	    cmocka_unit_test(test_filter_suspects_long_odd_and_broken_requests),
	    cmocka_unit_test(test_filter_takes_whole_lines_together_as_far_as_they_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
