/* SPDX-License-Identifier: MIT */
#ifndef TESTS_BENCH_LOADGEN_H
#define TESTS_BENCH_LOADGEN_H

/*
 * The load generator of the benchmarks: a closed loop, one thread, each reply compared
 * byte for byte with the request that it must answer.
 */

#include "bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { ID_BYTES = 16, METERS = 4, STALL_MS = 60000, BUCKETS = 64 * 64 };

/* What the command line says. */
struct options {
	const char *path; /* NULL: command */
	char **command;
	uint32_t clients;
	uint32_t depth; /* requests that a client has unanswered at one time */
	uint32_t idle;  /* connections that ask nothing */
	uint32_t rounds;
	size_t bytes; /* of a request, with its newline */
	int64_t warm_ns;
	int64_t run_ns;
	pid_t stop; /* 0 for none: this process is stopped while a round is written */
	bool once;
	bool status;
	bool hold;
	bool syscalls;
};

/* One connection. Its requests are its number and theirs, then a filler. */
struct client {
	int fd;
	int fd_out; /* as fd, unless it is a program */
	uint32_t id;
	uint32_t sent, done;
	size_t scanned; /* bytes of in that hold no newline */
	struct bytes in, out;
	bool want_out;
	int64_t *sent_ns; /* owned; a ring of depth moments */
};

struct tally {
	uint64_t done;
	uint64_t wrong;
	uint64_t latency[BUCKETS];
	uint64_t latencies;
	char sample[120]; /* the first wrong line */
};

/* What a process has used since meters_start(). */
struct meter {
	const char *name;
	pid_t pid;
	int64_t cpu_ns;
	uint64_t syscalls;
	int *counters; /* owned; one for each thread at the start */
	unsigned threads;
};

struct loadgen {
	struct options options;
	struct tally tally;
	struct meter meters[METERS];
	unsigned meter_count;
	struct client *clients; /* owned */
	char *filler;           /* owned; a request without its id */
	int epoll;              /* -1: one client, which is waited for in read() */
	uint64_t pending;
	bool recording;
	bool closing; /* nothing new is asked */
	int64_t now_ns;
};

extern struct loadgen loadgen;

int64_t clock_ns(void);

/* Connect, or start the program. */
void client_open(struct client *c, uint32_t id);

/* Ask so many more requests, and write what can be written. */
void client_ask(struct client *c, uint32_t requests);

/* Read once, verify, and ask as much again unless closing. */
void client_read(struct client *c);

/* A blocking connection to the path of the options. */
int connect_path(void);

void meters_add(const char *text); /* NAME=PID */
void meters_start(void);
void meters_stop(void);

void latency_add(int64_t ns, uint64_t count);
double latency_us(double part);

#endif
