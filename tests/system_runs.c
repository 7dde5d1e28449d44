/* SPDX-License-Identifier: MIT */
/*
 * Lines that a client sends together are handed to the process together. Each has
 * its own ending all the same, whatever happens in their midst.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 1000 };

/* Send "NAME 0" to "NAME N-1" in one piece. */
static void say_many(struct rig *r, struct client *c, const char *name, int n)
{
	char *text = malloc((size_t)n * 32);
	size_t len = 0;

	assert_non_null(text);
	for (int i = 0; i < n; i++)
		len += (size_t)sprintf(text + len, "%s %d\n", name, i);
	say_bytes(r, c, text, len);
	free(text);
}

/* Expect them, from @from on, with @sign before each. */
static void expect_many(struct rig *r, struct client *c, const char *sign, const char *name,
			int from, int n)
{
	char line[64];

	for (int i = from; i < n; i++) {
		snprintf(line, sizeof(line), "%s%s %d", sign, name, i);
		expect(r, c, line);
	}
}

static void test_p1_p3_many_lines_of_many_clients_come_back_in_order(void **state)
{
	struct rig *r = *state;
	struct client *c[8];
	char name[16];

	rig_start(r, "--window 64 --client-requests 5000", "");
	for (int i = 0; i < 8; i++) {
		c[i] = client_new(r);
		snprintf(name, sizeof(name), "c%d", i);
		say_many(r, c[i], name, MANY);
	}
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		expect_many(r, c[i], "", name, 0, MANY);
	}
	rig_wait_starts(r, 1);
}

static void test_p1_each_of_many_replies_has_its_sign(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--window 64 --listen s2,replies=status", "");
	c = client_at(r, "s2");
	say_many(r, c, "a", MANY);
	expect_many(r, c, "+", "a", 0, MANY);
	say(r, c, "\n\nx\n");
	expect(r, c, "+");
	expect(r, c, "+");
	expect(r, c, "+x");
}

/* What the cut, the filter or the limits treat apart, among lines that are as all others. */
static void test_p2_odd_lines_in_the_midst_have_their_own_ending(void **state)
{
	static const char odd[] = "a\nb\nc\r\nd\n\ne\0e\nf\n123456789\ng\nh";
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--window 64 --max-request 8 --listen s2,replies=status", "");
	for (int i = 0; i < 2; i++) {
		const char *sign = i ? "+" : "", *fault = i ? "-" : "coprocd: error: ";
		const char *good[] = {"a", "b", "c", "d", "", NULL, "f", NULL, "g", "h"};
		const char *bad[] = {"bad-request", "too-long"};
		int bads = 0;
		char line[64];

		c = client_at(r, i ? "s2" : "s");
		say_bytes(r, c, odd, sizeof(odd) - 1);
		client_end(c);
		for (size_t n = 0; n < sizeof(good) / sizeof(*good); n++) {
			snprintf(line, sizeof(line), "%s%s", good[n] ? sign : fault,
				 good[n] ? good[n] : bad[bads++]);
			client_expect(r, c, line, good[n] != NULL, __FILE__, __LINE__);
		}
		expect_end(r, c);
	}
}

/* Count the endings of @n requests: each its own reply, or the error. */
static int count_errors(struct rig *r, struct client *c, const char *name, int n, const char *error)
{
	char good[64], bad[64];
	int errors = 0;

	snprintf(bad, sizeof(bad), "coprocd: error: %s:", error);
	for (int i = 0; i < n; i++) {
		const char *line = next_line(r, c);

		snprintf(good, sizeof(good), "%s %d", name, i);
		assert_non_null(line);
		if (!strncmp(line, bad, strlen(bad)))
			errors++;
		else
			assert_string_equal(line, good);
	}
	return errors;
}

static void test_p2_a_crash_in_the_midst_costs_what_was_with_the_process(void **state)
{
	struct rig *r = *state;
	struct client *c;
	int errors;

	rig_start(r, "--window 16 --client-requests 5000 --restart-delay 10ms", "");
	c = client_new(r);
	say(r, c, "!sleep 100 go\n!die 3\n");
	say_many(r, c, "a", 100);
	expect(r, c, "go");
	expect_start(r, c, "coprocd: error: crashed: ");
	errors = count_errors(r, c, "a", 100, "crashed");
	/* No more than the window was with it. */
	assert_in_range(errors, 1, 15);
	ask(r, c, "on", "on");
	rig_wait_starts(r, 2);
}

static void test_p2_p7_a_timeout_in_the_midst_leaves_places_that_swallow(void **state)
{
	struct rig *r = *state;
	struct client *c, *other;

	rig_start(r, "--window 8 --request-timeout 700ms", "");
	c = client_new(r);
	other = client_new(r);
	say(r, c, "!sleep 1500 late\n");
	say_many(r, c, "a", 20);
	expect_start(r, c, "coprocd: error: timeout: ");
	assert_int_equal(count_errors(r, c, "a", 20, "timeout"), 20);
	say(r, other, "x\ny\n");
	/* They come too late for the first ones, whose replies nobody else may get. */
	for (int i = 0; i < 40; i++) {
		const char *line = next_line(r, other);

		assert_non_null(line);
		if (!strcmp(line, "x"))
			break;
		expect_start(r, other, "coprocd: error: timeout: ");
		say(r, other, "x\ny\n");
	}
	expect(r, other, "y");
	ask(r, c, "on", "on");
	rig_wait_starts(r, 1);
}

