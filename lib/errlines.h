/* SPDX-License-Identifier: MIT */
#ifndef COPROC_ERRLINES_H
#define COPROC_ERRLINES_H

/*
 * What a process says outside its replies, on stderr above all, cut into printable lines, with at
 * most `rate` lines a second (bursts of ten times that) and a count of the rest. Remembers the last
 * line for error texts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERRLINES_MAX 480 /* bytes of a line that are shown; the rest is cut */

struct errlines {
	unsigned rate;      /* lines a second; 0 for no limit */
	int64_t tokens;     /* allowance, in thousandths of a line */
	int64_t updated_ms; /* when the allowance was last counted up */
	unsigned suppressed;
	size_t len; /* of the unfinished line */
	char line[ERRLINES_MAX];
	char last[ERRLINES_MAX]; /* escaped, "" if none yet */
};

/* Receives one escaped line and its level (LOG_ERR ..), by a "<N>" prefix or LOG_INFO. */
typedef void (*errlines_fn)(void *ctx, int level, const char *line);

void errlines_init(struct errlines *e, unsigned rate, int64_t now_ms);

/* Take @len bytes; calls @fn for each line that is complete and within the rate. */
void errlines_take(struct errlines *e, const char *bytes, size_t len, int64_t now_ms,
		   errlines_fn fn, void *ctx);

/* End of the stream: the unfinished line and the count of what was suppressed. */
void errlines_flush(struct errlines *e, int64_t now_ms, errlines_fn fn, void *ctx);

#endif
