/* SPDX-License-Identifier: MIT */
/*
 * The engine: requests come in, wait in one queue, go to a worker, and end.
 *
 * The path of a request: coproc_submit() appends it to `live` and to the queue;
 * flush(), once at the end of each turn of the loop, moves it on to a worker
 * with room and lets the workers write; on_reply() or on_lost() ends it. Each
 * request in `live` is either in the queue (worker NULL) or at its place with
 * `worker`. What changes workers is done in flush() and in libevent's callbacks
 * only, never inside an upcall to the owner.
 *
 * A run goes the same way, some of its requests behind the others: the first have
 * ended, the next are with one worker, the last `unsent` ones in the queue.
 */
#include "coproc.h"

#include "clock.h"
#include "filter.h"
#include "handover.h"
#include "latency.h"
#include "log.h"
#include "pool.h"
#include "queue.h"
#include "settings.h"
#include "spawn.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The retry hint where nothing is known about the speed. */
#define RETRY_DEFAULT_MS 1000

/* Bytes that a worker is sent without a look at whether the process takes them. */
#define SENT_AT_ONCE (32 << 10)

enum stop_phase { STOP_NONE, STOP_DRAINING, STOP_WORKERS, STOP_DONE };

struct coproc {
	struct event_base *base;      /* borrowed */
	const struct coproc_ops *ops; /* borrowed */
	void *ctx;
	struct coproc_platform platform;
	struct flight_sink sink;
	struct pool_ops pool_ops;
	struct pool pool;
	struct request_list live; /* not ended, by coproc_request.live, ascending seq */
	struct queue queue;
	uint64_t seq;
	struct event flush; /* activated at most once per turn of the loop */
	bool flushing;
	int64_t turn_us; /* when the first request or reply of this turn came */
	bool turn_known;
	struct event timer;
	int64_t timer_at_ms; /* when it fires, CLOCK_NEVER if it is not set */
	bool room_wanted;    /* somebody was told that the queue is full */
	unsigned spare;      /* places with the workers that nothing waits for */
	bool spare_wanted;   /* somebody was told that there are none */
	enum stop_phase phase;
	bool out_of_time;  /* stopping: what is pending is given up */
	bool kill;         /* asked to stop twice */
	bool silence_told; /* COPROC_EV_SILENT was reported */
	int64_t stop_by_ms;
	int64_t rate_since_ms; /* the speed is counted since, */
	uint64_t rate_count;   /* from this many answers on, */
	double rate_per_ms;    /* and was this before */
	struct coproc_stats stats;
	char refusal[400];
};

static int64_t now_ms(const struct coproc *e)
{
	return e->platform.now_ms(e->platform.ctx);
}

const char *coproc_code_name(enum coproc_code code)
{
	static const char *const names[] = {
	    "ok",          "timeout",  "crashed",        "overloaded",
	    "unavailable", "too-long", "reply-too-long", "desync",
	    "bad-request", "denied",   "stopping"};

	return names[code];
}

/* Something is to be done at the end of this turn of the loop; costs no system call. */
static void schedule(struct coproc *e)
{
	if (e->flushing)
		return;
	e->flushing = true;
	event_active(&e->flush, EV_TIMEOUT, 0);
}

static const struct coproc_options *options(const struct coproc *e)
{
	return &e->pool.settings->o;
}

/* ---- the end of a request ---- */

/* The time, asked for once in a turn of the loop in which requests or replies come. */
static int64_t turn_us(struct coproc *e)
{
	const struct coproc_platform *p = &e->platform;

	if (!e->turn_known)
		e->turn_us = p->now_us ? p->now_us(p->ctx) : p->now_ms(p->ctx) * 1000;
	e->turn_known = true;
	return e->turn_us;
}

static void count_ending(struct coproc_stats *s, enum coproc_code code, unsigned count)
{
	if (code == COPROC_OK)
		s->answered += count;
	else if (code == COPROC_TIMEOUT)
		s->timeouts += count;
	else if (code == COPROC_CRASHED)
		s->crashed += count;
	else if (code == COPROC_DESYNC)
		s->desyncs += count;
	else
		s->other_errors += count;
}

