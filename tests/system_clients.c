/* SPDX-License-Identifier: MIT */
/* The line protocol, with raw sockets and with the programs that people use: nc and socat. */
#include "harness.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A shell command exits with 0 and prints @output. */
static void check_shell(struct rig *r, const char *command, const char *output)
{
	char *out;
	int code = rig_shell(r, command);

	out = rig_read("out");
	assert_string_equal(out, output);
	free(out);
	assert_int_equal(code, 0);
}

/* ---- real programs ---- */

static void test_nc_u_asks_until_its_input_ends(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "");
	/* Without -N it ends when the daemon closes, which -q makes it wait for no longer. */
	check_shell(r, "printf \"one\\ntwo\\n\" | nc -q 1 -U s", "one\ntwo\n");
}

static void test_nc_n_half_closes_and_gets_the_reply_of_an_unterminated_rest(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "");
	check_shell(r, "printf \"a\\nb\" | nc -NU s", "a\nb\n");
}

static void test_nc_n_gets_all_of_a_thousand_replies(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "");
	check_shell(r, "seq 1000 > in; nc -NU s < in | cmp - in && echo same", "same\n");
}

static void test_nc_u_with_an_empty_input_gets_nothing(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "");
	check_shell(r, "nc -NU s < /dev/null", "");
	assert_int_equal(rig_count("asked", "\n"), 0);
}

static void test_socat_gets_its_replies_and_ends(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "--delay-ms 50");
	check_shell(r, "printf \"one\\ntwo\\nthree\" | socat -t 60 - UNIX-CONNECT:s",
		    "one\ntwo\nthree\n");
}

static void test_socat_carries_ten_thousand_requests(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "");
	check_shell(r, "seq 10000 > in; socat -t 60 - UNIX-CONNECT:s < in | cmp - in && echo same",
		    "same\n");
}

/* ---- how connections end ---- */

static void test_a_half_closed_client_gets_all_its_replies_then_the_daemon_closes(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "--delay-ms 20");
	c = client_new(r);
	say(r, c, "one\ntwo\nthree\nrest");
	client_end(c);
	expect(r, c, "one");
	expect(r, c, "two");
	expect(r, c, "three");
	expect(r, c, "rest");
	expect_end(r, c);
}

static void test_a_half_closed_client_with_more_than_client_requests_gets_them_all(void **state)
{
	struct rig *r = *state;
	struct client *c;
	char text[32];

	rig_start(r, "--client-requests 2", "");
	c = client_new(r);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "%d\n", i);
		say(r, c, text);
	}
	say(r, c, "rest");
	client_end(c);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "%d", i);
		expect(r, c, text);
	}
	expect(r, c, "rest");
	expect_end(r, c);
}

static void test_a_client_that_vanishes_leaves_none_of_its_queued_requests_to_run(void **state)
{
	struct rig *r = *state;
	struct client *gone, *c;

	rig_start(r, "--client-requests 64", "");
	c = client_new(r);
	ask(r, c, "warm", "warm");
	gone = client_new(r);
	say(r, gone, "!sleep 300 first\n");
	for (int i = 0; i < 63; i++)
		say(r, gone, "dropped\n");
	rig_wait_asked(r, "!sleep 300 first");
	client_close(gone);
	ask(r, c, "next", "next");
	assert_int_equal(rig_count("asked", "dropped"), 0);
	assert_int_equal(rig_count("asked", "\n"), 3);
}

static void test_a_half_closed_client_that_vanishes_later_is_found_gone(void **state)
{
	struct rig *r = *state;
	struct client *gone, *c;

	rig_start(r, "", "");
	gone = client_new(r);
	c = client_new(r);
	say(r, gone, "!sleep 300 first\ndropped\ndropped\n");
	client_end(gone);
	rig_wait_asked(r, "!sleep 300 first");
	client_close(gone);
	ask(r, c, "next", "next");
	assert_int_equal(rig_count("asked", "dropped"), 0);
}

static void test_a_client_that_vanishes_past_client_requests_is_found_gone(void **state)
{
	struct rig *r = *state;
	struct client *gone, *c;

	rig_start(r, "--client-requests 2", "");
	gone = client_new(r);
	c = client_new(r);
	say(r, gone, "!sleep 300 first\n");
	/* Not more than the kernel holds, as the daemon takes but the first. */
	for (int i = 0; i < 100; i++)
		say(r, gone, "dropped\n");
	rig_wait_asked(r, "!sleep 300 first");
	client_close(gone);
	rig_wait_log(r, "session 1: closed");
	ask(r, c, "next", "next");
	assert_int_equal(rig_count("asked", "dropped"), 0);
}

/* ---- bytes ---- */

static void test_a_request_that_comes_byte_by_byte_is_one_request(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	for (const char *p = "one byte at a time\nagain\n"; *p; p++)
		say_bytes(r, c, p, 1);
	expect(r, c, "one byte at a time");
	expect(r, c, "again");
	assert_int_equal(rig_count("asked", "\n"), 2);
}

static void test_a_cr_before_the_lf_is_dropped_and_others_stay(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	ask(r, c, "dos\r", "dos");
	ask(r, c, "in\rside", "in\rside");
	ask(r, c, "two\r\r", "two\r");
	ask(r, c, "\r", "");
	ask(r, c, "", "");
}

static void test_a_nul_is_refused_unless_request_bytes_is_any(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	say_bytes(r, c, "a\0b\n", 4);
	expect_start(r, c, "coprocd: error: bad-request: the request holds a NUL");
	assert_int_equal(rig_count("asked", "\n"), 0);
}

