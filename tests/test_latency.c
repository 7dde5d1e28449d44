/* SPDX-License-Identifier: MIT */
#include "latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_latency_each_duration_has_its_count(void **state)
{
	static const struct {
		int64_t us;
		unsigned n;
	} of[] = {{-5, 0},        {0, 0},     {1, 1},     {2, 2},
		  {3, 2},         {1023, 10}, {1024, 11}, {INT64_C(1) << 30, 31},
		  {INT64_MAX, 31}};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		uint64_t counts[LATENCY_COUNTS] = {0};

		latency_add(counts, of[i].us, 1);
		if (counts[of[i].n] != 1)
			fail_msg("%lld us", (long long)of[i].us);
	}
}

static void test_latency_a_part_is_over_within_a_power_of_two(void **state)
{
	uint64_t counts[LATENCY_COUNTS] = {0};

	(void)state;
	assert_int_equal(latency_within_us(counts, 0.5), 0);
	for (int i = 0; i < 90; i++)
		latency_add(counts, 20, 1);
	for (int i = 0; i < 10; i++)
		latency_add(counts, 5000, 1);
	assert_int_equal(latency_within_us(counts, 0), 32);
	assert_int_equal(latency_within_us(counts, 0.5), 32);
	assert_int_equal(latency_within_us(counts, 0.9), 32);
	assert_int_equal(latency_within_us(counts, 0.91), 8192);
	assert_int_equal(latency_within_us(counts, 1), 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_latency_each_duration_has_its_count),
	    cmocka_unit_test(test_latency_a_part_is_over_within_a_power_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