/* Take all that is left of it out of queue and worker. */
static void withdraw(struct coproc *e, struct coproc_request *r)
{
	if (r->worker)
		worker_forget(r->worker, r->flight);
	e->stats.in_flight -= r->count - r->unsent;
	if (r->unsent)
		queue_remove(&e->queue, r);
	r->worker = NULL;
}

/*
 * The first @count of it, which must be in neither queue nor worker any more, end. With
 * the last one it is the owner's again.
 */
static void finish(struct coproc *e, struct coproc_request *r, unsigned count,
		   enum coproc_code code, const char *bytes, size_t len)
{
	struct coproc_reply reply = {.code = code, .bytes = bytes, .len = len, .count = count};

	count_ending(&e->stats, code, count);
	if (code == COPROC_OK)
		latency_add(e->stats.latency, turn_us(e) - r->arrival_us, count);
	r->count -= count;
	r->seq += count;
	if (!r->count)
		TAILQ_REMOVE(&e->live, r, live);
	r->done(r->ctx, &reply);
}

static void end_with_error(struct coproc *e, struct coproc_request *r, enum coproc_code code,
			   const char *text)
{
	withdraw(e, r);
	finish(e, r, r->count, code, text, strlen(text));
}

/* The first @count of those with the worker are not there any more. */
static void take_back(struct coproc *e, struct coproc_request *r, unsigned count)
{
	e->stats.in_flight -= count;
	if (r->count - r->unsent == count)
		r->worker = NULL;
}

static void on_reply(void *ctx, void *tag, const char *bytes, size_t len, unsigned count)
{
	struct coproc *e = ctx;
	struct coproc_request *r = tag;

	take_back(e, r, count);
	finish(e, r, count, COPROC_OK, bytes, len);
}

static void describe_poison(const struct coproc_request *r, char *dst, size_t size)
{
	char shown[200];

	log_escape(shown, sizeof(shown), r->bytes, r->len);
	snprintf(dst, size, "poison request, %u tries, each crashed the process: \"%s\"",
		 r->resent + 1U, shown);
}

static void report_poison(struct coproc *e, const char *text)
{
	struct coproc_event event = {.kind = COPROC_EV_POISON, .level = LOG_ERR, .text = text};

	if (e->ops->on_event)
		e->ops->on_event(e->ctx, &event);
}

static void on_lost(void *ctx, void *tag, enum coproc_code code, const char *why, unsigned count)
{
	struct coproc *e = ctx;
	struct coproc_request *r = tag;
	char poison[300] = "";

	take_back(e, r, count);
	/* A run is from before there were retries. */
	if (code == COPROC_CRASHED && r->resent < options(e)->retries && !r->is_run) {
		r->resent++;
		r->unsent = 1;
		queue_put_back(&e->queue, r);
		return;
	}
	if (code == COPROC_CRASHED && r->resent)
		describe_poison(r, poison, sizeof(poison));
	finish(e, r, count, code, why, strlen(why));
	/* Only now, as the owner may cancel what is pending from within the report. */
	if (*poison)
		report_poison(e, poison);
}

static void on_late(void *ctx, unsigned count)
{
	struct coproc *e = ctx;
	struct coproc_event event = {.kind = COPROC_EV_LATE,
				     .level = LOG_DEBUG,
				     .text = "a late reply, whose request had ended, was dropped"};

	e->stats.late += count;
	for (; count && e->ops->on_event; count--)
		e->ops->on_event(e->ctx, &event);
}

/* End all that waits, or all there is. */
static void end_all(struct coproc *e, bool waiting_only, enum coproc_code code, const char *text)
{
	struct coproc_request *r;
	uint64_t last = e->seq; /* what the callbacks submit is not meant */

	while ((r = waiting_only ? queue_first(&e->queue) : TAILQ_FIRST(&e->live)) &&
	       r->seq <= last)
		end_with_error(e, r, code, text);
}

/* ---- refusing ---- */

