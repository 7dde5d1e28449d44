/* SPDX-License-Identifier: MIT */
/*
 * The client of the library against a scripted peer: every way in which bytes
 * may come, the form driven by libevent, and what upcalls may do.
 */
#include "coproc_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEXT = 4096, SILENCE_MS = 50, PATIENCE_S = 20 };

struct wire {
	struct coproc_client *client; /* NULL once freed */
	struct event_base *base;
	struct event *patience;
	int peer;
	char text[TEXT]; /* what came, as text */
	size_t len;
	int closed; /* how often on_closed was called */
	int closed_error;
	bool free_in_answer, free_in_closed, submit_in_answer;
	char sent[TEXT];
};

__attribute__((format(printf, 2, 3))) static void note(struct wire *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	w->len += (size_t)vsnprintf(w->text + w->len, sizeof(w->text) - w->len, format, args);
	va_end(args);
	assert_true(w->len < sizeof(w->text));
}

static void free_client(struct wire *w)
{
	struct coproc_client *c = w->client;

	w->client = NULL;
	coproc_client_free(c);
}

static void on_answer(void *ctx, const struct coproc_answer *answer)
{
	struct wire *w = ctx;

	if (answer->error)
		note(w, "[%u!%s]", (unsigned)answer->number, strerrorname_np(-answer->error));
	else if (answer->code)
		note(w, "[%u:%d %s=%s]", (unsigned)answer->number, answer->code, answer->name,
		     answer->bytes);
	else
		note(w, "[%u=%s]", (unsigned)answer->number, answer->bytes);
	assert_int_equal(strlen(answer->bytes), answer->len);
	if (w->submit_in_answer && w->client)
		assert_int_equal(coproc_client_submit(w->client, "more", 4, NULL, NULL, NULL), 0);
	w->submit_in_answer = false;
	if (w->free_in_answer && w->client)
		free_client(w);
}

static void on_piece(void *ctx, const char *bytes, size_t len)
{
	note(ctx, "%.*s", (int)len, bytes);
}

static void on_closed(void *ctx, int error)
{
	struct wire *w = ctx;

	w->closed++;
	w->closed_error = error;
	if (w->free_in_closed)
		free_client(w);
}

static int wire_setup(void **state)
{
	struct wire *w = calloc(1, sizeof(*w));

	w->base = event_base_new();
	w->peer = -1;
	*state = w;
	return 0;
}

static void disconnect(struct wire *w)
{
	coproc_client_free(w->client);
	w->client = NULL;
	if (w->peer >= 0)
		close(w->peer);
	w->peer = -1;
	w->len = 0;
	w->text[0] = '\0';
}

static int wire_teardown(void **state)
{
	struct wire *w = *state;

	disconnect(w);
	event_base_free(w->base);
	free(w);
	return 0;
}

