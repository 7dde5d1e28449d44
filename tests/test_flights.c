/* SPDX-License-Identifier: MIT */
/* Places and replies: what was sent, what came back, and to whom it goes. */
#include "flights.h"

#include "macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct flights f;
	char record[1000];
};

static const struct framing_spec line_spec = {.kind = FRAMING_LINE};
static char names[] = "abcdefgh"; /* tags are pointers into it */

static void record(struct fixture *x, const char *text, const void *bytes, size_t len)
{
	size_t n = strlen(x->record);

	snprintf(x->record + n, sizeof(x->record) - n, "%s%.*s", text, (int)len,
		 (const char *)bytes);
}

/* A run has the number of its requests behind its name, and / between its replies. */
static void record_tag(struct fixture *x, const void *tag, unsigned count)
{
	char number[16] = "";

	if (count > 1)
		snprintf(number, sizeof(number), "%u", count);
	record(x, " ", tag, 1);
	record(x, number, "", 0);
}

static void on_reply(void *ctx, void *tag, const char *bytes, size_t len, unsigned count)
{
	struct fixture *x = ctx;

	record_tag(x, tag, count);
	record(x, "=", bytes, len - 1);
	for (char *p = x->record; (p = strchr(p, '\n')); p++)
		*p = '/';
}

static void on_lost(void *ctx, void *tag, enum coproc_code code, const char *why, unsigned count)
{
	(void)why;
	record_tag(ctx, tag, count);
	record(ctx, ":", coproc_code_name(code), strlen(coproc_code_name(code)));
}

static void on_late(void *ctx, unsigned count)
{
	while (count--)
		record(ctx, " late", "", 0);
}

static struct flight_sink sink = {.on_reply = on_reply, .on_lost = on_lost, .on_late = on_late};

static int setup(void **state)
{
	static struct fixture x;

	memset(&x, 0, sizeof(x));
	sink.ctx = &x;
	*state = &x;
	return flights_init(&x.f, 4, &line_spec, 10);
}

static int teardown(void **state)
{
	flights_finish(&((struct fixture *)*state)->f);
	return 0;
}

static enum flights_verdict feed(struct fixture *x, const char *text)
{
	assert_int_equal(buf_add(&x->f.bytes, text, strlen(text)), 0);
	return flights_parse(&x->f);
}

static void test_flights_replies_go_to_their_places_in_order(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < 3; i++)
		flights_push(&x->f, &names[i], false);
	assert_int_equal(feed(x, "1\n2\n"), FLIGHTS_READY);
	flights_release(&x->f, &sink);
	assert_string_equal(x->record, " a=1 b=2");
	assert_int_equal(flights_count(&x->f), 1);
	assert_int_equal(feed(x, "3\n"), FLIGHTS_READY);
	flights_release(&x->f, &sink);
	assert_string_equal(x->record, " a=1 b=2 c=3");
}

static void test_flights_places_are_used_again_round_the_ring(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < 1000; i++) {
		flights_push(&x->f, &names[i % 8], false);
		flights_push(&x->f, &names[(i + 1) % 8], false);
		x->record[0] = '\0';
		assert_int_equal(feed(x, "1\n2\n"), FLIGHTS_READY);
		flights_release(&x->f, &sink);
		assert_int_equal(x->record[1], names[i % 8]);
		assert_int_equal(x->record[5], names[(i + 1) % 8]);
	}
	assert_int_equal(flights_count(&x->f), 0);
}

static void test_flights_a_forgotten_place_swallows_its_reply(void **state)
{
	struct fixture *x = *state;
	uint32_t place = flights_push(&x->f, &names[0], false);

	flights_push(&x->f, &names[1], false);
	flights_forget(&x->f, place);
	assert_int_equal(flights_count(&x->f), 2);
	assert_int_equal(feed(x, "1\n2\n"), FLIGHTS_READY);
	flights_release(&x->f, &sink);
	assert_string_equal(x->record, " late b=2");
}

static void test_flights_bytes_without_a_place_are_surplus(void **state)
{
	struct fixture *x = *state;
	const char *bytes;
	size_t len;

	assert_int_equal(feed(x, "x"), FLIGHTS_SURPLUS);
	bytes = flights_surplus(&x->f, &len);
	assert_int_equal(len, 1);
	assert_int_equal(*bytes, 'x');
}