/* How long until a queue of this length is worked off, at the present speed. */
static int64_t retry_after_ms(const struct coproc *e)
{
	double ms;

	if (e->pool.failed)
		return options(e)->restart_delay_max_ms;
	if (e->rate_per_ms <= 0)
		return RETRY_DEFAULT_MS;
	ms = e->queue.count / e->rate_per_ms;
	return ms < 10 ? 10 : ms > 10000 ? 10000 : (int64_t)ms;
}

static void update_rate(struct coproc *e)
{
	int64_t now = now_ms(e), elapsed = now - e->rate_since_ms;

	if (elapsed < 1000)
		return;
	e->rate_per_ms = (double)(e->stats.answered - e->rate_count) / (double)elapsed;
	e->rate_since_ms = now;
	e->rate_count = e->stats.answered;
}

const char *coproc_refusal(struct coproc *e, enum coproc_code code)
{
	const struct coproc_options *o = options(e);
	const char *text = coproc_code_name(code);

	if (code == COPROC_OVERLOADED)
		snprintf(e->refusal, sizeof(e->refusal),
			 "%u requests (%zu bytes) are waiting, allowed are %u (%zu bytes); "
			 "retry after %lld ms",
			 e->queue.count, e->queue.bytes, o->queue, o->queue_bytes,
			 (long long)retry_after_ms(e));
	else if (code == COPROC_TOO_LONG)
		snprintf(e->refusal, sizeof(e->refusal),
			 "the request is longer than %zu bytes (max-request)", o->max_request);
	else if (code == COPROC_UNAVAILABLE)
		snprintf(e->refusal, sizeof(e->refusal),
			 "the process has failed %u times in a row and was given up (%s); "
			 "retry after %lld ms",
			 e->pool.restart.failures, e->pool.last_failure,
			 (long long)retry_after_ms(e));
	else if (code == COPROC_BAD_REQUEST)
		snprintf(e->refusal, sizeof(e->refusal), "%s",
			 o->request_bytes == COPROC_BYTES_UTF8
			     ? "the request holds a NUL, an end of request, or is not valid UTF-8"
			     : "the request holds a NUL or an end of request");
	else if (code == COPROC_STOPPING)
		snprintf(e->refusal, sizeof(e->refusal), "the daemon is stopping");
	else
		return text;
	return e->refusal;
}

bool coproc_has_room(struct coproc *e, size_t len)
{
	const struct coproc_options *o = options(e);
	bool room = e->queue.count < o->queue && e->queue.bytes + len <= o->queue_bytes;

	e->room_wanted |= !room;
	return room;
}

bool coproc_has_spare(struct coproc *e)
{
	e->spare_wanted |= !e->spare;
	return e->spare > 0;
}

unsigned coproc_spare(const struct coproc *e)
{
	return e->spare;
}

/* Accept it; the caller has filled the rest in. */
static void accept_request(struct coproc *e, struct coproc_request *r)
{
	r->seq = e->seq + 1;
	r->arrival_us = turn_us(e);
	r->unsent = r->count;
	e->seq += r->count;
	TAILQ_INSERT_TAIL(&e->live, r, live);
	queue_push(&e->queue, r);
	e->spare -= MIN(e->spare, r->count);
	e->stats.accepted += r->count;
	schedule(e);
}

/* @verdict: what the filter says */
static enum coproc_code submit(struct coproc *e, struct coproc_request *r, const char *bytes,
			       size_t len, coproc_done_fn done, void *ctx,
			       enum filter_verdict verdict)
{
	enum coproc_code code = COPROC_OK;

	if (e->phase != STOP_NONE)
		code = COPROC_STOPPING;
	else if (verdict == FILTER_TOO_LONG)
		code = COPROC_TOO_LONG;
	else if (verdict != FILTER_OK)
		code = COPROC_BAD_REQUEST;
	else if (e->pool.failed)
		code = COPROC_UNAVAILABLE;
	else if (!coproc_has_room(e, len))
		code = COPROC_OVERLOADED;
	if (code != COPROC_OK) {
		e->stats.refused++;
		return code;
	}
	*r = (struct coproc_request){
	    .bytes = bytes, .len = len, .done = done, .ctx = ctx, .count = 1};
	accept_request(e, r);
	return COPROC_OK;
}

