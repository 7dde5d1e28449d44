/* SPDX-License-Identifier: MIT */
/* Signals: stopping, replacing the process, statistics; and what is left of a process. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- TERM and INT ---- */

static void check_drain(struct rig *r, int sig)
{
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	say(r, c, "!sleep 300 one\ntwo\nthree\n");
	rig_wait_asked(r, "!sleep 300 one");
	rig_signal(r, sig);
	rig_wait_path(r, "s", false);
	expect(r, c, "one");
	expect(r, c, "two");
	expect(r, c, "three");
	expect_end(r, c);
	assert_int_equal(rig_exit_code(r), 0);
	assert_int_equal(rig_count("log", "exited with status 0 as asked"), 1);
}

static void test_term_lets_pending_requests_have_their_replies(void **state)
{
	check_drain(*state, SIGTERM);
}

static void test_int_lets_pending_requests_have_their_replies(void **state)
{
	check_drain(*state, SIGINT);
}

static void test_what_is_asked_while_stopping_is_refused(void **state)
{
	struct rig *r = *state;
	struct client *c, *late;

	rig_start(r, "", "");
	c = client_new(r);
	late = client_new(r);
	ask(r, late, "warm", "warm");
	say(r, c, "!sleep 300 one\n");
	rig_wait_asked(r, "!sleep 300 one");
	rig_signal(r, SIGTERM);
	rig_wait_path(r, "s", false);
	say(r, late, "late\n");
	expect(r, late, "coprocd: error: stopping: the daemon is stopping");
	expect(r, c, "one");
	assert_int_equal(rig_exit_code(r), 0);
}

static void test_a_second_term_stops_at_once(void **state)
{
	struct rig *r = *state;
	struct client *c;
	pid_t pid;

	rig_start(r, "--drain-timeout 1h --stop-timeout 1h", "--ignore-term --ignore-eof");
	c = client_new(r);
	pid = ask_pid(r, c);
	say(r, c, "!hang\n");
	rig_wait_asked(r, "!hang");
	rig_signal(r, SIGTERM);
	rig_wait_log(r, "signal 15: stopping");
	rig_signal(r, SIGTERM);
	expect_start(r, c, "coprocd: error: stopping:");
	assert_int_equal(rig_exit_code(r), 0);
	rig_wait_gone(r, pid);
}

static void test_drain_timeout_limits_the_wait(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--drain-timeout 200ms --stop-timeout 100ms", "");
	c = client_new(r);
	say(r, c, "!hang\n");
	rig_wait_asked(r, "!hang");
	rig_signal(r, SIGTERM);
	expect_start(r, c, "coprocd: error: stopping:");
	assert_int_equal(rig_exit_code(r), 0);
}

static void test_a_process_that_ignores_eof_gets_term(void **state)
{
	struct rig *r = *state;

	rig_start(r, "--stop-timeout 100ms", "--ignore-eof");
	rig_stop(r);
	rig_wait_log(r, "killed by signal 15");
}

static void test_a_process_that_ignores_eof_and_term_is_killed(void **state)
{
	struct rig *r = *state;

	rig_start(r, "--stop-timeout 100ms", "--ignore-eof --ignore-term");
	rig_stop(r);
	rig_wait_log(r, "killed by signal 9");
}

static void test_the_process_does_not_survive_a_killed_daemon(void **state)
{
	struct rig *r = *state;
	pid_t pid;

	rig_start(r, "", "--ignore-eof --ignore-term");
	pid = ask_pid(r, client_new(r));
	rig_signal(r, SIGKILL);
	assert_int_equal(rig_exit_code(r), 128 + SIGKILL);
	rig_wait_gone(r, pid);
}

/* ---- what a process leaves behind ---- */

static void test_grandchildren_do_not_survive_a_stop(void **state)
{
	struct rig *r = *state;

	rig_start(r, "--stop-timeout 1s", "--fork-helper");
	ask(r, client_new(r), "warm", "warm");
	rig_stop(r);
	rig_wait_children(r, 0);
}

