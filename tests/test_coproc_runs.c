/* SPDX-License-Identifier: MIT */
/* Requests that are handed in as a run end as they would have one by one. */
#include "engine_rig.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANY 1000

struct run {
	struct coproc_request request;
	struct rig *rig;
	const char *name;
	bool cancels; /* what is left of it when some have ended */
};

/* Recorded as one ending is, with the number of them behind the name, and / for each LF. */
static void on_done(void *ctx, const struct coproc_reply *reply)
{
	struct run *run = ctx;
	char text[300];

	snprintf(text, sizeof(text), "%.*s",
		 reply->code == COPROC_OK ? (int)reply->len : (int)sizeof(text) - 1,
		 reply->code == COPROC_OK ? reply->bytes : coproc_code_name(reply->code));
	for (char *p = text; (p = strchr(p, '\n')); p++)
		*p = '/';
	record(run->rig, "%s%u=%s\n", run->name, reply->count, text);
	if (run->cancels)
		coproc_cancel(run->rig->engine, &run->request);
	run->cancels = false;
}

/* Hand @lines in, which must all be one run. */
static void submit_run(struct rig *rig, struct run *run, const char *lines, unsigned count)
{
	size_t len = strlen(lines);

	run->rig = rig;
	assert_int_equal(coproc_measure_run(rig->engine, lines, &len, MANY), count);
	assert_int_equal(len, strlen(lines));
	coproc_submit_run(rig->engine, &run->request, lines, len, count, on_done, run);
}

static unsigned measure(struct rig *rig, const char *lines, unsigned most)
{
	size_t len = strlen(lines);

	return coproc_measure_run(rig->engine, lines, &len, most);
}

static void begin_with_window(struct rig *rig, unsigned window)
{
	rig->options.window = window;
	begin(rig);
}

static void test_runs_go_as_they_are_and_end_by_and_by(void **state)
{
	struct rig *rig = *state;
	struct run run = {.name = "r"};
	struct coproc_stats stats;

	begin_with_window(rig, 8);
	submit(rig, "a");
	submit_run(rig, &run, "b\nc\nd\n", 3);
	ask(rig, "e");
	assert_string_equal(sent(rig), "a\nb\nc\nd\ne\n");
	coproc_get_stats(rig->engine, &stats);
	assert_int_equal(stats.accepted, 5);
	assert_int_equal(stats.in_flight, 5);
	answer(rig, "A\nB\nC");
	expect(rig, "a=A\nr1=B/\n");
	answer(rig, "\nD\nE\n");
	expect(rig, "r2=C/D/\ne=E\n");
	coproc_get_stats(rig->engine, &stats);
	assert_int_equal(stats.answered, 5);
	assert_int_equal(stats.in_flight, 0);
}

static void test_runs_fill_the_window_and_wait_for_the_rest(void **state)
{
	struct rig *rig = *state;
	struct run run = {.name = "r"};
	struct coproc_stats stats;

	begin_with_window(rig, 2);
	submit_run(rig, &run, "a\nb\nc\nd\ne\n", 5);
	ask(rig, "f");
	assert_string_equal(sent(rig), "a\nb\n");
	coproc_get_stats(rig->engine, &stats);
	assert_int_equal(stats.waiting, 4);
	assert_int_equal(stats.in_flight, 2);
	answer(rig, "A\n");
	assert_string_equal(sent(rig), "c\n");
	answer(rig, "B\nC\n");
	assert_string_equal(sent(rig), "d\ne\n");
	answer(rig, "D\nE\n");
	assert_string_equal(sent(rig), "f\n");
	expect(rig, "r1=A/\nr2=B/C/\nr2=D/E/\n");
}

static void test_runs_time_out_as_a_whole_and_leave_tombstones(void **state)
{
	struct rig *rig = *state;
	struct run run = {.name = "r"};
	struct coproc_stats stats;

	rig->options.request_timeout_ms = 100;
	begin_with_window(rig, 2);
	submit_run(rig, &run, "a\nb\nc\n", 3);
	turn(rig);
	answer(rig, "A\n");
	wait_ms(rig, 100);
	ask(rig, "d");
	expect(rig, "r1=A/\nr2=timeout\n");
	answer(rig, "B\nC\n");
	answer(rig, "D\n");
	expect(rig, "late\nlate\nd=D\n");
	coproc_get_stats(rig->engine, &stats);
	assert_int_equal(stats.timeouts, 2);
	assert_int_equal(stats.waiting + stats.in_flight, 0);
}

static void test_runs_lost_with_their_process_end_in_crashed_and_the_rest_goes_on(void **state)
{
	struct rig *rig = *state;
	struct run run = {.name = "r"};

	begin_with_window(rig, 3);
	submit_run(rig, &run, "a\nb\nc\nd\ne\n", 5);
	turn(rig);
	answer(rig, "A\n");
	die(rig, SIGKILL);
	expect(rig, "r1=A/\nexited\nr3=crashed\nrestarting\n");
	assert_string_equal(sent(rig), "e\n");
	answer(rig, "E\n");
	expect(rig, "r1=E/\n");
}

static void test_runs_can_be_cancelled_from_their_own_callback(void **state)
{
	struct rig *rig = *state;
	struct run run = {.name = "r", .cancels = true};
	struct coproc_stats stats;

	begin_with_window(rig, 3);
	submit_run(rig, &run, "a\nb\nc\nd\ne\n", 5);
	turn(rig);
	answer(rig, "A\n");
	ask(rig, "f");
	answer(rig, "B\nC\nF\n");
	expect(rig, "r1=A/\nlate\nlate\nf=F\n");
	run.cancels = true;
	submit_run(rig, &run, "a\nb\nc\nd\ne\n", 5);
	turn(rig);
	die(rig, SIGKILL);
	expect(rig, "exited\nr3=crashed\nrestarting\n");
	coproc_get_stats(rig->engine, &stats);
	assert_int_equal(stats.cancelled, 4 + 2);
	assert_int_equal(stats.waiting + stats.in_flight, 0);
}

