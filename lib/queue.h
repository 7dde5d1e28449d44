/* SPDX-License-Identifier: MIT */
#ifndef COPROC_QUEUE_H
#define COPROC_QUEUE_H

/*
 * The requests that wait for a process, in order of arrival. Every operation
 * but queue_put_back() is O(1).
 */

#include "coproc.h"

TAILQ_HEAD(request_list, coproc_request);

struct queue {
	struct request_list list; /* linked by coproc_request.waiting, ascending seq */
	unsigned count;           /* of requests; a run is as many as wait of it */
	size_t bytes;
};

void queue_init(struct queue *q);

/* Append the newest request (asserted: its seq is the highest). */
void queue_push(struct queue *q, struct coproc_request *r);

/* Insert a request at the place that its seq gives it; cheap near the front. */
void queue_put_back(struct queue *q, struct coproc_request *r);

/* Take out @r, which must be in @q. */
void queue_remove(struct queue *q, struct coproc_request *r);

/*
 * Take the first @count of the run @r, @len bytes, out of the queue; the run is taken
 * out with its last.
 */
void queue_take(struct queue *q, struct coproc_request *r, unsigned count, size_t len);

/* The oldest, NULL if empty. */
static inline struct coproc_request *queue_first(const struct queue *q)
{
	return TAILQ_FIRST(&q->list);
}

#endif
