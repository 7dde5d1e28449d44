/* SPDX-License-Identifier: MIT */
#include "ctl_times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct times));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void test_ctl_times_of_nothing_are_zero(void **state)
{
	assert_int_equal(times_percentile(*state, 0.5), 0);
	assert_int_equal(times_percentile(*state, 1), 0);
}

static void test_ctl_times_small_ones_are_exact(void **state)
{
	for (uint64_t ns = 1; ns <= 50; ns++)
		times_add(*state, ns);
	assert_int_equal(times_percentile(*state, 0.5), 25);
	assert_int_equal(times_percentile(*state, 0.98), 49);
	assert_int_equal(times_percentile(*state, 1), 50);
}

static void test_ctl_times_each_is_at_most_a_sixtieth_too_high(void **state)
{
	for (uint64_t ns = 1; ns < UINT64_MAX / 4; ns += ns / 3 + 1) {
		struct times *t = *state;
		uint64_t got;

		*t = (struct times){0};
		times_add(t, ns);
		t->max = UINT64_MAX;
		got = times_percentile(t, 1);
		assert_true(got >= ns);
		assert_true(got - ns <= ns / 60 + 1);
	}
}

static void test_ctl_times_no_percentile_is_above_the_longest(void **state)
{
	struct times *t = *state;

	times_add(t, 1000001);
	assert_int_equal(times_percentile(t, 0.5), 1000001);
	times_add(t, UINT64_MAX);
	assert_int_equal(times_percentile(t, 1), UINT64_MAX);
	assert_int_equal(t->count, 2);
}

int main(void)
{
#define TIMES_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TIMES_TEST(test_ctl_times_of_nothing_are_zero),
	    TIMES_TEST(test_ctl_times_small_ones_are_exact),
	    TIMES_TEST(test_ctl_times_each_is_at_most_a_sixtieth_too_high),
	    TIMES_TEST(test_ctl_times_no_percentile_is_above_the_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