static void test_runs_are_cancelled_where_they_wait(void **state)
{
	struct rig *rig = *state;
	struct run run = {.name = "r"};

	begin_with_window(rig, 2);
	submit(rig, "a");
	submit(rig, "b");
	submit_run(rig, &run, "c\nd\n", 2);
	turn(rig);
	coproc_cancel(rig->engine, &run.request);
	turn(rig);
	answer(rig, "A\nB\n");
	assert_string_equal(sent(rig), "a\nb\n");
	expect(rig, "a=A\nb=B\n");
}

static void test_runs_go_one_by_one_to_a_process_that_takes_one(void **state)
{
	struct rig *rig = *state;
	struct coproc_options other;
	struct run run = {.name = "r"};
	char error[100];

	begin_with_window(rig, 2);
	submit_run(rig, &run, "a\nb\nc\nd\n", 4);
	turn(rig);
	assert_string_equal(sent(rig), "a\nb\n");
	other = rig->options;
	other.window = 1;
	other.prefix = "^";
	other.prefix_len = 1;
	other.suffix = ";";
	assert_int_equal(coproc_replace(rig->engine, &other, error, sizeof(error)), 0);
	turn(rig);
	/* Not before the old one has answered: the replies are to come in order. */
	assert_string_equal(sent(rig), "");
	answer_from(rig, &rig->fake.process[0], "A\nB\n");
	assert_string_equal(sent(rig), "^c;");
	answer(rig, "C\n");
	assert_string_equal(sent(rig), "^d;");
	answer(rig, "D\n");
	expect(rig, "replaced\nr2=A/B/\nr1=C/\nr1=D/\n");
}

static void test_runs_from_before_there_were_retries_are_not_tried_again(void **state)
{
	struct rig *rig = *state;
	struct coproc_options other;
	struct run run = {.name = "r"};
	char error[100];

	begin_with_window(rig, 2);
	submit_run(rig, &run, "a\nb\nc\n", 3);
	turn(rig);
	other = rig->options;
	other.retries = 1;
	assert_int_equal(coproc_replace(rig->engine, &other, error, sizeof(error)), 0);
	turn(rig);
	fake_die(&rig->fake.process[0], SIGKILL);
	turn(rig);
	assert_string_equal(sent(rig), "c\n");
	answer(rig, "C\n");
	assert_non_null(strstr(rig->record, "r2=crashed\n"));
	assert_non_null(strstr(rig->record, "r1=C/\n"));
	rig->record[0] = '\0';
}

static void test_runs_are_measured_by_what_the_queue_takes(void **state)
{
	struct rig *rig = *state;

	rig->options.queue = 3;
	rig->options.max_request = 4;
	rig->options.queue_bytes = 12;
	begin_with_window(rig, 2);
	assert_int_equal(measure(rig, "a\nb\nc\nd\n", MANY), 3);
	assert_int_equal(measure(rig, "a\nb\nc\nd\n", 2), 2);
	assert_int_equal(measure(rig, "a\n12345\n", MANY), 1);
	assert_int_equal(measure(rig, "1234\n1234\n1234\n", MANY), 0);
	submit(rig, "a");
	submit(rig, "b");
	assert_int_equal(measure(rig, "c\nd\n", MANY), 1);
	coproc_stop(rig->engine);
	assert_int_equal(measure(rig, "c\nd\n", MANY), 0);
	turn(rig);
	answer(rig, "A\nB\n");
}

static void test_runs_are_none_at_window_one(void **state)
{
	struct rig *rig = *state;

	begin_with_window(rig, 1);
	assert_int_equal(measure(rig, "a\nb\n", MANY), 0);
}

static void test_runs_are_none_until_an_automatic_window_has_grown(void **state)
{
	struct rig *rig = *state;
	struct coproc_stats stats = {0};

	begin_with_window(rig, COPROC_WINDOW_AUTO);
	assert_int_equal(measure(rig, "a\nb\n", MANY), 0);
	for (unsigned i = 0; i < 60 && stats.window < 2; i++) {
		rig->asked_count = 0;
		ask(rig, "a");
		answer(rig, "A\n");
		coproc_get_stats(rig->engine, &stats);
	}
	assert_int_equal(measure(rig, "a\nb\n", MANY), 2);
	rig->record[0] = '\0';
}

static void test_runs_end_in_desync_with_the_process(void **state)
{
	struct rig *rig = *state;
	struct run run = {.name = "r"};

	rig->options.max_reply = 5;
	begin_with_window(rig, 4);
	submit_run(rig, &run, "a\nb\nc\nd\n", 4);
	turn(rig);
	answer(rig, "A\n123456\n");
	expect(rig, "r1=A/\ndesync\nr1=reply-too-long\nr2=desync\nrestarting\nstopped\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_runs_##name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(go_as_they_are_and_end_by_and_by),
	    TEST(fill_the_window_and_wait_for_the_rest),
	    TEST(time_out_as_a_whole_and_leave_tombstones),
	    TEST(lost_with_their_process_end_in_crashed_and_the_rest_goes_on),
	    TEST(can_be_cancelled_from_their_own_callback),
	    TEST(are_cancelled_where_they_wait),
	    TEST(go_one_by_one_to_a_process_that_takes_one),
	    TEST(from_before_there_were_retries_are_not_tried_again),
	    TEST(are_measured_by_what_the_queue_takes),
	    TEST(are_none_at_window_one),
	    TEST(are_none_until_an_automatic_window_has_grown),
	    TEST(end_in_desync_with_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
