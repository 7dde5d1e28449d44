/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_MEMORY_H
#define DAEMON_MEMORY_H

/*
 * When freed memory goes back to the kernel. Lines of megabytes come one after the
 * other: given back after each, as glibc does, the page faults of the next one cost
 * more than all else (16 MiB: 2.2 times the time of the floor relay, 1.03 without).
 * So it is kept, and given back once a second while there is work, and once after it;
 * without work there is no timer.
 */

#include <event2/event_struct.h>
#include <stdbool.h>

struct memory {
	struct event look;
	bool due; /* the look is set */
};

/* From now on memory is kept. @base is borrowed. */
void memory_init(struct memory *m, struct event_base *base);

/* There is work. */
void memory_look_later(struct memory *m);

static inline void memory_used(struct memory *m)
{
	if (!m->due)
		memory_look_later(m);
}

void memory_finish(struct memory *m);

#endif
