/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_LOOK_H
#define DAEMON_PROBE_LOOK_H

/* What /proc tells about a started program and all its descendants in its session. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct probe_look {
	unsigned processes;
	uint64_t cpu_ticks; /* processor time of all of them */
	size_t rss;         /* bytes resident, of all of them */
	bool working;       /* one runs, or waits for a disk */
};

/* Look at the processes whose session is @session. */
struct probe_look probe_look(pid_t session);

#endif