static void test_grandchildren_do_not_survive_a_crash(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "--fork-helper");
	c = client_new(r);
	say(r, c, "!die 1\n");
	expect_start(r, c, "coprocd: error: crashed: exited with status 1");
	ask(r, c, "again", "again");
	rig_wait_starts(r, 2);
	rig_wait_children(r, 1);
}

static void test_no_zombies_are_left(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--restart-delay 1ms --restart-delay-max 5ms --restart-limit 0", "");
	c = client_new(r);
	for (int i = 0; i < 20; i++) {
		say(r, c, i % 2 ? "!kill 9\n" : "!die 0\n");
		expect_start(r, c, "coprocd: error: crashed:");
	}
	ask(r, c, "alive", "alive");
	assert_int_equal(proc_children(r->pid, 'Z'), 0);
	assert_int_equal(proc_children(r->pid, 0), 1);
}

/* ---- HUP ---- */

static void write_conf(const char *options, const char *fake_args)
{
	char text[8192];

	snprintf(text, sizeof(text), "listen = s\nlog-level = debug\n%s\ncommand = %s\n", options,
		 rig_fake(fake_args));
	rig_write("conf", text);
}

static void start_conf(struct rig *r, const char *options, const char *fake_args)
{
	write_conf(options, fake_args);
	rig_launch(r, "--config conf");
	rig_wait_log(r, "ready after");
}

static void test_hup_replaces_the_process_without_a_failing_request(void **state)
{
	struct rig *r = *state;
	struct client *c, *load;
	pid_t old, new;
	char text[32];

	start_conf(r, "client-requests = 5000", "");
	c = client_new(r);
	load = client_new(r);
	old = ask_pid(r, c);
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "%d\n", i);
		say(r, load, text);
		if (i % 1000 == 500)
			rig_signal(r, SIGHUP);
	}
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		expect(r, load, text);
	}
	rig_wait_log(r, "has taken over");
	rig_wait_gone(r, old);
	new = ask_pid(r, c);
	assert_int_not_equal(new, old);
}

static void test_hup_drains_the_old_process_while_the_new_one_serves(void **state)
{
	struct rig *r = *state;
	struct client *slow, *c;
	pid_t old;

	start_conf(r, "", "");
	slow = client_new(r);
	c = client_new(r);
	old = ask_pid(r, c);
	say(r, slow, "!sleep 1000 from the old\n");
	rig_wait_asked(r, "!sleep 1000 from the old");
	rig_signal(r, SIGHUP);
	rig_wait_log(r, "has taken over");
	assert_int_not_equal(ask_pid(r, c), old);
	assert_int_equal(kill(old, 0), 0);
	expect(r, slow, "from the old");
	rig_wait_gone(r, old);
}

static void test_hup_brings_new_options_into_force(void **state)
{
	struct rig *r = *state;
	struct client *c;

	start_conf(r, "forbid = ^old", "");
	c = client_new(r);
	say(r, c, "old\n");
	expect_start(r, c, "coprocd: error: bad-request:");
	write_conf("forbid = ^new\nlisten = second", "--pid-reply");
	rig_signal(r, SIGHUP);
	rig_wait_log(r, "has taken over");
	say(r, c, "new\n");
	expect_start(r, c, "coprocd: error: bad-request:");
	say(r, client_at(r, "second"), "old\n");
	rig_wait_asked(r, "old");
}

static void test_hup_with_a_broken_config_is_refused_with_the_reason(void **state)
{
	struct rig *r = *state;
	struct client *c;
	pid_t pid;

	start_conf(r, "", "");
	c = client_new(r);
	pid = ask_pid(r, c);
	write_conf("request-timeout = 5", "");
	rig_signal(r, SIGHUP);
	rig_wait_log(r,
		     "reload refused, everything stays as it is: coprocd: conf:3: request-timeout");
	assert_int_equal(ask_pid(r, c), pid);
	rig_wait_starts(r, 1);
}

