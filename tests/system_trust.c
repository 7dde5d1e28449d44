/* SPDX-License-Identifier: MIT */
/* The promises about the process: P6 no guessing, P7 the warm process is precious. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- P6: a process that cannot be trusted is replaced, nothing is matched by luck ---- */

/* After @request, which ends as @ending, a new process answers the next request. */
static void check_replaced(struct rig *r, const char *request, const char *ending)
{
	struct client *a = client_new(r), *b = client_new(r);
	pid_t pid;

	pid = ask_pid(r, b);
	say(r, a, request);
	expect_start(r, a, ending);
	rig_wait_gone(r, pid);
	ask(r, b, "right", "right");
	ask(r, a, "right too", "right too");
	rig_wait_starts(r, 2);
}

static void test_p6_surplus_from_an_idle_process_replaces_it(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "");
	check_replaced(r, "!surplus 200 mine\n", "mine");
	assert_int_equal(rig_count("log", "no request asked for: \"surplus mine\\n\""), 1);
}

static void test_p6_a_second_reply_in_the_same_write_replaces_it(void **state)
{
	rig_start(*state, "", "");
	check_replaced(*state, "!twice wrong\n", "coprocd: error: desync:");
}

static void test_p6_surplus_within_settle_of_a_suspicious_request_ends_it_in_desync(void **state)
{
	/* A control byte makes it suspicious; 30 ms later is within 100. */
	rig_start(*state, "--settle 100ms", "");
	check_replaced(*state, "!surplus 30 a\001b\n", "coprocd: error: desync:");
}

static void test_p6_a_long_request_is_suspicious(void **state)
{
	rig_start(*state, "--settle 100ms --settle-over 20", "");
	check_replaced(*state, "!surplus 30 over twenty bytes\n", "coprocd: error: desync:");
}

static void test_p6_invalid_utf8_is_suspicious(void **state)
{
	rig_start(*state, "--settle 100ms", "");
	check_replaced(*state, "!surplus 30 \xff\xfe\n", "coprocd: error: desync:");
}

static void test_p6_a_surplus_never_answers_a_request_that_waits(void **state)
{
	struct rig *r = *state;
	struct client *a, *b;

	rig_start(r, "--settle 100ms", "");
	a = client_new(r);
	b = client_new(r);
	ask(r, b, "warm", "warm");
	say(r, a, "!surplus 30 a\001b\n");
	rig_wait_text(r, "asked", "!surplus", 1);
	say(r, b, "right\n");
	expect_start(r, a, "coprocd: error: desync:");
	expect(r, b, "right");
}

static void test_p6_a_reply_over_max_reply_replaces_it(void **state)
{
	rig_start(*state, "--max-reply 1000", "");
	check_replaced(*state, "!big 1001\n", "coprocd: error: reply-too-long:");
}

static void test_p6_an_endless_reply_replaces_it(void **state)
{
	struct rig *r = *state;
	struct client *c;
	long before;

	/* Its stdin stays open, as a process that closes it is replaced for that. */
	rig_start_command(r, "--max-reply 1M",
			  "sh -c 'read x; exec 3<&0; exec tr \"\\0\" x < /dev/zero'");
	before = proc_status(r->pid, "VmHWM");
	c = client_new(r);
	say(r, c, "go\n");
	expect_start(r, c, "coprocd: error: reply-too-long:");
	if (rig_memory_counts(r))
		assert_in_range(proc_status(r->pid, "VmHWM"), 1, before + (8 << 10));
}

static void test_p6_a_reply_of_exactly_max_reply_passes(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--max-reply 1000", "");
	c = client_new(r);
	/* The LF counts, as it is passed on. */
	say(r, c, "!big 999\n");
	assert_int_equal(strlen(next_line(r, c)), 999);
	rig_wait_starts(r, 1);
}

static void test_p6_a_process_that_closes_stdout_is_replaced(void **state)
{
	rig_start(*state, "", "");
	check_replaced(*state, "!closestdout bye\n", "bye");
	rig_wait_log(*state, "closed its stdout while alive");
}

static void test_p6_a_process_that_closes_stdout_without_reply_is_replaced(void **state)
{
	rig_start(*state, "", "");
	check_replaced(*state, "!closestdout\n", "coprocd: error: desync: closed its stdout");
}

static void test_p6_a_process_that_closes_stdin_is_replaced(void **state)
{
	rig_start(*state, "", "");
	check_replaced(*state, "!closestdin bye\n", "bye");
	rig_wait_log(*state, "closed its stdin while alive");
}

static void test_p6_a_greeting_is_nobodys_reply(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--restart-limit 3 --restart-delay 10ms --restart-delay-max 20ms",
		  "--banner welcome");
	c = client_new(r);
	for (int i = 0; i < 4; i++) {
		const char *line;

		say(r, c, "question\n");
		line = next_line(r, c);
		assert_string_not_equal(line, "welcome");
		assert_ptr_equal(strstr(line, "coprocd: error: "), line);
	}
	/* Of greeting and reply, the one that came later. */
	rig_wait_log(r, "bytes on stdout that no request asked for");
}

