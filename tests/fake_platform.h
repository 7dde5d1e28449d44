/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAKE_PLATFORM_H
#define TESTS_FAKE_PLATFORM_H

/*
 * A scripted platform for the engine: processes whose ends of the pipes the
 * test holds, and a clock that moves when the test says so. clock_gettime() is
 * the virtual clock for the whole program, libevent included, so that the
 * engine's own timer takes part and every run is the same.
 */

#include "coproc.h"

#define FAKE_PROCESSES 64

struct fake_process {
	pid_t pid;
	int in, out, err; /* its stdin, stdout, stderr; -1 when closed */
	int exited;       /* a hold on the eventfd */
	int status;
	bool alive, reaped;
	bool ignores_term;
	bool group_killed; /* SIGKILL went to the group, at the latest when it had died */
	char signals[64];  /* received while alive: "TERM KILL " */
};

struct fake_platform {
	struct coproc_platform platform;
	struct fake_process process[FAKE_PROCESSES];
	unsigned count;
	int spawn_error;      /* what spawning returns, 0 for success */
	unsigned spawn_fails; /* so many starts fail with spawn_error, then they succeed */
	unsigned attempts;
	int pipe_size; /* of stdin, 0 for the default */
	uint32_t random;
	size_t rss;
	int reading;    /* what is_reading says, if a test puts fake_is_reading() in place */
	pid_t youngest; /* what youngest says, in the same way */
};

int fake_is_reading(void *ctx, const struct coproc_child *child);
pid_t fake_youngest(void *ctx, const struct coproc_child *child);

/* Move the virtual clock; it starts at a time above 0. */
void fake_advance_ms(int64_t ms);
int64_t fake_now_ms(void);

void fake_platform_init(struct fake_platform *f);

/* Close all that is left. */
void fake_platform_finish(struct fake_platform *f);

/* The newest process. */
struct fake_process *fake_newest(struct fake_platform *f);

/* End it: the pipes are closed and its death is to be seen. @status as of waitpid(). */
void fake_die(struct fake_process *p, int status);

/* Close one of its ends. */
void fake_close(int *fd);

/* How many descriptors (below 256) are open. */
unsigned fake_open_fds(void);

/* Put @len bytes on its stdout. Returns what the pipe took. */
size_t fake_write(struct fake_process *p, const char *bytes, size_t len);

/* Take up to @room bytes of its stdin. Returns the count, 0 for none, -1 at its end. */
ssize_t fake_read(struct fake_process *p, char *dst, size_t room);

#endif
