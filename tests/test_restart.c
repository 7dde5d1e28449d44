/* SPDX-License-Identifier: MIT */
/* When to start again: pure numbers. */
#include "restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct restart_policy policy = {
    .delay_ms = 100, .delay_max_ms = 30000, .stable_ms = 10000, .limit = 10};

static void test_restart_first_death_of_a_ready_process_costs_no_delay(void **state)
{
	struct restart r = {0};

	(void)state;
	assert_int_equal(restart_after(&r, &policy, 5, 0), 0);
	assert_int_not_equal(restart_after(&r, &policy, 5, 0), 0);
}

static void test_restart_failure_to_start_waits_at_once(void **state)
{
	struct restart r = {0};

	(void)state;
	assert_in_range(restart_after(&r, &policy, -1, 7), 75, 125);
}

static void test_restart_delay_doubles_within_a_quarter_of_jitter(void **state)
{
	(void)state;
	for (uint32_t random = 0; random < 200000; random += 997) {
		struct restart r = {0};
		int64_t nominal = 100;

		for (int i = 0; i < 9; i++, nominal *= 2)
			assert_in_range(restart_after(&r, &policy, -1, random), nominal * 3 / 4,
					nominal * 5 / 4);
	}
}

static void test_restart_delay_never_exceeds_the_maximum(void **state)
{
	const struct restart_policy p = {.delay_ms = 100, .delay_max_ms = 1000, .stable_ms = 1};
	struct restart r = {0};

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_in_range(restart_after(&r, &p, -1, i * 2654435761U), 75, 1000);
	assert_in_range(restart_after(&r, &p, -1, 0), 750, 1000);
}

static void test_restart_gives_up_at_the_limit(void **state)
{
	struct restart r = {0};

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_true(restart_after(&r, &policy, 0, 0) >= 0);
	assert_int_equal(restart_after(&r, &policy, 0, 0), RESTART_NEVER);
	assert_int_equal(r.failures, 10);
}

static void test_restart_good_service_makes_it_the_first_failure_again(void **state)
{
	struct restart r = {0};

	(void)state;
	for (int i = 0; i < 9; i++)
		(void)restart_after(&r, &policy, 9999, 0);
	assert_int_equal(restart_after(&r, &policy, 10000, 0), 0);
	assert_int_equal(r.failures, 1);
}

static void test_restart_limit_zero_never_gives_up(void **state)
{
	const struct restart_policy p = {.delay_ms = 1, .delay_max_ms = 10, .stable_ms = 10};
	struct restart r = {0};

	(void)state;
	for (int i = 0; i < 10000; i++)
		assert_true(restart_after(&r, &p, -1, 0) >= 0);
}

static void test_restart_delay_zero_stays_zero(void **state)
{
	const struct restart_policy p = {.stable_ms = 10};
	struct restart r = {0};

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(restart_after(&r, &p, -1, i * 12345), 0);
}

static void test_restart_stable_zero_never_forgets_a_failure(void **state)
{
	const struct restart_policy p = {.delay_ms = 100, .delay_max_ms = 1000, .limit = 5};
	struct restart r = {0};

	(void)state;
	assert_int_equal(restart_after(&r, &p, 0, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_true(restart_after(&r, &p, 1000000, 0) > 0);
	assert_int_equal(restart_after(&r, &p, 1000000, 0), RESTART_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_restart_first_death_of_a_ready_process_costs_no_delay),
	    cmocka_unit_test(test_restart_failure_to_start_waits_at_once),
	    cmocka_unit_test(test_restart_delay_doubles_within_a_quarter_of_jitter),
	    cmocka_unit_test(test_restart_delay_never_exceeds_the_maximum),
	    cmocka_unit_test(test_restart_gives_up_at_the_limit),
	    cmocka_unit_test(test_restart_good_service_makes_it_the_first_failure_again),
	    cmocka_unit_test(test_restart_limit_zero_never_gives_up),
	    cmocka_unit_test(test_restart_delay_zero_stays_zero),
	    cmocka_unit_test(test_restart_stable_zero_never_forgets_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
