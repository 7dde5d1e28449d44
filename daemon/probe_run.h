/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_RUN_H
#define DAEMON_PROBE_RUN_H

/*
 * A program over three pipes, tried by hand: start it, say something, record
 * what comes until it is silent. Blocks; nothing here judges what was said.
 */

#include "buf.h"
#include "coproc.h"
#include "macros.h"

/* How it is started. All borrowed. */
struct probe_how {
	char *const *argv;
	char *const *env; /* "NAME=VALUE", NULL-terminated; may be NULL */
	bool line_buffered;
	bool pty;
};

/* How long to wait, milliseconds. */
struct probe_patience {
	int64_t limit_ms; /* for the first byte, and for the last */
	int64_t idle_ms;  /* a program that has read everything and does nothing stays silent */
	int64_t quiet_ms; /* silence that ends a reply */
};

enum probe_end {
	PROBE_REPLIED, /* something came, then it was quiet */
	PROBE_SILENT,  /* nothing came, and nothing is being done about it */
	PROBE_SLOW,    /* the limit was reached while it was at work */
	PROBE_DEAF,    /* the limit was reached and it had not read what was written */
	PROBE_FLOOD,   /* more came than anybody wants */
	PROBE_ENDED,   /* the process has ended, or has closed its stdout */
};

struct probe_answer {
	struct buf out, err;
	int64_t begun_ms; /* when it was asked, by the monotonic clock */
	int64_t first_ms; /* from the question to the first byte of stdout; -1: none */
	int64_t last_ms;  /* ... to the last one */
	enum probe_end end;
};

/* One started process. */
struct probe_life {
	struct coproc_child child;
	int64_t started_ms;
	bool out_ended;
	bool exited;
	int status; /* as of waitpid(), once exited */
};

/*
 * Start the program.
 *
 * @step  on failure set to a static word for what failed
 *
 * Returns 0 or -errno. @life needs probe_life_finish() after success.
 */
int probe_start(const struct probe_how *how, struct probe_life *life,
		const char **step) WARN_UNUSED;

/*
 * Write @bytes (none: listen only) and record what comes until the program is done.
 *
 * @answer  zero or used before: set anew; the caller's, probe_answer_finish()
 *
 * Returns 0 or -ENOMEM.
 */
int probe_say(struct probe_life *life, const char *bytes, size_t len,
	      const struct probe_patience *patience, struct probe_answer *answer) WARN_UNUSED;

/* Close stdin and record until the process has ended or @limit_ms are over. 0 or -ENOMEM. */
int probe_end_input(struct probe_life *life, int64_t limit_ms,
		    struct probe_answer *answer) WARN_UNUSED;

/* Send SIGTERM to the group and wait. Returns whether the process has ended within @limit_ms. */
bool probe_terminate(struct probe_life *life, int64_t limit_ms);

/* Kill what is left and free. Accepts a life that is over. */
void probe_life_finish(struct probe_life *life);

void probe_answer_finish(struct probe_answer *answer);

#endif
