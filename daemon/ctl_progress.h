/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_PROGRESS_H
#define DAEMON_CTL_PROGRESS_H

/* A progress bar on stderr, drawn a few times a second if that is a terminal. */

#include <stdbool.h>
#include <stdint.h>

struct progress {
	uint64_t total; /* 0: nothing is ever drawn */
	int64_t started_ms;
	int64_t drawn_ms; /* the last time */
	bool visible;
};

/* @total  of what is to be done; nothing is drawn if stderr is no terminal */
void progress_init(struct progress *p, uint64_t total);

/* So much is done: draw the bar, unless it has been drawn just now. */
void progress_show(struct progress *p, uint64_t done);

/* Something else is about to be printed: take the bar away. */
void progress_hide(struct progress *p);

#endif
