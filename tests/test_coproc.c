/* SPDX-License-Identifier: MIT */
/* The engine under a scripted platform. */
#include "engine_rig.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the way of a request ---- */

static void test_coproc_a_reply_goes_to_its_request_at_every_split(void **state)
{
	struct rig *rig = *state;
	static const char reply[] = "one line\n";

	begin(rig);
	for (size_t cut = 0; cut < sizeof(reply) - 1; cut++) {
		rig->asked_count = 0;
		ask(rig, "a");
		assert_string_equal(sent(rig), "a\n");
		fake_write(fake_newest(&rig->fake), reply, cut);
		turn(rig);
		expect(rig, "");
		answer(rig, reply + cut);
		expect(rig, "a=one line\n");
	}
}

static void test_coproc_prefix_and_suffix_surround_the_request(void **state)
{
	struct rig *rig = *state;

	rig->options.prefix = "^";
	rig->options.prefix_len = 1;
	rig->options.suffix = ";;";
	rig->options.suffix_len = 2;
	begin(rig);
	ask(rig, "word");
	assert_string_equal(sent(rig), "^word;;");
	answer(rig, "ok\n");
	expect(rig, "word=ok\n");
}

static void test_coproc_window_one_sends_one_request_at_a_time(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	assert_string_equal(sent(rig), "a\n");
	answer(rig, "1\n");
	assert_string_equal(sent(rig), "b\n");
	answer(rig, "2\n");
	expect(rig, "a=1\nb=2\n");
}

static void test_coproc_window_n_sends_n_requests_in_order(void **state)
{
	struct rig *rig = *state;

	rig->options.window = 3;
	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	ask(rig, "c");
	ask(rig, "d");
	assert_string_equal(sent(rig), "a\nb\nc\n");
	answer(rig, "1\n2\n");
	assert_string_equal(sent(rig), "d\n");
	answer(rig, "3\n4\n");
	expect(rig, "a=1\nb=2\nc=3\nd=4\n");
}

static void test_coproc_max_reply_is_taken_and_one_byte_more_is_not(void **state)
{
	struct rig *rig = *state;

	rig->options.max_reply = 5;
	begin(rig);
	ask(rig, "a");
	answer(rig, "12345\n");
	expect(rig, "a=12345\n");
	ask(rig, "b");
	answer(rig, "123456");
	expect(rig, "desync\nb=reply-too-long\nrestarting\nstopped\n");
	assert_string_equal(rig->fake.process[0].signals, "TERM ");
}

static void test_coproc_replies_before_one_that_is_too_long_count(void **state)
{
	struct rig *rig = *state;

	rig->options.max_reply = 5;
	rig->options.window = 3;
	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	ask(rig, "c");
	answer(rig, "1\n1234567");
	expect(rig, "a=1\ndesync\nb=reply-too-long\nc=desync\nrestarting\nstopped\n");
}

/* ---- tombstones ---- */

static void test_coproc_a_late_reply_is_swallowed_after_a_timeout(void **state)
{
	struct rig *rig = *state;

	rig->options.request_timeout_ms = 1000;
	begin(rig);
	ask(rig, "a");
	wait_ms(rig, 999);
	expect(rig, "");
	wait_ms(rig, 1);
	expect(rig, "a=timeout\nsilent\n");
	assert_string_equal(sent(rig), "a\n");
	ask(rig, "b");
	assert_string_equal(sent(rig), ""); /* nothing goes behind a tombstone */
	answer(rig, "late\n");
	assert_string_equal(sent(rig), "b\n");
	answer(rig, "2\n");
	expect(rig, "late\nb=2\n");
}

static void test_coproc_a_late_reply_is_swallowed_after_a_cancel(void **state)
{
	struct rig *rig = *state;
	struct coproc_stats stats;
	struct asked *a;

	rig->options.window = 2;
	begin(rig);
	a = ask(rig, "a");
	ask(rig, "b");
	coproc_cancel(rig->engine, &a->request);
	memset(&a->request, 0xee, sizeof(a->request)); /* the caller's again */
	answer(rig, "1\n2\n");
	expect(rig, "late\nb=2\n");
	coproc_get_stats(rig->engine, &stats);
	assert_int_equal(stats.late, 1);
	assert_int_equal(stats.cancelled, 1);
	assert_int_equal(stats.in_flight, 0);
}

