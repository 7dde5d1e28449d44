/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include "clock.h"
#include "coproc.h"
#include "latency.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static const char *state_name(const struct coproc_stats *t, const struct hall *hall)
{
	if (t->stopping)
		return "stopping";
	if (t->failed)
		return "failed";
	if (hall->paused)
		return "paused";
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

void stats_count(struct stats_causes *causes, const struct coproc_event *event)
{
	switch (event->kind) {
	case COPROC_EV_START_FAILED:
		causes->start_failed++;
		break;
	case COPROC_EV_EXITED:
		causes->exited++;
		break;
	case COPROC_EV_DESYNC:
		causes->desync++;
		break;
	case COPROC_EV_HUNG:
		causes->hung++;
		break;
	case COPROC_EV_RECYCLING:
		causes->recycled++;
		break;
	case COPROC_EV_REPLACED:
		causes->replaced++;
		break;
	case COPROC_EV_STARTED:
	case COPROC_EV_READY:
	case COPROC_EV_RESTARTING:
	case COPROC_EV_FAILED:
	case COPROC_EV_REPLACE_FAILED:
	case COPROC_EV_STOPPED:
	case COPROC_EV_LATE:
	case COPROC_EV_POISON:
	case COPROC_EV_SILENT:
	case COPROC_EV_ASYNC:
	case COPROC_EV_STDERR:
		break;
	}
}

/* "[0,3,17]", without what is 0 at the end; @size must do for all. */
static const char *list_latencies(const uint64_t *latency, char *dst, size_t size)
{
	unsigned count = COPROC_LATENCIES;
	size_t n = 1;

	while (count && !latency[count - 1])
		count--;
	dst[0] = '[';
	for (unsigned i = 0; i < count; i++)
		n += (size_t)snprintf(dst + n, size - n, "%s%llu", i ? "," : "",
				      (unsigned long long)latency[i]);
	snprintf(dst + n, size - n, "]");
	return dst;
}

const char *stats_table(struct coproc *engine, const struct hall *hall,
			const struct stats_causes *causes, char *dst, size_t size)
{
	struct coproc_stats t;

	coproc_get_stats(engine, &t);
	snprintf(
	    dst, size,
	    "state: %s\npid: %d\nready for: %lld ms\nprocesses: %u, ready: %u\nclients: %u\n"
	    "waiting: %u requests, %zu bytes\nin flight: %u\nwindow: %u\naccepted: %llu\nanswered: "
	    "%llu\n"
	    "timeouts: %llu\ncrashed: %llu\ndesync: %llu\nrefused: %llu\ncancelled: %llu\n"
	    "other errors: %llu\nlate replies: %llu\nstarts: %llu\nfailures: %llu\n"
	    "replacements: %llu\nrecycled: %llu\nends by cause: exited %llu, start failed %llu, "
	    "desync %llu, hung %llu, recycled %llu, replaced %llu\n"
	    "latency: p50 < %llu us, p90 < %llu us, p99 < %llu us\nlast failure: %s",
	    state_name(&t, hall), (int)t.pid,
	    t.ready_since_ms < 0 ? -1LL : (long long)(clock_now_ms() - t.ready_since_ms), t.workers,
	    t.ready, hall->count, t.waiting, t.waiting_bytes, t.in_flight, t.window,
	    (unsigned long long)t.accepted, (unsigned long long)t.answered,
	    (unsigned long long)t.timeouts, (unsigned long long)t.crashed,
	    (unsigned long long)t.desyncs, (unsigned long long)t.refused,
	    (unsigned long long)t.cancelled, (unsigned long long)t.other_errors,
	    (unsigned long long)t.late, (unsigned long long)t.starts,
	    (unsigned long long)t.failures, (unsigned long long)t.replacements,
	    (unsigned long long)t.recycled, (unsigned long long)causes->exited,
	    (unsigned long long)causes->start_failed, (unsigned long long)causes->desync,
	    (unsigned long long)causes->hung, (unsigned long long)causes->recycled,
	    (unsigned long long)causes->replaced,
	    (unsigned long long)latency_within_us(t.latency, 0.5),
	    (unsigned long long)latency_within_us(t.latency, 0.9),
	    (unsigned long long)latency_within_us(t.latency, 0.99),
	    *t.last_failure ? t.last_failure : "none");
	return dst;
}

/* As the inside of a JSON string; what is not UTF-8 becomes `?`. */
static void escape_json(const char *text, char *dst, size_t size)
{
	const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
	size_t n = 0;

	while (*p && n + 8 < size) {
		utf8proc_int32_t code;
		utf8proc_ssize_t len = utf8proc_iterate(p, -1, &code);

		bool plain = len > 0 && *p >= ' ' && *p != '"' && *p != '\\';

		if (len <= 0)
			dst[n++] = '?';
		else if (!plain)
			n += (size_t)snprintf(dst + n, size - n, "\\u%04x", *p);
		for (utf8proc_ssize_t i = 0; plain && i < len; i++)
			dst[n++] = (char)p[i];
		p += MAX(len, 1);
	}
	dst[n] = '\0';
}

const char *stats_json(struct coproc *engine, const struct hall *hall,
		       const struct stats_causes *causes, char *dst, size_t size)
{
	struct coproc_stats t;
	char failure[2 * sizeof(t.last_failure)], latencies[COPROC_LATENCIES * 21 + 3];

	coproc_get_stats(engine, &t);
	escape_json(t.last_failure, failure, sizeof(failure));
	snprintf(
	    dst, size,
	    "{\"state\":\"%s\",\"pid\":%d,\"ready_ms\":%lld,\"processes\":%u,\"ready\":%u,"
	    "\"clients\":%u,\"waiting\":%u,\"waiting_bytes\":%zu,\"in_flight\":%u,\"window\":%u,"
	    "\"accepted\":%llu,\"answered\":%llu,\"timeouts\":%llu,\"crashed\":%llu,"
	    "\"desync\":%llu,\"refused\":%llu,\"cancelled\":%llu,\"other_errors\":%llu,"
	    "\"late\":%llu,\"starts\":%llu,\"failures\":%llu,\"replacements\":%llu,"
	    "\"recycled\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,\"causes\":{\"exited\":%llu,"
	    "\"start_failed\":%llu,\"desync\":%llu,\"hung\":%llu,\"recycled\":%llu,"
	    "\"replaced\":%llu},\"latency_log2_us\":%s,\"last_failure\":\"%s\"}",
	    state_name(&t, hall), (int)t.pid,
	    t.ready_since_ms < 0 ? -1LL : (long long)(clock_now_ms() - t.ready_since_ms), t.workers,
	    t.ready, hall->count, t.waiting, t.waiting_bytes, t.in_flight, t.window,
	    (unsigned long long)t.accepted, (unsigned long long)t.answered,
	    (unsigned long long)t.timeouts, (unsigned long long)t.crashed,
	    (unsigned long long)t.desyncs, (unsigned long long)t.refused,
	    (unsigned long long)t.cancelled, (unsigned long long)t.other_errors,
	    (unsigned long long)t.late, (unsigned long long)t.starts,
	    (unsigned long long)t.failures, (unsigned long long)t.replacements,
	    (unsigned long long)t.recycled, (unsigned long long)hall->bytes_in,
	    (unsigned long long)hall->bytes_out, (unsigned long long)causes->exited,
	    (unsigned long long)causes->start_failed, (unsigned long long)causes->desync,
	    (unsigned long long)causes->hung, (unsigned long long)causes->recycled,
	    (unsigned long long)causes->replaced,
	    list_latencies(t.latency, latencies, sizeof(latencies)), failure);
	return dst;
}

static void print_client(FILE *out, const struct session *s, bool json, unsigned number)
{
	if (json)
		fprintf(out,
			"%s{\"id\":%llu,\"uid\":%u,\"pid\":%d,\"unfinished\":%u,\"unsent\":%zu}",
			number ? "," : "", (unsigned long long)s->id, (unsigned)s->uid, (int)s->pid,
			s->unfinished, s->out.len + s->kept);
	else
		fprintf(out, "\n%8llu %8u %8d %10u %10zu", (unsigned long long)s->id,
			(unsigned)s->uid, (int)s->pid, s->unfinished, s->out.len + s->kept);
}

char *stats_clients(const struct hall *hall, bool json)
{
	const struct session *s;
	unsigned number = 0;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (json)
		fputs("{\"clients\":[", out);
	else
		fprintf(out, "%8s %8s %8s %10s %10s", "ID", "UID", "PID", "UNFINISHED", "UNSENT");
	TAILQ_FOREACH (s, &hall->all, link) {
		if (number == STATS_CLIENTS)
			break;
		print_client(out, s, json, number++);
	}
	if (json)
		fprintf(out, "],\"more\":%u}", hall->count - number);
	else if (hall->count > number)
		fprintf(out, "\nand %u more", hall->count - number);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
