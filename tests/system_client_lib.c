/* SPDX-License-Identifier: MIT */
/* The client of the library, blocking and submitted, against the real daemon. */
#include "coproc_client.h"
#include "harness.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 100000, BIG = 16 << 20 };

#define STATUS "--listen st,replies=status "

/* A client of the listener with replies=status. */
static struct coproc_client *open_status(struct rig *r, int64_t timeout_ms)
{
	struct coproc_client_options options;
	struct coproc_client *c = NULL;
	int64_t until = rig_deadline(r);
	int rc;

	coproc_client_options_init(&options);
	options.timeout_ms = timeout_ms * r->factor;
	rig_wait_path(r, "st", true);
	/* Between bind(2) and listen(2) the socket is there and refuses. */
	while ((rc = coproc_client_open("st", &options, &c)) == -ECONNREFUSED)
		assert_true(rig_go_on(until));
	assert_int_equal(rc, 0);
	return c;
}

static int ask_text(struct coproc_client *c, const char *request, struct coproc_answer *answer)
{
	return coproc_client_ask(c, request, strlen(request), 0, answer);
}

static void check_reply(struct coproc_client *c, const char *request, const char *want)
{
	struct coproc_answer answer;

	assert_int_equal(ask_text(c, request, &answer), 0);
	assert_int_equal(answer.code, COPROC_OK);
	assert_string_equal(answer.name, "ok");
	assert_string_equal(answer.bytes, want);
	assert_int_equal(answer.len, strlen(want));
}

static void check_code(struct coproc_client *c, const char *request, enum coproc_code code)
{
	struct coproc_answer answer;

	assert_int_equal(ask_text(c, request, &answer), 0);
	assert_int_equal(answer.code, code);
	assert_string_equal(answer.name, coproc_code_name(code));
	assert_true(answer.len > 0 && answer.len == strlen(answer.bytes));
}

/* ---- one at a time ---- */

static void test_client_asks_and_is_answered(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;

	rig_start(r, STATUS, "");
	c = open_status(r, 5000);
	check_reply(c, "one", "one\n");
	check_reply(c, "", "\n");
	check_reply(c, "-denied", "-denied\n");
	assert_null(coproc_client_failure(c));
	coproc_client_free(c);
	rig_stop(r);
}

static void test_client_on_a_plain_listener(void **state)
{
	struct coproc_client_options options;
	struct rig *r = *state;
	struct coproc_client *c;

	rig_start(r, "--max-request 10", "");
	coproc_client_options_init(&options);
	options.plain = true;
	assert_int_equal(coproc_client_open("s", &options, &c), 0);
	check_reply(c, "one", "one\n");
	check_code(c, "more than ten", COPROC_TOO_LONG);
	check_reply(c, "two", "two\n");
	coproc_client_free(c);
}

static void test_client_tells_every_error_of_a_request(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;
	struct coproc_answer answer;

	rig_start(r, STATUS "--request-timeout 300ms --max-request 100 --max-reply 1000", "");
	c = open_status(r, 20000);
	check_code(c, "!die 3", COPROC_CRASHED);
	check_code(c,
		   "12345678901234567890123456789012345678901234567890"
		   "123456789012345678901234567890123456789012345678901",
		   COPROC_TOO_LONG);
	assert_int_equal(coproc_client_ask(c, "a\0b", 3, 0, &answer), 0);
	assert_int_equal(answer.code, COPROC_BAD_REQUEST);
	check_code(c, "!sleep 600 x", COPROC_TIMEOUT);
	coproc_client_free(c);
}

static void test_client_tells_what_is_wrong_with_a_reply(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;

	rig_start(r, STATUS "--max-reply 1000", "");
	c = open_status(r, 20000);
	check_code(c, "!big 5000", COPROC_REPLY_TOO_LONG);
	check_code(c, "!twice x", COPROC_DESYNC);
	check_reply(c, "after", "after\n");
	coproc_client_free(c);
}

static void test_client_tells_that_no_process_is_there(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;

	rig_start(r, STATUS "--restart-limit 1", "");
	c = open_status(r, 20000);
	check_code(c, "!die", COPROC_CRASHED);
	check_code(c, "x", COPROC_UNAVAILABLE);
	coproc_client_free(c);
}

static void test_client_tells_that_it_is_denied(void **state)
{
	char arguments[200];
	struct coproc_answer answer;
	struct rig *r = *state;
	struct coproc_client *c;
	int64_t until;
	long n = 0;

	snprintf(arguments, sizeof(arguments), "--listen st,replies=status,allow-user=%u -- %s",
		 (unsigned)getuid() + 1, getenv("FAKE_COPROC"));
	rig_launch(r, arguments);
	c = open_status(r, 20000);
	assert_int_equal(ask_text(c, "x", &answer), 0);
	assert_int_equal(answer.code, COPROC_DENIED);
	assert_string_equal(answer.bytes, "this user may not ask here");
	coproc_client_free(c);
	c = open_status(r, 20000);
	until = rig_deadline(r);
	while (n >= 0 && rig_go_on(until))
		n = coproc_client_turn(c, POLLIN);
	assert_int_equal(n, -EACCES);
	assert_string_equal(coproc_client_failure(c), "denied this user may not ask here");
	coproc_client_free(c);
}

