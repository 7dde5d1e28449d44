/* SPDX-License-Identifier: MIT */
/* Text into values: what is read, and what is refused. */
#include "parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t duration(const char *text)
{
	int64_t ms = -1;
	int rc = parse_duration_ms(text, &ms);

	return rc ? rc : ms;
}

static int64_t size(const char *text)
{
	size_t n = 0;
	int rc = parse_size(text, &n);

	return rc ? rc : (int64_t)n;
}

static void test_parse_durations_need_a_unit_but_zero_does_not(void **state)
{
	(void)state;
	assert_int_equal(duration("250ms"), 250);
	assert_int_equal(duration("5s"), 5000);
	assert_int_equal(duration("2m"), 120000);
	assert_int_equal(duration("1h"), 3600000);
	assert_int_equal(duration("0s"), 0);
	assert_int_equal(duration("0"), 0);
	assert_int_equal(duration("5"), -EINVAL);
	assert_int_equal(duration("00"), -EINVAL);
}

static void test_parse_what_is_no_duration_is_refused(void **state)
{
	static const char *const bad[] = {"",     "s",  " 5s", "5s ",       "5 s",  "-5s",
					  "+5s",  "5S", "5ss", "1h30m",     "0x5s", "1.5s",
					  "5sec", "ms", "5d",  "5\xc2\xb5s"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(duration(bad[i]), -EINVAL);
}

static void test_parse_durations_end_at_ten_years(void **state)
{
	(void)state;
	assert_int_equal(duration("87648h"), INT64_C(87648) * 3600 * 1000);
	assert_int_equal(duration("87649h"), -ERANGE);
	assert_int_equal(duration("18446744073709551615ms"), -ERANGE);
	assert_int_equal(duration("18446744073709551616ms"), -ERANGE);
	assert_int_equal(duration("99999999999999999999999999h"), -ERANGE);
}

static void test_parse_sizes_are_in_units_of_1024(void **state)
{
	(void)state;
	assert_int_equal(size("700"), 700);
	assert_int_equal(size("0"), 0);
	assert_int_equal(size("64K"), 65536);
	assert_int_equal(size("1M"), 1048576);
	assert_int_equal(size("2G"), INT64_C(2) << 30);
}

static void test_parse_what_is_no_size_is_refused(void **state)
{
	static const char *const bad[] = {"",     "K",    "1k", "1KB", "1 K", "-1",
					  "1.5M", "0x10", "1T", " 1",  "1 ",  "1KK"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(size(bad[i]), -EINVAL);
	assert_int_equal(size("17179869184G"), -ERANGE);
	assert_int_equal(size("18446744073709551616"), -ERANGE);
	assert_int_equal(size("9223372036854775808"), -ERANGE);
	assert_int_equal(size("9223372036854775807"), INT64_MAX);
}

static void test_parse_counts_are_plain_digits(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(parse_count("0", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(parse_count("18446744073709551615", &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(parse_count("18446744073709551616", &n), -ERANGE);
	assert_int_equal(parse_count("", &n), -EINVAL);
	assert_int_equal(parse_count("-1", &n), -EINVAL);
	assert_int_equal(parse_count("1 ", &n), -EINVAL);
	assert_int_equal(parse_count("1K", &n), -EINVAL);
	assert_true(n == UINT64_MAX);
}

static void test_parse_bool_knows_four_words_for_each(void **state)
{
	static const char *const yes[] = {"yes", "true", "on", "1", "YES", "True"};
	static const char *const no[] = {"no", "false", "off", "0", "No", "OFF"};
	static const char *const bad[] = {"", "y", "n", "2", "yes ", "maybe"};
	bool value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		value = false;
		assert_int_equal(parse_bool(yes[i], &value), 0);
		assert_true(value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		value = true;
		assert_int_equal(parse_bool(no[i], &value), 0);
		assert_false(value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_bool(bad[i], &value), -EINVAL);
}

static void test_parse_escapes_become_bytes(void **state)
{
	static const char expected[] = "a\n\r\t\0\033\\\xff\0b";
	char bytes[64];
	size_t len = 0;

	(void)state;
	assert_int_equal(parse_escapes("a\\n\\r\\t\\0\\e\\\\\\xfF\\x00b", bytes, &len), 0);
	assert_int_equal(len, sizeof(expected) - 1);
	assert_memory_equal(bytes, expected, sizeof(expected));
	assert_int_equal(parse_escapes("", bytes, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(parse_escapes("\\xA0\\xaF\\x09", bytes, &len), 0);
	assert_memory_equal(bytes, "\xa0\xaf\x09", 4);
	assert_int_equal(parse_escapes("^ \xc3\xa4", bytes, &len), 0);
	assert_int_equal(len, 4);
}

static void test_parse_unknown_and_unfinished_escapes_are_refused(void **state)
{
	static const char *const bad[] = {"\\", "\\q", "\\x", "\\x1", "\\xg1", "\\x1g", "a\\"};
	char bytes[16];
	size_t len = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_escapes(bad[i], bytes, &len), -EINVAL);
	assert_int_equal(len, 77);
}

/* The words of @text in brackets, "[a][b c]", or the error. */
static void check_words(const char *text, const char *expected)
{
	char got[200] = "";
	char **words = NULL;
	int rc = parse_words(text, &words);

	for (char **w = words; w && *w; w++) {
		strcat(got, "[");
		strcat(got, *w);
		strcat(got, "]");
	}
	parse_words_free(words);
	if (rc)
		strcpy(got, rc == -EINVAL ? "EINVAL" : "other");
	assert_string_equal(got, expected);
}

static void test_parse_words_splits_as_a_shell_does(void **state)
{
	(void)state;
	check_words("", "");
	check_words(" \t ", "");
	check_words("a", "[a]");
	check_words("  a  b\tc ", "[a][b][c]");
	check_words("a b c d e f g h", "[a][b][c][d][e][f][g][h]");
	check_words("'a b' \"c d\"", "[a b][c d]");
	check_words("a'b c'd\"e f\"g", "[ab cde fg]");
	check_words("'' \"\" x", "[][][x]");
	check_words("a\\ b \\' \\\" \\\\ \\n", "[a b]['][\"][\\][n]");
	check_words("'a\\b' \"a\\b\" \"a\\\"b\" \"a\\\\b\"", "[a\\b][a\\b][a\"b][a\\b]");
	check_words("\"it's\" 'say \"hi\"'", "[it's][say \"hi\"]");
}

static void test_parse_words_expands_nothing(void **state)
{
	(void)state;
	check_words("$HOME ~ * `id` a;b | c > d # e", "[$HOME][~][*][`id`][a;b][|][c][>][d][#][e]");
}

static void test_parse_words_refuses_what_is_left_open(void **state)
{
	(void)state;
	check_words("'a", "EINVAL");
	check_words("a \"b", "EINVAL");
	check_words("a\\", "EINVAL");
	check_words("\"a\\", "EINVAL");
	check_words("\"a\\\"", "EINVAL");
	check_words("'a\\'", "[a\\]");
}

static void test_parse_formats_are_short_and_read_back(void **state)
{
	static const int64_t times[] = {0,     1,      250,     1000,    1500,    60000,
					90000, 120000, 3600000, 5400000, 86400000};
	static const size_t sizes[] = {0, 1, 700, 1023, 1024, 65536, 65537, 1 << 20, 3u << 30};
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		assert_int_equal(duration(parse_format_duration(times[i], text, sizeof(text))),
				 times[i]);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_int_equal(size(parse_format_size(sizes[i], text, sizeof(text))), sizes[i]);
	assert_string_equal(parse_format_duration(90000, text, sizeof(text)), "90s");
	assert_string_equal(parse_format_duration(120000, text, sizeof(text)), "2m");
	assert_string_equal(parse_format_duration(0, text, sizeof(text)), "0s");
	assert_string_equal(parse_format_size(65536, text, sizeof(text)), "64K");
	assert_string_equal(parse_format_size(700, text, sizeof(text)), "700");
	assert_string_equal(parse_format_size(0, text, sizeof(text)), "0");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse_durations_need_a_unit_but_zero_does_not),
	    cmocka_unit_test(test_parse_what_is_no_duration_is_refused),
	    cmocka_unit_test(test_parse_durations_end_at_ten_years),
	    cmocka_unit_test(test_parse_sizes_are_in_units_of_1024),
	    cmocka_unit_test(test_parse_what_is_no_size_is_refused),
	    cmocka_unit_test(test_parse_counts_are_plain_digits),
	    cmocka_unit_test(test_parse_bool_knows_four_words_for_each),
	    cmocka_unit_test(test_parse_escapes_become_bytes),
	    cmocka_unit_test(test_parse_unknown_and_unfinished_escapes_are_refused),
	    cmocka_unit_test(test_parse_words_splits_as_a_shell_does),
	    cmocka_unit_test(test_parse_words_expands_nothing),
	    cmocka_unit_test(test_parse_words_refuses_what_is_left_open),
	    cmocka_unit_test(test_parse_formats_are_short_and_read_back),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