static void test_coproc_a_request_cancelled_in_the_queue_is_never_sent(void **state)
{
	struct rig *rig = *state;
	struct asked *b;

	begin(rig);
	ask(rig, "a");
	b = ask(rig, "b");
	ask(rig, "c");
	coproc_cancel(rig->engine, &b->request);
	answer(rig, "1\n");
	assert_string_equal(sent(rig), "a\nc\n");
}

/* ---- trust ---- */

static void test_coproc_surplus_while_idle_replaces_the_process(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	answer(rig, "hello\n");
	expect(rig, "desync\nrestarting\nstopped\n");
	ask(rig, "a");
	assert_string_equal(sent(rig), "a\n");
	answer(rig, "1\n");
	expect(rig, "a=1\n");
}

static void test_coproc_surplus_seen_before_the_next_write_saves_the_next_request(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	ask(rig, "a");
	answer(rig, "1\n");
	/* The surplus and the request come within one turn of the loop. */
	fake_write(fake_newest(&rig->fake), "surplus\n", 8);
	ask(rig, "b");
	expect(rig, "a=1\ndesync\nrestarting\nstopped\n");
	assert_string_equal(sent(rig), "b\n");
	answer(rig, "2\n");
	expect(rig, "b=2\n");
}

static void test_coproc_surplus_in_the_same_read_is_not_believed(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	ask(rig, "a");
	answer(rig, "1\nsurplus\n");
	expect(rig, "desync\na=desync\nrestarting\nstopped\n");
}

static void test_coproc_a_suspicious_reply_is_held_until_it_has_settled(void **state)
{
	struct rig *rig = *state;

	rig->options.settle_ms = 20;
	begin(rig);
	ask(rig, "first");
	answer(rig, "0\n");
	wait_ms(rig, 20);
	ask(rig, "plain");
	answer(rig, "1\n");
	expect(rig, "first=0\nplain=1\n");
	ask(rig, "odd\x01");
	answer(rig, "2\n");
	wait_ms(rig, 19);
	expect(rig, "");
	wait_ms(rig, 1);
	expect(rig, "odd\x01=2\n");
}

static void test_coproc_surplus_while_settling_is_not_believed(void **state)
{
	struct rig *rig = *state;

	rig->options.settle_ms = 20;
	begin(rig);
	ask(rig, "odd\x01");
	answer(rig, "2\n");
	wait_ms(rig, 5);
	answer(rig, "surplus\n");
	expect(rig, "desync\nodd\x01=desync\nrestarting\nstopped\n");
}

static void test_coproc_the_first_reply_of_a_life_settles(void **state)
{
	struct rig *rig = *state;

	rig->options.settle_ms = 20;
	begin(rig);
	ask(rig, "a");
	answer(rig, "greeting\n");
	expect(rig, "");
	answer(rig, "1\n");
	expect(rig, "desync\na=desync\nrestarting\nstopped\n");
}

static void test_coproc_a_cancelled_settling_request_does_not_keep_stop_busy(void **state)
{
	struct rig *rig = *state;
	struct asked *a;

	rig->options.settle_ms = 20;
	begin(rig);
	fake_newest(&rig->fake)->ignores_term = true;
	a = ask(rig, "odd\x01");
	answer(rig, "2\n");
	coproc_cancel(rig->engine, &a->request);
	coproc_stop(rig->engine);
	turn(rig);
	wait_ms(rig, 100); /* turn() asserts that no deadline is left in the past */
	expect(rig, "");
}

/* ---- death ---- */

static void test_coproc_a_crash_ends_what_was_sent_and_keeps_the_queue(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	die(rig, SIGSEGV);
	expect(rig, "exited\na=crashed\nrestarting\n");
	assert_int_equal(rig->fake.count, 2);
	assert_string_equal(sent(rig), "b\n");
	answer(rig, "2\n");
	expect(rig, "b=2\n");
}

static void test_coproc_a_reply_written_before_death_counts(void **state)
{
	struct rig *rig = *state;

	rig->options.window = 2;
	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	fake_write(fake_newest(&rig->fake), "1\n", 2);
	die(rig, EXIT_STATUS(3));
	expect(rig, "a=1\nexited\nb=crashed\nrestarting\n");
}

static char crash_text[1024];

static void keep_text(void *ctx, const struct coproc_reply *reply)
{
	(void)ctx;
	snprintf(crash_text, sizeof(crash_text), "%.*s", (int)reply->len, reply->bytes);
}

