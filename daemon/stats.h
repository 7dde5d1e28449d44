/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_STATS_H
#define DAEMON_STATS_H

/* The counters as text: for the log on SIGUSR1, and for the control socket. */

#include "coproc.h"
#include "macros.h"

struct hall;

/* One line of everything, into @dst, which is returned. */
const char *stats_line(struct coproc *engine, const struct hall *hall, char *dst, size_t size);

/* Why processes ended or were followed by others, since this program was executed. */
struct stats_causes {
	uint64_t start_failed, exited, desync, hung, recycled, replaced;
};

/* Count what the engine reports. */
void stats_count(struct stats_causes *causes, const struct coproc_event *event);

/* The same as lines "NAME: VALUE", without an LF at the end. */
const char *stats_table(struct coproc *engine, const struct hall *hall,
			const struct stats_causes *causes, char *dst, size_t size);

/*
 * The same as one line of JSON, an object of numbers but for state and
 * last_failure, the object `causes`, and the list `latency_log2_us`, which is
 * coproc_stats.latency.
 */
const char *stats_json(struct coproc *engine, const struct hall *hall,
		       const struct stats_causes *causes, char *dst, size_t size);

/*
 * The clients, at most STATS_CLIENTS of them, the oldest first: as lines of ID,
 * UID, PID, unfinished requests and unsent bytes under a headline, or as one
 * line of JSON. The caller frees it; NULL if there is no memory.
 */
enum { STATS_CLIENTS = 1000 };
char *stats_clients(const struct hall *hall, bool json) WARN_UNUSED;

#endif
