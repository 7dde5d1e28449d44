/* SPDX-License-Identifier: MIT */
/* From what real programs were recorded to say, to where their replies end. */
#include "probe_find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S(text)                                                                                    \
	{                                                                                          \
		.bytes = (text), .len = sizeof(text) - 1                                           \
	}
#define SAMPLES 6

/* Found, and its texts copied, so that each test can compare plain strings. */
struct found {
	struct shape shape;
	char *banner;
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct found));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	struct found *f = *state;

	shape_finish(&f->shape);
	free(f->banner);
	free(f);
	return 0;
}

/* What is found for samples up to the first one without bytes and without length. */
static const char *find(struct found *f, const struct find_sample *samples)
{
	size_t count = 0;

	while (samples[count].bytes)
		count++;
	shape_finish(&f->shape);
	assert_int_equal(find_shape(samples, count, &f->shape), 0);
	return f->shape.option;
}

#define FIND(f, ...) find(f, (const struct find_sample[SAMPLES]){__VA_ARGS__})

static void parse(struct found *f, const char *option)
{
	shape_finish(&f->shape);
	assert_int_equal(shape_parse(option, &f->shape), 0);
}

static size_t count_in(struct found *f, const char *bytes, size_t len)
{
	size_t rest, n = shape_count(&f->shape, 7, bytes, len, &rest);

	return rest ? n + 1000 : n;
}

#define COUNT(f, text) count_in(f, text, sizeof(text) - 1)

static const char *banner(struct found *f, const char *bytes)
{
	free(f->banner);
	assert_int_equal(find_banner(&f->shape, bytes, strlen(bytes), &f->banner), 0);
	return f->banner ? f->banner : "none";
}

/* ---- finding ---- */

static void test_one_line_for_each_request_is_a_line(void **state)
{
	assert_string_equal(FIND(*state, S("HELLO\n"), S("HELLO WORLD\n"), S("\n")), "line");
	assert_string_equal(FIND(*state, S("OK\n"), S("OK\n"), S("OK\n")), "line");
}

static void test_an_empty_line_behind_the_lines_of_hunspell_is_seen(void **state)
{
	assert_string_equal(FIND(*state, S("*\n\n"), S("*\n\n"),
				 S("& helo 2 0: hole, help\n# wrld 5\n\n"), S("\n")),
			    "until:");
}

static void test_the_last_line_of_mecab_is_seen(void **state)
{
	assert_string_equal(
	    FIND(*state, S("a\tnoun\nb\tverb\nEOS\n"), S("c\tnoun\nEOS\n"), S("EOS\n")),
	    "until:EOS");
}

static void test_a_last_line_with_a_blank_at_its_end_becomes_a_pattern(void **state)
{
	assert_string_equal(FIND(*state, S("^done\n(gdb) \n"), S("~\"x\"\n^done\n(gdb) \n")),
			    "until-match:^\\(gdb\\) $");
}

static void test_a_number_in_the_last_line_becomes_a_pattern(void **state)
{
	assert_string_equal(FIND(*state, S("12.57\n{ready1}\n"), S("a\nb\n{ready12}\n")),
			    "until-match:^\\{ready\\d+\\}$");
}

static void test_a_last_line_with_a_word_of_its_own_becomes_a_pattern(void **state)
{
	assert_string_equal(FIND(*state, S("info 1\nbestmove e2e4\n"),
				 S("info 2\ninfo 3\nbestmove g8f6 ponder c2c4\n")),
			    "until-match:^bestmove");
}

static void test_last_lines_that_are_verdicts_become_a_pattern(void **state)
{
	assert_string_equal(FIND(*state, S("DATA\tx\nEND\n"), S("END\n"), S("LOG\ty\nFAIL\n")),
			    "until-match:^(END|FAIL)$");
	/* It would end such a reply too early. */
	assert_string_equal(FIND(*state, S("FAIL\nEND\n"), S("END\n"), S("x\nFAIL\n")), "");
}

static void test_a_line_that_also_stands_earlier_is_no_end(void **state)
{
	/* Blobs hold empty lines. */
	assert_string_equal(FIND(*state, S("a\n\nb\n\n"), S("a\n\n")), "");
	assert_string_equal(FIND(*state, S("info x\nend a\nend b\n"), S("1\nend c\n")), "");
}

