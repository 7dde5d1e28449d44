/* SPDX-License-Identifier: MIT */
/* Requests and replies of other shapes than lines, through the real daemon. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_requests_of_several_lines_go_in_one_piece(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start_command(r,
			  "--reply nul --end strip --request-suffix \\0 "
			  "--listen block,request=until:.,replies=status",
			  "cat");
	c = client_at(r, "block");
	say(r, c, "a\nb\n.\nc\n.\n.\n");
	expect(r, c, "*2");
	expect(r, c, "a");
	expect(r, c, "b");
	expect(r, c, "+c");
	expect(r, c, "*0");
}

static void test_requests_with_a_size_or_a_nul(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start_command(r,
			  "--reply nul --end strip --request-suffix \\0 --max-request 100 "
			  "--listen sized,request=sized,replies=status "
			  "--listen nul,request=nul,replies=status",
			  "cat");
	c = client_at(r, "sized");
	say(r, c, "5\na\nb\nc3\nxyz101\n");
	for (int i = 0; i < 101; i++)
		say(r, c, "z");
	say(r, c, "1\n!nonsense\n");
	expect(r, c, "*3");
	expect(r, c, "a");
	expect(r, c, "b");
	expect(r, c, "c");
	expect(r, c, "+xyz");
	expect_start(r, c, "-too-long ");
	expect(r, c, "+!");
	expect_start(r, c, "-bad-request a request must start with");
	expect_end(r, c);
	c = client_at(r, "nul");
	say_bytes(r, c, "a\nb\0c", 5);
	client_end(c);
	expect(r, c, "*2");
	expect(r, c, "a");
	expect(r, c, "b");
	expect(r, c, "+c");
	expect_end(r, c);
}

static void test_forbidden_lines_of_a_block_never_reach_the_process(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--forbid '^!' --listen block,request=until:.,replies=status", "");
	c = client_at(r, "block");
	say(r, c, "a\n!die 3\n.\n");
	expect_start(r, c, "-bad-request the request matches the forbidden \"^!\"");
	say(r, c, "good\n.\n");
	expect(r, c, "+good");
	if (rig_starts() != 1)
		fail_msg("the process was started again");
}

static void test_a_numbered_probe_frames_what_no_line_could(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--reply probe:%n=>%n --listen s2,replies=status", "");
	c = client_at(r, "s2");
	say(r, c, "one\n!twice x\n!none\nlast\n");
	expect(r, c, "+one");
	expect(r, c, "*2");
	expect(r, c, "x");
	expect(r, c, "x");
	expect(r, c, "*0");
	expect(r, c, "+last");
	if (rig_starts() != 1)
		fail_msg("the process was started again");
}

static void test_a_program_that_buffers_in_blocks_is_told_of_once(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start_command(r, "--request-timeout 200ms --hang-timeout 10s", "tr a-z A-Z");
	c = client_new(r);
	say(r, c, "a\nb\n");
	expect_start(r, c, "coprocd: error: timeout:");
	expect_start(r, c, "coprocd: error: timeout:");
	rig_wait_text(r, "log", "stdout may be block-buffered: try line-buffered = yes", 1);
	if (rig_count("log", "block-buffered") != 1)
		fail_msg("it is logged more than once");
	rig_stop(r);
	rig_start_command(r, "--line-buffered", "tr a-z A-Z");
	c = client_new(r);
	ask(r, c, "a", "A");
	rig_stop(r);
	rig_start_command(r, "--line-buffered --request-timeout 200ms",
			  "python3 -c 'import sys; o = open(1, \"w\", 65536); "
			  "[o.write(x) for x in sys.stdin]'");
	c = client_new(r);
	say(r, c, "a\n");
	rig_wait_text(r, "log", "stdout may still be block-buffered: try pty = yes", 1);
	rig_stop(r);
	rig_start_command(r, "--ready probe:a=>A --start-timeout 200ms --restart-limit 1",
			  "tr a-z A-Z");
	rig_wait_text(r, "log", "(start-timeout) (stdout may be block-buffered: try", 1);
	rig_stop(r);
	rig_start_command(r, "--ready probe:a=>A --start-timeout 200ms --restart-limit 1",
			  "sh -c 'echo hello; exec tr a-z A-Z'");
	rig_wait_text(r, "log", "(start-timeout) (stdout may be block-buffered: try", 1);
}

static void test_health_that_is_missed_replaces_the_process(void **state)
{
	struct rig *r = *state;
	struct client *c;
	pid_t pid;

	rig_start(r, "--health ping=>ping --health-interval 300ms", "--pid-reply");
	c = client_new(r);
	pid = ask_pid(r, c);
	rig_wait_text(r, "log", "answered the health check with", 1);
	rig_wait_starts(r, 2);
	if (ask_pid(r, c) == pid)
		fail_msg("the process is still the same");
}

/* Nothing in the request betrays it, and the surplus comes when the reply has long gone out. */
static void test_p6_a_late_surplus_of_an_unsuspicious_request_reaches_nobody(void **state)
{
	struct rig *r = *state;
	struct client *hostile, *c;

	rig_start(r, "--restart-delay 1ms --restart-delay-max 1ms --restart-limit 0", "");
	c = client_new(r);
	ask(r, c, "first", "first");
	for (int i = 0; i < 10; i++) {
		hostile = client_new(r);
		say(r, hostile, "!surplus 5 x\n");
		say(r, c, "innocent\n");
		expect(r, c, "innocent");
		client_close(hostile);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_requests_of_several_lines_go_in_one_piece),
	    RIG_TEST(test_requests_with_a_size_or_a_nul),
	    RIG_TEST(test_forbidden_lines_of_a_block_never_reach_the_process),
	    RIG_TEST(test_a_numbered_probe_frames_what_no_line_could),
	    RIG_TEST(test_a_program_that_buffers_in_blocks_is_told_of_once),
	    RIG_TEST(test_p6_a_late_surplus_of_an_unsuspicious_request_reaches_nobody),
	    RIG_TEST(test_health_that_is_missed_replaces_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