enum coproc_code coproc_submit(struct coproc *e, struct coproc_request *r, const char *bytes,
			       size_t len, coproc_done_fn done, void *ctx)
{
	return submit(e, r, bytes, len, done, ctx, filter_check(options(e), bytes, len));
}

enum coproc_code coproc_submit_block(struct coproc *e, struct coproc_request *r, const char *bytes,
				     size_t len, coproc_done_fn done, void *ctx)
{
	enum filter_verdict verdict = filter_check(options(e), bytes, len);

	return submit(e, r, bytes, len, done, ctx, verdict == FILTER_SUFFIX ? FILTER_OK : verdict);
}

unsigned coproc_measure_run(struct coproc *e, const char *bytes, size_t *len, unsigned most)
{
	const struct coproc_options *o = options(e);

	if (!e->pool.settings->runs || pool_window(&e->pool) == 1 || e->pool.failed ||
	    e->phase != STOP_NONE || e->queue.bytes + *len > o->queue_bytes)
		return 0;
	return filter_lines(o, bytes, len, MIN(most, o->queue - MIN(e->queue.count, o->queue)));
}

void coproc_submit_run(struct coproc *e, struct coproc_request *r, const char *bytes, size_t len,
		       unsigned count, coproc_done_fn done, void *ctx)
{
	assert(count && bytes[len - 1] == '\n');
	*r = (struct coproc_request){
	    .bytes = bytes, .len = len, .done = done, .ctx = ctx, .count = count, .is_run = true};
	accept_request(e, r);
}

void coproc_cancel(struct coproc *e, struct coproc_request *r)
{
	TAILQ_REMOVE(&e->live, r, live);
	e->stats.cancelled += r->count;
	withdraw(e, r);
	schedule(e);
}

/* ---- the end of a turn ---- */

/* Whether @w takes what it can of @r at one time, and not one request after the other. */
static bool goes_as_run(const struct coproc_request *r, const struct worker *w)
{
	return r->is_run && w->settings->runs && w->window.size > 1;
}

/*
 * How many requests of @r, the first in the queue, may go to @w, which has room for so
 * many. What of a run is with a process is in one place there, for worker_forget().
 */
static unsigned share(const struct coproc_request *r, const struct worker *w, unsigned room)
{
	bool as_run = goes_as_run(r, w);

	if (r->worker && (r->worker != w || !as_run || !worker_is_last(w, r->flight)))
		return 0;
	return as_run ? MIN(room, r->unsent) : 1;
}

/* The bytes of the first @count that wait of @r. */
static size_t len_of(const struct coproc_request *r, unsigned count)
{
	const char *end = r->bytes;

	if (count == r->unsent)
		return r->len;
	while (count--)
		end = (const char *)rawmemchr(end, '\n') + 1;
	return (size_t)(end - r->bytes);
}

/* A request that has no reply ends when it is on its way, with an empty one. */
static void tell(struct coproc *e, struct worker *w, struct coproc_request *r, size_t len)
{
	if (worker_tell(w, r->bytes, len - r->is_run)) {
		end_with_error(e, r, COPROC_OVERLOADED, "out of memory");
		return;
	}
	queue_take(&e->queue, r, 1, len);
	finish(e, r, 1, COPROC_OK, "", 0);
}

/* The first @count that wait of @r, the first in the queue, go to @w, which has room. */
static void send_first(struct coproc *e, struct coproc_request *r, unsigned count, struct worker *w)
{
	size_t len = len_of(r, count);
	bool as_run = goes_as_run(r, w);
	int rc;

	if (!as_run && !worker_has_reply(w, r->bytes, len - r->is_run)) {
		tell(e, w, r, len);
		return;
	}
	if (as_run)
		rc = worker_send_run(w, r->bytes, len, r, count, &r->flight);
	else
		rc = worker_send(w, r->bytes, len - r->is_run, r, r->resent > 0, &r->flight);
	if (rc) {
		end_with_error(e, r, COPROC_OVERLOADED, "out of memory");
		return;
	}
	queue_take(&e->queue, r, count, len);
	r->worker = w;
	e->stats.in_flight += count;
}

