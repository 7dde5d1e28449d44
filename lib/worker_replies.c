/* SPDX-License-Identifier: MIT */
/* What comes back from a process: greeting, replies, and what is neither. */
#include "worker_parts.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Room asked for at each read of stdout: as much as a pipe holds. */
#define READ_ROOM (64 << 10)

/* The answer to the daemon's own request, which nothing was sent beside. */
static void answer_health(struct worker *w, int64_t now)
{
	const struct marker *good = &w->settings->health_reply;
	char shown[160], why[320];
	size_t len;
	const char *bytes = flights_first_reply(&w->flights, &len);
	bool is_good = false;

	/* Any line of the reply may be the one. */
	for (const char *p = bytes, *end = bytes + len; p < end && !is_good;) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((lf ? lf : end) - p);

		n -= n && p[n - 1] == '\r';
		is_good = n == good->len && !memcmp(p, good->text, n);
		p = lf ? lf + 1 : end;
	}
	log_escape(shown, sizeof(shown), bytes, len);
	flights_drop_all(&w->flights);
	w->asking_health = w->exclusive = false;
	w->health_at_ms = clock_deadline_ms(now, w->settings->o.health_interval_ms);
	worker_changed(w);
	if (is_good)
		return;
	snprintf(why, sizeof(why), "answered the health check with \"%s\"", shown);
	worker_give_up(w, COPROC_EV_HUNG, COPROC_CRASHED, COPROC_CRASHED, why);
}

/* Hand the parsed replies on. */
static void release(struct worker *w, int64_t now)
{
	w->settle_until_ms = CLOCK_NEVER;
	w->head_since_ms = now;
	w->health_at_ms = clock_deadline_ms(now, w->settings->o.health_interval_ms);
	if (flights_has_reply(&w->flights) && w->asking_health) {
		answer_health(w, now);
		return;
	}
	if (flights_has_reply(&w->flights) && w->state == WORKER_STARTING) {
		flights_drop_all(&w->flights); /* of the probe that proves it ready */
		worker_become_ready(w);
		return;
	}
	if (w->watching && flights_will_release(&w->flights, w->watched)) {
		w->watching = false;
		w->stay_ms = now - w->watched_since_ms;
	}
	flights_release(&w->flights, w->env->sink);
	buf_release(&w->flights.bytes, READ_ROOM * 2);
	if (!worker_in_flight(w))
		w->exclusive = false;
	worker_cancel_running(w);
	worker_changed(w);
}

void worker_give_up_desync(struct worker *w, const char *what)
{
	char shown[160], why[120];
	size_t len;
	const char *surplus = flights_surplus(&w->flights, &len);

	log_escape(shown, sizeof(shown), surplus, len);
	snprintf(why, sizeof(why), "%zu bytes on stdout %s", len, what);
	if (w->settings->proof && w->state >= WORKER_READY)
		release(w, worker_now_ms(w)); /* what has proved its place is right all the same */
	if (w->state >= WORKER_STOPPING)
		return;
	/* The bytes may be meant for one client; others are not shown them. */
	worker_report(w, COPROC_EV_DESYNC, LOG_WARNING,
		      "%s: \"%s\"; replacing it, %u requests lost", why, shown,
		      worker_in_flight(w));
	worker_fail(w, COPROC_DESYNC, COPROC_DESYNC, why);
}

static void give_up_too_long(struct worker *w, int64_t now)
{
	char why[100];

	release(w, now); /* the replies before it are whole */
	snprintf(why, sizeof(why), "a reply is longer than %zu bytes (max-reply)",
		 w->settings->o.max_reply);
	worker_give_up(w, COPROC_EV_DESYNC, COPROC_REPLY_TOO_LONG, COPROC_DESYNC, why);
}

/* Release the replies received, or hold the one of a suspicious request back for a while. */
static void release_or_settle(struct worker *w, int64_t now)
{
	int64_t settle_ms = w->settings->o.settle_ms;

	if (window_is_auto(&w->window) && w->settle_until_ms == CLOCK_NEVER)
		window_answered(&w->window, flights_ready(&w->flights), worker_now_us(w));
	if (!worker_is_lockstep(w) || !settle_ms || w->reaped ||
	    !flights_is_suspicious(&w->flights)) {
		release(w, now);
		return;
	}
	if (w->settle_until_ms == CLOCK_NEVER)
		w->head_since_ms = now;
	w->settle_until_ms = MIN(w->settle_until_ms, now + settle_ms);
	worker_changed(w);
}

/*
 * The rest of a line that may be one of no reply is to come. Replies before it are
 * held back, as it may be a surplus, unless another such line has come between.
 */
