/* SPDX-License-Identifier: MIT */
#ifndef COPROC_CLOCK_H
#define COPROC_CLOCK_H

#include <stdint.h>

/* "No deadline": later than every time. */
#define CLOCK_NEVER INT64_MAX

/* Milliseconds of the monotonic clock; the only clock of the project. */
int64_t clock_now_ms(void);

/* The same in microseconds, for how long the process works on a request. */
int64_t clock_now_us(void);

/*
 * The moment @timeout_ms after @now_ms; CLOCK_NEVER for a timeout of 0, which
 * everywhere in the project means "no limit".
 */
int64_t clock_deadline_ms(int64_t now_ms, int64_t timeout_ms);

#endif
