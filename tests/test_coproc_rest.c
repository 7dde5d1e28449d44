/* SPDX-License-Identifier: MIT */
/* When the next request is sent: not before the process rests, and as many as it is quick. */
#include "engine_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void begin_watched(struct rig *rig)
{
	rig->options.settle_ms = 20;
	rig->options.ready = "probe:hello=>hello";
	rig->fake.platform.is_reading = fake_is_reading;
	rig->fake.reading = 1;
	begin(rig);
	assert_string_equal(sent(rig), "hello\n");
	answer(rig, "hello\n");
}

static void test_rest_nothing_is_sent_before_the_process_reads_again(void **state)
{
	struct rig *rig = *state;

	begin_watched(rig);
	submit(rig, "a");
	ask(rig, "b");
	assert_string_equal(sent(rig), "a\n");
	rig->fake.reading = 0;
	answer(rig, "A\n");
	expect(rig, "a=A\n");
	wait_ms(rig, 5);
	assert_string_equal(sent(rig), "");
	rig->fake.reading = 1;
	wait_ms(rig, 1);
	assert_string_equal(sent(rig), "b\n");
}

static void test_rest_a_surplus_before_it_reads_again_harms_nobody_else(void **state)
{
	struct rig *rig = *state;

	begin_watched(rig);
	submit(rig, "a");
	ask(rig, "b");
	assert_string_equal(sent(rig), "a\n");
	rig->fake.reading = 0;
	answer(rig, "A\n");
	wait_ms(rig, 4);
	answer(rig, "surplus\n");
	expect(rig, "a=A\ndesync\nrestarting\nstopped\n");
}

static void test_rest_is_waited_for_no_longer_than_five_settles(void **state)
{
	struct rig *rig = *state;

	begin_watched(rig);
	submit(rig, "a");
	ask(rig, "b");
	assert_string_equal(sent(rig), "a\n");
	rig->fake.reading = 0;
	answer(rig, "A\n");
	for (int i = 0; i < 99; i++)
		wait_ms(rig, 1);
	assert_string_equal(sent(rig), "");
	wait_ms(rig, 1);
	assert_string_equal(sent(rig), "b\n");
}

static void test_rest_of_a_process_that_never_reads_itself_is_not_waited_for(void **state)
{
	struct rig *rig = *state;

	rig->options.settle_ms = 20;
	rig->options.ready = "probe:hello=>hello";
	rig->fake.platform.is_reading = fake_is_reading; /* it waits for its children, always */
	begin(rig);
	assert_string_equal(sent(rig), "hello\n");
	answer(rig, "hello\n");
	for (int i = 0; i < 3; i++) { /* given time, three times */
		ask(rig, "a");
		assert_string_equal(sent(rig), "");
		wait_ms(rig, 100);
		assert_string_equal(sent(rig), "a\n");
		answer(rig, "A\n");
	}
	ask(rig, "b");
	assert_string_equal(sent(rig), "b\n");
	ask(rig, "c");
	answer(rig, "B\n");
	assert_string_equal(sent(rig), "c\n");
}

static void start_to_work(struct rig *rig, struct asked *a UNUSED)
{
	rig->fake.reading = 0;
}

static void test_rest_output_of_a_request_without_a_reply_is_nobodys_reply(void **state)
{
	char *const silent[] = {(char[]){"^set "}, NULL};
	struct rig *rig = *state;

	rig->options.no_reply = silent;
	rig->in_ending = start_to_work;
	begin_watched(rig);
	submit(rig, "set x");
	ask(rig, "a");
	expect(rig, "set x=");
	assert_string_equal(sent(rig), "set x\n");
	wait_ms(rig, 4);
	answer(rig, "ERR\n");
	expect(rig, "desync\nrestarting\nstopped\n");
}

static void test_rest_what_the_process_has_started_may_still_write(void **state)
{
	struct rig *rig = *state;

	rig->fake.platform.youngest = fake_youngest;
	begin_watched(rig);
	submit(rig, "a");
	ask(rig, "b");
	assert_string_equal(sent(rig), "a\n");
	rig->fake.youngest = 1234;
	answer(rig, "A\n");
	expect(rig, "a=A\n");
	wait_ms(rig, 5);
	assert_string_equal(sent(rig), "");
	rig->fake.youngest = 0;
	wait_ms(rig, 1);
	assert_string_equal(sent(rig), "b\n");
}

static void test_rest_a_child_that_stays_is_waited_for_once(void **state)
{
	struct rig *rig = *state;

	rig->fake.platform.youngest = fake_youngest;
	begin_watched(rig);
	ask(rig, "a");
	assert_string_equal(sent(rig), "a\n");
	rig->fake.youngest = 1234;
	answer(rig, "A\n");
	ask(rig, "b");
	assert_string_equal(sent(rig), "");
	wait_ms(rig, 100);
	assert_string_equal(sent(rig), "b\n");
	answer(rig, "B\n");
	ask(rig, "c");
	assert_string_equal(sent(rig), "c\n");
}

static void test_rest_a_surplus_behind_a_health_answer_harms_nobody(void **state)
{
	struct rig *rig = *state;

	rig->options.health = "ping=>pong";
	rig->options.health_interval_ms = 1000;
	begin_watched(rig);
	wait_ms(rig, 1000);
	assert_string_equal(sent(rig), "ping\n");
	rig->fake.reading = 0;
	answer(rig, "pong\n");
	ask(rig, "a");
	assert_string_equal(sent(rig), "");
	wait_ms(rig, 4);
	answer(rig, "surplus\n");
	expect(rig, "desync\nrestarting\nstopped\n");
}