static void connect_with(struct wire *w, const struct coproc_client_options *options)
{
	int fds[2];

	disconnect(w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	w->peer = fds[1];
	assert_int_equal(coproc_client_adopt(fds[0], options, &w->client), 0);
}

static void submit(struct wire *w, unsigned requests)
{
	for (unsigned i = 0; i < requests; i++)
		assert_int_equal(coproc_client_submit(w->client, "r", 1, on_answer, w, NULL), 0);
}

/* The peer says this, the client takes it. */
static long say(struct wire *w, const char *bytes, size_t len)
{
	assert_int_equal(write(w->peer, bytes, len), len);
	return coproc_client_turn(w->client, POLLIN);
}

/* What the client has sent, up to now. */
static const char *sent(struct wire *w)
{
	ssize_t n = recv(w->peer, w->sent, sizeof(w->sent) - 1, MSG_DONTWAIT);

	w->sent[n > 0 ? n : 0] = '\0';
	return w->sent;
}

/* ---- bytes ---- */

static const char status_stream[] = "+a\n*0\n*2\nb\n\n-timeout no reply\n-\n*1\n-x\n+\n-strange\n";
static const char status_want[] = "[1=a\n][2=][3=b\n\n][4:1 timeout=no reply][5:-1 =][6=-x\n]"
				  "[7=\n][8:-1 strange=]";

static void test_client_status_answers_cut_at_every_two_places(void **state)
{
	struct wire *w = *state;
	size_t len = sizeof(status_stream) - 1;

	for (size_t a = 1; a < len; a++)
		for (size_t b = a + 1; b < len; b++) {
			connect_with(w, NULL);
			submit(w, 8);
			assert_true(say(w, status_stream, a) > 0);
			assert_true(say(w, status_stream + a, b - a) > 0);
			assert_true(say(w, status_stream + b, len - b) > 0);
			assert_string_equal(w->text, status_want);
		}
}

static void test_client_plain_answers_cut_at_every_place(void **state)
{
	static const char stream[] = "a\n\ncoprocd: error: crashed: gone\ncoprocd: err\n+b\n";
	struct coproc_client_options options;
	struct wire *w = *state;

	coproc_client_options_init(&options);
	options.plain = true;
	for (size_t cut = 1; cut < sizeof(stream) - 1; cut++) {
		connect_with(w, &options);
		submit(w, 5);
		assert_true(say(w, stream, cut) > 0);
		assert_true(say(w, stream + cut, sizeof(stream) - 1 - cut) > 0);
		assert_string_equal(w->text,
				    "[1=a\n][2=\n][3:2 crashed=gone][4=coprocd: err\n][5=+b\n]");
	}
}

static void test_client_every_code_is_known_in_both_forms(void **state)
{
	struct coproc_client_options options;
	struct wire *w = *state;

	coproc_client_options_init(&options);
	for (int code = COPROC_TIMEOUT; code <= COPROC_STOPPING; code++) {
		const char *name = coproc_code_name((enum coproc_code)code);
		char line[100], want[100];

		snprintf(want, sizeof(want), "[1:%d %s=why: so]", code, name);
		for (int plain = 0; plain < 2; plain++) {
			options.plain = plain;
			connect_with(w, &options);
			submit(w, 1);
			snprintf(line, sizeof(line),
				 plain ? "coprocd: error: %s: why: so\n" : "-%s why: so\n", name);
			assert_true(say(w, line, strlen(line)) > 0);
			assert_string_equal(w->text, want);
		}
	}
}

static void test_client_end_of_input_at_every_place_ends_each_request_once(void **state)
{
	struct wire *w = *state;

	for (size_t cut = 0; cut < sizeof(status_stream) - 1; cut++) {
		unsigned endings = 0;

		connect_with(w, NULL);
		submit(w, 8);
		if (cut)
			assert_true(say(w, status_stream, cut) > 0);
		shutdown(w->peer, SHUT_WR);
		assert_int_equal(coproc_client_turn(w->client, POLLIN | POLLHUP), -ECONNRESET);
		assert_int_equal(coproc_client_turn(w->client, POLLIN), -ECONNRESET);
		for (const char *p = w->text; (p = strchr(p, '[')); p++)
			endings++;
		assert_int_equal(endings, 8);
		assert_int_equal(coproc_client_fd(w->client), -1);
	}
}

static void test_client_what_is_no_status_form_is_refused(void **state)
{
	static const char *const bad[] = {"hello\n", "\n", "*x\n", "*\n"};
	struct wire *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		connect_with(w, NULL);
		submit(w, 2);
		assert_int_equal(say(w, bad[i], strlen(bad[i])), -EPROTO);
		assert_string_equal(w->text, "[1!EPROTO][2!EPROTO]");
		assert_non_null(strstr(coproc_client_failure(w->client), "replies=status"));
	}
}

static void test_client_a_reply_nobody_asked_for_is_refused(void **state)
{
	struct wire *w = *state;

	connect_with(w, NULL);
	submit(w, 1);
	assert_int_equal(say(w, "+a\n+b\n", 6), -EPROTO);
	assert_string_equal(w->text, "[1=a\n]");
}

static void test_client_a_reply_over_the_limit_is_refused(void **state)
{
	struct coproc_client_options options;
	struct wire *w = *state;

	coproc_client_options_init(&options);
	options.max_reply = 4;
	connect_with(w, &options);
	submit(w, 2);
	assert_int_equal(say(w, "+abc\n", 5), 5);
	assert_int_equal(say(w, "+abcd\n", 6), -EMSGSIZE);
	assert_string_equal(w->text, "[1=abc\n][2!EMSGSIZE]");
	connect_with(w, &options);
	submit(w, 1);
	assert_int_equal(say(w, "+ab", 3), 3);
	assert_int_equal(say(w, "cd\n", 3), -EMSGSIZE);
	assert_string_equal(w->text, "[1!EMSGSIZE]");
}

