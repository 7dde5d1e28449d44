/* SPDX-License-Identifier: MIT */
#include "replies.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What came, as text: replies as they are, errors as <number:error>. */
struct record {
	char text[256];
	size_t len;
};

static void on_bytes(void *ctx, const char *bytes, size_t len)
{
	struct record *r = ctx;

	memcpy(r->text + r->len, bytes, len);
	r->len += len;
}

static void on_error(void *ctx, uint64_t number, const char *error, size_t len)
{
	struct record *r = ctx;

	r->len += (size_t)snprintf(r->text + r->len, sizeof(r->text) - r->len, "<%u:%.*s>",
				   (unsigned)number, (int)len, error);
}

static void on_end(void *ctx, uint64_t number)
{
	struct record *r = ctx;

	r->len +=
	    (size_t)snprintf(r->text + r->len, sizeof(r->text) - r->len, "|%u ", (unsigned)number);
}

/* Take @input in pieces of @piece bytes and compare what came. */
static void check(bool status, const char *input, size_t piece, const char *want, unsigned ended)
{
	struct record got = {.len = 0};
	struct replies r = {
	    .status = status, .on_bytes = on_bytes, .on_error = on_error, .ctx = &got};
	size_t len = strlen(input);
	int error = 0;

	for (size_t off = 0; off < len && !error; off += piece)
		error = replies_take(&r, input + off, len - off < piece ? len - off : piece);
	replies_finish(&r);
	assert_int_equal(error, 0);
	assert_string_equal(got.text, want);
	assert_int_equal(r.ended, ended);
}

static void test_replies_plain_however_the_bytes_are_cut(void **state)
{
	for (size_t piece = 1; piece < 80; piece++)
		check(false, "a\n\ncoprocd: error: timeout: x\ncoprocd: err\ncoprocd: b\n", piece,
		      "a\n\n<3:timeout: x>coprocd: err\ncoprocd: b\n", 5);
}

static void test_replies_status_however_the_bytes_are_cut(void **state)
{
	for (size_t piece = 1; piece < 60; piece++)
		check(true, "+a\n*0\n*2\n+b\n\n-desync\n-\n*1\n-c\n", piece,
		      "a\n+b\n\n<4:desync><5:>-c\n", 6);
}

static void test_replies_tell_where_each_reply_ends(void **state)
{
	static const char input[] = "+a\n*0\n*2\nb\nc\n-denied\n+d\n";

	for (size_t piece = 1; piece < sizeof(input); piece++) {
		struct record got = {.len = 0};
		struct replies r = {.status = true,
				    .on_bytes = on_bytes,
				    .on_error = on_error,
				    .on_end = on_end,
				    .ctx = &got};

		for (size_t off = 0; off < sizeof(input) - 1; off += piece) {
			size_t left = sizeof(input) - 1 - off;

			assert_int_equal(replies_take(&r, input + off, left < piece ? left : piece),
					 0);
		}
		replies_finish(&r);
		assert_string_equal(got.text, "a\n|1 |2 b\nc\n|3 <4:denied>d\n|5 ");
	}
}

static void test_replies_refuse_what_is_no_status(void **state)
{
	static const char *const bad[] = {"a\n",  "\n",    "*\n",
					  "*x\n", "*-1\n", "*99999999999999999999999\n"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct record got = {.len = 0};
		struct replies r = {
		    .status = true, .on_bytes = on_bytes, .on_error = on_error, .ctx = &got};
		int error = replies_take(&r, bad[i], strlen(bad[i]));

		replies_finish(&r);
		assert_int_equal(error, -EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replies_plain_however_the_bytes_are_cut),
	    cmocka_unit_test(test_replies_status_however_the_bytes_are_cut),
	    cmocka_unit_test(test_replies_tell_where_each_reply_ends),
	    cmocka_unit_test(test_replies_refuse_what_is_no_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