static void test_hup_with_a_command_that_does_not_start_is_rolled_back(void **state)
{
	struct rig *r = *state;
	struct client *c;
	pid_t pid;

	start_conf(r, "", "");
	c = client_new(r);
	pid = ask_pid(r, c);
	rig_write("conf", "listen = s\nlisten = second\ncommand = ./no-such-program\n");
	rig_signal(r, SIGHUP);
	rig_wait_log(r, "the old process and its options stay");
	assert_int_equal(ask_pid(r, c), pid);
	rig_wait_path(r, "second", false);
	/* And the next one, with a good file, is done. */
	write_conf("", "");
	rig_signal(r, SIGHUP);
	rig_wait_log(r, "has taken over");
	assert_int_not_equal(ask_pid(r, c), pid);
}

static void test_hup_with_a_socket_that_cannot_be_made_is_refused(void **state)
{
	struct rig *r = *state;
	struct client *c;
	pid_t pid;

	start_conf(r, "", "");
	c = client_new(r);
	pid = ask_pid(r, c);
	write_conf("listen = no/such/directory/s", "");
	rig_signal(r, SIGHUP);
	rig_wait_log(r, "reload refused, everything stays as it is: no/such/directory/s");
	assert_int_equal(ask_pid(r, c), pid);
}

static void test_hup_revives_a_process_given_up(void **state)
{
	struct rig *r = *state;
	struct client *c;

	start_conf(r, "restart-limit = 1", "");
	c = client_new(r);
	say(r, c, "!die 1\n");
	expect_start(r, c, "coprocd: error: crashed:");
	rig_wait_log(r, "given up after 1 failures");
	say(r, c, "no\n");
	expect_start(r, c, "coprocd: error: unavailable:");
	rig_signal(r, SIGHUP);
	rig_wait_text(r, "log", "ready after", 2);
	ask(r, c, "yes", "yes");
}

static void test_usr1_logs_one_line_of_statistics(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--forbid bad", "");
	c = client_new(r);
	ask(r, c, "one", "one");
	ask(r, c, "two", "two");
	rig_signal(r, SIGUSR1);
	rig_wait_log(r, "clients 1, waiting 0 (0 bytes), in flight 0, accepted 2, answered 2,");
	assert_int_equal(rig_count("log", "stats: pid "), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_term_lets_pending_requests_have_their_replies),
	    RIG_TEST(test_int_lets_pending_requests_have_their_replies),
	    RIG_TEST(test_what_is_asked_while_stopping_is_refused),
	    RIG_TEST(test_a_second_term_stops_at_once),
	    RIG_TEST(test_drain_timeout_limits_the_wait),
	    RIG_TEST(test_a_process_that_ignores_eof_gets_term),
	    RIG_TEST(test_a_process_that_ignores_eof_and_term_is_killed),
	    RIG_TEST(test_the_process_does_not_survive_a_killed_daemon),
	    RIG_TEST(test_grandchildren_do_not_survive_a_stop),
	    RIG_TEST(test_grandchildren_do_not_survive_a_crash),
	    RIG_TEST(test_no_zombies_are_left),
	    RIG_TEST(test_hup_replaces_the_process_without_a_failing_request),
	    RIG_TEST(test_hup_drains_the_old_process_while_the_new_one_serves),
	    RIG_TEST(test_hup_brings_new_options_into_force),
	    RIG_TEST(test_hup_with_a_broken_config_is_refused_with_the_reason),
	    RIG_TEST(test_hup_with_a_command_that_does_not_start_is_rolled_back),
	    RIG_TEST(test_hup_with_a_socket_that_cannot_be_made_is_refused),
	    RIG_TEST(test_hup_revives_a_process_given_up),
	    RIG_TEST(test_usr1_logs_one_line_of_statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
