/* SPDX-License-Identifier: MIT */
/* Framing: the same replies come out however the bytes were cut. */
#include "framing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
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

/* One way of framing, output in it, and the replies in that, with a | behind each. */
static const struct sample {
	const char *reply;
	bool strip;
	const char *bytes;
	size_t len;
	const char *replies;
} samples[] = {
#define SAMPLE(reply, strip, bytes, replies)                                                       \
	{                                                                                          \
		reply, strip, bytes, sizeof(bytes) - 1, replies                                    \
	}
    SAMPLE("line", false, "one\n\nthree\r\n", "one\n|\n|three\r\n|"),
    SAMPLE("lines:2", false, "a\nb\n\n\n", "a\nb\n|\n\n|"),
    SAMPLE("until:", false, "@ 1\n* 2\n\n\n*\n\n", "@ 1\n* 2\n\n|\n|*\n\n|"),
    SAMPLE("until:", true, "@ 1\n* 2\n\n\n*\n\n", "@ 1\n* 2\n||*\n|"),
    SAMPLE("until:EOS", false, "word\nEOS\nEOSx\nEOS\r\n", "word\nEOS\n|EOSx\nEOS\r\n|"),
    SAMPLE("until:EOS", true, "word\nEOS\nEOS\n", "word\n||"),
    SAMPLE("until:a\\x20b", true, "1\na b\n", "1\n|"),
    SAMPLE("until-match:^(END|FAIL)$", false, "x\nEND\nENDE\nFAIL\n", "x\nEND\n|ENDE\nFAIL\n|"),
    SAMPLE("until-match:^bestmove ", false, "info\nbestmove e2e4\n", "info\nbestmove e2e4\n|"),
    SAMPLE("until-match:^ok", true, "x\nok 1\nok 2\n", "x\n||"),
    SAMPLE("prompt:> ", true, "a > b\n> > c\nd\n> ", "a > b\n||c\nd\n|"),
    SAMPLE("prompt:> ", false, "a\n> ", "a\n> |"),
    SAMPLE("nul", false, "a\nb\0\0", "a\nb@|@|"),
    SAMPLE("nul", true, "a\nb\0\0", "a\nb||"),
    SAMPLE("sized:^\\S+ blob (\\d+)$", false, "x blob 4\na\n\0c\ny missing\nz blob 0\n\n",
	   "x blob 4\na\n@c\n|y missing\n|z blob 0\n\n|"),
    SAMPLE("sized:(\\d+)", true, "3\nabc\nx\n", "3\nabc|x\n|"),
    SAMPLE("probe:ping=>pong", false, "a\nb\npong\npong\nno pong\npong\r\n", "a\nb\n||no pong\n|"),
    SAMPLE("probe:echo %n=>%n", false, "a\n4711\n4711\nb4711\n", "a\n||b|"),
    SAMPLE("probe:echo %n=>= %n.", false, "a\n= 4711.\n= 4712.\n= 4711.\n", "a\n|= 4712.\n|"),
    SAMPLE("channel", false, "0 a\n17 b c\n3\n4 \n", "a\n|b c\n|\n|\n|"),
};

static void append(char *to, const char *bytes, size_t len)
{
	size_t n = strlen(to);

	for (size_t i = 0; i < len; i++)
		to[n + i] = bytes[i] ? bytes[i] : '@';
	to[n + len] = '|';
	to[n + len + 1] = '\0';
}

/* Take the bytes in three pieces. */
static void take_cut(const struct sample *s, struct framing f, size_t first, size_t second)
{
	const size_t have[] = {first, second, s->len};
	char found[300] = "";
	size_t at = 0;

	for (size_t i = 0; i < 3; i++) {
		struct frame frame;

		while (have[i] > at &&
		       framing_next(&f, s->bytes + at, have[i] - at, &frame) == FRAME_READY) {
			append(found, s->bytes + at + frame.off, frame.len);
			at += frame.used;
		}
	}
	if (strcmp(found, s->replies) != 0)
		fail_msg("%s cut at %zu and %zu: \"%s\", expected \"%s\"", s->reply, first, second,
			 found, s->replies);
	assert_int_equal(at, s->len);
}

static void test_framing_each_kind_at_every_two_splits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct framing_spec spec;
		char why[400];

		if (framing_spec_parse(s->reply, &spec, why, sizeof(why)))
			fail_msg("%s: %s", s->reply, why);
		spec.strip = s->strip;
		for (size_t a = 0; a <= s->len; a++)
			for (size_t b = a; b <= s->len; b++)
				take_cut(s,
					 (struct framing){
					     .spec = &spec, .max_reply = 100, .number = 4711},
					 a, b);
		framing_spec_finish(&spec);
	}
}

