/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_TRIAL_H
#define DAEMON_PROBE_TRIAL_H

/* One program under trial: whichever process of it lives now, and asking it. */

#include "probe_findings.h"
#include "probe_run.h"

struct trial {
	struct findings *f;    /* borrowed */
	const char **requests; /* borrowed */
	size_t request_count;
	struct probe_how how; /* as it is started now */
	char *env[4];         /* what how.env holds: of the table, of a cure */
	char **cured_argv;    /* owned; with an argument as cure */
	struct probe_patience patience;
	int64_t banner_wait_ms; /* before the first request */
	char *prefix, *suffix;  /* owned, unescaped */
	size_t prefix_len, suffix_len;
	struct patterns *async; /* owned */
	struct probe_life life; /* while alive */
	bool alive;
	int status;                 /* of the last life that ended by itself */
	struct probe_answer answer; /* to the last request, without asynchronous lines */
	uint64_t number;            /* of the last request */
	uint64_t next_number;
	struct buf usual; /* the reply to the first request */
	bool steady;      /* ... is always the same */
	int64_t ready_ms; /* from its start to the proof that it is ready, if any */
	int error;        /* -errno that ended it all; then: */
	const char *step; /* what failed */
	void (*on_step)(const char *what); /* may be NULL */
};

/* Prepare; the table's entry is @t->f->known. 0 or -errno. Needs trial_finish(). */
int trial_init(struct trial *t) WARN_UNUSED;

void trial_finish(struct trial *t);

/* Say what is being tried. */
void trial_tell(struct trial *t, const char *what);

/* How it is started from now on. 0 or -ENOMEM. */
int trial_set_cure(struct trial *t, enum cure cure) WARN_UNUSED;

/* Have a process that takes requests. Returns false if there is none; t->error may say why. */
bool trial_live(struct trial *t);

/* Have no process. */
void trial_kill(struct trial *t);

/* Ask @count requests of @len bytes each in one write. False if the process is gone then. */
bool trial_ask_several(struct trial *t, const char *const *requests, const size_t *lens,
		       size_t count);

/* Ask one; likewise. */
bool trial_ask(struct trial *t, const char *request, size_t len);

/* Milliseconds from the start of the process to the last byte of the last answer. */
int64_t trial_last_ms(const struct trial *t);

/* The reply in the last answer without a marker, if that is exactly one. */
bool trial_reply(const struct trial *t, struct shape_piece *out);

#endif