/* Move what waits to workers with room, in order. */
static void dispatch(struct coproc *e)
{
	struct coproc_request *r;
	struct worker *w;
	unsigned room;

	while ((r = queue_first(&e->queue))) {
		bool is_alone = r->resent > 0; /* it may be what crashed the process */

		w = pool_pick(&e->pool, is_alone, &room);
		/* pool_pick() may have found a surplus and put a request back. */
		if (!w || r != queue_first(&e->queue) || !share(r, w, room))
			break;
		room = is_alone ? 1 : room;
		for (size_t sent = 0; room && r && sent < SENT_AT_ONCE;) {
			unsigned count = share(r, w, room);

			if (!count || (r->resent > 0) != is_alone)
				break;
			sent += r->len;
			room -= count;
			send_first(e, r, count, w);
			r = queue_first(&e->queue);
		}
	}
}

/* While stopping: from the requests to the workers to the end. */
static void advance_stop(struct coproc *e)
{
	if (e->out_of_time)
		end_all(e, false, COPROC_STOPPING, "the daemon is stopping");
	if (e->phase == STOP_DRAINING && TAILQ_EMPTY(&e->live)) {
		e->phase = STOP_WORKERS;
		pool_stop(&e->pool);
	}
	if (e->phase == STOP_WORKERS && e->kill)
		pool_kill(&e->pool);
	if (e->phase == STOP_WORKERS && pool_is_empty(&e->pool)) {
		e->phase = STOP_DONE;
		if (e->ops->on_stopped)
			e->ops->on_stopped(e->ctx);
	}
}

int64_t coproc_next_deadline_ms(const struct coproc *e)
{
	int64_t at = pool_deadline_ms(&e->pool);
	const struct coproc_request *oldest = TAILQ_FIRST(&e->live);

	if (oldest)
		at = MIN(at, clock_deadline_ms(oldest->arrival_us / 1000,
					       options(e)->request_timeout_ms));
	return e->phase == STOP_DRAINING ? MIN(at, e->stop_by_ms) : at;
}

/* Set the timer if it would come too late; one that comes too early sets itself again. */
static void set_timer(struct coproc *e)
{
	int64_t at = coproc_next_deadline_ms(e), wait;
	struct timeval tv;

	if (at >= e->timer_at_ms)
		return;
	wait = MAX(at - now_ms(e), 0);
	tv = (struct timeval){.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
	e->timer_at_ms = at;
	event_add(&e->timer, &tv);
}

static void tell_of_room(struct coproc *e)
{
	const struct coproc_options *o = options(e);
	bool room = e->room_wanted && e->queue.count < o->queue && e->queue.bytes < o->queue_bytes;

	e->spare = e->queue.count ? 0 : pool_places(&e->pool);
	if (!room && !(e->spare && e->spare_wanted))
		return;
	e->room_wanted &= !room;
	e->spare_wanted &= !e->spare;
	if (e->ops->on_room)
		e->ops->on_room(e->ctx);
}

static void flush_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct coproc *e = arg;

	/* What comes up from here on wants a turn of its own, after this one. */
	e->flushing = false;
	e->turn_known = false;
	dispatch(e);
	pool_flush(&e->pool);
	update_rate(e);
	tell_of_room(e);
	if (e->phase != STOP_NONE)
		advance_stop(e);
	set_timer(e);
}

/* Most often a program that has never written a byte buffers its output in blocks. */
static void tell_of_silence(struct coproc *e)
{
	char text[200];
	struct coproc_event event = {.kind = COPROC_EV_SILENT, .level = LOG_WARNING, .text = text};

	snprintf(text, sizeof(text),
		 "a request has timed out, and not one byte has come from the process%s",
		 settings_silence_hint(e->pool.settings));
	e->silence_told = true;
	if (e->ops->on_event)
		e->ops->on_event(e->ctx, &event);
}

