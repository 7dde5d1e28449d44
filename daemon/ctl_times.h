/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_TIMES_H
#define DAEMON_CTL_TIMES_H

/*
 * Durations, counted in buckets: 64 of them for each power of 2, so that a
 * percentile is at most 1.6 % too high and any number of durations needs the
 * same memory.
 */

#include <stdint.h>

enum { TIMES_FINE = 64, TIMES_POWERS = 59 };

struct times {
	uint64_t count, max;
	uint64_t buckets[TIMES_POWERS * TIMES_FINE];
};

/* Nanoseconds of the monotonic clock. */
uint64_t times_now_ns(void);

/* Count a duration. */
void times_add(struct times *t, uint64_t ns);

/* The duration that @share (0 to 1) of them do not exceed; 0 if there are none. */
uint64_t times_percentile(const struct times *t, double share);

#endif
