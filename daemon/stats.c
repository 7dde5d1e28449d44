/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include "clock.h"
#include "coproc.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

static const char *state_name(const struct coproc_stats *t)
{
	if (t->stopping)
		return "stopping";
	if (t->failed)
		return "failed";
	return t->ready ? "ready" : "starting";
}

const char *stats_line(struct coproc *engine, const struct hall *hall, char *dst, size_t size)
{
	struct coproc_stats t;

	coproc_get_stats(engine, &t);
	snprintf(
	    dst, size,
	    "pid %d, ready for %lld ms, clients %u, waiting %u (%zu bytes), in flight %u, "
	    "accepted %llu, answered %llu, timeouts %llu, crashed %llu, desync %llu, refused %llu, "
	    "cancelled %llu, other errors %llu, late %llu, starts %llu, failures %llu, "
	    "replacements %llu, recycled %llu, bytes in %llu, out %llu",
	    (int)t.pid,
	    t.ready_since_ms < 0 ? -1LL : (long long)(clock_now_ms() - t.ready_since_ms),
	    hall->count, t.waiting, t.waiting_bytes, t.in_flight, (unsigned long long)t.accepted,
	    (unsigned long long)t.answered, (unsigned long long)t.timeouts,
	    (unsigned long long)t.crashed, (unsigned long long)t.desyncs,
	    (unsigned long long)t.refused, (unsigned long long)t.cancelled,
	    (unsigned long long)t.other_errors, (unsigned long long)t.late,
	    (unsigned long long)t.starts, (unsigned long long)t.failures,
	    (unsigned long long)t.replacements, (unsigned long long)t.recycled,
	    (unsigned long long)hall->bytes_in, (unsigned long long)hall->bytes_out);
	return dst;
}

const char *stats_table(struct coproc *engine, const struct hall *hall, char *dst, size_t size)
{
	struct coproc_stats t;

	coproc_get_stats(engine, &t);
	snprintf(dst, size,
		 "state: %s\npid: %d\nready for: %lld ms\nprocesses: %u, ready: %u\nclients: %u\n"
		 "waiting: %u requests, %zu bytes\nin flight: %u\naccepted: %llu\nanswered: %llu\n"
		 "timeouts: %llu\ncrashed: %llu\ndesync: %llu\nrefused: %llu\ncancelled: %llu\n"
		 "other errors: %llu\nlate replies: %llu\nstarts: %llu\nfailures: %llu\n"
		 "replacements: %llu\nrecycled: %llu\nlast failure: %s",
		 state_name(&t), (int)t.pid,
		 t.ready_since_ms < 0 ? -1LL : (long long)(clock_now_ms() - t.ready_since_ms),
		 t.workers, t.ready, hall->count, t.waiting, t.waiting_bytes, t.in_flight,
		 (unsigned long long)t.accepted, (unsigned long long)t.answered,
		 (unsigned long long)t.timeouts, (unsigned long long)t.crashed,
		 (unsigned long long)t.desyncs, (unsigned long long)t.refused,
		 (unsigned long long)t.cancelled, (unsigned long long)t.other_errors,
		 (unsigned long long)t.late, (unsigned long long)t.starts,
		 (unsigned long long)t.failures, (unsigned long long)t.replacements,
		 (unsigned long long)t.recycled, *t.last_failure ? t.last_failure : "none");
	return dst;
}
