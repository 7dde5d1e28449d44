/* SPDX-License-Identifier: MIT */
/*
 * A clock to be preloaded: each look at it is 1 µs after the one before, or as many as
 * STEADY_CLOCK_US says. Under callgrind a program is some fifty times slower than it is, and
 * would take itself for overloaded; and what depends on time would be counted differently
 * each time. With longer steps an hour passes in a second.
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *now)
{
	static int64_t now_us, step_us;

	if (!step_us) {
		const char *text = getenv("STEADY_CLOCK_US");

		step_us = text ? atoll(text) : 1;
		now_us = INT64_C(1000000000000);
	}
	now_us += step_us;
	*now = (struct timespec){.tv_sec = now_us / 1000000, .tv_nsec = now_us % 1000000 * 1000};
	return 0;
}