static void test_flights_bytes_behind_the_last_reply_are_surplus(void **state)
{
	struct fixture *x = *state;
	size_t len;

	flights_push(&x->f, &names[0], false);
	assert_int_equal(feed(x, "1\nxy"), FLIGHTS_SURPLUS);
	assert_memory_equal(flights_surplus(&x->f, &len), "xy", 2);
	assert_int_equal(len, 2);
	flights_lose(&x->f, &sink, COPROC_DESYNC, COPROC_DESYNC, "");
	assert_string_equal(x->record, " a:desync");
}

static void test_flights_a_held_reply_stays_until_release(void **state)
{
	struct fixture *x = *state;

	flights_push(&x->f, &names[0], true);
	assert_true(flights_is_suspicious(&x->f));
	assert_int_equal(feed(x, "1\n"), FLIGHTS_READY);
	assert_int_equal(flights_parse(&x->f), FLIGHTS_READY);
	assert_true(flights_has_reply(&x->f));
	assert_int_equal(feed(x, "2\n"), FLIGHTS_SURPLUS);
	assert_string_equal(x->record, "");
}

static void test_flights_too_long_leaves_the_replies_before_it_whole(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < 3; i++)
		flights_push(&x->f, &names[i], false);
	assert_int_equal(feed(x, "1\n12345678901"), FLIGHTS_TOO_LONG);
	flights_release(&x->f, &sink);
	flights_lose(&x->f, &sink, COPROC_REPLY_TOO_LONG, COPROC_DESYNC, "");
	assert_string_equal(x->record, " a=1 b:reply-too-long c:desync");
	assert_int_equal(x->f.bytes.len, 0);
}

static void test_flights_losing_skips_tombstones_and_spends_the_first_code_on_them(void **state)
{
	struct fixture *x = *state;
	uint32_t place = flights_push(&x->f, &names[0], false);

	flights_push(&x->f, &names[1], false);
	flights_forget(&x->f, place);
	flights_lose(&x->f, &sink, COPROC_TIMEOUT, COPROC_CRASHED, "");
	assert_string_equal(x->record, " b:crashed");
	assert_int_equal(flights_count(&x->f), 0);
}

static void test_flights_every_split_gives_the_same(void **state)
{
	static const char bytes[] = "one\n\nthree\n4\n";
	struct fixture *x = *state;

	for (size_t cut = 0; cut < sizeof(bytes); cut++) {
		x->record[0] = '\0';
		for (int i = 0; i < 4; i++)
			flights_push(&x->f, &names[i], false);
		assert_int_equal(buf_add(&x->f.bytes, bytes, cut), 0);
		assert_int_not_equal(flights_parse(&x->f), FLIGHTS_SURPLUS);
		flights_release(&x->f, &sink);
		assert_int_equal(buf_add(&x->f.bytes, bytes + cut, sizeof(bytes) - 1 - cut), 0);
		assert_int_not_equal(flights_parse(&x->f), FLIGHTS_SURPLUS);
		flights_release(&x->f, &sink);
		assert_string_equal(x->record, " a=one b= c=three d=4");
	}
}

static void test_flights_a_run_is_answered_by_and_by(void **state)
{
	struct fixture *x = *state;

	flights_push_run(&x->f, &names[0], 3);
	flights_push(&x->f, &names[1], false);
	assert_int_equal(flights_count(&x->f), 4);
	assert_int_equal(flights_free(&x->f), 0);
	assert_int_equal(feed(x, "1\n2\n3"), FLIGHTS_READY);
	assert_int_equal(flights_ready(&x->f), 2);
	flights_release(&x->f, &sink);
	assert_string_equal(x->record, " a2=1/2");
	assert_int_equal(flights_count(&x->f), 2);
	assert_int_equal(feed(x, "\n4\n"), FLIGHTS_READY);
	flights_release(&x->f, &sink);
	assert_string_equal(x->record, " a2=1/2 a=3 b=4");
	assert_int_equal(feed(x, "5\n"), FLIGHTS_SURPLUS);
}