static void test_a_prompt_is_seen_with_its_blanks(void **state)
{
	assert_string_equal(FIND(*state, S("2\n>>> "), S(">>> "), S("a\nb\n>>> ")),
			    "prompt:>>>\\x20");
	assert_string_equal(FIND(*state, S("x\n%"), S("%")), "prompt:%");
}

static void test_a_nul_is_seen_where_it_is_the_only_one(void **state)
{
	assert_string_equal(FIND(*state, S("^cats/cat$\n\0"), S("\0")), "nul");
	assert_string_equal(FIND(*state, S("a\0b\0"), S("c\0")), "");
}

static void test_a_number_of_bytes_is_seen(void **state)
{
	assert_string_equal(
	    FIND(*state, S("ce01 blob 6\nhello\n\n"), S("none missing\n"), S("d65c tree 0\n\n")),
	    "sized:^\\S+ \\S+ (\\d+)$");
	/* A sum of two results is no such number. */
	assert_string_equal(FIND(*state, S("2\n1\n3\n"), S("6\n")), "");
}

static void test_replies_of_any_length_have_no_end(void **state)
{
	assert_string_equal(FIND(*state, S("2\n"), S("1\n2\n"), S("")), "");
}

static void test_as_many_lines_each_time_is_a_number_of_lines(void **state)
{
	assert_string_equal(FIND(*state, S("a\nb\n"), S("c\nd\n"), S("e\nf\n")), "lines:2");
	/* Always the same: whether `b` ends it cannot be known. */
	assert_string_equal(FIND(*state, S("a\nb\n"), S("a\nb\n")), "lines:2");
}

static void test_silence_says_nothing(void **state)
{
	assert_string_equal(FIND(*state, S(""), S("")), "");
	assert_string_equal(FIND(*state, S(""), S("a\n")), "line");
}

static void test_each_shape_that_is_found_is_one_that_can_be_counted(void **state)
{
	struct found *f = *state;

	assert_string_equal(FIND(f, S("a.b\nx (1)?\n"), S("c\nx (22)?\n")),
			    "until-match:^x \\(\\d+\\)\\?$");
	assert_int_equal(COUNT(f, "a\nx (5)?\nx (6)?\nrest"), 1002);
}

/* ---- counting ---- */

static void test_replies_are_counted(void **state)
{
	struct found *f = *state;

	parse(f, "line");
	assert_int_equal(COUNT(f, "a\nb\n"), 2);
	assert_int_equal(COUNT(f, "a\nb"), 1001);
	parse(f, "lines:2");
	assert_int_equal(COUNT(f, "a\nb\nc\nd\n"), 2);
	parse(f, "until:");
	assert_int_equal(COUNT(f, "*\n\n\n"), 2);
	parse(f, "prompt:> ");
	assert_int_equal(COUNT(f, "a\n> b\n> "), 2);
	parse(f, "nul");
	assert_int_equal(COUNT(f, "a\0\0b"), 1002);
	parse(f, "sized:^\\S+ (\\d+)$");
	assert_int_equal(COUNT(f, "a 3\n1\n2\nb missing\n"), 2);
	assert_int_equal(COUNT(f, "a 3\n1\n"), 1000);
}

static void test_marks_are_counted_by_their_numbers(void **state)
{
	struct found *f = *state;

	parse(f, "probe:.print :%n:=>:%n:");
	assert_int_equal(COUNT(f, "a\n:7:\n:8:\n"), 2);
	assert_int_equal(COUNT(f, "a\n:8:\n"), 1000);
}

static void test_a_mark_is_no_part_of_the_reply(void **state)
{
	struct found *f = *state;
	struct shape_piece piece;

	parse(f, "probe:mark %n=>%n");
	assert_true(shape_next(&f->shape, 5, "a\n5\n", 4, &piece));
	assert_int_equal(piece.len, 2);
	assert_int_equal(piece.used, 4);
}

