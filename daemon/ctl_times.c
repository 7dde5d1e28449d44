/* SPDX-License-Identifier: MIT */
#include "ctl_times.h"

#include "macros.h"

#include <time.h>

uint64_t times_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Below TIMES_FINE a bucket each; then the power of 2, and the six bits behind the first. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned power = 0;

	while (ns >> power >= 2 * TIMES_FINE)
		power++;
	return ns < TIMES_FINE ? (unsigned)ns
			       : (power + 1) * TIMES_FINE + (unsigned)(ns >> power) - TIMES_FINE;
}

/* The largest duration of the bucket. */
static uint64_t top_of(unsigned bucket)
{
	unsigned power = bucket / TIMES_FINE;
	uint64_t fine = bucket % TIMES_FINE;

	if (!power)
		return fine;
	return ((fine + TIMES_FINE + 1) << (power - 1)) - 1;
}

void times_add(struct times *t, uint64_t ns)
{
	unsigned bucket = bucket_of(ns);

	t->buckets[MIN(bucket, ARRAY_SIZE(t->buckets) - 1)]++;
	t->count++;
	t->max = MAX(t->max, ns);
}

uint64_t times_percentile(const struct times *t, double share)
{
	uint64_t below = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(t->buckets); i++) {
		below += t->buckets[i];
		if (t->buckets[i] && (double)below >= share * (double)t->count)
			return MIN(top_of(i), t->max);
	}
	return t->max;
}
