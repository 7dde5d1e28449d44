/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_LOOK_H
#define DAEMON_CTL_LOOK_H

/* What the control socket says of a daemon, as numbers. */

#include "latency.h"

#include <jansson.h>
#include <stdint.h>

struct coproc_client;

struct look {
	int64_t at_ms;   /* when it was taken */
	json_t *status;  /* owned; the object of `status --json` */
	json_t *clients; /* owned; the object of `clients --json` */
};

/*
 * Ask a control socket.
 *
 * @out  set on success; look_finish() frees what it holds
 *
 * Returns 0, the -errno of coproc_client_ask(), or -EPROTO if the answer is not
 * what is expected.
 */
int look_take(struct coproc_client *client, struct look *out) __attribute__((warn_unused_result));

/* Free what it holds; accepts zeroed memory. */
void look_finish(struct look *look);

/* A number of the status; @key "causes.hung" is within an object. 0 if it is not there. */
int64_t look_number(const struct look *look, const char *key);

/*
 * How long answered requests took, as coproc_stats.latency: of those between two
 * looks, or of all if @before is without a status.
 */
void look_latencies(const struct look *before, const struct look *now,
		    uint64_t counts[LATENCY_COUNTS]);

/* A text of the status; borrowed. "" if it is not there. */
const char *look_text(const struct look *look, const char *key);

/* By how much a number has grown in a second between two looks; 0 if it has not. */
double look_rate(const struct look *before, const struct look *now, const char *key);

#endif