static void test_a_number_is_no_part_of_a_channels_reply(void **state)
{
	struct found *f = *state;
	struct shape_piece piece;

	parse(f, "channel");
	assert_true(shape_next(&f->shape, 5, "12 OK x\n", 8, &piece));
	assert_int_equal(piece.off, 3);
	assert_int_equal(piece.len, 5);
	assert_false(shape_next(&f->shape, 5, "OK x\n", 5, &piece));
}

static void test_a_request_is_wrapped_as_the_daemon_does(void **state)
{
	struct found *f = *state;
	struct buf out = {0};

	parse(f, "probe:;\\n.print %n=>%n");
	assert_int_equal(shape_wrap(&f->shape, "select 1\n", 9, 42, &out), 0);
	parse(f, "channel");
	assert_int_equal(shape_wrap(&f->shape, "url\n", 4, 43, &out), 0);
	assert_int_equal(out.len, strlen("select 1\n;\n.print 42\n43 url\n"));
	assert_memory_equal(buf_bytes(&out), "select 1\n;\n.print 42\n43 url\n", out.len);
	buf_finish(&out);
}

static void test_what_is_no_framing_is_refused(void **state)
{
	struct shape shape;

	(void)state;
	assert_int_not_equal(shape_parse("lines:x", &shape), 0);
	assert_int_not_equal(shape_parse("probe:x", &shape), 0);
	assert_int_not_equal(shape_parse("until-match:(", &shape), 0);
	assert_int_not_equal(shape_parse("liner", &shape), 0);
}

/* ---- banners ---- */

static void test_a_banner_is_lines_or_ends_as_replies_do(void **state)
{
	struct found *f = *state;

	parse(f, "until:");
	assert_string_equal(banner(f, ""), "none");
	assert_string_equal(banner(f, "@(#) Ispell\n"), "lines:1");
	assert_string_equal(banner(f, "a\nb\n"), "lines:2");
	parse(f, "until-match:^\\(gdb\\) $");
	assert_string_equal(banner(f, "=thread-group-added\n(gdb) \n"), "until-match:^\\(gdb\\) $");
	parse(f, "until:READY");
	assert_string_equal(banner(f, "v1\nREADY\n"), "until:READY");
}

static void test_a_banner_without_a_newline_is_a_prompt(void **state)
{
	struct found *f = *state;

	parse(f, "until:");
	assert_string_equal(banner(f, "Enter some text: "), "prompt:Enter some text:\\x20");
	assert_string_equal(banner(f, "welcome\n> "), "prompt:>\\x20");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	    TEST(test_one_line_for_each_request_is_a_line),
	    TEST(test_an_empty_line_behind_the_lines_of_hunspell_is_seen),
	    TEST(test_the_last_line_of_mecab_is_seen),
	    TEST(test_a_last_line_with_a_blank_at_its_end_becomes_a_pattern),
	    TEST(test_a_number_in_the_last_line_becomes_a_pattern),
	    TEST(test_a_last_line_with_a_word_of_its_own_becomes_a_pattern),
	    TEST(test_last_lines_that_are_verdicts_become_a_pattern),
	    TEST(test_a_line_that_also_stands_earlier_is_no_end),
	    TEST(test_a_prompt_is_seen_with_its_blanks),
	    TEST(test_a_nul_is_seen_where_it_is_the_only_one),
	    TEST(test_a_number_of_bytes_is_seen),
	    TEST(test_replies_of_any_length_have_no_end),
	    TEST(test_as_many_lines_each_time_is_a_number_of_lines),
	    TEST(test_silence_says_nothing),
	    TEST(test_each_shape_that_is_found_is_one_that_can_be_counted),
	    TEST(test_replies_are_counted),
	    TEST(test_marks_are_counted_by_their_numbers),
	    TEST(test_a_mark_is_no_part_of_the_reply),
	    TEST(test_a_number_is_no_part_of_a_channels_reply),
	    TEST(test_a_request_is_wrapped_as_the_daemon_does),
	    TEST(test_what_is_no_framing_is_refused),
	    TEST(test_a_banner_is_lines_or_ends_as_replies_do),
	    TEST(test_a_banner_without_a_newline_is_a_prompt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
