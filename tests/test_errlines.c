/* SPDX-License-Identifier: MIT */
/* A process's stderr, line by line and within its rate. */
#include "errlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

struct fixture {
	struct errlines e;
	char record[4000];
	unsigned lines;
};

static void on_line(void *ctx, int level, const char *line)
{
	struct fixture *x = ctx;
	size_t n = strlen(x->record);

	x->lines++;
	snprintf(x->record + n, sizeof(x->record) - n, "%d:%s|", level, line);
}

static int setup(void **state)
{
	static struct fixture x;

	memset(&x, 0, sizeof(x));
	errlines_init(&x.e, 0, 0);
	*state = &x;
	return 0;
}

static void take(struct fixture *x, const char *text, int64_t now_ms)
{
	errlines_take(&x->e, text, strlen(text), now_ms, on_line, x);
}

static void test_errlines_cuts_at_newlines_however_the_bytes_come(void **state)
{
	static const char text[] = "one\ntwo\r\n\nthree\n";
	struct fixture *x = *state;

	for (size_t cut = 0; cut < sizeof(text); cut++) {
		x->record[0] = '\0';
		errlines_take(&x->e, text, cut, 0, on_line, x);
		errlines_take(&x->e, text + cut, sizeof(text) - 1 - cut, 0, on_line, x);
		assert_string_equal(x->record, "6:one|6:two|6:three|");
	}
	assert_string_equal(x->e.last, "three");
}

static void test_errlines_takes_the_level_from_a_prefix(void **state)
{
	struct fixture *x = *state;

	take(x, "<3>bad\n<7>fine\n<9>no level\n<4\n", 0);
	assert_string_equal(x->record, "3:bad|7:fine|6:<9>no level|6:<4|");
}

static void test_errlines_shows_hostile_bytes_escaped(void **state)
{
	struct fixture *x = *state;

	take(x, "\x1b[31mred\xff\n", 0);
	assert_string_equal(x->record, "6:\\x1b[31mred\\xff|");
}

static void test_errlines_cuts_an_endless_line_and_holds_no_more(void **state)
{
	struct fixture *x = *state;
	char piece[1000];

	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 1000; i++)
		errlines_take(&x->e, piece, sizeof(piece), 0, on_line, x);
	assert_int_equal(x->lines, 0);
	take(x, "\nnext\n", 0);
	assert_int_equal(x->lines, 2);
	assert_true(strlen(x->record) < 600);
	assert_non_null(strstr(x->record, "...|6:next|"));
}

static void test_errlines_suppresses_what_is_over_the_rate_and_says_how_much(void **state)
{
	struct fixture *x = *state;

	errlines_init(&x->e, 10, 0);
	for (int i = 0; i < 150; i++)
		take(x, "line\n", 0);
	assert_int_equal(x->lines, 100); /* a burst of ten seconds' worth */
	x->record[0] = '\0';
	take(x, "later\n", 100);
	assert_string_equal(x->record, "4:(50 lines suppressed: over 10 a second)|6:later|");
}

static void check_rate(unsigned rate)
{
	struct fixture x = {0};
	unsigned burst;

	errlines_init(&x.e, rate, 0);
	for (unsigned i = 0; i < rate * 20; i++)
		take(&x, "line\n", 0);
	burst = x.lines;
	assert_in_range(burst, rate, rate * 10);
	for (int ms = 1; ms <= 1000; ms++)
		for (int i = 0; i < 20; i++)
			take(&x, "line\n", ms);
	/* The lines that say how many were suppressed come on top: one for each at most. */
	assert_in_range(x.lines - burst, rate * 9 / 10, rate * 2);
}

static void test_errlines_keeps_rates_that_do_not_divide_a_second(void **state)
{
	(void)state;
	check_rate(1);
	check_rate(7);
	check_rate(300);
	check_rate(600);
	check_rate(5000);
}

static void test_errlines_remembers_the_last_line_though_it_was_suppressed(void **state)
{
	struct fixture *x = *state;

	errlines_init(&x->e, 1, 0);
	for (int i = 0; i < 20; i++)
		take(x, "noise\n", 0);
	take(x, "the reason\n", 0);
	assert_string_equal(x->e.last, "the reason");
}

static void test_errlines_flush_ends_the_unfinished_line(void **state)
{
	struct fixture *x = *state;

	take(x, "unfinished", 0);
	assert_int_equal(x->lines, 0);
	errlines_flush(&x->e, 0, on_line, x);
	assert_string_equal(x->record, "6:unfinished|");
}

#define TEST(name) cmocka_unit_test_setup(test_errlines_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(cuts_at_newlines_however_the_bytes_come),
	    TEST(takes_the_level_from_a_prefix),
	    TEST(shows_hostile_bytes_escaped),
	    TEST(cuts_an_endless_line_and_holds_no_more),
	    TEST(suppresses_what_is_over_the_rate_and_says_how_much),
	    TEST(keeps_rates_that_do_not_divide_a_second),
	    TEST(remembers_the_last_line_though_it_was_suppressed),
	    TEST(flush_ends_the_unfinished_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
