/* SPDX-License-Identifier: MIT */
/*
 * What a process is sent, and when. The path of a request: worker_room() says that
 * there is room, worker_send() stages the bytes and takes a place in `flights`,
 * worker_flush() writes. The way back is in worker_replies.c; how a process starts
 * and ends, in worker_life.c.
 */
#include "worker_parts.h"

#include "filter.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Requests stay in the queue, where they can be cancelled, above this many unwritten bytes. */
#define PENDING_MAX (256 << 10)

/* Staged bytes are written early above this, so that the process starts on them. */
#define FLUSH_EARLY (16 << 10)

/* A request that stays with the process for so long shows that it is behind. */
#define BEHIND_MS 2

/*
 * What a process may do behind a reply is waited for so many times settle: it
 * costs nothing, as it takes no request meanwhile, and a busy machine may need it.
 */
#define REST_SETTLES 5

/* One that was never seen waiting for its stdin, but so often for something else, is believed. */
#define RESTLESS_MAX 3

void worker_cancel_running(struct worker *w)
{
	const struct coproc_options *o = &w->settings->o;
	struct flight *running = flights_oldest(&w->flights);
	char *at;

	if (!o->cancel_len || !running || running->tag || running->cancelled || w->asking_health ||
	    w->state > WORKER_DRAINING || w->state < WORKER_READY)
		return;
	at = stream_out_stage(&w->in, o->cancel_len + o->suffix_len);
	if (!at)
		return; /* it answers later, or hang-timeout ends it */
	running->cancelled = true;
	memcpy(mempcpy(at, o->cancel, o->cancel_len), o->suffix, o->suffix_len);
	worker_changed(w);
}

/* Longest text put before a request: the number of FRAMING_CHANNEL. */
#define CHANNEL_MAX 12

/*
 * Put a request and what belongs to it on its way, in one piece.
 *
 * @number  of the probe behind it
 */
static int stage(struct worker *w, const char *bytes, size_t len, bool has_reply, uint64_t number)
{
	const struct coproc_options *o = &w->settings->o;
	const struct framing_spec *f = &w->settings->framing;
	bool is_probed = has_reply && f->kind == FRAMING_PROBE;
	size_t room = o->prefix_len + len + o->suffix_len + CHANNEL_MAX;
	char *start, *p;

	if (is_probed)
		room += marker_max(&f->probe) + o->suffix_len;
	start = p = stream_out_stage(&w->in, room);
	if (!start)
		return -ENOMEM;
	if (f->kind == FRAMING_CHANNEL)
		p += snprintf(p, CHANNEL_MAX, "%u ", flights_next_place(&w->flights));
	if (o->prefix_len)
		p = mempcpy(p, o->prefix, o->prefix_len);
	p = mempcpy(p, bytes, len);
	p = mempcpy(p, o->suffix, o->suffix_len);
	if (is_probed) {
		p += marker_write(&f->probe, number, p);
		p = mempcpy(p, o->suffix, o->suffix_len);
	}
	stream_out_unstage(&w->in, room - (size_t)(p - start));
	if (w->in.staged.len > FLUSH_EARLY)
		stream_out_flush(&w->in);
	return 0;
}

/* The number of the next probe. */
uint64_t worker_next_number(struct worker *w)
{
	return w->settings->framing.kind == FRAMING_PROBE ? marker_number(w->key, ++w->probes) : 0;
}

bool worker_has_reply(const struct worker *w, const char *bytes, size_t len)
{
	return !w->settings->no_reply || !patterns_find(w->settings->no_reply, bytes, len, NULL);
}

/* Something was sent: the process has not come to rest since. */
static void set_to_work(struct worker *w)
{
	if (!worker_in_flight(w)) {
		w->head_since_ms = worker_now_ms(w);
		if (window_is_auto(&w->window))
			window_begin(&w->window, worker_now_us(w));
	}
	w->is_quiet = false;
}

/* Take the place of what has been staged. */
uint32_t worker_take_place(struct worker *w, void *tag, bool suspicious, uint64_t number)
{
	struct flight *flight;
	uint32_t place;

	set_to_work(w);
	place = flights_push(&w->flights, tag, suspicious);
	flight = flights_at(&w->flights, place);
	flight->nonce = number;
	if (w->settings->framing.kind == FRAMING_CHANNEL)
		flight->sent_ms = worker_now_ms(w);
	return place;
}

int worker_tell(struct worker *w, const char *bytes, size_t len)
{
	set_to_work(w);
	return stage(w, bytes, len, false, 0);
}

