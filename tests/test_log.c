/* SPDX-License-Identifier: MIT */
/* The logger and the escaping of foreign bytes. */
#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char recorded[4096];

static void record(int level, const char *line)
{
	snprintf(recorded + strlen(recorded), sizeof(recorded) - strlen(recorded), "%d:%s\n", level,
		 line);
}

static int setup(void **state)
{
	(void)state;
	recorded[0] = '\0';
	log_set_handler(record);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_handler(NULL);
	log_set_level(LOG_INFO);
	return 0;
}

static void test_log_passes_a_formatted_line_to_the_handler(void **state)
{
	(void)state;
	log_at(LOG_WARNING, "worker %d: %s", 7, "gone");
	assert_string_equal(recorded, "4:worker 7: gone\n");
}

static void test_log_drops_what_is_below_the_level(void **state)
{
	(void)state;
	log_at(LOG_DEBUG, "unseen");
	assert_string_equal(recorded, "");
	log_set_level(LOG_DEBUG);
	assert_int_equal(log_level(), LOG_DEBUG);
	log_at(LOG_DEBUG, "seen");
	assert_string_equal(recorded, "7:seen\n");
}

static void test_log_cuts_a_line_at_one_kibibyte(void **state)
{
	char big[3000];

	(void)state;
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_at(LOG_ERR, "%s", big);
	assert_int_equal(strlen(recorded), 2 + 1023 + 1);
}

static void check_escape(const char *bytes, size_t len, const char *expected)
{
	char shown[200];

	assert_string_equal(log_escape(shown, sizeof(shown), bytes, len), expected);
}

static void test_log_escape_shows_every_kind_of_byte(void **state)
{
	(void)state;
	check_escape("plain text", 10, "plain text");
	check_escape("a\\b", 3, "a\\\\b");
	check_escape("\n\r\t", 3, "\\n\\r\\t");
	check_escape("\0\x1b\x7f", 3, "\\x00\\x1b\\x7f");
	check_escape("gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f");
	check_escape("\xff\xc3", 2, "\\xff\\xc3");
	check_escape("\xc2\x85", 2, "\\xc2\\x85");          /* a control of Latin-1 */
	check_escape("\xed\xa0\x80", 3, "\\xed\\xa0\\x80"); /* a surrogate */
	check_escape("", 0, "");
}

static void test_log_escape_cuts_without_overrun_and_says_so(void **state)
{
	char bytes[64];

	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	for (size_t size = 8; size < 80; size++) {
		char *dst = malloc(size); /* the sanitizer sees an overrun */

		log_escape(dst, size, bytes, sizeof(bytes));
		if (size >= sizeof(bytes) + 4)
			assert_int_equal(strlen(dst), sizeof(bytes));
		else
			assert_string_equal(dst + strlen(dst) - 3, "...");
		free(dst);
	}
}

static void test_log_escape_never_cuts_a_character_in_two(void **state)
{
	(void)state;
	for (size_t size = 8; size < 40; size++) {
		char *dst = malloc(size);
		size_t n;

		log_escape(dst, size,
			   "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82"
			   "\xac\xe2\x82\xac\xe2\x82\xac",
			   24);
		n = strlen(dst);
		if (n >= 3 && !strcmp(dst + n - 3, "..."))
			n -= 3;
		assert_int_equal(n % 3, 0);
		free(dst);
	}
}

static void test_log_a_message_that_others_cause_comes_once_a_second(void **state)
{
	struct log_limit limit = {0};
	char text[60];

	(void)state;
	assert_true(log_may(&limit, 5000, text, sizeof(text)));
	assert_string_equal(text, "");
	for (int i = 0; i < 1000; i++)
		assert_false(log_may(&limit, 5000 + i, text, sizeof(text)));
	assert_true(log_may(&limit, 6000, text, sizeof(text)));
	assert_string_equal(text, " (and 1000 more like it, not logged)");
	assert_true(log_may(&limit, 7000, text, sizeof(text)));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_log_passes_a_formatted_line_to_the_handler, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_log_drops_what_is_below_the_level, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_log_cuts_a_line_at_one_kibibyte, setup, teardown),
	    cmocka_unit_test(test_log_escape_shows_every_kind_of_byte),
	    cmocka_unit_test(test_log_escape_cuts_without_overrun_and_says_so),
	    cmocka_unit_test(test_log_escape_never_cuts_a_character_in_two),
	    cmocka_unit_test(test_log_a_message_that_others_cause_comes_once_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