/* End what has waited too long. The oldest comes first, as all have the same limit. */
static void expire(struct coproc *e, int64_t now)
{
	int64_t timeout_ms = options(e)->request_timeout_ms;
	struct coproc_request *r;
	char text[120];

	while ((r = TAILQ_FIRST(&e->live)) &&
	       clock_deadline_ms(r->arrival_us / 1000, timeout_ms) <= now) {
		bool had_process = r->worker || pool_ready(&e->pool), silent;

		snprintf(text, sizeof(text), "%s within %lld ms",
			 had_process ? "no reply" : "no process was ready", (long long)timeout_ms);
		silent = r->worker && !r->worker->has_output && !e->silence_told;
		if (r->worker)
			worker_distrust(r->worker);
		end_with_error(e, r, had_process ? COPROC_TIMEOUT : COPROC_UNAVAILABLE, text);
		/* Only now, as the owner may cancel what is pending from within the report. */
		if (silent)
			tell_of_silence(e);
	}
}

void coproc_tick(struct coproc *e)
{
	int64_t now = now_ms(e);

	e->turn_known = false;
	pool_tick(&e->pool, now);
	expire(e, now);
	if (e->phase == STOP_DRAINING && e->stop_by_ms <= now)
		e->out_of_time = true;
	schedule(e);
}

static void timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct coproc *e = arg;

	e->timer_at_ms = CLOCK_NEVER;
	coproc_tick(e);
}

/* ---- upcalls of the pool ---- */

static void on_change(void *ctx)
{
	schedule(ctx);
}

static void on_failed(void *ctx)
{
	struct coproc *e = ctx;
	char text[sizeof(e->refusal)];

	/* A copy, as the callbacks may ask for other refusals. */
	snprintf(text, sizeof(text), "%s", coproc_refusal(e, COPROC_UNAVAILABLE));
	end_all(e, true, COPROC_UNAVAILABLE, text);
}

static void on_event(void *ctx, const struct coproc_event *event)
{
	struct coproc *e = ctx;

	if (e->ops->on_event)
		e->ops->on_event(e->ctx, event);
}

/* ---- life ---- */

int coproc_new(const struct coproc_options *o, struct event_base *base,
	       const struct coproc_ops *ops, void *ctx, struct coproc **out, char *error,
	       size_t error_size)
{
	struct settings *settings;
	struct coproc *e;
	int rc = settings_new(o, &settings, error, error_size);

	if (rc)
		return rc;
	e = calloc(1, sizeof(*e));
	if (!e) {
		settings_unref(settings);
		return -ENOMEM;
	}
	e->base = base;
	e->ops = ops;
	e->ctx = ctx;
	e->platform = spawn_platform;
	e->sink = (struct flight_sink){
	    .on_reply = on_reply, .on_lost = on_lost, .on_late = on_late, .ctx = e};
	e->pool_ops = (struct pool_ops){
	    .on_change = on_change, .on_failed = on_failed, .on_event = on_event, .ctx = e};
	pool_init(&e->pool, base, &e->platform, &e->sink, &e->pool_ops, settings);
	settings_unref(settings);
	TAILQ_INIT(&e->live);
	queue_init(&e->queue);
	event_assign(&e->flush, base, -1, 0, flush_cb, e);
	event_assign(&e->timer, base, -1, 0, timer_cb, e);
	e->timer_at_ms = CLOCK_NEVER;
	e->rate_since_ms = now_ms(e);
	*out = e;
	return 0;
}

void coproc_free(struct coproc *e)
{
	if (!e)
		return;
	e->phase = STOP_DONE;
	end_all(e, false, COPROC_STOPPING, "the daemon is stopping");
	pool_finish(&e->pool);
	event_del(&e->flush);
	event_del(&e->timer);
	free(e);
}

void coproc_set_platform(struct coproc *e, const struct coproc_platform *platform)
{
	assert(!e->pool.starts);
	e->platform = *platform;
	e->rate_since_ms = now_ms(e);
}