static void test_coproc_the_crash_text_names_the_status_and_the_last_stderr_line(void **state)
{
	struct rig *rig = *state;
	struct coproc_request r;

	begin(rig);
	assert_int_equal(coproc_submit(rig->engine, &r, "a", 1, keep_text, NULL), COPROC_OK);
	turn(rig);
	assert_int_equal(write(fake_newest(&rig->fake)->err, "out of cheese\n", 14), 14);
	die(rig, EXIT_STATUS(3));
	assert_string_equal(crash_text, "exited with status 3; last stderr: \"out of cheese\"");
	assert_int_equal(coproc_submit(rig->engine, &r, "a", 1, keep_text, NULL), COPROC_OK);
	turn(rig);
	die(rig, SIGKILL);
	assert_non_null(strstr(crash_text, "killed by signal 9 (Killed)"));
}

static void test_coproc_a_dead_process_is_not_sent_what_waits_for_the_next(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	/* It has closed its streams, but its death is not yet to be seen. */
	fake_close(&fake_newest(&rig->fake)->in);
	fake_close(&fake_newest(&rig->fake)->out);
	ask(rig, "a");
	expect(rig, "");
	die(rig, SIGKILL);
	assert_int_equal(rig->fake.count, 2);
	assert_string_equal(sent(rig), "a\n");
	answer(rig, "1\n");
	expect(rig, "exited\nrestarting\na=1\n");
}

static void test_coproc_retries_one_at_a_time_until_the_killer_is_found(void **state)
{
	struct rig *rig = *state;

	rig->options.window = 3;
	rig->options.retries = 1;
	begin(rig);
	ask(rig, "a");
	ask(rig, "killer");
	ask(rig, "c");
	ask(rig, "d");
	assert_string_equal(sent(rig), "a\nkiller\nc\n");
	die(rig, SIGSEGV);
	expect(rig, "exited\nrestarting\n");
	assert_string_equal(sent(rig), "a\n");
	answer(rig, "1\n");
	assert_string_equal(sent(rig), "killer\n");
	die(rig, SIGSEGV);
	expect(rig, "a=1\nexited\nkiller=crashed\npoison\nrestarting\n");
	wait_ms(rig, 200);
	assert_string_equal(sent(rig), "c\n");
	answer(rig, "3\n");
	assert_string_equal(sent(rig), "d\n");
	answer(rig, "4\n");
	expect(rig, "c=3\nd=4\n");
}

static void cancel_the_first(struct rig *rig, const struct coproc_event *event)
{
	if (event->kind == COPROC_EV_POISON && !rig->asked[0].ended)
		coproc_cancel(rig->engine, &rig->asked[0].request);
}

static void test_coproc_what_is_pending_may_be_cancelled_when_poison_is_reported(void **state)
{
	struct rig *rig = *state;

	rig->options.retries = 1;
	rig->in_event = cancel_the_first;
	begin(rig);
	ask(rig, "killer");
	die(rig, SIGSEGV);
	die(rig, SIGSEGV);
	expect(rig, "exited\nrestarting\nexited\nkiller=crashed\npoison\nrestarting\n");
}

static void test_coproc_restart_delays_grow_and_then_it_has_failed(void **state)
{
	struct rig *rig = *state;
	struct asked *a = &rig->asked[0];

	rig->options.restart_limit = 3;
	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	die(rig, SIGKILL); /* the first costs no delay */
	assert_int_equal(rig->fake.count, 2);
	die(rig, SIGKILL);
	assert_int_equal(rig->fake.count, 2);
	ask(rig, "c");
	wait_ms(rig, 124); /* 100 ms and, at random number 0, a quarter more */
	assert_int_equal(rig->fake.count, 2);
	wait_ms(rig, 1);
	assert_int_equal(rig->fake.count, 3);
	ask(rig, "d");
	rig->record[0] = '\0';
	die(rig, SIGKILL);
	expect(rig, "exited\nc=crashed\nfailed\nd=unavailable\n");
	assert_int_equal(coproc_submit(rig->engine, &a->request, "e", 1, rig_on_done, a),
			 COPROC_UNAVAILABLE);
	assert_non_null(strstr(coproc_refusal(rig->engine, COPROC_UNAVAILABLE), "3 times"));
	wait_ms(rig, 1000000);
	assert_int_equal(rig->fake.count, 3);
}