static void test_rest_a_surplus_behind_the_answer_that_proves_it_ready_harms_nobody(void **state)
{
	struct rig *rig = *state;

	begin_watched(rig);
	wait_ms(rig, 1000);
	rig->fake.reading = 0;
	die(rig, EXIT_STATUS(1));
	wait_ms(rig, 1000);
	expect(rig, "exited\nrestarting\n");
	assert_string_equal(sent(rig), "hello\n");
	answer(rig, "hello\n");
	ask(rig, "a");
	assert_string_equal(sent(rig), "");
	answer(rig, "surplus\n");
	expect(rig, "desync\nrestarting\nstopped\n");
}

/* The process was kept from going on between its greeting and its reply. */
static void test_rest_a_suspicious_reply_is_held_until_the_process_rests(void **state)
{
	struct rig *rig = *state;

	begin_watched(rig);
	ask(rig, "a\x01");
	assert_string_equal(sent(rig), "a\x01\n");
	wait_ms(rig, 5000);
	rig->fake.reading = 0;
	answer(rig, "welcome\n");
	for (int i = 0; i < 10; i++)
		wait_ms(rig, 5);
	expect(rig, "");
	answer(rig, "A\n");
	expect(rig, "desync\na\x01=desync\nrestarting\nstopped\n");
}

static void test_rest_a_suspicious_reply_is_held_no_longer_than_five_settles(void **state)
{
	struct rig *rig = *state;

	begin_watched(rig);
	ask(rig, "a\x01");
	rig->fake.reading = 0;
	answer(rig, "A\n");
	for (int i = 0; i < 99; i++)
		wait_ms(rig, 1);
	expect(rig, "");
	wait_ms(rig, 1);
	expect(rig, "a\x01=A\n");
}

/* Submit @count requests named "x"; they are not recorded. */
static void submit_many(struct rig *rig, unsigned count)
{
	rig->asked_count = 0;
	for (unsigned i = 0; i < count; i++)
		submit(rig, "x")->quiet = true;
	turn(rig);
}

/* How many requests the process has got, which are answered after @ms. */
static unsigned serve(struct rig *rig, int64_t ms)
{
	char text[256] = "";
	unsigned count = 0;

	for (const char *p = sent(rig); (p = strchr(p, '\n')); p++, count++)
		strcat(text, "y\n");
	fake_advance_ms(ms);
	answer(rig, text);
	return count;
}

static void test_auto_a_slow_process_has_one_request_at_a_time(void **state)
{
	struct rig *rig = *state;

	rig->options.window = COPROC_WINDOW_AUTO;
	begin(rig);
	submit_many(rig, 60);
	for (int i = 0; i < 60; i++)
		assert_int_equal(serve(rig, 5), 1);
}

static void test_auto_a_quick_process_has_more_and_more_until_a_timeout(void **state)
{
	struct rig *rig = *state;

	rig->options.window = COPROC_WINDOW_AUTO;
	rig->options.request_timeout_ms = 1000;
	begin(rig);
	submit_many(rig, 60);
	for (int i = 0; i < 16; i++)
		assert_int_equal(serve(rig, 0), 1);
	assert_int_equal(serve(rig, 0), 2);
	assert_int_equal(serve(rig, 0), 4);
	assert_int_equal(serve(rig, 0), 8);
	assert_int_equal(serve(rig, 0), 16);
	assert_int_equal(serve(rig, 0), 14); /* all that is left */
	submit_many(rig, 60);
	wait_ms(rig, 1000); /* all of them time out */
	assert_int_equal(serve(rig, 0), 60);
	submit_many(rig, 20);
	assert_int_equal(serve(rig, 0), 1);
}

static void test_auto_is_the_default_where_the_framing_has_proof(void **state)
{
	struct rig *rig = *state;

	rig->options.reply = "channel";
	begin(rig);
	for (int i = 0; i < 17; i++) {
		char text[40];

		ask(rig, "a");
		snprintf(text, sizeof(text), "%d A\n", i);
		answer(rig, text);
		expect(rig, "a=A\n");
		sent(rig);
	}
	submit(rig, "b");
	submit(rig, "c");
	ask(rig, "d");
	assert_string_equal(sent(rig), "17 b\n18 c\n19 d\n");
}

static void test_auto_is_not_the_default_elsewhere(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	submit_many(rig, 60);
	for (int i = 0; i < 60; i++)
		assert_int_equal(serve(rig, 0), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_rest_nothing_is_sent_before_the_process_reads_again),
	    TEST(test_rest_a_surplus_before_it_reads_again_harms_nobody_else),
	    TEST(test_rest_is_waited_for_no_longer_than_five_settles),
	    TEST(test_rest_of_a_process_that_never_reads_itself_is_not_waited_for),
	    TEST(test_rest_output_of_a_request_without_a_reply_is_nobodys_reply),
	    TEST(test_rest_what_the_process_has_started_may_still_write),
	    TEST(test_rest_a_child_that_stays_is_waited_for_once),
	    TEST(test_rest_a_surplus_behind_a_health_answer_harms_nobody),
	    TEST(test_rest_a_surplus_behind_the_answer_that_proves_it_ready_harms_nobody),
	    TEST(test_rest_a_suspicious_reply_is_held_until_the_process_rests),
	    TEST(test_rest_a_suspicious_reply_is_held_no_longer_than_five_settles),
	    TEST(test_auto_a_slow_process_has_one_request_at_a_time),
	    TEST(test_auto_a_quick_process_has_more_and_more_until_a_timeout),
	    TEST(test_auto_is_the_default_where_the_framing_has_proof),
	    TEST(test_auto_is_not_the_default_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
