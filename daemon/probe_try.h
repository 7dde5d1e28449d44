/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_TRY_H
#define DAEMON_PROBE_TRY_H

/* The order of the trials: first words, banner, ordinary requests, cures, odd requests, the end. */

#include "macros.h"
#include "probe_findings.h"

struct probe_task {
	char *const *argv;     /* the program, NULL-terminated */
	const char **requests; /* what to ask, NULL: what the table knows */
	size_t request_count;
	const char *hello; /* what to say to each process first, NULL: what the table knows */
	int64_t limit_ms;  /* the longest wait; 0: as long as it seems to work */
	void (*on_step)(const char *what); /* told what is being tried; may be NULL */
};

/*
 * Try a program.
 *
 * @f    set anew; findings_finish() in any case
 * @why  of @size bytes; on failure one sentence
 *
 * Returns 0; -ECHILD if the program cannot be started, or does not live to be asked anything;
 * -ENOMEM.
 */
int probe_try(const struct probe_task *task, struct findings *f, char *why,
	      size_t size) WARN_UNUSED;

#endif