static void test_coproc_replace_revives_a_failed_engine(void **state)
{
	struct rig *rig = *state;
	char error[100];

	rig->options.restart_limit = 1;
	begin(rig);
	die(rig, SIGKILL);
	expect(rig, "exited\nfailed\n");
	assert_int_equal(coproc_replace(rig->engine, NULL, error, sizeof(error)), 0);
	turn(rig);
	expect(rig, "replaced\n");
	ask(rig, "a");
	answer(rig, "1\n");
	expect(rig, "a=1\n");
}

static void revive(struct rig *rig, const struct coproc_event *event)
{
	char error[100];

	if (event->kind == COPROC_EV_FAILED)
		assert_int_equal(coproc_replace(rig->engine, NULL, error, sizeof(error)), 0);
}

static void test_coproc_revived_from_within_the_failure_keeps_the_queue(void **state)
{
	struct rig *rig = *state;

	rig->options.restart_limit = 1;
	rig->in_event = revive;
	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	die(rig, SIGKILL);
	expect(rig, "exited\na=crashed\nfailed\nreplaced\n");
	assert_string_equal(sent(rig), "b\n");
}

static void test_coproc_start_reports_the_errno_and_goes_on_trying(void **state)
{
	struct rig *rig = *state;
	char error[100];

	rig->fake.spawn_fails = 1;
	rig->fake.spawn_error = -ENOENT;
	assert_int_equal(
	    coproc_new(&rig->options, rig->base, &rig_ops, rig, &rig->engine, error, sizeof(error)),
	    0);
	coproc_set_platform(rig->engine, &rig->fake.platform);
	assert_int_equal(coproc_start(rig->engine), -ENOENT);
	expect(rig, "start-failed\nrestarting\n");
	ask(rig, "a");
	wait_ms(rig, 200);
	assert_string_equal(sent(rig), "a\n");
}

static void test_coproc_unavailable_is_said_when_no_process_came_in_time(void **state)
{
	struct rig *rig = *state;

	rig->fake.spawn_fails = 1000;
	rig->fake.spawn_error = -ENOENT;
	rig->options.request_timeout_ms = 50;
	begin(rig);
	ask(rig, "a");
	wait_ms(rig, 50);
	expect(rig, "start-failed\nrestarting\na=unavailable\n");
}

/* ---- streams closed while alive, hangs ---- */

static void test_coproc_a_process_that_closes_stdout_is_replaced(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	ask(rig, "a");
	fake_close(&fake_newest(&rig->fake)->out);
	turn(rig);
	wait_ms(rig, 99);
	expect(rig, "");
	wait_ms(rig, 1);
	expect(rig, "desync\na=desync\nrestarting\nstopped\n");
}

static void test_coproc_a_process_that_closes_stdin_is_replaced_and_the_queue_waits(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	fake_close(&fake_newest(&rig->fake)->in);
	turn(rig);
	ask(rig, "a");
	wait_ms(rig, 100);
	assert_string_equal(sent(rig), "a\n");
	answer(rig, "1\n");
	expect(rig, "desync\nrestarting\nstopped\na=1\n");
}

static void test_coproc_a_hung_process_is_replaced_after_hang_timeout(void **state)
{
	struct rig *rig = *state;

	rig->options.window = 2;
	rig->options.hang_timeout_ms = 500;
	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	wait_ms(rig, 400);
	answer(rig, "1\n"); /* from here on it works on b */
	ask(rig, "c");
	wait_ms(rig, 499);
	expect(rig, "a=1\n");
	wait_ms(rig, 1);
	expect(rig, "hung\nb=timeout\nc=crashed\nrestarting\nstopped\n");
}

static void test_coproc_hang_timeout_frees_the_process_of_a_tombstone(void **state)
{
	struct rig *rig = *state;
	struct asked *a;

	rig->options.hang_timeout_ms = 500;
	begin(rig);
	a = ask(rig, "a");
	coproc_cancel(rig->engine, &a->request);
	ask(rig, "b");
	wait_ms(rig, 500);
	assert_string_equal(sent(rig), "b\n");
	expect(rig, "hung\nrestarting\nstopped\n");
}

/* ---- replacement ---- */

