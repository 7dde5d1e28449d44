/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include "macros.h"

#include <assert.h>

void queue_init(struct queue *q)
{
	TAILQ_INIT(&q->list);
	q->count = 0;
	q->bytes = 0;
}

static void count_in(struct queue *q, const struct coproc_request *r)
{
	q->count += r->unsent;
	q->bytes += r->len;
}

void queue_push(struct queue *q, struct coproc_request *r)
{
	assert(TAILQ_EMPTY(&q->list) || TAILQ_LAST(&q->list, request_list)->seq < r->seq);
	TAILQ_INSERT_TAIL(&q->list, r, waiting);
	count_in(q, r);
}

void queue_put_back(struct queue *q, struct coproc_request *r)
{
	struct coproc_request *at;

	TAILQ_FOREACH (at, &q->list, waiting)
		if (at->seq > r->seq)
			break;
	if (at)
		TAILQ_INSERT_BEFORE(at, r, waiting);
	else
		TAILQ_INSERT_TAIL(&q->list, r, waiting);
	count_in(q, r);
}

void queue_remove(struct queue *q, struct coproc_request *r)
{
	queue_take(q, r, r->unsent, r->len);
}

void queue_take(struct queue *q, struct coproc_request *r, unsigned count, size_t len)
{
	assert(count && count <= r->unsent && r->unsent <= q->count);
	assert(len <= r->len && r->len <= q->bytes);
	q->count -= count;
	q->bytes -= len;
	r->unsent -= count;
	if (!r->unsent) {
		TAILQ_REMOVE(&q->list, r, waiting);
		return;
	}
	r->bytes += len;
	r->len -= len;
}