static void wait_for_line(struct worker *w, int64_t now, bool is_flood)
{
	if (w->reaped) {
		worker_give_up_desync(w, "that no request asked for");
		return;
	}
	if (is_flood && flights_has_reply(&w->flights))
		release_or_settle(w, now);
	w->loose_by_ms =
	    is_flood ? now + CLOSED_GRACE_MS : MIN(w->loose_by_ms, now + CLOSED_GRACE_MS);
	worker_changed(w);
}

void worker_take_replies(struct worker *w, int64_t now)
{
	enum flights_verdict verdict = flights_parse(&w->flights);

	if (w->loose_by_ms != CLOCK_NEVER && verdict <= FLIGHTS_READY) {
		w->loose_by_ms = CLOCK_NEVER;
		worker_changed(w); /* there is room again */
	}
	switch (verdict) {
	case FLIGHTS_PARTIAL:
		break;
	case FLIGHTS_READY:
		release_or_settle(w, now);
		break;
	case FLIGHTS_LOOSE:
	case FLIGHTS_FLOOD:
		wait_for_line(w, now, verdict == FLIGHTS_FLOOD);
		break;
	case FLIGHTS_SURPLUS:
		worker_give_up_desync(w, "that no request asked for");
		break;
	case FLIGHTS_LOST:
		worker_give_up_desync(w, "that cannot belong to any reply");
		break;
	case FLIGHTS_TOO_LONG:
		give_up_too_long(w, now);
		break;
	}
}

bool worker_read_stdout(struct worker *w)
{
	bool more;
	ssize_t n;
	char *at;

	if (!stream_in_is_open(&w->out))
		return false;
	if (buf_reserve(&w->flights.bytes, READ_ROOM, &at)) {
		worker_give_up(w, COPROC_EV_DESYNC, COPROC_REPLY_TOO_LONG, COPROC_DESYNC,
			       "no memory for its reply");
		return false;
	}
	n = stream_in_read(&w->out, at, READ_ROOM);
	/* A pty gives at most a page at once, so that only "nothing" says it is empty. */
	more = w->settings->o.pty ? n > 0 : n == READ_ROOM;
	w->drained = !more;
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		stream_in_close(&w->out);
		w->closed_by_ms = MIN(w->closed_by_ms, worker_now_ms(w) + CLOSED_GRACE_MS);
		worker_changed(w);
	}
	if (n <= 0)
		return false;
	w->has_output = true;
	if (w->state < WORKER_STOPPING)
		buf_commit(&w->flights.bytes, (size_t)n);
	return more;
}

/* Skip the greeting; its end may be what proves the process ready. */
static void take_greeting(struct worker *w)
{
	struct buf *b = &w->flights.bytes;
	size_t longest = w->settings->o.max_reply;

	buf_consume(b, greeting_skip(&w->greeting, buf_bytes(b), b->len));
	if (!greeting_is_over(&w->greeting) && b->len > longest)
		worker_give_up(w, COPROC_EV_DESYNC, COPROC_REPLY_TOO_LONG, COPROC_DESYNC,
			       "a line of its greeting is longer than max-reply");
	else if (greeting_is_over(&w->greeting) && w->state == WORKER_STARTING)
		worker_become_ready(w);
}

void worker_hear(void *ctx)
{
	struct worker *w = ctx;

	worker_read_stdout(w);
	if (w->state < WORKER_STOPPING && !greeting_is_over(&w->greeting))
		take_greeting(w);
	if (w->state >= WORKER_STOPPING || !w->flights.bytes.len || !greeting_is_over(&w->greeting))
		return;
	worker_take_replies(w, worker_now_ms(w));
	if (w->state == WORKER_DRAINING && !worker_in_flight(w))
		worker_stop(w);
}

void worker_on_stdout_line(void *ctx, int level, const char *line)
{
	worker_report(ctx, COPROC_EV_ASYNC, level, "stdout: %s", line);
}

static void on_async_line(void *ctx, const char *line, size_t len)
{
	struct worker *w = ctx;

	errlines_take(&w->async_lines, line, len, worker_now_ms(w), worker_on_stdout_line, w);
}

void worker_listen(struct worker *w)
{
	w->flights.on_async = on_async_line;
	w->flights.ctx = w;
	w->flights.framing.key = w->key;
}

void worker_settle(struct worker *w, int64_t now)
{
	bool rests = worker_rests(w); /* what it wrote before that is seen now */

	worker_hear(w); /* a surplus that has come in the meantime ends it here */
	if (w->loose_by_ms != CLOCK_NEVER)
		w->settle_until_ms = CLOCK_NEVER; /* once it is known whether this is one */
	if (w->state < WORKER_STOPPING && w->settle_until_ms <= now &&
	    flights_has_reply(&w->flights)) {
		if (rests)
			release(w, now);
		else
			w->settle_until_ms = now + 1;
	}
	if (w->state == WORKER_DRAINING && !worker_in_flight(w))
		worker_stop(w);
}