static void test_coproc_replacement_is_ready_before_the_old_one_is_drained(void **state)
{
	struct rig *rig = *state;
	struct fake_process *old;
	char error[100];

	begin(rig);
	old = fake_newest(&rig->fake);
	ask(rig, "a");
	assert_int_equal(coproc_replace(rig->engine, NULL, error, sizeof(error)), 0);
	turn(rig);
	ask(rig, "b");
	assert_string_equal(sent(rig), "b\n");
	expect(rig, "replaced\n");
	answer_from(rig, old, "1\n");
	answer(rig, "2\n");
	expect(rig, "a=1\nb=2\n");
	assert_int_equal(fake_read(old, error, 2), 2);
	assert_int_equal(fake_read(old, error, 1), -1); /* stdin was closed */
	fake_die(old, 0);
	turn(rig);
	expect(rig, "stopped\n");
	assert_int_equal(rig->fake.count, 2);
}

static void test_coproc_a_failed_replacement_leaves_the_old_one_in_service(void **state)
{
	struct rig *rig = *state;
	struct coproc_options other;
	char error[100];

	begin(rig);
	ask(rig, "a");
	other = rig->options;
	other.max_request = 1;
	rig->fake.spawn_fails = 1;
	rig->fake.spawn_error = -EACCES;
	assert_int_equal(coproc_replace(rig->engine, &other, error, sizeof(error)), 0);
	turn(rig);
	expect(rig, "start-failed\nreplace-failed\n");
	answer(rig, "1\n");
	ask(rig, "long"); /* the old limit */
	answer(rig, "2\n");
	expect(rig, "a=1\nlong=2\n");
	assert_int_equal(rig->fake.count, 1);
}

static void test_coproc_replacement_that_fails_between_two_lives_leaves_the_options(void **state)
{
	struct rig *rig = *state;
	struct coproc_options other;
	char error[100];

	begin(rig);
	rig->fake.spawn_fails = 2;
	rig->fake.spawn_error = -ENOENT;
	die(rig, SIGKILL);
	wait_ms(rig, 0);
	expect(rig, "exited\nrestarting\nstart-failed\nrestarting\n");
	other = rig->options;
	other.max_request = 1;
	assert_int_equal(coproc_replace(rig->engine, &other, error, sizeof(error)), 0);
	expect(rig, "start-failed\nreplace-failed\nrestarting\n");
	wait_ms(rig, 1000);
	ask(rig, "long"); /* the old limit */
	answer(rig, "1\n");
	expect(rig, "long=1\n");
}

static void test_coproc_replace_refuses_bad_options_and_a_stopping_engine(void **state)
{
	struct rig *rig = *state;
	struct coproc_options other;
	char error[100] = "";

	begin(rig);
	other = rig->options;
	other.window = 0;
	assert_int_equal(coproc_replace(rig->engine, &other, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "window"));
	coproc_stop(rig->engine);
	assert_int_equal(coproc_replace(rig->engine, NULL, error, sizeof(error)), -EBUSY);
}

static void test_coproc_an_old_process_is_stopped_when_drain_timeout_is_over(void **state)
{
	struct rig *rig = *state;
	char error[100];

	rig->options.drain_timeout_ms = 300;
	begin(rig);
	ask(rig, "a");
	assert_int_equal(coproc_replace(rig->engine, NULL, error, sizeof(error)), 0);
	turn(rig);
	wait_ms(rig, 299);
	expect(rig, "replaced\n");
	wait_ms(rig, 1);
	expect(rig, "a=stopping\n");
}

static bool nested;
static enum coproc_event_kind nest_in;

static void replace_in_event(struct rig *rig, const struct coproc_event *event)
{
	char error[100];

	if (event->kind != nest_in || nested)
		return;
	nested = true;
	(void)!coproc_replace(rig->engine, NULL, error, sizeof(error));
}

static void check_nested_replace(struct rig *rig, enum coproc_event_kind kind)
{
	struct coproc_stats stats;
	char error[100];

	begin(rig);
	nested = false;
	nest_in = kind;
	rig->in_event = replace_in_event;
	assert_int_equal(coproc_replace(rig->engine, NULL, error, sizeof(error)), 0);
	turn(rig);
	coproc_get_stats(rig->engine, &stats);
	assert_int_equal(stats.ready, 1);
	ask(rig, "a");
	answer(rig, "1\n");
	assert_non_null(strstr(rig->record, "a=1\n"));
}

static void test_coproc_replace_from_within_the_report_of_a_start_does_no_harm(void **state)
{
	check_nested_replace(*state, COPROC_EV_STARTED);
}

static void test_coproc_replace_from_within_the_report_of_readiness_does_no_harm(void **state)
{
	check_nested_replace(*state, COPROC_EV_READY);
}

