/* SPDX-License-Identifier: MIT */
/* The promises of order and flow: P3 in order, P5 never blocks. */
#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- P3: in order ---- */

static void test_p3_endings_come_in_the_order_of_the_requests(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--forbid '^bad' --max-request 100", "");
	c = client_new(r);
	say(r, c, "!sleep 100 one\nbad two\nthree\n");
	say_bytes(r, c, "fo\0ur\n", 6);
	for (int i = 0; i < 20; i++)
		say(r, c, "too long ");
	say(r, c, "\nsix\nbad seven\n");
	expect(r, c, "one");
	expect_start(r, c, "coprocd: error: bad-request: the request matches the forbidden");
	expect(r, c, "three");
	expect_start(r, c, "coprocd: error: bad-request: the request holds a NUL");
	expect_start(r, c, "coprocd: error: too-long:");
	expect(r, c, "six");
	expect_start(r, c, "coprocd: error: bad-request: the request matches the forbidden");
}

/* Ask for the statistics until they say so. */
static void wait_stats(struct rig *r, const char *text)
{
	int64_t until = rig_deadline(r);

	while (!rig_count("log", text)) {
		if (rig_now_ms() > until)
			fail_msg("the statistics do not say \"%s\"", text);
		rig_signal(r, SIGUSR1);
		poll(NULL, 0, 10);
	}
}

static void test_p3_requests_start_in_the_order_of_arrival(void **state)
{
	struct rig *r = *state;
	struct client *clients[10];
	char text[32], *asked;
	const char *at;

	rig_start(r, "", "");
	say(r, client_new(r),
	    getenv("COPROCD_WRAPPER") ? "!sleep 9000 first\n" : "!sleep 900 first\n");
	rig_wait_text(r, "asked", "00 first\n", 1);
	for (int i = 0; i < 10; i++) {
		clients[i] = client_new(r);
		snprintf(text, sizeof(text), "number %d\n", i);
		say(r, clients[i], text);
		snprintf(text, sizeof(text), "waiting %d (", i + 1);
		wait_stats(r, text);
	}
	for (int i = 0; i < 10; i++)
		assert_non_null(next_line(r, clients[i]));
	asked = rig_read("asked");
	at = asked;
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "number %d\n", i);
		at = strstr(at, text);
		assert_non_null(at);
	}
	free(asked);
}

static void test_p3_a_thousand_pipelined_requests_keep_their_order(void **state)
{
	struct rig *r = *state;
	struct client *c;
	char text[32];

	rig_start(r, "--window 16 --workers 1", "");
	c = client_new(r);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%d\n", i);
		say(r, c, text);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		expect(r, c, text);
	}
}

static void test_p3_several_workers_keep_the_order_within_a_client(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--workers 3", "");
	c = client_new(r);
	say(r, c, "!sleep 200 slow\nfast\n!sleep 100 middle\nlast\n");
	expect(r, c, "slow");
	expect(r, c, "fast");
	expect(r, c, "middle");
	expect(r, c, "last");
}

/* ---- P5: nobody is blocked by anybody ---- */

static void test_p5_silent_and_half_spoken_clients_delay_nobody(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	for (int i = 0; i < 100; i++)
		say(r, client_new(r), i % 2 ? "half a requ" : "");
	c = client_new(r);
	ask(r, c, "served", "served");
}

static void test_p5_a_half_closed_client_delays_nobody_and_gets_its_reply(void **state)
{
	struct rig *r = *state;
	struct client *half, *c;

	rig_start(r, "--window 2", "");
	half = client_new(r);
	c = client_new(r);
	say(r, half, "!sleep 300 later");
	client_end(half);
	ask(r, c, "served", "served");
	expect(r, half, "later");
	expect_end(r, half);
}

static void test_p5_a_client_that_reads_nothing_delays_nobody(void **state)
{
	struct rig *r = *state;
	struct client *deaf, *c;

	rig_start(r, "", "");
	deaf = client_new(r);
	c = client_new(r);
	for (int i = 0; i < 10; i++)
		say(r, deaf, "!big 1000000\n");
	for (int i = 0; i < 20; i++)
		ask(r, c, "served", "served");
	for (int i = 0; i < 10; i++)
		assert_int_equal(strlen(next_line(r, deaf)), 1000000);
}

static void test_p5_vanishing_clients_delay_nobody(void **state)
{
	struct rig *r = *state;
	struct client *c, *gone;

	rig_start(r, "", "");
	c = client_new(r);
	for (int i = 0; i < 100; i++) {
		gone = client_new(r);
		say(r, gone, "!sleep 1000 for nobody\nagain\n");
		client_close(gone);
	}
	/* At most one had reached the process before its client was found gone. */
	ask(r, c, "served", "served");
	assert_true(rig_count("asked", "!sleep") <= 2);
}

static void test_p5_a_process_that_reads_nothing_blocks_no_connection(void **state)
{
	struct rig *r = *state;
	struct client *c, *other;
	char *megabyte = malloc(1 << 20);

	rig_start(r, "--window 4 --max-request 2M --request-timeout 1s --hang-timeout 0s", "");
	c = client_new(r);
	other = client_new(r);
	say(r, c, "!hang\n");
	rig_wait_asked(r, "!hang");
	memset(megabyte, 'x', 1 << 20);
	megabyte[(1 << 20) - 1] = '\n';
	for (int i = 0; i < 3; i++)
		say_bytes(r, c, megabyte, 1 << 20);
	free(megabyte);
	/* What needs no process is answered at once all the same. */
	say_bytes(r, other, "no\0good\n", 8);
	expect_start(r, other, "coprocd: error: bad-request:");
	for (int i = 0; i < 4; i++)
		expect_start(r, c, "coprocd: error: timeout:");
}

static void test_p5_a_process_that_writes_slowly_blocks_no_connection(void **state)
{
	struct rig *r = *state;
	struct client *c, *other;

	rig_start(r, "", "");
	c = client_new(r);
	other = client_new(r);
	say(r, c, "!slowly 1 one byte after the other, and each of them late\n");
	rig_wait_text(r, "asked", "!slowly", 1);
	say_bytes(r, other, "no\0good\n", 8);
	expect_start(r, other, "coprocd: error: bad-request:");
	expect(r, c, "one byte after the other, and each of them late");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_p3_endings_come_in_the_order_of_the_requests),
	    RIG_TEST(test_p3_requests_start_in_the_order_of_arrival),
	    RIG_TEST(test_p3_a_thousand_pipelined_requests_keep_their_order),
	    RIG_TEST(test_p3_several_workers_keep_the_order_within_a_client),
	    RIG_TEST(test_p5_silent_and_half_spoken_clients_delay_nobody),
	    RIG_TEST(test_p5_a_half_closed_client_delays_nobody_and_gets_its_reply),
	    RIG_TEST(test_p5_a_client_that_reads_nothing_delays_nobody),
	    RIG_TEST(test_p5_vanishing_clients_delay_nobody),
	    RIG_TEST(test_p5_a_process_that_reads_nothing_blocks_no_connection),
	    RIG_TEST(test_p5_a_process_that_writes_slowly_blocks_no_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
