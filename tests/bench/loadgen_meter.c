/* SPDX-License-Identifier: MIT */
/*
 * What the processes beside the load generator use between two moments that only it
 * knows exactly: CPU time by their CPU clocks, which count what schedstat counts but for
 * all threads and with those that have ended, and system calls by the kernel's tracepoint.
 */
#include "loadgen.h"

#include <dirent.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TRACEPOINT "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id"

int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t cpu_ns(pid_t pid)
{
	struct timespec t;
	clockid_t id;

	if (clock_getcpuclockid(pid, &id) || clock_gettime(id, &t) < 0) {
		fprintf(stderr, "loadgen: there is no process %d\n", (int)pid);
		exit(71);
	}
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t tracepoint_id(void)
{
	FILE *file = fopen(TRACEPOINT, "re");
	unsigned long id;

	if (!file || fscanf(file, "%lu", &id) != 1)
		die(TRACEPOINT);
	fclose(file);
	return id;
}

static int open_counter(pid_t thread)
{
	struct perf_event_attr attr = {
	    .type = PERF_TYPE_TRACEPOINT,
	    .size = sizeof(attr),
	    .config = tracepoint_id(),
	    .inherit = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		die("perf_event_open");
	return (int)fd;
}

static void count_syscalls(struct meter *m)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)m->pid);
	dir = opendir(path);
	if (!dir)
		die(path);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		m->counters = grown(m->counters, (m->threads + 1) * sizeof(*m->counters));
		m->counters[m->threads++] = open_counter(atoi(entry->d_name));
	}
	closedir(dir);
}

static uint64_t syscalls_of(const struct meter *m)
{
	uint64_t sum = 0, n;

	for (unsigned i = 0; i < m->threads; i++) {
		if (read(m->counters[i], &n, sizeof(n)) != sizeof(n))
			die("perf counter");
		sum += n;
	}
	return sum;
}

void meters_add(const char *text)
{
	const char *equals = strchr(text, '=');
	struct meter *m = &loadgen.meters[loadgen.meter_count];

	if (!equals || loadgen.meter_count == METERS) {
		fprintf(stderr, "loadgen: --pid: \"%s\" is not NAME=PID\n", text);
		exit(64);
	}
	m->name = strndup(text, (size_t)(equals - text));
	m->pid = atoi(equals + 1);
	loadgen.meter_count++;
	if (loadgen.options.syscalls && loadgen.meter_count == 1)
		count_syscalls(m);
}

void meters_start(void)
{
	for (unsigned i = 0; i < loadgen.meter_count; i++) {
		struct meter *m = &loadgen.meters[i];

		m->syscalls = syscalls_of(m);
		m->cpu_ns = cpu_ns(m->pid);
	}
}

void meters_stop(void)
{
	for (unsigned i = 0; i < loadgen.meter_count; i++) {
		struct meter *m = &loadgen.meters[i];

		m->cpu_ns = cpu_ns(m->pid) - m->cpu_ns;
		m->syscalls = syscalls_of(m) - m->syscalls;
	}
}

/* Buckets are 1/64 wide of what is in them: 64 for each power of two, single ones below. */
void latency_add(int64_t ns, uint64_t count)
{
	uint64_t v = ns > 0 ? (uint64_t)ns : 0;
	unsigned shift = v < 64 ? 0 : 58 - (unsigned)__builtin_clzll(v) - 1;

	if (v < 64)
		loadgen.tally.latency[v] += count;
	else
		loadgen.tally.latency[(shift + 1) * 64 + (v >> shift & 63)] += count;
	loadgen.tally.latencies += count;
}

double latency_us(double part)
{
	double want = part * (double)loadgen.tally.latencies, seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += (double)loadgen.tally.latency[i];
		if (seen > 0 && seen >= want)
			return (i < 64 ? i : (double)((64 + (uint64_t)i % 64) << (i / 64 - 1))) /
			       1e3;
	}
	return 0;
}