static void test_coproc_replace_from_within_the_failure_of_another_worker_does_no_harm(void **state)
{
	struct rig *rig = *state;

	rig->options.workers = 2;
	begin(rig);
	nested = false;
	nest_in = COPROC_EV_DESYNC;
	rig->in_event = replace_in_event;
	fake_write(&rig->fake.process[1], "surplus\n", 8);
	ask(rig, "a"); /* the first has been chosen when the second is found out */
	assert_int_equal(rig->fake.count, 4);
	assert_int_equal(fake_read(&rig->fake.process[2], rig->got, 10), 2);
	fake_write(&rig->fake.process[2], "1\n", 2);
	turn(rig);
	assert_non_null(strstr(rig->record, "a=1\n"));
}

/* ---- the end ---- */

static void test_coproc_stop_drains_then_closes_stdin_then_terms_then_kills(void **state)
{
	struct rig *rig = *state;
	struct fake_process *p;

	rig->options.stop_timeout_ms = 1000;
	begin(rig);
	p = fake_newest(&rig->fake);
	p->ignores_term = true;
	ask(rig, "a");
	ask(rig, "b");
	coproc_stop(rig->engine);
	turn(rig);
	assert_string_equal(sent(rig), "a\n");
	answer(rig, "1\n");
	assert_string_equal(sent(rig), "b\n");
	answer(rig, "2\n");
	expect(rig, "a=1\nb=2\n");
	assert_string_equal(sent(rig), "(end)");
	wait_ms(rig, 999);
	assert_string_equal(p->signals, "");
	wait_ms(rig, 1);
	assert_string_equal(p->signals, "TERM ");
	wait_ms(rig, 999);
	assert_string_equal(p->signals, "TERM ");
	wait_ms(rig, 1);
	assert_string_equal(p->signals, "TERM KILL ");
	expect(rig, "stopped\nall stopped\n");
}

static void test_coproc_stop_gives_up_on_what_is_pending_after_drain_timeout(void **state)
{
	struct rig *rig = *state;
	struct asked *late = &rig->asked[10];

	rig->options.drain_timeout_ms = 500;
	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	coproc_stop(rig->engine);
	turn(rig);
	assert_int_equal(coproc_submit(rig->engine, &late->request, "c", 1, rig_on_done, late),
			 COPROC_STOPPING);
	wait_ms(rig, 499);
	expect(rig, "");
	wait_ms(rig, 1);
	expect(rig, "a=stopping\nb=stopping\n");
	die(rig, 0);
	expect(rig, "stopped\nall stopped\n");
}

static void test_coproc_stop_twice_gives_up_and_kills_at_once(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	ask(rig, "a");
	coproc_stop(rig->engine);
	coproc_stop(rig->engine);
	turn(rig);
	expect(rig, "a=stopping\nstopped\nall stopped\n");
	assert_string_equal(rig->fake.process[0].signals, "KILL ");
	coproc_stop(rig->engine);
	turn(rig);
	expect(rig, "");
}

static void test_coproc_stop_without_a_process_ends_at_once(void **state)
{
	struct rig *rig = *state;

	rig->options.restart_limit = 1;
	begin(rig);
	die(rig, SIGKILL);
	expect(rig, "exited\nfailed\n");
	coproc_stop(rig->engine);
	turn(rig);
	expect(rig, "all stopped\n");
}

static void test_coproc_free_ends_what_is_pending_and_kills(void **state)
{
	struct rig *rig = *state;

	begin(rig);
	fake_newest(&rig->fake)->ignores_term = true;
	ask(rig, "a");
	ask(rig, "b");
	coproc_free(rig->engine);
	rig->engine = NULL;
	expect(rig, "a=stopping\nb=stopping\n");
	assert_true(rig->fake.process[0].reaped);
}

/* ---- limits ---- */

static void test_coproc_queue_limits_hold_and_room_is_reported(void **state)
{
	struct rig *rig = *state;
	struct asked *x = &rig->asked[20];

	rig->options.queue = 2;
	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	ask(rig, "c");
	assert_int_equal(coproc_submit(rig->engine, &x->request, "d", 1, rig_on_done, x),
			 COPROC_OVERLOADED);
	assert_non_null(strstr(coproc_refusal(rig->engine, COPROC_OVERLOADED),
			       "2 requests (2 bytes) are waiting, allowed are 2"));
	turn(rig);
	expect(rig, "");
	answer(rig, "1\n");
	expect(rig, "a=1\nroom\n");
	assert_true(coproc_has_room(rig->engine, 1));
}