static void test_client_request_with_a_newline_is_refused(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;
	struct coproc_answer answer;

	rig_start(r, STATUS, "");
	c = open_status(r, 5000);
	assert_int_equal(ask_text(c, "a\nb", &answer), -EINVAL);
	check_reply(c, "c", "c\n");
	coproc_client_free(c);
}

static void test_client_late_answer_is_dropped_and_the_next_is_right(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;
	struct coproc_answer answer;

	rig_start(r, STATUS, "");
	c = open_status(r, 20000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(coproc_client_ask(c, "!sleep 150 late", 15, 20, &answer),
				 -ETIMEDOUT);
	check_reply(c, "mine", "mine\n");
	assert_int_equal(coproc_client_pending(c), 0);
	coproc_client_free(c);
}

static void test_client_reply_of_sixteen_mebibytes(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;
	struct coproc_answer answer;
	char request[32];

	rig_start(r, STATUS "--max-reply 17M", "");
	c = open_status(r, 20000);
	snprintf(request, sizeof(request), "!big %d", BIG);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask_text(c, request, &answer), 0);
		assert_int_equal(answer.code, COPROC_OK);
		assert_int_equal(answer.len, BIG + 1);
		assert_int_equal(strspn(answer.bytes, "x"), BIG);
	}
	coproc_client_free(c);
}

static void test_client_opening_tells_what_is_wrong(void **state)
{
	struct coproc_client *c = NULL;
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(coproc_client_open("none", NULL, &c), -ENOENT);
	assert_int_equal(coproc_client_open(path, NULL, &c), -ENAMETOOLONG);
	assert_null(c);
}

/* ---- many ---- */

struct many {
	unsigned count, next, answered, errors;
	int stop; /* what the source returns at its end */
	char request[32];
};

static int many_next(void *ctx, const char **request, size_t *len)
{
	struct many *m = ctx;

	if (m->next == m->count)
		return m->stop;
	*len = (size_t)snprintf(m->request, sizeof(m->request), "%u", m->next++);
	*request = m->request;
	return 1;
}

static void many_done(void *ctx, const struct coproc_answer *answer)
{
	struct many *m = ctx;
	char want[32];

	snprintf(want, sizeof(want), "%u\n", m->answered++);
	if (answer->error)
		m->errors++;
	else if (!answer->code)
		assert_string_equal(answer->bytes, want);
}

static void test_client_batch_of_a_hundred_thousand_comes_in_order(void **state)
{
	struct rig *r = *state;
	struct many many = {.count = MANY};
	struct coproc_client *c;

	rig_start(r, STATUS, "");
	c = open_status(r, 20000);
	assert_int_equal(coproc_client_batch(c, many_next, many_done, &many), 0);
	assert_int_equal(many.answered, MANY);
	assert_int_equal(many.errors, 0);
	check_reply(c, "after", "after\n");
	coproc_client_free(c);
}

static void test_client_batch_whose_source_fails_answers_what_it_had(void **state)
{
	struct rig *r = *state;
	struct many many = {.count = 10, .stop = -EIO};
	struct coproc_client *c;

	rig_start(r, STATUS, "");
	c = open_status(r, 20000);
	assert_int_equal(coproc_client_batch(c, many_next, many_done, &many), -EIO);
	assert_int_equal(many.answered, 10);
	check_reply(c, "after", "after\n");
	coproc_client_free(c);
}

static int big_next(void *ctx, const char **request, size_t *len)
{
	static char bytes[60000];
	struct many *m = ctx;

	memset(bytes, 'b', sizeof(bytes));
	*request = bytes;
	*len = sizeof(bytes);
	return m->next++ < m->count;
}

static void big_done(void *ctx, const struct coproc_answer *answer)
{
	struct many *m = ctx;

	m->answered++;
	m->errors += answer->error || answer->code || answer->len != 60001;
}

static void test_client_batch_of_big_ones_does_not_dead_lock(void **state)
{
	struct rig *r = *state;
	struct many many = {.count = 1000};
	struct coproc_client *c;

	rig_start(r, STATUS "--settle 1ms", "");
	c = open_status(r, 20000);
	assert_int_equal(coproc_client_batch(c, big_next, big_done, &many), 0);
	assert_int_equal(many.answered, 1000);
	assert_int_equal(many.errors, 0);
	coproc_client_free(c);
}

/* ---- the daemon goes ---- */

struct killed {
	struct rig *r;
	struct many many;
};

static void kill_at_1000(void *ctx, const struct coproc_answer *answer)
{
	struct killed *k = ctx;

	if (k->many.answered == 1000)
		kill(k->r->pid, SIGKILL);
	many_done(&k->many, answer);
}

static int killed_next(void *ctx, const char **request, size_t *len)
{
	return many_next(&((struct killed *)ctx)->many, request, len);
}

