/* SPDX-License-Identifier: MIT */
#ifndef COPROC_RESTART_H
#define COPROC_RESTART_H

/*
 * When to start again after a failure: a pure function of the failures so far,
 * the options and a random number.
 */

#include <stdint.h>

struct restart_policy {
	int64_t delay_ms;
	int64_t delay_max_ms;
	int64_t stable_ms; /* 0: failures are never forgotten */
	unsigned limit;    /* failures in a row; 0 for no limit */
};

struct restart {
	unsigned failures; /* in a row */
};

/* What restart_after() says when the limit is reached. */
#define RESTART_NEVER (-1)

/*
 * Count one failure and say how long to wait before the next start.
 *
 * @served_ms  how long the process had been ready; -1 if it never was
 * @random     any; spreads the delay by a quarter to either side
 *
 * The first failure of a process that had been ready costs no delay (nobody
 * should wait for one kill -9), the next ones delay_ms, twice that, and so on
 * up to delay_max_ms. Service of stable_ms makes it the first failure again.
 *
 * Returns milliseconds, or RESTART_NEVER.
 */
int64_t restart_after(struct restart *r, const struct restart_policy *policy, int64_t served_ms,
		      uint32_t random);

#endif
