/* SPDX-License-Identifier: MIT */
/* The promises to a client: P1 right client, P2 one ending. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- P1: a reply goes to the client whose request caused it, or to nobody ---- */

static void ask_from_many(struct rig *r)
{
	struct client *clients[20];
	char text[64];

	for (int i = 0; i < 20; i++)
		clients[i] = client_new(r);
	for (int round = 0; round < 25; round++) {
		for (int i = 0; i < 20; i++) {
			snprintf(text, sizeof(text), "client %d round %d\n", i, round);
			say(r, clients[i], text);
		}
	}
	for (int round = 0; round < 25; round++) {
		for (int i = 0; i < 20; i++) {
			snprintf(text, sizeof(text), "client %d round %d", i, round);
			expect(r, clients[i], text);
		}
	}
}

static void test_p1_twenty_clients_get_their_own_replies_at_window_1(void **state)
{
	rig_start(*state, "", "");
	ask_from_many(*state);
}

static void test_p1_twenty_clients_get_their_own_replies_at_window_8(void **state)
{
	rig_start(*state, "--window 8", "");
	ask_from_many(*state);
}

static void check_late_reply(struct rig *r, const char *options)
{
	struct client *slow, *next;
	pid_t pid;

	rig_start(r, options, "");
	slow = client_new(r);
	next = client_new(r);
	pid = ask_pid(r, next);
	say(r, slow, "!sleep 600 late\n");
	expect_start(r, slow, "coprocd: error: timeout:");
	say(r, next, "first\nsecond\n");
	expect(r, next, "first");
	expect(r, next, "second");
	ask(r, slow, "third", "third");
	assert_int_equal(ask_pid(r, next), pid);
}

static void test_p1_a_late_reply_after_a_timeout_goes_to_nobody_at_window_1(void **state)
{
	check_late_reply(*state, "--request-timeout 400ms");
}

static void test_p1_a_late_reply_after_a_timeout_goes_to_nobody_at_window_8(void **state)
{
	check_late_reply(*state, "--request-timeout 400ms --window 8");
}

static void check_vanished(struct rig *r, const char *options)
{
	struct client *gone, *next;

	rig_start(r, options, "");
	for (int i = 0; i < 5; i++) {
		char text[64];

		gone = client_new(r);
		next = client_new(r);
		snprintf(text, sizeof(text), "!sleep 50 gone %d\n", i);
		say(r, gone, text);
		rig_wait_text(r, "asked", "!sleep", (unsigned)i + 1);
		client_close(gone);
		ask(r, next, "next", "next");
	}
	rig_wait_starts(r, 1);
}

static void test_p1_the_reply_of_a_vanished_client_goes_to_nobody_at_window_1(void **state)
{
	check_vanished(*state, "");
}

static void test_p1_the_reply_of_a_vanished_client_goes_to_nobody_at_window_8(void **state)
{
	check_vanished(*state, "--window 8");
}

static void test_p1_a_crash_in_flight_shifts_no_reply(void **state)
{
	struct rig *r = *state;
	struct client *a, *b;

	rig_start(r, "--window 8", "");
	a = client_new(r);
	b = client_new(r);
	say(r, a, "!sleep 100 slow\n!die 3\n");
	say(r, b, "lost\n");
	expect(r, a, "slow");
	expect_start(r, a, "coprocd: error: crashed: exited with status 3");
	/* Whether it was with the process already decides how it ends. */
	assert_non_null(next_line(r, b));
	ask(r, a, "to a", "to a");
	ask(r, b, "to b", "to b");
}

static void test_p1_an_unterminated_rest_of_a_dead_process_goes_to_nobody(void **state)
{
	struct rig *r = *state;
	struct client *a, *b;

	rig_start(r, "", "");
	a = client_new(r);
	b = client_new(r);
	say(r, a, "!partial half\n");
	say(r, b, "whole\n");
	expect_start(r, a, "coprocd: error: crashed: exited with status 3");
	expect(r, b, "whole");
}

static void test_p1_a_second_reply_in_one_write_reaches_no_client(void **state)
{
	struct rig *r = *state;
	struct client *a, *b;

	rig_start(r, "", "");
	a = client_new(r);
	b = client_new(r);
	ask(r, b, "warm", "warm");
	say(r, a, "!twice wrong\n");
	say(r, b, "right\n");
	expect_start(r, a, "coprocd: error: desync:");
	expect(r, b, "right");
	rig_wait_starts(r, 2);
}

static void test_p1_surplus_after_a_reply_reaches_no_client(void **state)
{
	struct rig *r = *state;
	struct client *a, *b;

	rig_start(r, "", "");
	a = client_new(r);
	b = client_new(r);
	ask(r, b, "warm", "warm");
	ask(r, a, "!surplus 30 mine", "mine");
	rig_wait_log(r, "no request asked for");
	ask(r, b, "right", "right");
	rig_wait_starts(r, 2);
}

/* ---- P2: every accepted request ends exactly once ---- */

/* The next reply on @c is that of @request: nothing else came before it. */
static void check_nothing_else_came(struct rig *r, struct client *c)
{
	ask(r, c, "the only one", "the only one");
	client_end(c);
	expect_end(r, c);
}

static void test_p2_a_reply_is_the_only_ending(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	ask(r, c, "once", "once");
	check_nothing_else_came(r, c);
}