static void test_client_pieces_are_handed_on_as_they_come(void **state)
{
	struct coproc_client_options options;
	struct wire *w = *state;

	coproc_client_options_init(&options);
	options.plain = true;
	options.on_piece = on_piece;
	options.ctx = w;
	connect_with(w, &options);
	submit(w, 1);
	assert_int_equal(say(w, "a", 1), 1);
	assert_string_equal(w->text, "a");
	assert_int_equal(say(w, "b\nc\n", 4), 4);
	assert_string_equal(w->text, "ab\n[1=]c\n");
}

static void test_client_cancelled_ones_are_dropped_and_the_others_are_right(void **state)
{
	struct wire *w = *state;
	uint64_t number;

	connect_with(w, NULL);
	submit(w, 1);
	assert_int_equal(coproc_client_submit(w->client, "x", 1, on_answer, w, &number), 0);
	assert_int_equal(number, 2);
	submit(w, 1);
	assert_int_equal(say(w, "*2\na\n", 5), 5);
	coproc_client_cancel(w->client, 1);
	coproc_client_cancel(w->client, number);
	coproc_client_cancel(w->client, 99);
	assert_int_equal(say(w, "b\n+c\n+d\n", 8), 8);
	assert_string_equal(w->text, "[3=d\n]");
	assert_string_equal(sent(w), "r\nx\nr\n");
}

static void test_client_that_cannot_send_reads_what_is_there(void **state)
{
	struct wire *w = *state;

	connect_with(w, NULL);
	assert_int_equal(write(w->peer, "-stopping bye\n", 14), 14);
	close(w->peer);
	w->peer = -1;
	submit(w, 2);
	assert_int_equal(coproc_client_turn(w->client, POLLOUT), 0);
	assert_int_equal(coproc_client_events(w->client), POLLIN);
	assert_int_equal(coproc_client_turn(w->client, POLLIN), 14);
	assert_int_equal(coproc_client_turn(w->client, POLLIN), -ECONNRESET);
	assert_string_equal(w->text, "[1:10 stopping=bye][2!ECONNRESET]");
}

static void test_client_may_be_freed_in_an_answer(void **state)
{
	struct wire *w = *state;

	connect_with(w, NULL);
	w->free_in_answer = true;
	submit(w, 3);
	assert_int_equal(say(w, "+a\n+b\n", 6), -ECANCELED);
	assert_string_equal(w->text, "[1=a\n][2!ECANCELED][3!ECANCELED]");
}

/* ---- driven by libevent ---- */

static void impatient_cb(evutil_socket_t fd, short what, void *arg)
{
	fail_msg("nothing has happened for %d s", PATIENCE_S);
}

/* Run the loop until @len characters have been noted and, if so @closed, it was told. */
static void run_until(struct wire *w, size_t len, bool closed)
{
	struct timeval patience = {.tv_sec = PATIENCE_S};
	struct event *ev = evtimer_new(w->base, impatient_cb, NULL);

	event_add(ev, &patience);
	while (w->len < len || (closed && !w->closed))
		event_base_loop(w->base, EVLOOP_ONCE);
	event_free(ev);
}

static void watch(struct wire *w, int64_t timeout_ms)
{
	struct coproc_client_options options;

	coproc_client_options_init(&options);
	options.timeout_ms = timeout_ms;
	connect_with(w, &options);
	assert_int_equal(coproc_client_watch(w->client, w->base, on_closed, w), 0);
	assert_int_equal(coproc_client_watch(w->client, w->base, NULL, NULL), -EALREADY);
}

static void test_client_watched_sends_and_is_answered(void **state)
{
	struct wire *w = *state;

	watch(w, 0);
	submit(w, 2);
	w->submit_in_answer = true;
	assert_int_equal(write(w->peer, "+a\n-denied no\n", 14), 14);
	run_until(w, strlen("[1=a\n][2:9 denied=no]"), false);
	assert_string_equal(w->text, "[1=a\n][2:9 denied=no]");
	while (strcmp(sent(w), "r\nr\nmore\n") != 0 && strcmp(w->sent, "more\n") != 0)
		event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(w->closed, 0);
}

static void test_client_watched_is_told_of_the_end(void **state)
{
	struct wire *w = *state;

	watch(w, 0);
	submit(w, 1);
	assert_int_equal(write(w->peer, "+a\n", 3), 3);
	run_until(w, 5, false);
	shutdown(w->peer, SHUT_WR);
	run_until(w, 0, true);
	assert_int_equal(w->closed, 1);
	assert_int_equal(w->closed_error, 0);
	assert_int_equal(coproc_client_submit(w->client, "x", 1, NULL, NULL, NULL), -ENOTCONN);
}