static void test_flights_more_of_a_run_joins_it_and_nothing_else(void **state)
{
	struct fixture *x = *state;
	uint32_t place = flights_push_run(&x->f, &names[0], 2);

	assert_int_equal(flights_push_run(&x->f, &names[0], 1), place);
	assert_int_not_equal(flights_push_run(&x->f, &names[1], 1), place);
	assert_int_equal(feed(x, "1\n2\n3\n4\n"), FLIGHTS_READY);
	/* What is answered already takes no more in. */
	flights_release(&x->f, &sink);
	flights_push_run(&x->f, &names[2], 1);
	assert_int_equal(feed(x, "5\n"), FLIGHTS_READY);
	flights_push_run(&x->f, &names[2], 2);
	flights_release(&x->f, &sink);
	assert_string_equal(x->record, " a3=1/2/3 b=4 c=5");
	assert_int_equal(feed(x, "6\n7\n"), FLIGHTS_READY);
	flights_release(&x->f, &sink);
	assert_string_equal(x->record, " a3=1/2/3 b=4 c=5 c2=6/7");
}

static void test_flights_a_forgotten_run_swallows_all_its_replies(void **state)
{
	struct fixture *x = *state;
	uint32_t place;

	flights_push(&x->f, &names[1], false);
	flights_push(&x->f, &names[0], false);
	place = flights_push(&x->f, &names[0], false);
	flights_push(&x->f, &names[2], false);
	flights_forget(&x->f, place);
	assert_int_equal(feed(x, "1\n2\n3\n4\n"), FLIGHTS_READY);
	flights_release(&x->f, &sink);
	assert_string_equal(x->record, " b=1 late late c=4");
	place = flights_push_run(&x->f, &names[0], 3);
	assert_int_equal(feed(x, "1\n"), FLIGHTS_READY);
	flights_release(&x->f, &sink);
	flights_forget(&x->f, place);
	assert_int_equal(feed(x, "2\n3\n"), FLIGHTS_READY);
	flights_release(&x->f, &sink);
	assert_string_equal(x->record, " b=1 late late c=4 a=1 late late");
}

static void test_flights_the_first_of_a_lost_run_has_the_first_code(void **state)
{
	struct fixture *x = *state;

	flights_push_run(&x->f, &names[0], 3);
	flights_push(&x->f, &names[1], false);
	assert_int_equal(feed(x, "1\n123"), FLIGHTS_READY);
	flights_release(&x->f, &sink);
	flights_lose(&x->f, &sink, COPROC_TIMEOUT, COPROC_CRASHED, "");
	assert_string_equal(x->record, " a=1 a:timeout a:crashed b:crashed");
	assert_int_equal(flights_count(&x->f), 0);
	flights_push_run(&x->f, &names[2], 4);
	flights_lose(&x->f, &sink, COPROC_CRASHED, COPROC_CRASHED, "");
	assert_string_equal(x->record, " a=1 a:timeout a:crashed b:crashed c4:crashed");
}

static void test_flights_a_reply_too_long_within_a_run_ends_it_there(void **state)
{
	struct fixture *x = *state;

	flights_push_run(&x->f, &names[0], 4);
	assert_int_equal(feed(x, "1\n12345678901\n"), FLIGHTS_TOO_LONG);
	flights_release(&x->f, &sink);
	flights_lose(&x->f, &sink, COPROC_REPLY_TOO_LONG, COPROC_DESYNC, "");
	assert_string_equal(x->record, " a=1 a:reply-too-long a2:desync");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_flights_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(replies_go_to_their_places_in_order),
	    TEST(places_are_used_again_round_the_ring),
	    TEST(a_forgotten_place_swallows_its_reply),
	    TEST(bytes_without_a_place_are_surplus),
	    TEST(bytes_behind_the_last_reply_are_surplus),
	    TEST(a_held_reply_stays_until_release),
	    TEST(too_long_leaves_the_replies_before_it_whole),
	    TEST(losing_skips_tombstones_and_spends_the_first_code_on_them),
	    TEST(every_split_gives_the_same),
	    TEST(a_run_is_answered_by_and_by),
	    TEST(more_of_a_run_joins_it_and_nothing_else),
	    TEST(a_forgotten_run_swallows_all_its_replies),
	    TEST(the_first_of_a_lost_run_has_the_first_code),
	    TEST(a_reply_too_long_within_a_run_ends_it_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
