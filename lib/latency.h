/* SPDX-License-Identifier: MIT */
#ifndef COPROC_LATENCY_H
#define COPROC_LATENCY_H

/*
 * A histogram of durations in powers of two: count n is of those of less than
 * 2^n microseconds and no less than half of that; the last one is of all longer
 * ones too. Plain data.
 */

#include <stdint.h>

#define LATENCY_COUNTS 32

/* Count @n more that took @us. */
void latency_add(uint64_t counts[LATENCY_COUNTS], int64_t us, unsigned n);

/*
 * Within how many microseconds the part @part (0 to 1) of all was over, rounded
 * up to a power of two; 0 if there were none.
 */
uint64_t latency_within_us(const uint64_t counts[LATENCY_COUNTS], double part);

#endif
