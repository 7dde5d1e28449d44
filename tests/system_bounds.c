/* SPDX-License-Identifier: MIT */
/* The promise P4: memory, descriptors and log volume are bounded. */
#include "harness.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What the daemon may take more than before a flood: far less than any flood here. */
enum { FLOOD_KB = 64 << 10, SLACK_KB = 24 << 10 };

static void check_memory(struct rig *r, long before_kb, long slack_kb)
{
	if (rig_memory_counts(r))
		assert_in_range(proc_status(r->pid, "VmHWM"), 1, before_kb + slack_kb);
}

/* Send @chunk as long as the daemon takes it, up to @max bytes. Returns the bytes taken. */
static size_t flood(struct client *c, const char *chunk, size_t len, size_t max)
{
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};
	size_t sent = 0;

	while (sent < max && poll(&p, 1, 500) > 0) {
		ssize_t n =
		    send(c->fd, chunk + sent % len, len - sent % len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	return sent;
}

static void test_p4_a_flooder_that_never_reads_is_not_read_any_more(void **state)
{
	struct rig *r = *state;
	struct client *flooder, *c;
	char chunk[8192];
	long before;
	size_t taken;

	rig_start(r, "--log-level info", "");
	flooder = client_new(r);
	c = client_new(r);
	ask(r, c, "warm", "warm");
	before = proc_status(r->pid, "VmHWM");
	memset(chunk, 'x', sizeof(chunk));
	for (size_t i = 63; i < sizeof(chunk); i += 64)
		chunk[i] = '\n';
	taken = flood(flooder, chunk, sizeof(chunk), (size_t)FLOOD_KB << 10);
	/* client-buffer, what one read brings more, and what the kernel holds. */
	assert_in_range(taken, 1 << 16, 4 << 20);
	check_memory(r, before, SLACK_KB);
	ask(r, c, "served", "served");
}

static void test_p4_a_client_that_asks_faster_than_it_is_answered_is_not_read_ahead(void **state)
{
	struct rig *r = *state;
	struct client *c;
	char chunk[50000], drop[65536];
	size_t sent = 0, got = 0, total = 320 * sizeof(chunk);
	long before;

	rig_start(r, "", "");
	c = client_new(r);
	ask(r, c, "warm", "warm");
	before = proc_status(r->pid, "VmHWM");
	memset(chunk, 'x', sizeof(chunk));
	for (size_t i = 499; i < sizeof(chunk); i += 500)
		chunk[i] = '\n';
	while (got < total) {
		struct pollfd p = {.fd = c->fd, .events = sent < total ? POLLIN | POLLOUT : POLLIN};
		size_t at = sent % sizeof(chunk);
		ssize_t n;

		assert_true(poll(&p, 1, 10000) > 0);
		if (p.revents & POLLOUT &&
		    (n = send(c->fd, chunk + at, sizeof(chunk) - at, MSG_DONTWAIT)) > 0)
			sent += (size_t)n;
		if (p.revents & POLLIN && (n = read(c->fd, drop, sizeof(drop))) > 0)
			got += (size_t)n;
	}
	check_memory(r, before, 1024);
}

static void test_p4_a_client_that_leaves_large_replies_unread_is_not_read_any_more(void **state)
{
	struct rig *r = *state;
	struct client *deaf, *c;
	long before;

	rig_start(r, "--client-requests 2", "");
	deaf = client_new(r);
	c = client_new(r);
	ask(r, c, "warm", "warm");
	before = proc_status(r->pid, "VmHWM");
	for (int i = 0; i < 100; i++)
		say(r, deaf, "!big 1000000\n");
	for (int i = 0; i < 50; i++)
		ask(r, c, "served", "served");
	check_memory(r, before, SLACK_KB);
	for (int i = 0; i < 100; i++)
		assert_int_equal(strlen(next_line(r, deaf)), 1000000);
}

static void test_p4_a_client_that_leaves_too_much_unread_is_closed(void **state)
{
	struct rig *r = *state;
	struct client *deaf;
	long before;

	rig_start(r, "--max-reply 2M", "");
	deaf = client_new(r);
	ask(r, deaf, "warm", "warm");
	before = proc_status(r->pid, "VmHWM");
	for (int i = 0; i < 64; i++)
		say(r, deaf, "!big 1000000\n");
	rig_wait_log(r, "leaves more unread than client-buffer and max-reply allow, closing");
	ask(r, client_new(r), "served", "served");
	check_memory(r, before, SLACK_KB);
}

static void test_p4_a_line_of_64_mebibytes_is_refused_in_linear_time(void **state)
{
	struct rig *r = *state;
	struct client *c;
	char *chunk = calloc(1, 1 << 20);
	long before, cpu;

	rig_start(r, "", "");
	c = client_new(r);
	ask(r, c, "warm", "warm");
	before = proc_status(r->pid, "VmHWM");
	cpu = proc_cpu_ms(r->pid);
	memset(chunk, 'x', 1 << 20);
	for (int i = 0; i < 64; i++)
		say_bytes(r, c, chunk, 1 << 20);
	free(chunk);
	say(r, c, "\n");
	expect_start(r, c, "coprocd: error: too-long: the request is longer than 65536 bytes");
	check_memory(r, before, SLACK_KB);
	assert_in_range(proc_cpu_ms(r->pid) - cpu, 0, 2000 * r->factor);
	ask(r, c, "served", "served");
	assert_int_equal(rig_count("asked", "\n"), 2);
}

static void test_p4_requests_up_to_max_request_pass_and_one_byte_more_does_not(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--max-request 10", "");
	c = client_new(r);
	ask(r, c, "1234567890", "1234567890");
	ask(r, c, "1234567890\r", "1234567890");
	say(r, c, "12345678901\n");
	expect_start(r, c, "coprocd: error: too-long: the request is longer than 10 bytes");
	say(r, c, "1234567890");
	client_end(c);
	expect(r, c, "1234567890");
	expect_end(r, c);
}

static void test_p4_a_full_queue_refuses_with_overloaded_and_when_to_try_again(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--queue 3", "");
	c = client_new(r);
	say(r, c, "!sleep 300 first\n");
	rig_wait_asked(r, "!sleep 300 first");
	say(r, c, "1\n2\n3\n4\n5\n");
	expect(r, c, "first");
	expect(r, c, "1");
	expect(r, c, "2");
	expect(r, c, "3");
	for (int i = 0; i < 2; i++) {
		const char *line = next_line(r, c);

		assert_ptr_equal(strstr(line, "coprocd: error: overloaded: 3 requests"), line);
		assert_non_null(strstr(line, "allowed are 3"));
		assert_non_null(strstr(line, "; retry after "));
	}
	ask(r, c, "room again", "room again");
}

static void test_p4_queue_bytes_is_a_limit_too(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--queue-bytes 20 --max-request 20", "");
	c = client_new(r);
	say(r, c, "!sleep 300 first\n");
	rig_wait_asked(r, "!sleep 300 first");
	say(r, c, "fifteen bytes..\nten bytes.\nfive.\n");
	expect(r, c, "first");
	expect(r, c, "fifteen bytes..");
	expect_start(r, c, "coprocd: error: overloaded:");
	expect(r, c, "five.");
}

static void test_p4_with_overload_wait_a_full_queue_makes_clients_wait(void **state)
{
	struct rig *r = *state;
	struct client *clients[5];
	char text[32];

	rig_start(r, "--queue 3 --overload wait", "--delay-ms 5");
	for (int i = 0; i < 5; i++)
		clients[i] = client_new(r);
	for (int n = 0; n < 20; n++) {
		for (int i = 0; i < 5; i++) {
			snprintf(text, sizeof(text), "client %d number %d\n", i, n);
			say(r, clients[i], text);
		}
	}
	for (int n = 0; n < 20; n++) {
		for (int i = 0; i < 5; i++) {
			snprintf(text, sizeof(text), "client %d number %d", i, n);
			expect(r, clients[i], text);
		}
	}
}

static void test_p4_past_client_requests_the_client_is_not_read(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--client-requests 4", "");
	c = client_new(r);
	say(r, c, "!sleep 300 a\nb\nc\nd\ne\nf\n");
	rig_wait_asked(r, "!sleep 300 a");
	rig_signal(r, SIGUSR1);
	rig_wait_log(r, "waiting 3 (");
	expect(r, c, "a");
	for (const char *p = "b\0c\0d\0e\0f\0"; *p; p += 2)
		expect(r, c, p);
}

static void test_p4_past_max_clients_accepting_pauses(void **state)
{
	struct rig *r = *state;
	struct client *a, *b, *third;

	rig_start(r, "--max-clients 2", "");
	a = client_new(r);
	b = client_new(r);
	ask(r, a, "a", "a");
	ask(r, b, "b", "b");
	rig_wait_log(r, "2 clients are connected (max-clients), accepting no more");
	third = client_new(r);
	say(r, third, "third\n");
	ask(r, b, "b", "b");
	assert_int_equal(rig_count("asked", "third"), 0);
	client_close(a);
	expect(r, third, "third");
	rig_wait_log(r, "accepting again");
}

static void test_p4_without_descriptors_accepting_pauses_and_nothing_spins(void **state)
{
	struct rig *r = *state;
	struct client *c;
	char command[128];
	int64_t until;
	long cpu;

	rig_start(r, "", "");
	c = client_new(r);
	ask(r, c, "warm", "warm");
	snprintf(command, sizeof(command), "prlimit --pid %d --nofile=%u", (int)r->pid,
		 proc_fds(r->pid) + 5);
	assert_int_equal(rig_shell(r, command), 0);
	for (int i = 0; i < 30; i++)
		client_new(r);
	rig_wait_log(r, "cannot accept: Too many open files");
	cpu = proc_cpu_ms(r->pid);
	for (until = rig_now_ms() + 1000; rig_now_ms() < until;)
		ask(r, c, "!sleep 50 served", "served");
	assert_in_range(proc_cpu_ms(r->pid) - cpu, 0, 200 * r->factor);
	assert_int_equal(rig_count("log", "cannot accept"), 1);
	for (int i = 1; i < 29; i++)
		client_close(&r->clients[i]);
	ask(r, &r->clients[29], "accepted at last", "accepted at last");
}

static void test_p4_descriptors_do_not_grow_with_clients_and_restarts(void **state)
{
	struct rig *r = *state;
	struct client *c;
	unsigned before;

	rig_start(r, "--restart-limit 0 --restart-delay 1ms --restart-delay-max 5ms", "");
	c = client_new(r);
	ask(r, c, "warm", "warm");
	before = proc_fds(r->pid);
	for (int i = 0; i < 20; i++) {
		struct client *other = client_new(r);

		say(r, other, "!die 1\n");
		expect_start(r, other, "coprocd: error: crashed:");
		client_close(other);
	}
	ask(r, c, "once more", "once more");
	assert_in_range(proc_fds(r->pid), 1, before);
	assert_int_equal(proc_children(r->pid, 'Z'), 0);
}

static void test_p4_a_flood_on_stderr_is_cut_and_counted(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "--stderr-rate 10", "");
	c = client_new(r);
	ask(r, c, "!stderrflood 100000", "ok");
	ask(r, c, "still there", "still there");
	rig_wait_log(r, "stderr: line 1 of 100000");
	rig_stop(r);
	assert_in_range(rig_count("log", "stderr: line"), 100, 1000);
	rig_wait_log(r, "lines suppressed: over 10 a second)");
}

