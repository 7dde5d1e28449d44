/* SPDX-License-Identifier: MIT */
#include "window.h"

#include "macros.h"

/* What a process may have at one time, in work of its own. */
#define WORK_US 1000

/* So many replies prove that a process is quick, */
#define PROOF 16

/* and so many are remembered. */
#define MEMORY 64.0

void window_init(struct window *w, unsigned size, bool is_auto)
{
	*w = (struct window){.size = is_auto ? 1 : size, .most = is_auto ? size : 0};
}

void window_begin(struct window *w, int64_t now_us)
{
	w->since_us = now_us;
}

void window_answered(struct window *w, unsigned replies, int64_t now_us)
{
	double fits;

	w->replies += replies;
	w->work_us += (double)(now_us - w->since_us);
	w->since_us = now_us;
	if (w->replies < PROOF)
		return;
	fits = w->work_us > 0 ? WORK_US * w->replies / w->work_us : w->most;
	/* It may be slower with more at once, so that each step is to be proved again. */
	w->size = (unsigned)MAX(1, MIN(fits, MIN(2.0 * w->size, w->most)));
	if (w->replies >= MEMORY) {
		w->work_us *= MEMORY / 2 / w->replies;
		w->replies = MEMORY / 2.0;
	}
}

void window_distrust(struct window *w)
{
	if (window_is_auto(w))
		window_init(w, w->most, true);
}