static void test_p2_a_timeout_is_the_only_ending(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--request-timeout 300ms", "");
	c = client_new(r);
	say(r, c, "!sleep 500 late\n");
	expect_start(r, c, "coprocd: error: timeout: no reply within 300 ms");
	rig_wait_log(r, "a late reply");
	check_nothing_else_came(r, c);
}

static void test_p2_a_crash_is_the_only_ending_and_says_how(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	ask(r, c, "!stderr the last words", "ok");
	say(r, c, "!kill 9\n");
	expect(r, c,
	       "coprocd: error: crashed: killed by signal 9 (Killed); last stderr: "
	       "\"the last words\"");
	check_nothing_else_came(r, c);
}

static void test_p2_each_of_a_full_window_ends_once_when_the_process_crashes(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--window 8", "");
	c = client_new(r);
	say(r, c, "!sleep 100 a\n1\n2\n!die 1\n3\n4\n5\n6\n");
	expect(r, c, "a");
	expect(r, c, "1");
	expect(r, c, "2");
	for (int i = 0; i < 5; i++)
		expect_start(r, c, "coprocd: error: crashed: exited with status 1");
	check_nothing_else_came(r, c);
}

static void test_p2_a_request_is_tried_again_after_a_crash_only_if_retries_say_so(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--retries 2 --restart-delay 10ms", "");
	c = client_new(r);
	say(r, c, "!die 4\n");
	expect_start(r, c, "coprocd: error: crashed: exited with status 4");
	assert_int_equal(rig_count("asked", "!die 4\n"), 3);
	rig_wait_log(r, "poison request, 3 tries");
	check_nothing_else_came(r, c);
}

static void test_p2_a_desync_is_the_only_ending(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	say(r, c, "!twice wrong\n");
	/* The bytes themselves may be another client's: they are for the log. */
	expect(r, c, "coprocd: error: desync: 6 bytes on stdout that no request asked for");
	rig_wait_log(r, "6 bytes on stdout that no request asked for: \"wrong\\n\"; replacing it");
	check_nothing_else_came(r, c);
}

static void test_p2_no_reply_ends_by_hang_timeout(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--hang-timeout 200ms", "");
	c = client_new(r);
	say(r, c, "!none\n");
	expect_start(r, c, "coprocd: error: timeout: holds a request for over 200 ms");
	check_nothing_else_came(r, c);
}

static void test_p2_stopping_gives_each_request_one_ending(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--drain-timeout 200ms --stop-timeout 100ms", "");
	c = client_new(r);
	say(r, c, "!hang\nsecond\nthird\n");
	rig_wait_asked(r, "!hang");
	rig_signal(r, SIGTERM);
	for (int i = 0; i < 3; i++)
		expect_start(r, c, "coprocd: error: stopping:");
	expect_end(r, c);
	assert_int_equal(rig_exit_code(r), 0);
}

static void test_p2_a_process_given_up_ends_what_waits_with_unavailable(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--restart-limit 2 --restart-delay 10ms", "");
	c = client_new(r);
	say(r, c, "!die 1\n!die 1\nthird\n");
	expect_start(r, c, "coprocd: error: crashed:");
	expect_start(r, c, "coprocd: error: crashed:");
	expect_start(r, c, "coprocd: error: unavailable:");
	say(r, c, "fourth\n");
	expect_start(r, c, "coprocd: error: unavailable:");
	client_end(c);
	expect_end(r, c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_p1_twenty_clients_get_their_own_replies_at_window_1),
	    RIG_TEST(test_p1_twenty_clients_get_their_own_replies_at_window_8),
	    RIG_TEST(test_p1_a_late_reply_after_a_timeout_goes_to_nobody_at_window_1),
	    RIG_TEST(test_p1_a_late_reply_after_a_timeout_goes_to_nobody_at_window_8),
	    RIG_TEST(test_p1_the_reply_of_a_vanished_client_goes_to_nobody_at_window_1),
	    RIG_TEST(test_p1_the_reply_of_a_vanished_client_goes_to_nobody_at_window_8),
	    RIG_TEST(test_p1_a_crash_in_flight_shifts_no_reply),
	    RIG_TEST(test_p1_an_unterminated_rest_of_a_dead_process_goes_to_nobody),
	    RIG_TEST(test_p1_a_second_reply_in_one_write_reaches_no_client),
	    RIG_TEST(test_p1_surplus_after_a_reply_reaches_no_client),
	    RIG_TEST(test_p2_a_reply_is_the_only_ending),
	    RIG_TEST(test_p2_a_timeout_is_the_only_ending),
	    RIG_TEST(test_p2_a_crash_is_the_only_ending_and_says_how),
	    RIG_TEST(test_p2_each_of_a_full_window_ends_once_when_the_process_crashes),
	    RIG_TEST(test_p2_a_request_is_tried_again_after_a_crash_only_if_retries_say_so),
	    RIG_TEST(test_p2_a_desync_is_the_only_ending),
	    RIG_TEST(test_p2_no_reply_ends_by_hang_timeout),
	    RIG_TEST(test_p2_stopping_gives_each_request_one_ending),
	    RIG_TEST(test_p2_a_process_given_up_ends_what_waits_with_unavailable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