/* Output in one piece and byte by byte: what is it at last? */
static enum frame_result result_of(const char *reply, const char *bytes, size_t len, size_t step)
{
	struct framing_spec spec;
	enum frame_result result = FRAME_PARTIAL;
	struct frame frame;
	char why[400];
	struct framing f;

	assert_int_equal(framing_spec_parse(reply, &spec, why, sizeof(why)), 0);
	f = (struct framing){.spec = &spec, .max_reply = 10, .number = 4711, .key = 5};
	for (size_t have = MIN(step, len); result == FRAME_PARTIAL; have = MIN(have + step, len)) {
		result = framing_next(&f, bytes, have, &frame);
		if (have == len)
			break;
	}
	framing_spec_finish(&spec);
	return result;
}

static void test_framing_each_kind_bounds_a_reply(void **state)
{
	static const char *const kinds[] = {"line",       "lines:2",           "until:.",
					    "nul",        "until-match:^\\.$", "prompt:> ",
					    "sized:(^$)", "probe:a%n=>%n",     "channel"};
	char flood[400];

	(void)state;
	memset(flood, 'x', sizeof(flood));
	flood[0] = '1';
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t step = 1; step <= sizeof(flood); step += 133)
			assert_int_equal(result_of(kinds[i], flood, sizeof(flood), step),
					 FRAME_TOO_LONG);
	memset(flood, '\n', sizeof(flood));
	assert_int_equal(result_of("until:.", flood, sizeof(flood), 1), FRAME_TOO_LONG);
	/* A matching line is part of the reply, at once as in pieces. */
	assert_int_equal(result_of("until-match:^E", "E23456789012\n", 13, 1), FRAME_TOO_LONG);
	assert_int_equal(result_of("until-match:^E", "E23456789012\n", 13, 13), FRAME_TOO_LONG);
	assert_int_equal(result_of("sized:(\\d+)", "11\n", 3, 1), FRAME_TOO_LONG);
	assert_int_equal(result_of("sized:(\\d+)", "10\n", 3, 1), FRAME_PARTIAL);
	assert_int_equal(result_of("sized:(\\d+)", "99999999999999999999999999\n", 27, 1),
			 FRAME_TOO_LONG);
}

static void test_framing_what_cannot_be_is_told(void **state)
{
	char other[40];

	(void)state;
	snprintf(other, sizeof(other), "%llu\n", (unsigned long long)marker_number(5, 77));
	assert_int_equal(result_of("probe:a%n=>%n", other, strlen(other), 100), FRAME_DESYNC);
	assert_int_equal(result_of("channel", "x 1\n", 4, 1), FRAME_DESYNC);
	assert_int_equal(result_of("channel", "1x\n", 3, 1), FRAME_DESYNC);
	assert_int_equal(result_of("channel", "\n", 1, 1), FRAME_DESYNC);
	assert_int_equal(result_of("sized:(\\S+)", "1x\n", 3, 1), FRAME_DESYNC);
}

static void test_framing_only_ids_and_numbered_probes_are_proof(void **state)
{
	static const struct {
		const char *reply;
		bool proof;
	} rows[] = {{"line", false},       {"until:x", false},      {"nul", false},
		    {"probe:a=>b", false}, {"probe:a%n=>b", false}, {"probe:a%n=>b%n", true},
		    {"channel", true}};
	struct framing_spec spec;
	char why[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(framing_spec_parse(rows[i].reply, &spec, why, sizeof(why)), 0);
		assert_int_equal(framing_spec_is_proof(&spec), rows[i].proof);
		framing_spec_finish(&spec);
	}
}

static void test_framing_bad_options_are_explained(void **state)
{
	static const char *const bad[] = {
	    "lines:0",      "lines:x",     "lines:1000001", "prompt:", "until-match:(",
	    "until-match:", "sized:x",     "sized:",        "probe:a", "probe:=>",
	    "probe:a=>",    "probe:a=>%n", "probe:%n%n=>a", "nul:x",   "until:\\q",
	    "linex",        "channel:1",   "until:a\\nb"};
	struct framing_spec spec;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char why[400] = "";

		assert_int_equal(framing_spec_parse(bad[i], &spec, why, sizeof(why)), -EINVAL);
		assert_true(strlen(why) > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_framing_each_kind_at_every_two_splits),
	    cmocka_unit_test(test_framing_each_kind_bounds_a_reply),
	    cmocka_unit_test(test_framing_what_cannot_be_is_told),
	    cmocka_unit_test(test_framing_only_ids_and_numbered_probes_are_proof),
	    cmocka_unit_test(test_framing_bad_options_are_explained),
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