int coproc_start(struct coproc *e)
{
	return pool_start(&e->pool);
}

int coproc_replace(struct coproc *e, const struct coproc_options *o, char *error, size_t error_size)
{
	struct settings *settings = settings_ref(e->pool.settings);
	int rc;

	if (e->phase != STOP_NONE) {
		settings_unref(settings);
		snprintf(error, error_size, "stopping");
		return -EBUSY;
	}
	if (o) {
		settings_unref(settings);
		rc = settings_new(o, &settings, error, error_size);
		if (rc)
			return rc;
	}
	pool_replace(&e->pool, settings);
	settings_unref(settings);
	return 0;
}

void coproc_stop(struct coproc *e)
{
	if (e->phase == STOP_NONE) {
		e->phase = STOP_DRAINING;
		e->stop_by_ms = clock_deadline_ms(now_ms(e), options(e)->drain_timeout_ms);
	} else {
		e->out_of_time = e->kill = true;
	}
	schedule(e);
}

void coproc_get_stats(struct coproc *e, struct coproc_stats *out)
{
	const struct worker *ready = pool_ready(&e->pool), *w;

	*out = e->stats;
	out->starts = e->pool.starts;
	out->failures = e->pool.failures;
	out->replacements = e->pool.replacements;
	out->recycled = e->pool.recycled;
	out->waiting = e->queue.count;
	out->waiting_bytes = e->queue.bytes;
	TAILQ_FOREACH (w, &e->pool.workers, link) {
		out->workers++;
		out->ready += w->state == WORKER_READY;
	}
	out->window = pool_window(&e->pool);
	out->failed = e->pool.failed;
	out->stopping = e->phase != STOP_NONE;
	out->ready_since_ms = ready ? ready->ready_ms : -1;
	out->pid = ready ? ready->child.pid : 0;
	snprintf(out->last_failure, sizeof(out->last_failure), "%s", e->pool.last_failure);
}

/* ---- from one program image to the next ---- */

bool coproc_is_calm(const struct coproc *e)
{
	return e->phase == STOP_NONE && pool_is_calm(&e->pool);
}

static uint64_t request_number(const void *tag)
{
	const struct coproc_request *r = tag;

	return r->seq;
}

void coproc_save(const struct coproc *e, struct pack *p)
{
	pack_u64(p, e->seq);
	pack_bytes(p, &e->stats, sizeof(e->stats));
	pool_save(&e->pool, p, request_number);
}

int coproc_load(struct coproc *e, struct unpack *u)
{
	const char *stats;
	size_t len;
	int rc;

	e->seq = unpack_u64(u);
	stats = unpack_bytes(u, &len);
	if (u->failed || len != sizeof(e->stats))
		return -EINVAL;
	memcpy(&e->stats, stats, len);
	e->stats.in_flight = 0; /* counted as they are adopted */
	rc = pool_load(&e->pool, u);
	schedule(e);
	return rc;
}

void coproc_request_save(const struct coproc_request *r, unsigned nth, struct pack *p)
{
	pack_u64(p, r->seq + nth);
	pack_u64(p, (uint64_t)r->arrival_us);
	pack_u64(p, r->resent);
}

void coproc_request_load(struct coproc_request *r, struct unpack *u)
{
	*r = (struct coproc_request){.seq = unpack_u64(u)};
	r->arrival_us = (int64_t)unpack_u64(u);
	r->resent = (unsigned)unpack_u64(u);
}

void coproc_adopt(struct coproc *e, struct coproc_request *r, const char *bytes, size_t len,
		  coproc_done_fn done, void *ctx)
{
	struct worker *w;

	r->bytes = bytes;
	r->len = len;
	r->done = done;
	r->ctx = ctx;
	r->count = 1;
	TAILQ_INSERT_TAIL(&e->live, r, live);
	TAILQ_FOREACH (w, &e->pool.workers, link) {
		if (!flights_claim(&w->flights, r->seq, r, &r->flight))
			continue;
		r->worker = w;
		e->stats.in_flight++;
		return;
	}
	r->unsent = 1;
	queue_push(&e->queue, r);
}