static void test_p4_a_line_on_stderr_without_end_is_cut(void **state)
{
	struct rig *r = *state;
	char *log;

	rig_start_command(
	    r, "", "sh -c 'head -c 3000000 /dev/zero | tr \"\\0\" x >&2; echo >&2; exec cat'");
	rig_wait_log(r, "stderr: xxxx");
	log = rig_read("log");
	assert_in_range(strlen(log), 1, 10000);
	free(log);
	ask(r, client_new(r), "served", "served");
}

static void test_p4_foreign_bytes_are_escaped_in_the_log(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "");
	ask(r, client_new(r), "!stderr a\033[31mb\rc\177", "ok");
	rig_wait_log(r, "stderr: a\\x1b[31mb\\rc\\x7f");
}

/* Send a line of @mib megabytes and read it back. */
static void ask_large(struct rig *r, struct client *c, size_t mib)
{
	size_t len = mib << 20;
	char *line = malloc(len + 1);

	assert_non_null(line);
	memset(line, 'x', len);
	line[len] = '\n';
	say_bytes(r, c, line, len + 1);
	free(line);
	assert_int_equal(strlen(next_line(r, c)), len);
}

static void test_p4_memory_of_a_large_line_goes_back_when_it_is_done(void **state)
{
	struct rig *r = *state;
	int64_t until;
	struct client *c;
	long before;

	rig_start(r, "--max-request 32M --max-reply 32M --client-buffer 32M --window 2", "");
	c = client_new(r);
	ask(r, c, "warm", "warm");
	before = proc_status(r->pid, "VmRSS");
	for (int i = 0; i < 3; i++)
		ask_large(r, c, 15);
	until = rig_deadline(r);
	if (!rig_memory_counts(r))
		return;
	assert_true(proc_status(r->pid, "VmHWM") > before + (15 << 10));
	while (proc_status(r->pid, "VmRSS") > before + (2 << 10))
		assert_true(rig_go_on(until));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_p4_a_flooder_that_never_reads_is_not_read_any_more),
	    RIG_TEST(test_p4_a_client_that_asks_faster_than_it_is_answered_is_not_read_ahead),
	    RIG_TEST(test_p4_a_client_that_leaves_large_replies_unread_is_not_read_any_more),
	    RIG_TEST(test_p4_a_client_that_leaves_too_much_unread_is_closed),
	    RIG_TEST(test_p4_a_line_of_64_mebibytes_is_refused_in_linear_time),
	    RIG_TEST(test_p4_requests_up_to_max_request_pass_and_one_byte_more_does_not),
	    RIG_TEST(test_p4_a_full_queue_refuses_with_overloaded_and_when_to_try_again),
	    RIG_TEST(test_p4_queue_bytes_is_a_limit_too),
	    RIG_TEST(test_p4_with_overload_wait_a_full_queue_makes_clients_wait),
	    RIG_TEST(test_p4_past_client_requests_the_client_is_not_read),
	    RIG_TEST(test_p4_past_max_clients_accepting_pauses),
	    RIG_TEST(test_p4_without_descriptors_accepting_pauses_and_nothing_spins),
	    RIG_TEST(test_p4_descriptors_do_not_grow_with_clients_and_restarts),
	    RIG_TEST(test_p4_a_flood_on_stderr_is_cut_and_counted),
	    RIG_TEST(test_p4_a_line_on_stderr_without_end_is_cut),
	    RIG_TEST(test_p4_foreign_bytes_are_escaped_in_the_log),
	    RIG_TEST(test_p4_memory_of_a_large_line_goes_back_when_it_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