static void test_coproc_queue_bytes_limit_holds(void **state)
{
	struct rig *rig = *state;
	struct asked *x = &rig->asked[20];

	rig->options.max_request = 10;
	rig->options.queue_bytes = 10;
	begin(rig);
	ask(rig, "in flight");
	ask(rig, "123456");
	assert_false(coproc_has_room(rig->engine, 5));
	assert_int_equal(coproc_submit(rig->engine, &x->request, "12345", 5, rig_on_done, x),
			 COPROC_OVERLOADED);
	ask(rig, "1234");
}

static void test_coproc_a_slow_reader_gets_large_requests_whole(void **state)
{
	struct rig *rig = *state;
	size_t len = 300000, have = 0;
	char *big = malloc(len), *got = malloc(len + 1);
	struct asked *a = &rig->asked[0];
	ssize_t n;

	rig->fake.pipe_size = 4096;
	rig->options.max_request = len;
	begin(rig);
	for (size_t i = 0; i < len; i++)
		big[i] = (char)('a' + i % 26);
	*a = (struct asked){.rig = rig, .name = "big"};
	assert_int_equal(coproc_submit(rig->engine, &a->request, big, len, rig_on_done, a),
			 COPROC_OK);
	turn(rig);
	while (have < len + 1) {
		n = fake_read(fake_newest(&rig->fake), got + have, MIN(1000, len + 1 - have));
		assert_true(n >= 0);
		have += (size_t)n;
		turn(rig);
	}
	assert_memory_equal(got, big, len);
	assert_int_equal(got[len], '\n');
	answer(rig, "1\n");
	expect(rig, "big=1\n");
	free(big);
	free(got);
}

static void test_coproc_a_line_of_64_mib_comes_whole_in_reads_of_a_pipeful(void **state)
{
	struct rig *rig = *state;
	static char piece[64 << 10];
	unsigned turns = 0;
	struct asked *a;
	size_t total = 64 << 20;

	rig->options.max_reply = 100 << 20;
	begin(rig);
	a = ask(rig, "a");
	a->quiet = true;
	memset(piece, 'x', sizeof(piece));
	for (size_t done = 0; done < total; turns++) {
		done +=
		    fake_write(fake_newest(&rig->fake), piece, MIN(sizeof(piece), total - done));
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
	}
	answer(rig, "\n");
	assert_int_equal(rig->ending_bytes, total + 1);
	assert_true(turns <= 1100); /* 1024 if each turn takes all that the pipe holds */
}

static void test_coproc_a_flood_on_stdout_is_bounded_by_max_reply(void **state)
{
	struct rig *rig = *state;
	static char piece[64 << 10];

	rig->options.max_reply = 100000;
	begin(rig);
	fake_newest(&rig->fake)->ignores_term = true;
	ask(rig, "a");
	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 100; i++) {
		fake_write(&rig->fake.process[0], piece, sizeof(piece));
		turn(rig);
	}
	assert_true(rig->fake.process[0].alive); /* it goes on, and nobody listens */
	assert_non_null(strstr(rig->record, "a=reply-too-long\n"));
}

/* ---- calls from within upcalls ---- */

static void submit_another(struct rig *rig, struct asked *a)
{
	if (!strcmp(a->name, "a"))
		submit(rig, "from a");
}

static void test_coproc_a_callback_may_submit(void **state)
{
	struct rig *rig = *state;

	rig->in_ending = submit_another;
	begin(rig);
	ask(rig, "a");
	answer(rig, "1\n");
	assert_string_equal(sent(rig), "a\nfrom a\n");
}

static void cancel_the_next(struct rig *rig, struct asked *a)
{
	if (!strcmp(a->name, "a"))
		coproc_cancel(rig->engine, &a[1].request);
}

static void test_coproc_a_callback_may_cancel_what_is_in_the_same_read(void **state)
{
	struct rig *rig = *state;

	rig->options.window = 3;
	rig->in_ending = cancel_the_next;
	begin(rig);
	ask(rig, "a");
	ask(rig, "b");
	ask(rig, "c");
	answer(rig, "1\n2\n3\n");
	expect(rig, "a=1\nlate\nc=3\n");
	ask(rig, "a");
	ask(rig, "b");
	ask(rig, "c");
	die(rig, SIGKILL);
	expect(rig, "exited\na=crashed\nc=crashed\nrestarting\n");
}