/* What was sent takes a noticeable while or not, which one of them shows. */
static void watch(struct worker *w, uint32_t place)
{
	if (w->watching)
		return;
	w->watching = true;
	w->watched = place;
	w->watched_since_ms = worker_now_ms(w);
}

int worker_send(struct worker *w, const char *bytes, size_t len, void *tag, bool exclusive,
		uint32_t *out_place)
{
	const struct coproc_options *o = &w->settings->o;
	uint64_t number = worker_next_number(w);
	bool suspicious;

	assert(w->state == WORKER_READY && flights_free(&w->flights));
	if (stage(w, bytes, len, true, number))
		return -ENOMEM;
	/* The first reply of a life may be a greeting: then the true one follows as a surplus. */
	suspicious =
	    worker_is_lockstep(w) && ((!w->sent && w->settings->greeting.ready != READY_PROBE) ||
				      filter_is_suspicious(bytes, len, o->settle_over));
	w->exclusive = exclusive;
	w->sent++;
	*out_place = worker_take_place(w, tag, suspicious, number);
	watch(w, *out_place);
	return 0;
}

int worker_send_run(struct worker *w, const char *bytes, size_t len, void *tag, unsigned count,
		    uint32_t *out_place)
{
	char *at = stream_out_stage(&w->in, len);

	assert(w->state == WORKER_READY && flights_free(&w->flights) >= count);
	if (!at)
		return -ENOMEM;
	memcpy(at, bytes, len);
	if (w->in.staged.len > FLUSH_EARLY)
		stream_out_flush(&w->in);
	w->sent += count;
	set_to_work(w);
	*out_place = flights_push_run(&w->flights, tag, count);
	watch(w, *out_place);
	return 0;
}

bool worker_is_last(const struct worker *w, uint32_t place)
{
	return place + 1 == flights_next_place(&w->flights);
}

/* Ask an idle process how it is. */
static void ask_health(struct worker *w, int64_t now)
{
	const struct marker *request = &w->settings->health_request;
	uint64_t number = worker_next_number(w);

	w->health_at_ms = clock_deadline_ms(now, w->settings->o.health_interval_ms);
	worker_changed(w);
	if (worker_in_flight(w) || !worker_room(w))
		return;
	if (stage(w, request->text, request->len, true, number))
		return;
	w->asking_health = w->exclusive = true;
	worker_take_place(w, NULL, false, number);
}

static bool checks_health(const struct worker *w)
{
	return w->settings->health_request.len && w->settings->o.health_interval_ms &&
	       w->state == WORKER_READY;
}

bool worker_is_behind(const struct worker *w)
{
	return w->stay_ms >= BEHIND_MS;
}

void worker_distrust(struct worker *w)
{
	window_distrust(&w->window);
}

void worker_forget(struct worker *w, uint32_t place)
{
	flights_forget(&w->flights, place);
	worker_cancel_running(w);
}

void worker_flush(struct worker *w)
{
	stream_out_flush(&w->in);
	w->drained = false;
}

/* Whether what the process has started since it last rested may still write. */
static bool has_helpers(const struct worker *w, pid_t *youngest)
{
	const struct coproc_platform *p = w->env->platform;

	*youngest = p->youngest ? p->youngest(p->ctx, &w->child) : 0;
	return *youngest && *youngest != w->kept_child;
}

bool worker_rests(struct worker *w)
{
	const struct coproc_platform *p = w->env->platform;
	bool is_hopeless = !w->reads_stdin && w->restless >= RESTLESS_MAX;
	pid_t youngest = 0;
	int64_t now;
	int reading;

	if (w->is_quiet || !p->is_reading || is_hopeless)
		return true;
	stream_out_flush(&w->in); /* what it cannot have read yet it waits for */
	reading = p->is_reading(p->ctx, &w->child);
	now = worker_now_ms(w);
	if ((reading == 0 || (reading > 0 && has_helpers(w, &youngest))) &&
	    now - w->head_since_ms < w->settings->o.settle_ms * REST_SETTLES) {
		w->look_at_ms = now + 1;
		return false;
	}
	w->reads_stdin |= reading > 0;
	w->restless = reading == 0 ? w->restless + 1 : 0;
	w->kept_child = youngest; /* it has come to stay */
	w->is_quiet = true;
	w->drained = false; /* what it wrote before it came to rest is on stdout now */
	return true;
}

unsigned worker_room(struct worker *w)
{
	unsigned places = worker_places(w);

	if (w->state != WORKER_READY || !places || w->exclusive || w->loose_by_ms != CLOCK_NEVER ||
	    stream_out_pending(&w->in) > PENDING_MAX)
		return 0;
	if (worker_is_lockstep(w) && !worker_rests(w))
		return 0;
	if (worker_is_lockstep(w) && !w->drained)
		worker_hear(w); /* a surplus fails the worker */
	/* What it could not read or answer any more waits for the next process instead. */
	if (!stream_out_is_open(&w->in) || !stream_in_is_open(&w->out))
		return 0;
	return w->state == WORKER_READY && w->loose_by_ms == CLOCK_NEVER ? places : 0;
}