static void test_p6_a_greeting_that_comes_with_the_first_request_is_nobodys_reply(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "--startup-ms 300 --banner welcome");
	c = client_new(r);
	/* It is with the process before the greeting comes. */
	say(r, c, "question\n");
	expect_start(r, c, "coprocd: error: desync:");
}

static void test_p6_at_a_larger_window_surplus_replaces_it_too(void **state)
{
	rig_start(*state, "--window 8", "");
	check_replaced(*state, "!twice once\n", "");
	rig_wait_log(*state, "no request asked for");
}

/* ---- P7: the warm process is precious ---- */

static void test_p7_a_timeout_does_not_kill(void **state)
{
	struct rig *r = *state;
	struct client *c;
	pid_t pid;

	rig_start(r, "--request-timeout 300ms", "");
	c = client_new(r);
	pid = ask_pid(r, c);
	for (int i = 0; i < 3; i++) {
		say(r, c, "!sleep 400 late\n");
		expect_start(r, c, "coprocd: error: timeout:");
		assert_int_equal(ask_pid(r, c), pid);
	}
	rig_wait_text(r, "log", "a late reply", 3);
	rig_wait_starts(r, 1);
}

static void test_p7_a_vanished_client_does_not_kill(void **state)
{
	struct rig *r = *state;
	struct client *gone, *c;
	pid_t pid;

	rig_start(r, "", "");
	c = client_new(r);
	pid = ask_pid(r, c);
	gone = client_new(r);
	say(r, gone, "!sleep 200 for nobody\n");
	rig_wait_asked(r, "!sleep 200 for nobody");
	client_close(gone);
	assert_int_equal(ask_pid(r, c), pid);
	rig_wait_text(r, "log", "a late reply", 1);
}

static void test_p7_hang_timeout_does_kill(void **state)
{
	struct rig *r = *state;
	struct client *c;
	pid_t pid;

	rig_start(r, "--request-timeout 200ms --hang-timeout 500ms", "");
	c = client_new(r);
	pid = ask_pid(r, c);
	say(r, c, "!hang\n");
	expect_start(r, c, "coprocd: error: timeout: no reply within 200 ms");
	rig_wait_log(r, "holds a request for over 500 ms (hang-timeout)");
	rig_wait_gone(r, pid);
	ask(r, c, "alive", "alive");
	rig_wait_starts(r, 2);
}

static void test_p7_hang_timeout_does_kill_one_that_spins_and_ignores_term(void **state)
{
	struct rig *r = *state;
	struct client *c;
	pid_t pid;

	rig_start(r, "--hang-timeout 200ms --stop-timeout 200ms", "--ignore-term --ignore-eof");
	c = client_new(r);
	pid = ask_pid(r, c);
	say(r, c, "!spin\n");
	expect_start(r, c, "coprocd: error: timeout: holds a request for over 200 ms");
	ask(r, c, "alive", "alive");
	rig_wait_gone(r, pid);
}

static void test_p7_a_slow_queue_is_not_a_hang(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--hang-timeout 400ms", "--delay-ms 100");
	c = client_new(r);
	for (int i = 0; i < 8; i++)
		say(r, c, "slow\n");
	for (int i = 0; i < 8; i++)
		expect(r, c, "slow");
	rig_wait_starts(r, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_p6_surplus_from_an_idle_process_replaces_it),
	    RIG_TEST(test_p6_a_second_reply_in_the_same_write_replaces_it),
	    RIG_TEST(test_p6_surplus_within_settle_of_a_suspicious_request_ends_it_in_desync),
	    RIG_TEST(test_p6_a_long_request_is_suspicious),
	    RIG_TEST(test_p6_invalid_utf8_is_suspicious),
	    RIG_TEST(test_p6_a_surplus_never_answers_a_request_that_waits),
	    RIG_TEST(test_p6_a_reply_over_max_reply_replaces_it),
	    RIG_TEST(test_p6_an_endless_reply_replaces_it),
	    RIG_TEST(test_p6_a_reply_of_exactly_max_reply_passes),
	    RIG_TEST(test_p6_a_process_that_closes_stdout_is_replaced),
	    RIG_TEST(test_p6_a_process_that_closes_stdout_without_reply_is_replaced),
	    RIG_TEST(test_p6_a_process_that_closes_stdin_is_replaced),
	    RIG_TEST(test_p6_a_greeting_is_nobodys_reply),
	    RIG_TEST(test_p6_a_greeting_that_comes_with_the_first_request_is_nobodys_reply),
	    RIG_TEST(test_p6_at_a_larger_window_surplus_replaces_it_too),
	    RIG_TEST(test_p7_a_timeout_does_not_kill),
	    RIG_TEST(test_p7_a_vanished_client_does_not_kill),
	    RIG_TEST(test_p7_hang_timeout_does_kill),
	    RIG_TEST(test_p7_hang_timeout_does_kill_one_that_spins_and_ignores_term),
	    RIG_TEST(test_p7_a_slow_queue_is_not_a_hang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
