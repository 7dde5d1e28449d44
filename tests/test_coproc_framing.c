/* SPDX-License-Identifier: MIT */
/* The engine and processes that speak otherwise than line by line. */
#include "engine_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Cut the number that stands behind @word out of what the process has received. */
static const char *number_of(const char *got, const char *word)
{
	static char digits[8][32];
	static unsigned next;
	char *out = digits[next++ % 8];
	const char *at = strstr(got, word);

	assert_non_null(at);
	at += strlen(word);
	snprintf(out, 32, "%.*s", (int)strspn(at, "0123456789"), at);
	assert_true(strlen(out) > 8);
	return out;
}

static void answer_number(struct rig *rig, const char *before, const char *number)
{
	char text[200];

	snprintf(text, sizeof(text), "%s%s\n", before, number);
	answer(rig, text);
}

/* With its first probe answered. */
static void begin_probed(struct rig *rig)
{
	rig->options.reply = "probe:print %n=>%n";
	begin(rig);
	answer_number(rig, "Welcome!\n", number_of(sent(rig), "print "));
	expect(rig, "");
}

static void test_probe_nothing_is_sent_before_the_first_answer(void **state)
{
	struct rig *rig = *state;
	const char *number;

	rig->options.reply = "probe:print %n=>%n";
	begin(rig);
	ask(rig, "a");
	number = number_of(sent(rig), "print ");
	answer(rig, "a banner of\ntwo lines\n");
	assert_string_equal(sent(rig), "");
	answer_number(rig, "", number);
	number = number_of(sent(rig), "a\nprint ");
	answer_number(rig, "A\n", number);
	expect(rig, "a=A\n");
}

static void test_probe_a_request_without_a_reply_and_one_with_two_end_right(void **state)
{
	struct rig *rig = *state;

	begin_probed(rig);
	ask(rig, "none");
	answer_number(rig, "", number_of(sent(rig), "none\nprint "));
	expect(rig, "none=");
	ask(rig, "two");
	answer_number(rig, "1\n2\n", number_of(sent(rig), "two\nprint "));
	expect(rig, "two=1\n2\n");
	ask(rig, "open");
	answer_number(rig, "no end of line", number_of(sent(rig), "open\nprint "));
	expect(rig, "open=no end of line");
}

static void test_probe_a_late_answer_frees_the_process_after_a_timeout(void **state)
{
	struct rig *rig = *state;
	const char *number;

	rig->options.request_timeout_ms = 1000;
	begin_probed(rig);
	ask(rig, "slow");
	number = number_of(sent(rig), "slow\nprint ");
	wait_ms(rig, 1000);
	expect(rig, "slow=timeout\n");
	ask(rig, "next");
	assert_string_equal(sent(rig), "");
	answer_number(rig, "late 1\nlate 2\n", number);
	expect(rig, "late\n");
	answer_number(rig, "right\n", number_of(sent(rig), "next\nprint "));
	expect(rig, "next=right\n");
	assert_int_equal(rig->fake.count, 1);
}

static void test_probe_the_number_of_another_request_is_a_desync(void **state)
{
	struct rig *rig = *state;
	const char *got, *second;

	rig->options.window = 2;
	begin_probed(rig);
	submit(rig, "a");
	ask(rig, "b");
	got = sent(rig);
	second = number_of(got, "b\nprint ");
	answer_number(rig, "", second);
	expect(rig, "desync\na=desync\nb=desync\nrestarting\nstopped\n");
}

static void test_probe_a_forged_number_is_text(void **state)
{
	struct rig *rig = *state;
	const char *number;

	begin_probed(rig);
	ask(rig, "a");
	number = number_of(sent(rig), "a\nprint ");
	answer(rig, "1234567890123\n");
	expect(rig, "");
	answer_number(rig, "", number);
	expect(rig, "a=1234567890123\n");
}

