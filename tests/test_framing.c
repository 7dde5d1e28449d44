/* SPDX-License-Identifier: MIT */
/* Framing: the same replies come out however the bytes were cut. */
#include "framing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct framing_spec line_spec = {.kind = FRAMING_LINE};

static void test_framing_a_line_is_one_reply_with_its_newline(void **state)
{
	struct framing f = {.spec = &line_spec, .max_reply = 100};
	struct frame frame;

	(void)state;
	assert_int_equal(framing_next(&f, "one\ntwo\n", 8, &frame), FRAME_READY);
	assert_int_equal(frame.off, 0);
	assert_int_equal(frame.len, 4);
	assert_int_equal(frame.used, 4);
	assert_int_equal(framing_next(&f, "two\n", 4, &frame), FRAME_READY);
	assert_int_equal(frame.used, 4);
}

static void test_framing_an_empty_line_is_a_reply(void **state)
{
	struct framing f = {.spec = &line_spec, .max_reply = 100};
	struct frame frame;

	(void)state;
	assert_int_equal(framing_next(&f, "\n", 1, &frame), FRAME_READY);
	assert_int_equal(frame.len, 1);
}

static void test_framing_finds_the_reply_at_every_split(void **state)
{
	static const char bytes[] = "alpha\n\nbeta gamma\nx\n";
	size_t len = sizeof(bytes) - 1;

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct framing f = {.spec = &line_spec, .max_reply = 100};
		size_t ends[8], n = 0, at = 0, have = cut;
		struct frame frame;

		for (int pass = 0; pass < 2; pass++, have = len)
			while (have > at &&
			       framing_next(&f, bytes + at, have - at, &frame) == FRAME_READY) {
				at += frame.used;
				ends[n++] = at;
			}
		assert_int_equal(n, 4);
		assert_int_equal(ends[0], 6);
		assert_int_equal(ends[1], 7);
		assert_int_equal(ends[2], 18);
		assert_int_equal(ends[3], 20);
	}
}

static void test_framing_takes_max_reply_bytes_and_refuses_one_more(void **state)
{
	static const char exact[] = "12345\n", over[] = "123456\n";

	(void)state;
	for (size_t cut = 1; cut <= 6; cut++) {
		struct framing f = {.spec = &line_spec, .max_reply = 5};
		struct frame frame;

		if (cut < 6)
			assert_int_equal(framing_next(&f, exact, cut, &frame), FRAME_PARTIAL);
		assert_int_equal(framing_next(&f, exact, 6, &frame), FRAME_READY);
		f = (struct framing){.spec = &line_spec, .max_reply = 5};
		if (cut < 6)
			assert_int_equal(framing_next(&f, over, cut, &frame), FRAME_PARTIAL);
		assert_int_equal(framing_next(&f, over, 7, &frame), FRAME_TOO_LONG);
	}
}

static void test_framing_refuses_an_unfinished_reply_over_the_limit_at_once(void **state)
{
	struct framing f = {.spec = &line_spec, .max_reply = 5};
	struct frame frame;

	(void)state;
	assert_int_equal(framing_next(&f, "12345", 5, &frame), FRAME_PARTIAL);
	assert_int_equal(framing_next(&f, "123456", 6, &frame), FRAME_TOO_LONG);
}

static void test_framing_looks_at_each_byte_once(void **state)
{
	struct framing f = {.spec = &line_spec, .max_reply = 1 << 20};
	struct frame frame;
	char *bytes = calloc(1, 100001);

	(void)state;
	/*
	 * What lies before `scanned` is changed to newlines behind its back: a
	 * second look would find one.
	 */
	memset(bytes, 'x', 100000);
	for (size_t have = 100; have <= 100000; have += 100) {
		assert_int_equal(framing_next(&f, bytes, have, &frame), FRAME_PARTIAL);
		assert_int_equal(f.scanned, have);
		memset(bytes, '\n', have);
	}
	bytes[100000] = '\n';
	assert_int_equal(framing_next(&f, bytes, 100001, &frame), FRAME_READY);
	assert_int_equal(frame.used, 100001);
	free(bytes);
}

static void test_framing_option_names_what_is_allowed(void **state)
{
	struct framing_spec spec;
	char why[400];

	(void)state;
	assert_int_equal(framing_spec_parse("line", &spec, why, sizeof(why)), 0);
	assert_int_equal(spec.kind, FRAMING_LINE);
	assert_false(framing_spec_is_proof(&spec));
	assert_int_equal(framing_spec_parse("lin", &spec, why, sizeof(why)), -EINVAL);
	assert_int_equal(framing_spec_parse("", &spec, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "line"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_framing_a_line_is_one_reply_with_its_newline),
	    cmocka_unit_test(test_framing_an_empty_line_is_a_reply),
	    cmocka_unit_test(test_framing_finds_the_reply_at_every_split),
	    cmocka_unit_test(test_framing_takes_max_reply_bytes_and_refuses_one_more),
	    cmocka_unit_test(test_framing_refuses_an_unfinished_reply_over_the_limit_at_once),
	    cmocka_unit_test(test_framing_looks_at_each_byte_once),
	    cmocka_unit_test(test_framing_option_names_what_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