static void replace_now(struct rig *rig, struct asked *a)
{
	char error[100];

	if (!strcmp(a->name, "a"))
		assert_int_equal(coproc_replace(rig->engine, NULL, error, sizeof(error)), 0);
}

static void test_coproc_a_callback_may_replace_the_process_it_came_from(void **state)
{
	struct rig *rig = *state;

	rig->in_ending = replace_now;
	begin(rig);
	ask(rig, "a");
	answer(rig, "1\n");
	expect(rig, "a=1\nreplaced\n");
	ask(rig, "b");
	assert_string_equal(sent(rig), "b\n");
	ask(rig, "a");
	answer(rig, "2\n");
	rig->record[0] = '\0';
	die(rig, SIGKILL);
	expect(rig, "exited\na=crashed\nreplaced\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_coproc_##name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_reply_goes_to_its_request_at_every_split),
	    TEST(prefix_and_suffix_surround_the_request),
	    TEST(window_one_sends_one_request_at_a_time),
	    TEST(window_n_sends_n_requests_in_order),
	    TEST(max_reply_is_taken_and_one_byte_more_is_not),
	    TEST(replies_before_one_that_is_too_long_count),
	    TEST(a_late_reply_is_swallowed_after_a_timeout),
	    TEST(a_late_reply_is_swallowed_after_a_cancel),
	    TEST(a_request_cancelled_in_the_queue_is_never_sent),
	    TEST(surplus_while_idle_replaces_the_process),
	    TEST(surplus_seen_before_the_next_write_saves_the_next_request),
	    TEST(surplus_in_the_same_read_is_not_believed),
	    TEST(a_suspicious_reply_is_held_until_it_has_settled),
	    TEST(surplus_while_settling_is_not_believed),
	    TEST(the_first_reply_of_a_life_settles),
	    TEST(a_cancelled_settling_request_does_not_keep_stop_busy),
	    TEST(a_crash_ends_what_was_sent_and_keeps_the_queue),
	    TEST(a_reply_written_before_death_counts),
	    TEST(the_crash_text_names_the_status_and_the_last_stderr_line),
	    TEST(a_dead_process_is_not_sent_what_waits_for_the_next),
	    TEST(retries_one_at_a_time_until_the_killer_is_found),
	    TEST(what_is_pending_may_be_cancelled_when_poison_is_reported),
	    TEST(restart_delays_grow_and_then_it_has_failed),
	    TEST(replace_revives_a_failed_engine),
	    TEST(revived_from_within_the_failure_keeps_the_queue),
	    TEST(start_reports_the_errno_and_goes_on_trying),
	    TEST(unavailable_is_said_when_no_process_came_in_time),
	    TEST(a_process_that_closes_stdout_is_replaced),
	    TEST(a_process_that_closes_stdin_is_replaced_and_the_queue_waits),
	    TEST(a_hung_process_is_replaced_after_hang_timeout),
	    TEST(hang_timeout_frees_the_process_of_a_tombstone),
	    TEST(replacement_is_ready_before_the_old_one_is_drained),
	    TEST(a_failed_replacement_leaves_the_old_one_in_service),
	    TEST(replacement_that_fails_between_two_lives_leaves_the_options),
	    TEST(replace_refuses_bad_options_and_a_stopping_engine),
	    TEST(an_old_process_is_stopped_when_drain_timeout_is_over),
	    TEST(replace_from_within_the_report_of_a_start_does_no_harm),
	    TEST(replace_from_within_the_report_of_readiness_does_no_harm),
	    TEST(replace_from_within_the_failure_of_another_worker_does_no_harm),
	    TEST(stop_drains_then_closes_stdin_then_terms_then_kills),
	    TEST(stop_gives_up_on_what_is_pending_after_drain_timeout),
	    TEST(stop_twice_gives_up_and_kills_at_once),
	    TEST(stop_without_a_process_ends_at_once),
	    TEST(free_ends_what_is_pending_and_kills),
	    TEST(queue_limits_hold_and_room_is_reported),
	    TEST(queue_bytes_limit_holds),
	    TEST(a_slow_reader_gets_large_requests_whole),
	    TEST(a_line_of_64_mib_comes_whole_in_reads_of_a_pipeful),
	    TEST(a_flood_on_stdout_is_bounded_by_max_reply),
	    TEST(a_callback_may_submit),
	    TEST(a_callback_may_cancel_what_is_in_the_same_read),
	    TEST(a_callback_may_replace_the_process_it_came_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
