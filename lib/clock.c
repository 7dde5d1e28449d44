/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <time.h>

int64_t clock_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_deadline_ms(int64_t now_ms, int64_t timeout_ms)
{
	if (timeout_ms <= 0 || now_ms > CLOCK_NEVER - timeout_ms)
		return CLOCK_NEVER;
	return now_ms + timeout_ms;
}