static void test_probe_output_behind_an_answer_is_a_desync_that_costs_no_reply(void **state)
{
	struct rig *rig = *state;
	char text[100];

	begin_probed(rig);
	ask(rig, "a");
	snprintf(text, sizeof(text), "A\n%s\nstray\n", number_of(sent(rig), "a\nprint "));
	answer(rig, text);
	expect(rig, "a=A\ndesync\nrestarting\nstopped\n");
}

static void test_channel_replies_come_in_any_order(void **state)
{
	struct rig *rig = *state;

	rig->options.reply = "channel";
	rig->options.window = 3;
	begin(rig);
	submit(rig, "a");
	submit(rig, "b");
	ask(rig, "c");
	assert_string_equal(sent(rig), "0 a\n1 b\n2 c\n");
	answer(rig, "2 C\n0 A\n");
	expect(rig, "c=C\na=A\n");
	ask(rig, "d");
	assert_string_equal(sent(rig), "3 d\n");
	answer(rig, "3 D\n1 B\n");
	expect(rig, "d=D\nb=B\n");
}

static void test_channel_an_unknown_or_used_number_is_a_desync(void **state)
{
	struct rig *rig = *state;

	rig->options.reply = "channel";
	rig->options.window = 2;
	begin(rig);
	submit(rig, "a");
	ask(rig, "b");
	answer(rig, "1 B\n1 B\n");
	expect(rig, "b=B\ndesync\na=desync\nrestarting\nstopped\n");
	wait_ms(rig, 1000);
	ask(rig, "c");
	answer(rig, "77 C\n");
	expect(rig, "desync\nc=desync\nrestarting\nstopped\n");
	wait_ms(rig, 1000);
	ask(rig, "d");
	answer(rig, "no number\n");
	expect(rig, "desync\nd=desync\nrestarting\nstopped\n");
}

static void test_channel_one_that_hangs_is_found_among_others(void **state)
{
	struct rig *rig = *state;

	rig->options.reply = "channel";
	rig->options.window = 2;
	rig->options.hang_timeout_ms = 1000;
	begin(rig);
	ask(rig, "stuck");
	for (int i = 0; i < 5; i++) {
		char text[40];

		wait_ms(rig, 190);
		ask(rig, "b");
		snprintf(text, sizeof(text), "%d B\n", i + 1);
		answer(rig, text);
		expect(rig, "b=B\n");
	}
	wait_ms(rig, 50);
	expect(rig, "hung\nstuck=timeout\nrestarting\nstopped\n");
}

static void test_async_lines_are_cut_out_at_every_split(void **state)
{
	char *const async[] = {(char[]){"^info "}, NULL};
	static const char bytes[] = "info 1\none\ninfo 2\ntwo\ninfo 3\nend\n";
	struct rig *rig = *state;

	rig->options.reply = "until:end";
	rig->options.async = async;
	begin(rig);
	for (size_t cut = 0; cut < sizeof(bytes); cut++) {
		rig->asked_count = 0;
		ask(rig, "a");
		fake_write(fake_newest(&rig->fake), bytes, cut);
		turn(rig);
		rig->record[0] = '\0';
		answer(rig, bytes + cut);
		if (!strstr(rig->record, "a=one\ntwo\nend\n") && cut < sizeof(bytes) - 1)
			fail_msg("cut at %zu: %s", cut, rig->record);
	}
	assert_int_equal(rig->fake.count, 1);
}

static void test_async_lines_may_come_while_idle_but_no_others(void **state)
{
	char *const async[] = {(char[]){"^info "}, NULL};
	struct rig *rig = *state;

	rig->options.async = async;
	begin(rig);
	answer(rig, "info 1\ninf");
	expect(rig, "async\n");
	ask(rig, "a");
	assert_string_equal(sent(rig), ""); /* the rest of the line first */
	answer(rig, "o 2\n");
	expect(rig, "async\n");
	assert_string_equal(sent(rig), "a\n");
	answer(rig, "A\n");
	expect(rig, "a=A\n");
	answer(rig, "info without end");
	wait_ms(rig, 100);
	expect(rig, "desync\nrestarting\nstopped\n");
}

