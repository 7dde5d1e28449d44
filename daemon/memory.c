/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include "macros.h"

#include <event2/event.h>
#include <limits.h>
#include <malloc.h>

/* The most that mallopt(3) takes: what is larger is mapped by itself. */
#define MAPPED_FROM (32 << 20)

/* So much may stay free. */
#define FREE_MAX (1 << 20)

static void look_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct memory *m = arg;

	m->due = false;
	if (mallinfo2().fordblks > FREE_MAX)
		malloc_trim(0);
}

void memory_init(struct memory *m, struct event_base *base)
{
	mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	*m = (struct memory){0};
	event_assign(&m->look, base, -1, 0, look_cb, m);
}

void memory_look_later(struct memory *m)
{
	static const struct timeval later = {.tv_sec = 1};

	/* Without memory for a timer, the next request sets it. */
	m->due = !event_add(&m->look, &later);
}

void memory_finish(struct memory *m)
{
	if (event_initialized(&m->look))
		event_del(&m->look);
}