static int64_t hang_at_ms(const struct worker *w)
{
	int64_t since;

	if (!worker_in_flight(w) || w->state < WORKER_READY || w->state >= WORKER_STOPPING ||
	    flights_has_reply(&w->flights))
		return CLOCK_NEVER;
	since = w->settings->framing.kind == FRAMING_CHANNEL ? flights_oldest(&w->flights)->sent_ms
							     : w->head_since_ms;
	return clock_deadline_ms(since, w->settings->o.hang_timeout_ms);
}

int64_t worker_deadline_ms(const struct worker *w)
{
	int64_t at = MIN(hang_at_ms(w), w->settle_until_ms);

	if (w->state == WORKER_GONE)
		return CLOCK_NEVER;
	if (w->state == WORKER_STARTING)
		at = MIN(at, w->start_by_ms);
	if (w->state < WORKER_STOPPING)
		at = MIN(at, MIN(w->closed_by_ms, MIN(w->drain_by_ms, w->loose_by_ms)));
	if (w->state == WORKER_READY)
		at = MIN(at, w->look_at_ms);
	if (checks_health(w))
		at = MIN(at, w->health_at_ms);
	return MIN(at, w->stop_step_ms);
}

static void give_up_closed(struct worker *w)
{
	worker_give_up(w, COPROC_EV_DESYNC, COPROC_DESYNC, COPROC_DESYNC,
		       stream_in_is_open(&w->out) ? "closed its stdin while alive"
						  : "closed its stdout while alive");
}

static void give_up_starting(struct worker *w)
{
	/* One that has spoken may still keep the answer to the probe back. */
	bool is_probed = worker_in_flight(w) || w->settings->greeting.ready == READY_PROBE;
	const char *hint = !w->has_output || is_probed ? settings_silence_hint(w->settings) : "";
	char why[700];

	snprintf(why, sizeof(why), "not ready within %lld ms (start-timeout)%s%s%s",
		 (long long)w->settings->o.start_timeout_ms, hint,
		 *w->errlines.last ? "; last stderr: " : "", w->errlines.last);
	worker_give_up(w, COPROC_EV_START_FAILED, COPROC_UNAVAILABLE, COPROC_UNAVAILABLE, why);
}

static void give_up_hung(struct worker *w)
{
	char why[100];

	snprintf(why, sizeof(why), "holds a request for over %lld ms (hang-timeout)",
		 (long long)w->settings->o.hang_timeout_ms);
	worker_give_up(w, COPROC_EV_HUNG, COPROC_TIMEOUT, COPROC_CRASHED, why);
}

/* Ask how it is; what has not been answered by now is missed. */
static void check_health(struct worker *w, int64_t now)
{
	char why[100];

	if (!w->asking_health) {
		ask_health(w, now);
		return;
	}
	snprintf(why, sizeof(why), "did not answer the health check within %lld ms",
		 (long long)w->settings->o.health_interval_ms);
	worker_give_up(w, COPROC_EV_HUNG, COPROC_CRASHED, COPROC_CRASHED, why);
}

void worker_tick(struct worker *w, int64_t now)
{
	if (w->look_at_ms <= now) {
		w->look_at_ms = CLOCK_NEVER;
		worker_changed(w);
	}
	if (w->state < WORKER_STOPPING && w->settle_until_ms <= now)
		worker_settle(w, now);
	if (w->state < WORKER_STOPPING && w->closed_by_ms <= now)
		give_up_closed(w);
	if (w->state == WORKER_STARTING && w->start_by_ms <= now)
		give_up_starting(w);
	if (hang_at_ms(w) <= now)
		give_up_hung(w);
	if (w->state < WORKER_STOPPING && w->loose_by_ms <= now)
		worker_give_up_desync(w, "that no request asked for");
	if (checks_health(w) && w->health_at_ms <= now)
		check_health(w, now);
	if (w->state == WORKER_DRAINING && w->drain_by_ms <= now) {
		worker_lose_all(w, COPROC_STOPPING, COPROC_STOPPING,
				"the process had no more time to answer (drain-timeout)");
		worker_stop(w);
	}
	if (w->state == WORKER_STOPPING && w->stop_step_ms <= now)
		worker_begin_stop(w, w->stop_step == STOP_EOF ? STOP_TERM : STOP_KILL);
}
