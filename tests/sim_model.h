/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

/*
 * What promises P1 to P4 say, as small as it can be said: a list of requests
 * with their fates. It is told what went in and what came out, and knows
 * nothing of how the engine works. Each function returns NULL or the sentence
 * that says which promise was broken.
 *
 * P1 is not checked once the process has been let say something that no
 * request asked for at a moment where only ids could tell (`misled`).
 */

#include "coproc.h"

#define MODEL_REQUESTS  256
#define MODEL_PROCESSES 64

struct model_request {
	bool accepted, ended, cancelled;
	bool never;        /* was cancelled before any process had it */
	unsigned received; /* by processes */
	size_t len;
};

struct model {
	struct model_request request[MODEL_REQUESTS];
	unsigned count, pending;
	int last_received[MODEL_PROCESSES]; /* -1: none */
	int last_answered[MODEL_PROCESSES];
	int last_expired;
	bool misled;
	bool shuffled; /* retries may meet requests that another process got earlier */
	unsigned retries;
	unsigned stopped; /* on_stopped was called so often */
};

/* Waiting requests that have been with a process that died. */
struct model_back {
	unsigned count;
	size_t bytes;
};

void model_init(struct model *m, unsigned retries);

/* A request was accepted; its number is the order of arrival. */
void model_accept(struct model *m, unsigned id, size_t len);

/* It was taken back; @waited: no process had it. */
void model_cancel(struct model *m, unsigned id, bool waited);

/* @process has read the whole of a request. */
const char *model_received(struct model *m, unsigned process, unsigned id);

/* A callback came. A reply holds "ID.PROCESS". */
const char *model_ended(struct model *m, unsigned id, const struct coproc_reply *reply);

/* The counters must agree with what is pending, and the limits must hold. */
const char *model_check(const struct model *m, const struct coproc_stats *stats,
			const struct coproc_options *options, unsigned processes,
			struct model_back back);

/* After the end. */
const char *model_finish(const struct model *m);

#endif