static void test_client_batch_with_the_daemon_killed_midway_ends_each_once(void **state)
{
	struct killed killed = {.r = *state, .many = {.count = MANY}};
	struct coproc_client *c;
	struct coproc_answer answer;

	rig_start(killed.r, STATUS, "");
	c = open_status(killed.r, 20000);
	assert_int_equal(coproc_client_batch(c, killed_next, kill_at_1000, &killed), -ECONNRESET);
	assert_true(killed.many.answered > 1000 && killed.many.answered == killed.many.next);
	assert_true(killed.many.errors > 0);
	assert_non_null(coproc_client_failure(c));
	assert_int_equal(ask_text(c, "x", &answer), -ENOTCONN);
	coproc_client_free(c);
	rig_exit_code(killed.r);
}

static void test_client_asking_a_daemon_that_goes_is_told(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;
	struct coproc_answer answer;

	rig_start(r, STATUS, "");
	c = open_status(r, 20000);
	check_reply(c, "a", "a\n");
	rig_signal(r, SIGKILL);
	rig_exit_code(r);
	assert_int_equal(ask_text(c, "x", &answer), -ECONNRESET);
	coproc_client_free(c);
}

static void test_client_that_waits_while_the_daemon_stops_is_told(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;
	struct many many = {.count = 0};
	int64_t until;
	long n = 0;

	rig_start(r, STATUS "--drain-timeout 100ms --stop-timeout 100ms", "");
	c = open_status(r, 20000);
	assert_int_equal(coproc_client_submit(c, "!hang", 5, many_done, &many, NULL), 0);
	assert_int_equal(coproc_client_turn(c, POLLOUT), 0);
	rig_wait_asked(r, "!hang");
	rig_signal(r, SIGTERM);
	until = rig_deadline(r);
	while (!many.answered && n >= 0 && rig_go_on(until))
		n = coproc_client_turn(c, POLLIN);
	assert_int_equal(many.answered, 1);
	assert_int_equal(many.errors, 0);
	coproc_client_free(c);
	rig_exit_code(r);
}

/* ---- turned by the caller ---- */

static void note_code(void *ctx, const struct coproc_answer *answer)
{
	unsigned *codes = ctx;

	codes[answer->error ? 31 : answer->code]++;
}

static void test_client_overloading_the_daemon_is_told(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;
	unsigned codes[32] = {0};
	int64_t until;
	long n = 0;

	rig_start(r, STATUS "--queue 2", "--delay-ms 100");
	c = open_status(r, 20000);
	for (int i = 0; i < 20; i++)
		assert_int_equal(coproc_client_submit(c, "x", 1, note_code, codes, NULL), 0);
	until = rig_deadline(r);
	while (coproc_client_pending(c) && n >= 0 && rig_go_on(until))
		n = coproc_client_turn(c, coproc_client_events(c));
	assert_true(codes[COPROC_OVERLOADED] > 0);
	assert_int_equal(codes[COPROC_OK] + codes[COPROC_OVERLOADED], 20);
	coproc_client_free(c);
}

static void test_client_end_lets_the_daemon_answer_and_close(void **state)
{
	struct rig *r = *state;
	struct coproc_client *c;
	unsigned codes[32] = {0};
	int64_t until;
	long n = 0;

	rig_start(r, STATUS, "");
	c = open_status(r, 20000);
	assert_int_equal(coproc_client_submit(c, "x", 1, note_code, codes, NULL), 0);
	coproc_client_end(c);
	assert_int_equal(coproc_client_submit(c, "y", 1, note_code, codes, NULL), -ENOTCONN);
	until = rig_deadline(r);
	while (n >= 0 && rig_go_on(until))
		n = coproc_client_turn(c, coproc_client_events(c));
	assert_int_equal(n, -ENOTCONN);
	assert_int_equal(codes[COPROC_OK], 1);
	coproc_client_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_client_asks_and_is_answered),
	    RIG_TEST(test_client_on_a_plain_listener),
	    RIG_TEST(test_client_tells_every_error_of_a_request),
	    RIG_TEST(test_client_tells_what_is_wrong_with_a_reply),
	    RIG_TEST(test_client_tells_that_no_process_is_there),
	    RIG_TEST(test_client_tells_that_it_is_denied),
	    RIG_TEST(test_client_request_with_a_newline_is_refused),
	    RIG_TEST(test_client_late_answer_is_dropped_and_the_next_is_right),
	    RIG_TEST(test_client_reply_of_sixteen_mebibytes),
	    RIG_TEST(test_client_opening_tells_what_is_wrong),
	    RIG_TEST(test_client_batch_of_a_hundred_thousand_comes_in_order),
	    RIG_TEST(test_client_batch_whose_source_fails_answers_what_it_had),
	    RIG_TEST(test_client_batch_of_big_ones_does_not_dead_lock),
	    RIG_TEST(test_client_batch_with_the_daemon_killed_midway_ends_each_once),
	    RIG_TEST(test_client_asking_a_daemon_that_goes_is_told),
	    RIG_TEST(test_client_that_waits_while_the_daemon_stops_is_told),
	    RIG_TEST(test_client_overloading_the_daemon_is_told),
	    RIG_TEST(test_client_end_lets_the_daemon_answer_and_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