static void test_a_nul_passes_with_request_bytes_any(void **state)
{
	struct rig *r = *state;
	struct client *c;
	char reply[4];

	rig_start_command(r, "--request-bytes any", "cat");
	c = client_new(r);
	say_bytes(r, c, "a\0b\n", 4);
	assert_int_equal(recv(c->fd, reply, 4, MSG_WAITALL), 4);
	assert_memory_equal(reply, "a\0b\n", 4);
}

static void test_invalid_utf8_passes_as_text_and_is_refused_as_utf8(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	ask(r, c, "gr\xfc\xdf", "gr\xfc\xdf");
	rig_stop(r);
	rig_write("log", "");
	rig_start(r, "--request-bytes utf8", "");
	c = client_new(r);
	ask(r, c, "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	say(r, c, "gr\xfc\xdf\n");
	expect_start(r, c, "coprocd: error: bad-request:");
	assert_int_equal(rig_count("asked", "\n"), 2);
}

static void test_replies_pass_byte_for_byte(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	ask(r, c, "!split in single bytes", "in single bytes");
	ask(r, c, "!slowly 3 in threes", "in threes");
	ask(r, c, " blanks\tat both ends ", " blanks\tat both ends ");
	say(r, c, "!big 5000000\n");
	assert_int_equal(strlen(next_line(r, c)), 5000000);
}

static void test_prefix_and_suffix_enclose_each_request(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--request-prefix '>>' --request-suffix '<<\\n'", "");
	c = client_new(r);
	ask(r, c, "word", ">>word<<");
	rig_wait_asked(r, ">>word<<");
	/* With a suffix of its own a request would be two. */
	say(r, c, "a<<\n");
	assert_non_null(next_line(r, c));
	ask(r, c, "next", ">>next<<");
}

static void test_forbidden_requests_never_reach_the_process(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--forbid '^!' --forbid 'x{3}'", "");
	c = client_new(r);
	say(r, c, "!die 1\n");
	expect(r, c, "coprocd: error: bad-request: the request matches the forbidden \"^!\"");
	say(r, c, "axxxb\n");
	expect(r, c, "coprocd: error: bad-request: the request matches the forbidden \"x{3}\"");
	ask(r, c, "axxb", "axxb");
	assert_int_equal(rig_count("asked", "\n"), 1);
	rig_wait_starts(r, 1);
}

/* ---- listeners ---- */

static void test_status_replies_are_unambiguous(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--listen status,replies=status --forbid bad", "");
	c = client_at(r, "status");
	ask(r, c, "coprocd: error: timeout: not really", "+coprocd: error: timeout: not really");
	ask(r, c, "bad", "-bad-request the request matches the forbidden \"bad\"");
	ask(r, c, "", "+");
	ask(r, c, "!die 3", "-crashed exited with status 3");
	ask(r, client_new(r), "plain", "plain");
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_each_listener_has_its_mode_and_owner(void **state)
{
	struct rig *r = *state;
	const struct passwd *nobody = getpwnam("nobody");
	struct stat st;

	rig_start(r, "--listen a,mode=0600 --listen b,mode=0666 --listen c,owner=nobody", "");
	assert_int_equal(mode_of("s"), 0660);
	assert_int_equal(mode_of("a"), 0600);
	assert_int_equal(mode_of("b"), 0666);
	assert_int_equal(lstat("c", &st), 0);
	assert_int_equal(st.st_uid, nobody->pw_uid);
	assert_int_equal(st.st_mode & 07777, 0660);
	ask(r, client_at(r, "a"), "to a", "to a");
	ask(r, client_at(r, "b"), "to b", "to b");
	ask(r, client_at(r, "c"), "to c", "to c");
	rig_stop(r);
	assert_int_not_equal(access("a", F_OK), 0);
	assert_int_not_equal(access("b", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_nc_u_asks_until_its_input_ends),
	    RIG_TEST(test_nc_n_half_closes_and_gets_the_reply_of_an_unterminated_rest),
	    RIG_TEST(test_nc_n_gets_all_of_a_thousand_replies),
	    RIG_TEST(test_nc_u_with_an_empty_input_gets_nothing),
	    RIG_TEST(test_socat_gets_its_replies_and_ends),
	    RIG_TEST(test_socat_carries_ten_thousand_requests),
	    RIG_TEST(test_a_half_closed_client_gets_all_its_replies_then_the_daemon_closes),
	    RIG_TEST(test_a_half_closed_client_with_more_than_client_requests_gets_them_all),
	    RIG_TEST(test_a_client_that_vanishes_leaves_none_of_its_queued_requests_to_run),
	    RIG_TEST(test_a_half_closed_client_that_vanishes_later_is_found_gone),
	    RIG_TEST(test_a_client_that_vanishes_past_client_requests_is_found_gone),
	    RIG_TEST(test_a_request_that_comes_byte_by_byte_is_one_request),
	    RIG_TEST(test_a_cr_before_the_lf_is_dropped_and_others_stay),
	    RIG_TEST(test_a_nul_is_refused_unless_request_bytes_is_any),
	    RIG_TEST(test_a_nul_passes_with_request_bytes_any),
	    RIG_TEST(test_invalid_utf8_passes_as_text_and_is_refused_as_utf8),
	    RIG_TEST(test_replies_pass_byte_for_byte),
	    RIG_TEST(test_prefix_and_suffix_enclose_each_request),
	    RIG_TEST(test_forbidden_requests_never_reach_the_process),
	    RIG_TEST(test_status_replies_are_unambiguous),
	    RIG_TEST(test_each_listener_has_its_mode_and_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
