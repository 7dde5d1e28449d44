/* SPDX-License-Identifier: MIT */
/* The flat buffer: what goes in comes out, and each byte is moved O(1) times. */
#include "buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
	static struct buf b;

	b = (struct buf){0};
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	buf_finish(*state);
	return 0;
}

static void test_buf_what_is_added_comes_out_in_order(void **state)
{
	struct buf *b = *state;

	assert_int_equal(buf_add(b, "hello ", 6), 0);
	assert_int_equal(buf_add(b, "world", 5), 0);
	assert_int_equal(b->len, 11);
	assert_memory_equal(buf_bytes(b), "hello world", 11);
	buf_consume(b, 6);
	assert_int_equal(b->len, 5);
	assert_memory_equal(buf_bytes(b), "world", 5);
}

static void test_buf_survives_growth_with_a_hole_in_front(void **state)
{
	struct buf *b = *state;
	char piece[100];

	for (int i = 0; i < 1000; i++) {
		memset(piece, 'a' + i % 26, sizeof(piece));
		assert_int_equal(buf_add(b, piece, sizeof(piece)), 0);
		if (i % 2) {
			assert_int_equal(*buf_bytes(b), 'a' + i / 2 % 26);
			buf_consume(b, sizeof(piece));
		}
	}
	assert_int_equal(b->len, 500 * sizeof(piece));
}

static void test_buf_as_a_queue_of_constant_length_does_not_grow(void **state)
{
	struct buf *b = *state;
	char piece[64] = {0};

	assert_int_equal(buf_add(b, piece, sizeof(piece)), 0);
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(buf_add(b, piece, sizeof(piece)), 0);
		buf_consume(b, sizeof(piece));
	}
	assert_true(b->cap <= 1024);
}

static void test_buf_reserve_keeps_the_length_until_commit(void **state)
{
	struct buf *b = *state;
	char *at;

	assert_int_equal(buf_add(b, "x", 1), 0);
	assert_int_equal(buf_reserve(b, 5000, &at), 0);
	assert_int_equal(b->len, 1);
	memset(at, 'y', 5000);
	buf_commit(b, 5000);
	assert_int_equal(b->len, 5001);
	assert_int_equal(buf_bytes(b)[5000], 'y');
}

static void test_buf_refuses_a_size_that_would_overflow_and_stays_as_it_was(void **state)
{
	struct buf *b = *state;
	char *at = NULL;

	assert_int_equal(buf_add(b, "abc", 3), 0);
	assert_int_equal(buf_reserve(b, SIZE_MAX / 2, &at), -ENOMEM);
	assert_null(at);
	assert_memory_equal(buf_bytes(b), "abc", 3);
}

static void test_buf_release_gives_memory_back_only_when_empty(void **state)
{
	struct buf *b = *state;
	char piece[4096] = {0};

	assert_int_equal(buf_add(b, piece, sizeof(piece)), 0);
	buf_release(b, 0);
	assert_int_equal(b->len, sizeof(piece));
	buf_consume(b, sizeof(piece));
	buf_release(b, 1 << 20);
	assert_non_null(b->mem);
	buf_release(b, 1024);
	assert_null(b->mem);
	assert_int_equal(b->cap, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_buf_what_is_added_comes_out_in_order, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_buf_survives_growth_with_a_hole_in_front, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_buf_as_a_queue_of_constant_length_does_not_grow,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(test_buf_reserve_keeps_the_length_until_commit, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(
		test_buf_refuses_a_size_that_would_overflow_and_stays_as_it_was, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_buf_release_gives_memory_back_only_when_empty,
					    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