/* Each read ends within a line, but every line is one of no reply. */
static void test_async_lines_in_a_flood_cost_neither_the_reply_nor_the_process(void **state)
{
	char *const async[] = {(char[]){"^info "}, NULL};
	struct rig *rig = *state;

	rig->options.async = async;
	rig->options.stderr_rate = 1;
	begin(rig);
	ask(rig, "a");
	answer(rig, "A\ninfo ");
	expect(rig, "");
	for (int i = 0; i < 9; i++) {
		wait_ms(rig, 30);
		answer(rig, "1\ninfo ");
	}
	expect(rig, "async\na=A\nasync\nasync\nasync\nasync\nasync\nasync\nasync\nasync\n");
	answer(rig, "2\n");
	assert_int_equal(rig->fake.count, 1);
}

static void test_async_lines_are_reported_within_the_rate(void **state)
{
	char *const async[] = {(char[]){"^info "}, NULL};
	struct rig *rig = *state;

	rig->options.async = async;
	rig->options.stderr_rate = 1; /* ten at once */
	begin(rig);
	for (int i = 0; i < 40; i++)
		answer(rig, "info 1\n");
	expect(rig, "async\nasync\nasync\nasync\nasync\nasync\nasync\nasync\nasync\nasync\n");
	wait_ms(rig, 1000);
	answer(rig, "info 1\n");
	expect(rig, "async\nasync\n"); /* the number of those left out first */
}

static void test_async_a_line_that_is_whole_in_time_leaves_no_deadline(void **state)
{
	char *const async[] = {(char[]){"^info "}, NULL};
	struct rig *rig = *state;

	rig->options.async = async;
	rig->options.settle_ms = 200;
	begin(rig);
	ask(rig, "  a  "); /* the first reply of a life settles */
	answer(rig, "A\ninfo");
	wait_ms(rig, 50);
	answer(rig, " 1\n");
	wait_ms(rig, 60);
	expect(rig, "async\n");
	wait_ms(rig, 200);
	expect(rig, "  a  =A\n");
}

static void test_no_reply_ends_at_once_and_keeps_the_order(void **state)
{
	char *const silent[] = {(char[]){"^set "}, NULL};
	struct rig *rig = *state;

	rig->options.no_reply = silent;
	begin(rig);
	submit(rig, "a");
	submit(rig, "set x");
	ask(rig, "b");
	expect(rig, "");
	assert_string_equal(sent(rig), "a\n");
	answer(rig, "A\n");
	expect(rig, "a=A\nset x=");
	assert_string_equal(sent(rig), "set x\nb\n");
	answer(rig, "B\n");
	expect(rig, "b=B\n");
}

static void test_cancel_is_written_when_nobody_waits_any_more(void **state)
{
	struct rig *rig = *state;
	struct asked *a;

	rig->options.cancel = "stop";
	rig->options.cancel_len = 4;
	rig->options.request_timeout_ms = 1000;
	begin(rig);
	a = ask(rig, "go");
	assert_string_equal(sent(rig), "go\n");
	coproc_cancel(rig->engine, &a->request);
	turn(rig);
	assert_string_equal(sent(rig), "stop\n");
	answer(rig, "stopped\n");
	expect(rig, "late\n");
	ask(rig, "slow");
	assert_string_equal(sent(rig), "slow\n");
	wait_ms(rig, 1000);
	expect(rig, "slow=timeout\n");
	assert_string_equal(sent(rig), "stop\n");
	wait_ms(rig, 1000);
	assert_string_equal(sent(rig), ""); /* once */
}