static void test_client_watched_may_be_freed_when_told_of_the_end(void **state)
{
	struct wire *w = *state;

	watch(w, 0);
	w->free_in_closed = true;
	submit(w, 2);
	shutdown(w->peer, SHUT_WR);
	run_until(w, 0, true);
	assert_string_equal(w->text, "[1!ECONNRESET][2!ECONNRESET]");
	assert_int_equal(w->closed_error, -ECONNRESET);
	assert_null(w->client);
}

static void test_client_watched_may_be_freed_in_an_answer(void **state)
{
	struct wire *w = *state;

	watch(w, 0);
	w->free_in_answer = true;
	submit(w, 2);
	assert_int_equal(write(w->peer, "+a\n+b\n", 6), 6);
	run_until(w, strlen("[1=a\n][2!ECANCELED]"), false);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_int_equal(w->closed, 0);
	assert_string_equal(w->text, "[1=a\n][2!ECANCELED]");
}

static void test_client_watched_silence_ends_the_connection(void **state)
{
	struct wire *w = *state;

	watch(w, SILENCE_MS);
	submit(w, 1);
	run_until(w, 1, true);
	assert_string_equal(w->text, "[1!ETIMEDOUT]");
	assert_int_equal(w->closed_error, -ETIMEDOUT);
	assert_string_equal(coproc_client_failure(w->client), "no reply in 50 ms");
}

static void test_client_watched_silence_counts_from_the_request(void **state)
{
	struct timeval nearly = {.tv_usec = SILENCE_MS * 1000 * 4 / 5};
	struct wire *w = *state;

	watch(w, SILENCE_MS);
	submit(w, 1);
	assert_int_equal(write(w->peer, "+a\n", 3), 3);
	run_until(w, 5, false);
	event_base_loopexit(w->base, &nearly);
	event_base_dispatch(w->base);
	submit(w, 1);
	event_base_loopexit(w->base, &nearly);
	event_base_dispatch(w->base);
	/* Later than the time of the first, within that of the second. */
	assert_int_equal(w->closed, 0);
	run_until(w, 6, true);
	assert_string_equal(w->text, "[1=a\n][2!ETIMEDOUT]");
}

static void test_client_watched_without_requests_is_never_silent(void **state)
{
	struct timeval longer = {.tv_usec = SILENCE_MS * 1000 * 3};
	struct wire *w = *state;

	watch(w, SILENCE_MS);
	event_base_loopexit(w->base, &longer);
	event_base_dispatch(w->base);
	assert_int_equal(w->closed, 0);
	submit(w, 1);
	assert_int_equal(write(w->peer, "+a\n", 3), 3);
	run_until(w, 5, false);
	assert_string_equal(w->text, "[1=a\n]");
}

int main(void)
{
#define WIRE_TEST(f) cmocka_unit_test_setup_teardown(f, wire_setup, wire_teardown)
	const struct CMUnitTest tests[] = {
	    WIRE_TEST(test_client_status_answers_cut_at_every_two_places),
	    WIRE_TEST(test_client_plain_answers_cut_at_every_place),
	    WIRE_TEST(test_client_every_code_is_known_in_both_forms),
	    WIRE_TEST(test_client_end_of_input_at_every_place_ends_each_request_once),
	    WIRE_TEST(test_client_what_is_no_status_form_is_refused),
	    WIRE_TEST(test_client_a_reply_nobody_asked_for_is_refused),
	    WIRE_TEST(test_client_a_reply_over_the_limit_is_refused),
	    WIRE_TEST(test_client_pieces_are_handed_on_as_they_come),
	    WIRE_TEST(test_client_cancelled_ones_are_dropped_and_the_others_are_right),
	    WIRE_TEST(test_client_that_cannot_send_reads_what_is_there),
	    WIRE_TEST(test_client_may_be_freed_in_an_answer),
	    WIRE_TEST(test_client_watched_sends_and_is_answered),
	    WIRE_TEST(test_client_watched_is_told_of_the_end),
	    WIRE_TEST(test_client_watched_may_be_freed_when_told_of_the_end),
	    WIRE_TEST(test_client_watched_may_be_freed_in_an_answer),
	    WIRE_TEST(test_client_watched_silence_ends_the_connection),
	    WIRE_TEST(test_client_watched_silence_counts_from_the_request),
	    WIRE_TEST(test_client_watched_without_requests_is_never_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
