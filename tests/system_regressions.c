/* SPDX-License-Identifier: MIT */
/* What went wrong once: each test failed before the daemon was mended. */
#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- unread replies ---- */

/* How much processor time the daemon uses while nothing happens. */
static long idle_cpu_ms(struct rig *r)
{
	long before = proc_cpu_ms(r->pid);

	poll(NULL, 0, 500);
	return proc_cpu_ms(r->pid) - before;
}

static void test_p5_a_client_that_has_caught_up_costs_nothing(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	say(r, c, "!big 3000000\n");
	assert_int_equal(strlen(next_line(r, c)), 3000000);
	assert_true(idle_cpu_ms(r) < 250);
	ask(r, c, "and on", "and on");
}

/* ---- clients that leave ---- */

/* Leave without reading the reply that is there: the daemon sees an error, not an end. */
static void leave_unread(struct rig *r, struct client *c, const char *marker)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	rig_wait_asked(r, marker);
	assert_int_equal(poll(&p, 1, 5000), 1);
	client_close(c);
	rig_wait_log(r, "session 1: closed");
}

static void test_p2_a_half_closed_client_that_leaves_replies_unread_is_gone(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--log-level debug", "");
	c = client_new(r);
	say(r, c, "one\n!none\nnever\n");
	client_end(c);
	leave_unread(r, c, "!none");
}

static void test_p2_a_client_not_read_from_that_leaves_replies_unread_is_gone(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--log-level debug --client-requests 2 --forbid ^bad", "");
	c = client_new(r);
	say(r, c, "one\n!none\nnever\nnever\n");
	rig_wait_asked(r, "!none");
	say(r, c, "never\n");
	/* When another is answered the daemon has found that it may not read on. */
	for (int i = 0; i < 2; i++) {
		struct client *other = client_new(r);

		say(r, other, "bad\n");
		expect_start(r, other, "coprocd: error: bad-request:");
	}
	leave_unread(r, c, "!none");
}

/* ---- overload=wait ---- */

static void test_p2_a_request_as_long_as_the_queue_ends_when_clients_wait(void **state)
{
	struct rig *r = *state;
	struct client *c;
	char line[1027];

	memset(line, 'x', sizeof(line));
	rig_start(r, "--overload wait --max-request 1K --queue-bytes 1K", "");
	c = client_new(r);
	line[1024] = '\r';
	line[1025] = '\n';
	say_bytes(r, c, line, 1026);
	assert_int_equal(strlen(next_line(r, c)), 1024);
	line[1024] = 'x';
	say_bytes(r, c, line, 1026);
	expect_start(r, c, "coprocd: error: too-long:");
}

static void test_p5_clients_that_wait_for_room_take_turns(void **state)
{
	struct rig *r = *state;
	struct client *many, *one;
	char text[32];

	rig_start(r, "--overload wait --queue 1 --client-requests 300 --request-timeout 0s",
		  "--delay-ms 20");
	many = client_new(r);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "many %d\n", i);
		say(r, many, text);
	}
	/* By now it counts no longer as one that sends. */
	rig_wait_asked(r, "many 15");
	one = client_new(r);
	ask(r, one, "one", "one");
	assert_true(rig_count("asked", "many") < 60);
}

/* ---- replies that come out of turn ---- */

static void test_p4_replies_behind_an_unfinished_request_are_bounded(void **state)
{
	struct rig *r = *state;
	struct client *c;
	unsigned refused = 0;

	rig_start(r, "--workers 2 --max-reply 1M --client-buffer 1M", "");
	c = client_new(r);
	say(r, c, "!sleep 1500 first\n");
	rig_wait_asked(r, "!sleep 1500 first");
	for (int i = 0; i < 20; i++)
		say(r, c, "!big 1000000\n");
	expect(r, c, "first");
	for (int i = 0; i < 20; i++) {
		const char *line = next_line(r, c);

		assert_non_null(line);
		if (strlen(line) == 1000000)
			continue;
		assert_memory_equal(line, "coprocd: error: overloaded:", 27);
		refused++;
	}
	assert_true(refused >= 10);
	ask(r, c, "and on", "and on");
}

/* ---- upgrades ---- */

static void test_p7_an_upgrade_keeps_what_the_process_has_not_read_yet(void **state)
{
	enum { LENGTH = 300000 };
	struct rig *r = *state;
	struct client *c;
	char *line = malloc(LENGTH + 1);

	assert_non_null(line);
	memset(line, 'x', LENGTH);
	line[LENGTH] = '\n';
	rig_start(r, "--window 2 --max-request 1M", "");
	c = client_new(r);
	say(r, c, "!sleep 2000 first\n");
	rig_wait_asked(r, "!sleep 2000 first");
	say_bytes(r, c, line, LENGTH + 1);
	free(line);
	rig_signal(r, SIGUSR2);
	rig_wait_log(r, "goes on with 1 clients");
	expect(r, c, "first");
	assert_int_equal(strlen(next_line(r, c)), LENGTH);
	rig_wait_starts(r, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_p5_a_client_that_has_caught_up_costs_nothing),
	    RIG_TEST(test_p2_a_half_closed_client_that_leaves_replies_unread_is_gone),
	    RIG_TEST(test_p2_a_client_not_read_from_that_leaves_replies_unread_is_gone),
	    RIG_TEST(test_p2_a_request_as_long_as_the_queue_ends_when_clients_wait),
	    RIG_TEST(test_p5_clients_that_wait_for_room_take_turns),
	    RIG_TEST(test_p4_replies_behind_an_unfinished_request_are_bounded),
	    RIG_TEST(test_p7_an_upgrade_keeps_what_the_process_has_not_read_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