static void test_cancel_waits_until_the_request_runs(void **state)
{
	struct rig *rig = *state;
	struct asked *b;

	rig->options.cancel = "stop";
	rig->options.cancel_len = 4;
	rig->options.window = 2;
	begin(rig);
	submit(rig, "a");
	b = ask(rig, "b");
	assert_string_equal(sent(rig), "a\nb\n");
	coproc_cancel(rig->engine, &b->request);
	turn(rig);
	assert_string_equal(sent(rig), "");
	answer(rig, "A\n");
	assert_string_equal(sent(rig), "stop\n");
}

static void test_health_is_asked_when_idle_and_a_good_answer_is_nobodys(void **state)
{
	struct rig *rig = *state;

	rig->options.health = "ping=>pong";
	rig->options.health_interval_ms = 1000;
	begin(rig);
	wait_ms(rig, 999);
	assert_string_equal(sent(rig), "");
	wait_ms(rig, 1);
	assert_string_equal(sent(rig), "ping\n");
	ask(rig, "a");
	assert_string_equal(sent(rig), "");
	answer(rig, "pong\n");
	assert_string_equal(sent(rig), "a\n");
	wait_ms(rig, 500);
	answer(rig, "A\n");
	expect(rig, "a=A\n");
	wait_ms(rig, 999);
	assert_string_equal(sent(rig), "");
	wait_ms(rig, 1);
	assert_string_equal(sent(rig), "ping\n");
}

static void test_health_a_missed_or_wrong_answer_replaces_the_process(void **state)
{
	struct rig *rig = *state;

	rig->options.health = "ping=>pong";
	rig->options.health_interval_ms = 1000;
	begin(rig);
	wait_ms(rig, 1000);
	wait_ms(rig, 999);
	expect(rig, "");
	wait_ms(rig, 1);
	expect(rig, "hung\nrestarting\nstopped\n");
	wait_ms(rig, 1);
	wait_ms(rig, 1000);
	assert_string_equal(sent(rig), "ping\n");
	answer(rig, "pang\n");
	expect(rig, "hung\nrestarting\nstopped\n");
}

static void test_health_of_a_channel_is_given_its_time(void **state)
{
	struct rig *rig = *state;

	rig->options.reply = "channel";
	rig->options.health = "ping=>pong";
	rig->options.health_interval_ms = 1000;
	rig->options.hang_timeout_ms = 500;
	begin(rig);
	wait_ms(rig, 1000);
	assert_string_equal(sent(rig), "0 ping\n");
	wait_ms(rig, 499);
	expect(rig, "");
	answer(rig, "0 pong\n");
	expect(rig, "");
	ask(rig, "a");
	assert_string_equal(sent(rig), "1 a\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_probe_nothing_is_sent_before_the_first_answer),
	    TEST(test_probe_a_request_without_a_reply_and_one_with_two_end_right),
	    TEST(test_probe_a_late_answer_frees_the_process_after_a_timeout),
	    TEST(test_probe_the_number_of_another_request_is_a_desync),
	    TEST(test_probe_a_forged_number_is_text),
	    TEST(test_probe_output_behind_an_answer_is_a_desync_that_costs_no_reply),
	    TEST(test_channel_replies_come_in_any_order),
	    TEST(test_channel_an_unknown_or_used_number_is_a_desync),
	    TEST(test_channel_one_that_hangs_is_found_among_others),
	    TEST(test_async_lines_are_cut_out_at_every_split),
	    TEST(test_async_lines_may_come_while_idle_but_no_others),
	    TEST(test_async_lines_in_a_flood_cost_neither_the_reply_nor_the_process),
	    TEST(test_async_lines_are_reported_within_the_rate),
	    TEST(test_async_a_line_that_is_whole_in_time_leaves_no_deadline),
	    TEST(test_no_reply_ends_at_once_and_keeps_the_order),
	    TEST(test_cancel_is_written_when_nobody_waits_any_more),
	    TEST(test_cancel_waits_until_the_request_runs),
	    TEST(test_health_is_asked_when_idle_and_a_good_answer_is_nobodys),
	    TEST(test_health_a_missed_or_wrong_answer_replaces_the_process),
	    TEST(test_health_of_a_channel_is_given_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
