/* SPDX-License-Identifier: MIT */
/* Numbers that never repeat, and the texts that carry them. */
#include "marker.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct marker make(const char *text)
{
	struct marker m;

	assert_int_equal(marker_parse(text, strlen(text), &m), 0);
	return m;
}

static void test_marker_writes_its_number_between_the_bytes(void **state)
{
	struct marker m = make("\\nprint \"%n\\n\"");
	char text[100];
	size_t n;

	(void)state;
	assert_true(marker_max(&m) < sizeof(text));
	n = marker_write(&m, 4711, text);
	assert_int_equal(n, strlen("\nprint \"4711\n\""));
	assert_memory_equal(text, "\nprint \"4711\n\"", n);
	marker_finish(&m);
}

static void test_marker_without_a_number_is_written_as_it_is(void **state)
{
	struct marker m = make("isready");
	char text[100];

	(void)state;
	assert_false(m.numbered);
	assert_int_equal(marker_write(&m, 4711, text), 7);
	assert_memory_equal(text, "isready", 7);
	marker_finish(&m);
}

static void test_marker_numbers_differ_and_follow_from_key_and_counter(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (uint64_t i = 1; i < 1000; i++) {
		uint64_t n = marker_number(99, i);

		assert_true(n > last);
		assert_true(marker_is_number(99, n));
		assert_false(marker_is_number(98, n));
		assert_false(marker_is_number(99, n + 1));
		last = n;
	}
}

static void test_marker_ends_a_line_that_was_not_ended_before_it(void **state)
{
	struct marker m = make("<%n>");
	size_t before = 99;

	(void)state;
	assert_true(marker_ends(&m, 17, "<17>", 4, &before));
	assert_int_equal(before, 0);
	assert_true(marker_ends(&m, 17, "text<17>", 8, &before));
	assert_int_equal(before, 4);
	assert_false(marker_ends(&m, 17, "<18>", 4, &before));
	assert_false(marker_ends(&m, 17, "<17> ", 5, &before));
	assert_false(marker_ends(&m, 17, "17>", 3, &before));
	assert_false(marker_ends(&m, 17, "", 0, &before));
	marker_finish(&m);
	m = make("ready");
	assert_true(marker_ends(&m, 0, "ready", 5, &before));
	assert_false(marker_ends(&m, 0, "not ready", 9, &before));
	marker_finish(&m);
}

static void test_marker_knows_any_number_of_its_own(void **state)
{
	struct marker m = make("= %n");

	(void)state;
	assert_true(marker_is_any(&m, 0, "= 1073741824", 12) == marker_is_number(0, 1073741824));
	for (uint64_t i = 1; i < 100; i++) {
		char line[100];
		size_t n = marker_write(&m, marker_number(5, i), line);

		assert_true(marker_is_any(&m, 5, line, n));
		assert_false(marker_is_any(&m, 6, line, n));
		assert_false(marker_is_any(&m, 5, line, n - 1));
	}
	assert_false(marker_is_any(&m, 5, "= x", 3));
	assert_false(marker_is_any(&m, 5, "= ", 2));
	marker_finish(&m);
}

static void test_marker_refuses_two_numbers_and_unknown_escapes(void **state)
{
	struct marker m;

	(void)state;
	assert_int_equal(marker_parse("%n %n", 5, &m), -EINVAL);
	assert_int_equal(marker_parse("\\q", 2, &m), -EINVAL);
	assert_int_equal(marker_parse("", 0, &m), 0);
	marker_finish(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_marker_writes_its_number_between_the_bytes),
	    cmocka_unit_test(test_marker_without_a_number_is_written_as_it_is),
	    cmocka_unit_test(test_marker_numbers_differ_and_follow_from_key_and_counter),
	    cmocka_unit_test(test_marker_ends_a_line_that_was_not_ended_before_it),
	    cmocka_unit_test(test_marker_knows_any_number_of_its_own),
	    cmocka_unit_test(test_marker_refuses_two_numbers_and_unknown_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
