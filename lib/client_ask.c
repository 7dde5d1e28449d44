/* SPDX-License-Identifier: MIT */
/* The blocking forms: one loop over poll() until what was asked is answered. */
#include "client.h"

#include "clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

/* Wait for what the client waits for, and do it. Returns as coproc_client_turn(), or -ETIMEDOUT. */
static long wait_turn(struct coproc_client *c, int64_t deadline_ms)
{
	struct pollfd p = {.fd = c->fd, .events = coproc_client_events(c)};
	int64_t left = deadline_ms - clock_now_ms();
	int n;

	if (left <= 0)
		return -ETIMEDOUT;
	n = poll(&p, 1, deadline_ms == CLOCK_NEVER ? -1 : (int)MIN(left, 1 << 30));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? coproc_client_turn(c, p.revents) : 0;
}

/* ---- one ---- */

struct asked {
	struct coproc_client *client; /* borrowed */
	struct coproc_answer *answer; /* borrowed */
	bool ended;
};

static void asked_done(void *ctx, const struct coproc_answer *answer)
{
	struct asked *a = ctx;
	struct coproc_client *c = a->client;

	*a->answer = *answer;
	a->ended = true;
	if (answer->error)
		return;
	/* The bytes stay valid: they are kept until the next call. */
	buf_finish(&c->answer);
	c->answer = c->reply;
	c->reply = (struct buf){0};
}

int coproc_client_ask(struct coproc_client *c, const char *request, size_t len, int64_t timeout_ms,
		      struct coproc_answer *answer)
{
	struct coproc_answer got = {0};
	struct asked asked = {.client = c, .answer = &got};
	int64_t deadline_ms =
	    clock_deadline_ms(clock_now_ms(), timeout_ms ? timeout_ms : c->options.timeout_ms);
	uint64_t number;
	long rc;

	assert(!c->upcalls && !c->watch);
	rc = coproc_client_submit(c, request, len, asked_done, &asked, &number);
	if (rc)
		return (int)rc;
	rc = coproc_client_turn(c, POLLOUT);
	while (rc >= 0 && !asked.ended)
		rc = wait_turn(c, deadline_ms);
	if (!asked.ended) {
		coproc_client_cancel(c, number);
		return (int)rc;
	}
	if (got.error)
		return got.error;
	*answer = got;
	return 0;
}

/* ---- many ---- */

struct batch {
	struct coproc_client *client; /* borrowed */
	int (*next)(void *ctx, const char **request, size_t *len);
	coproc_answer_fn done;
	void *ctx;
	uint64_t asked, ended;
	int source; /* what next() returned last */
};

static void batch_done(void *ctx, const struct coproc_answer *answer)
{
	struct batch *b = ctx;

	b->ended++;
	b->done(b->ctx, answer);
}

/* Hand in what there is room for; false once the client has been freed. */
static bool submit_some(struct batch *b)
{
	struct coproc_client *c = b->client;
	const char *request;
	bool there;
	size_t len;

	client_enter(c);
	while (b->source > 0 && !c->doomed && coproc_client_unsent(c) < CLIENT_CHUNK) {
		b->source = b->next(b->ctx, &request, &len);
		if (b->source <= 0)
			break;
		b->source = coproc_client_submit(c, request, len, batch_done, b, NULL);
		if (b->source < 0)
			break;
		b->source = 1;
		b->asked++;
	}
	there = !c->doomed;
	client_leave(c);
	return there;
}

int coproc_client_batch(struct coproc_client *c,
			int (*next)(void *ctx, const char **request, size_t *len),
			coproc_answer_fn done, void *ctx)
{
	struct batch b = {.client = c, .next = next, .done = done, .ctx = ctx, .source = 1};
	int64_t timeout_ms = c->options.timeout_ms;
	int64_t deadline_ms = clock_deadline_ms(clock_now_ms(), timeout_ms);
	long rc = c->error;

	assert(!c->upcalls && !c->watch);
	while (!rc) {
		if (!submit_some(&b))
			return -ECANCELED;
		if (b.source <= 0 && b.ended == b.asked)
			return b.source;
		rc = wait_turn(c, deadline_ms);
		if (rc > 0)
			deadline_ms = clock_deadline_ms(clock_now_ms(), timeout_ms);
		rc = MIN(rc, 0);
	}
	if (rc == -ETIMEDOUT)
		client_fail(c, -ETIMEDOUT, "no reply in time");
	return (int)rc;
}