static void test_p1_p7_a_client_that_leaves_in_the_midst_leaves_its_replies(void **state)
{
	struct rig *r = *state;
	struct client *c, *other;

	rig_start(r, "--window 64 --log-level debug", "");
	c = client_new(r);
	other = client_new(r);
	say(r, c, "a\nb\n!sleep 700 c\nd\ne\n");
	expect(r, c, "a");
	expect(r, c, "b");
	say(r, other, "x\ny\nz\n");
	client_close(c);
	rig_wait_log(r, "session 1: closed");
	expect(r, other, "x");
	expect(r, other, "y");
	expect(r, other, "z");
	rig_wait_starts(r, 1);
}

static void test_p4_what_the_queue_does_not_take_is_refused_one_by_one(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--window 2 --queue 5", "");
	c = client_new(r);
	say(r, c, "!sleep 500 go\nfull\n");
	rig_wait_asked(r, "!sleep 500 go");
	say_many(r, c, "a", 20);
	expect(r, c, "go");
	expect(r, c, "full");
	expect_many(r, c, "", "a", 0, 5);
	for (int i = 5; i < 20; i++)
		expect_start(r, c, "coprocd: error: overloaded: ");
	ask(r, c, "on", "on");
}

static void test_p4_what_the_queue_does_not_take_waits_with_its_client(void **state)
{
	struct rig *r = *state;
	struct client *c, *other;

	rig_start(r, "--window 2 --queue 5 --overload wait --client-requests 5000", "");
	c = client_new(r);
	other = client_new(r);
	say(r, c, "!sleep 300 go\n");
	say_many(r, c, "a", MANY);
	say_many(r, other, "b", MANY);
	expect(r, c, "go");
	expect_many(r, c, "", "a", 0, MANY);
	expect_many(r, other, "", "b", 0, MANY);
}

static void test_p3_p7_an_upgrade_in_the_midst_loses_nothing(void **state)
{
	struct rig *r = *state;
	struct client *c, *signs;

	rig_start(r, "--window 8 --client-requests 5000 --listen s2,replies=status", "");
	c = client_new(r);
	signs = client_at(r, "s2");
	say_many(r, c, "a", 30);
	say(r, c, "!sleep 1500 go\n");
	say_many(r, c, "b", 30);
	expect_many(r, c, "", "a", 0, 30);
	say_many(r, signs, "c", 30);
	rig_signal(r, SIGUSR2);
	rig_wait_log(r, "goes on with 2 clients");
	expect(r, c, "go");
	expect_many(r, c, "", "b", 0, 30);
	expect_many(r, signs, "+", "c", 0, 30);
	say_many(r, c, "d", 30);
	expect_many(r, c, "", "d", 0, 30);
	rig_wait_starts(r, 1);
}

static void test_p3_p7_a_reload_in_the_midst_keeps_the_order(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--window 4 --client-requests 5000", "");
	c = client_new(r);
	say_many(r, c, "a", 10);
	say(r, c, "!sleep 800 go\n");
	say_many(r, c, "b", 100);
	expect_many(r, c, "", "a", 0, 10);
	rig_signal(r, SIGHUP);
	rig_wait_starts(r, 2);
	expect(r, c, "go");
	expect_many(r, c, "", "b", 0, 100);
}

static void test_p6_a_surplus_in_the_midst_ends_what_is_with_the_process(void **state)
{
	struct rig *r = *state;
	struct client *c;
	const char *line;

	rig_start(r, "--window 8 --max-reply 100 --restart-delay 10ms", "");
	c = client_new(r);
	say(r, c, "a\nb\n!big 300\nc\nd\n");
	expect(r, c, "a");
	expect(r, c, "b");
	expect_start(r, c, "coprocd: error: reply-too-long: ");
	for (int i = 0; i < 2; i++) {
		line = next_line(r, c);
		assert_non_null(line);
		assert_non_null(strstr(line, "error: desync: "));
	}
	ask(r, c, "on", "on");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_p1_p3_many_lines_of_many_clients_come_back_in_order),
	    RIG_TEST(test_p1_each_of_many_replies_has_its_sign),
	    RIG_TEST(test_p2_odd_lines_in_the_midst_have_their_own_ending),
	    RIG_TEST(test_p2_a_crash_in_the_midst_costs_what_was_with_the_process),
	    RIG_TEST(test_p2_p7_a_timeout_in_the_midst_leaves_places_that_swallow),
	    RIG_TEST(test_p1_p7_a_client_that_leaves_in_the_midst_leaves_its_replies),
	    RIG_TEST(test_p4_what_the_queue_does_not_take_is_refused_one_by_one),
	    RIG_TEST(test_p4_what_the_queue_does_not_take_waits_with_its_client),
	    RIG_TEST(test_p3_p7_an_upgrade_in_the_midst_loses_nothing),
	    RIG_TEST(test_p3_p7_a_reload_in_the_midst_keeps_the_order),
	    RIG_TEST(test_p6_a_surplus_in_the_midst_ends_what_is_with_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
