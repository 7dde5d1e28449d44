/* SPDX-License-Identifier: MIT */
/* Nothing is sent before the process has come to the end of what it had. */
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
