/* SPDX-License-Identifier: MIT */
#ifndef COPROC_WINDOW_H
#define COPROC_WINDOW_H

/*
 * How many requests a process may have at one time. It is a number, or follows
 * from how long the process works on one: then what is with it is to be about a
 * millisecond of its work. That is enough to hide the way there and back, and
 * so little that what has been sent may as well have been sent later. Knows no
 * clock; times are passed in.
 */

#include <stdbool.h>
#include <stdint.h>

struct window {
	unsigned size; /* requests with the process at one time, now; at least 1 */
	unsigned most; /* that `size` may grow to */
	/* The newest replies, the older the less they count, and the work they were. */
	double replies, work_us;
	int64_t since_us; /* the process works since, on what it has */
};

/* @size in requests; with @is_auto it is where to stop growing. */
void window_init(struct window *w, unsigned size, bool is_auto);

/* Whether it follows the process, so that it must be told what happens. */
static inline bool window_is_auto(const struct window *w)
{
	return w->most > 1;
}

/* An idle process was given something to do. */
void window_begin(struct window *w, int64_t now_us);

/* The process has given so many replies since the last call; it works on the rest. */
void window_answered(struct window *w, unsigned replies, int64_t now_us);

/* It has not behaved: it must prove itself anew. */
void window_distrust(struct window *w);

#endif
