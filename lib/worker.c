/* SPDX-License-Identifier: MIT */
#include "worker_parts.h"

#include "clock.h"
#include "fd.h"
#include "filter.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Room asked for at each read of stdout: as much as a pipe holds. */
#define READ_ROOM (64 << 10)

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

/* A process that closes a stream is given so long to be found dead. */
#define CLOSED_GRACE_MS 100

/* What a dead process's streams are drained of at most: a grandchild may go on writing. */
#define LAST_READS 256

static int64_t now_ms(const struct worker *w)
{
	return w->env->platform->now_ms(w->env->platform->ctx);
}

static int64_t now_us(const struct worker *w)
{
	const struct coproc_platform *p = w->env->platform;

	return p->now_us ? p->now_us(p->ctx) : now_ms(w) * 1000;
}

const char *worker_state_name(enum worker_state state)
{
	static const char *const names[] = {"starting", "ready", "draining", "stopping", "gone"};

	return names[state];
}

/* The one place where the state changes. It only moves forward. */
void worker_set_state(struct worker *w, enum worker_state state)
{
	assert(state > w->state);
	log_at(LOG_DEBUG, "worker %u (pid %d): %s -> %s", w->id, (int)w->child.pid,
	       worker_state_name(w->state), worker_state_name(state));
	w->state = state;
}

static void report(struct worker *w, enum coproc_event_kind kind, int level, const char *fmt, ...)
    PRINTF(4, 5);

static void report(struct worker *w, enum coproc_event_kind kind, int level, const char *fmt, ...)
{
	char text[900];
	int n = snprintf(text, sizeof(text), "worker %u (pid %d): ", w->id, (int)w->child.pid);
	struct coproc_event event = {
	    .kind = kind, .level = level, .text = text, .pid = w->child.pid};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	w->env->ops->on_event(w->env->ops->ctx, &event);
}

/* ---- what was sent ---- */

/* Whether only discipline keeps the position: one at a time, with a quiet stdout between. */
static bool is_lockstep(const struct worker *w)
{
	return w->window.size == 1 && !w->settings->proof;
}

/* Something changed that the owner looks at when the turn ends: room, a deadline. */
static void changed(struct worker *w)
{
	w->env->ops->on_change(w->env->ops->ctx, w);
}

/* End every place, the oldest with @first and the others with @others. */
static void lose_all(struct worker *w, enum coproc_code first, enum coproc_code others,
		     const char *why)
{
	w->settle_until_ms = CLOCK_NEVER;
	flights_lose(&w->flights, w->env->sink, first, others, why);
}

static void answer_health(struct worker *w, int64_t now);
static void become_ready(struct worker *w);

/* Tell the process that nobody waits for what it works on. */
static void cancel_running(struct worker *w)
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
	changed(w);
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
		become_ready(w);
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
	cancel_running(w);
	changed(w);
}

static void begin_stop(struct worker *w, enum stop_step step);

/*
 * The process cannot be trusted or waited for any longer: end what it has and
 * replace it. It gets SIGTERM at once, as nothing it could still do counts.
 */
static void give_up(struct worker *w, enum coproc_event_kind kind, enum coproc_code first,
		    enum coproc_code others, const char *why)
{
	report(w, kind, LOG_WARNING, "%s; replacing it, %u requests lost", why,
	       worker_in_flight(w));
	lose_all(w, first, others, why);
	begin_stop(w, STOP_TERM);
	w->env->ops->on_failed(w->env->ops->ctx, w, why);
}

static void give_up_desync(struct worker *w, const char *what)
{
	char shown[160], why[320];
	size_t len;
	const char *surplus = flights_surplus(&w->flights, &len);

	log_escape(shown, sizeof(shown), surplus, len);
	snprintf(why, sizeof(why), "%zu bytes on stdout %s: \"%s\"", len, what, shown);
	if (w->settings->proof && w->state >= WORKER_READY)
		release(w, now_ms(w)); /* what has proved its place is right all the same */
	if (w->state >= WORKER_STOPPING)
		return;
	give_up(w, COPROC_EV_DESYNC, COPROC_DESYNC, COPROC_DESYNC, why);
}

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
	changed(w);
	if (is_good)
		return;
	snprintf(why, sizeof(why), "answered the health check with \"%s\"", shown);
	give_up(w, COPROC_EV_HUNG, COPROC_CRASHED, COPROC_CRASHED, why);
}

static void give_up_too_long(struct worker *w, int64_t now)
{
	char why[100];

	release(w, now); /* the replies before it are whole */
	snprintf(why, sizeof(why), "a reply is longer than %zu bytes (max-reply)",
		 w->settings->o.max_reply);
	give_up(w, COPROC_EV_DESYNC, COPROC_REPLY_TOO_LONG, COPROC_DESYNC, why);
}

/* Release the replies received, or hold the one of a suspicious request back for a while. */
static void release_or_settle(struct worker *w, int64_t now)
{
	int64_t settle_ms = w->settings->o.settle_ms;

	if (window_is_auto(&w->window) && w->settle_until_ms == CLOCK_NEVER)
		window_answered(&w->window, flights_ready(&w->flights), now_us(w));
	if (!is_lockstep(w) || !settle_ms || w->reaped || !flights_is_suspicious(&w->flights)) {
		release(w, now);
		return;
	}
	w->settle_until_ms = MIN(w->settle_until_ms, now + settle_ms);
	changed(w);
}

/*
 * The rest of a line that may be one of no reply is to come. Replies before it are
 * held back, as it may be a surplus, unless another such line has come between.
 */
static void wait_for_line(struct worker *w, int64_t now, bool is_flood)
{
	if (w->reaped) {
		give_up_desync(w, "that no request asked for");
		return;
	}
	if (is_flood && flights_has_reply(&w->flights))
		release_or_settle(w, now);
	w->loose_by_ms =
	    is_flood ? now + CLOSED_GRACE_MS : MIN(w->loose_by_ms, now + CLOSED_GRACE_MS);
	changed(w);
}

/* Look at the output received. */
static void take_replies(struct worker *w, int64_t now)
{
	enum flights_verdict verdict = flights_parse(&w->flights);

	if (w->loose_by_ms != CLOCK_NEVER && verdict <= FLIGHTS_READY) {
		w->loose_by_ms = CLOCK_NEVER;
		changed(w); /* there is room again */
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
		give_up_desync(w, "that no request asked for");
		break;
	case FLIGHTS_LOST:
		give_up_desync(w, "that cannot belong to any reply");
		break;
	case FLIGHTS_TOO_LONG:
		give_up_too_long(w, now);
		break;
	}
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
static uint64_t next_number(struct worker *w)
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
		w->head_since_ms = now_ms(w);
		if (window_is_auto(&w->window))
			window_begin(&w->window, now_us(w));
	}
	w->is_quiet = false;
}

/* Take the place of what has been staged. */
static uint32_t take_place(struct worker *w, void *tag, bool suspicious, uint64_t number)
{
	struct flight *flight;
	uint32_t place;

	set_to_work(w);
	place = flights_push(&w->flights, tag, suspicious);
	flight = flights_at(&w->flights, place);
	flight->nonce = number;
	if (w->settings->framing.kind == FRAMING_CHANNEL)
		flight->sent_ms = now_ms(w);
	return place;
}

int worker_tell(struct worker *w, const char *bytes, size_t len)
{
	set_to_work(w);
	return stage(w, bytes, len, false, 0);
}

int worker_send(struct worker *w, const char *bytes, size_t len, void *tag, bool exclusive,
		uint32_t *out_place)
{
	const struct coproc_options *o = &w->settings->o;
	uint64_t number = next_number(w);
	bool suspicious;

	assert(w->state == WORKER_READY && flights_free(&w->flights));
	if (stage(w, bytes, len, true, number))
		return -ENOMEM;
	/* The first reply of a life may be a greeting: then the true one follows as a surplus. */
	suspicious = is_lockstep(w) && ((!w->sent && w->settings->greeting.ready != READY_PROBE) ||
					filter_is_suspicious(bytes, len, o->settle_over));
	w->exclusive = exclusive;
	w->sent++;
	*out_place = take_place(w, tag, suspicious, number);
	if (!w->watching) {
		w->watching = true;
		w->watched = *out_place;
		w->watched_since_ms = now_ms(w);
	}
	return 0;
}

/* Ask an idle process how it is. */
static void ask_health(struct worker *w, int64_t now)
{
	const struct marker *request = &w->settings->health_request;
	uint64_t number = next_number(w);

	w->health_at_ms = clock_deadline_ms(now, w->settings->o.health_interval_ms);
	changed(w);
	if (worker_in_flight(w) || !worker_room(w))
		return;
	if (stage(w, request->text, request->len, true, number))
		return;
	w->asking_health = w->exclusive = true;
	take_place(w, NULL, false, number);
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
	cancel_running(w);
}

void worker_flush(struct worker *w)
{
	stream_out_flush(&w->in);
	w->drained = false;
}

/* ---- the end of a process ---- */

static void signal_group(struct worker *w, int sig)
{
	const struct coproc_platform *p = w->env->platform;

	if (!w->reaped)
		p->kill(p->ctx, &w->child, sig);
}

/* Enter STOPPING at @step, or move on to it. */
static void begin_stop(struct worker *w, enum stop_step step)
{
	int64_t timeout_ms = w->settings->o.stop_timeout_ms;

	if (w->state >= WORKER_STOPPING && w->stop_step >= step)
		return;
	if (w->state < WORKER_STOPPING)
		worker_set_state(w, WORKER_STOPPING);
	stream_out_close(&w->in);
	w->settle_until_ms = CLOCK_NEVER; /* left over where the request was cancelled */
	w->loose_by_ms = CLOCK_NEVER;
	w->stop_step = step;
	w->stop_step_ms = step == STOP_KILL ? CLOCK_NEVER : now_ms(w) + timeout_ms;
	if (step == STOP_TERM)
		signal_group(w, SIGTERM);
	if (step == STOP_KILL)
		signal_group(w, SIGKILL);
	changed(w);
}

void worker_stop(struct worker *w)
{
	if (w->state < WORKER_STOPPING)
		begin_stop(w, STOP_EOF);
}

void worker_kill(struct worker *w)
{
	if (w->state < WORKER_GONE)
		begin_stop(w, STOP_KILL);
}

void worker_drain(struct worker *w)
{
	if (w->state >= WORKER_DRAINING)
		return;
	worker_set_state(w, WORKER_DRAINING);
	w->drain_by_ms = clock_deadline_ms(now_ms(w), w->settings->o.drain_timeout_ms);
	if (!worker_in_flight(w))
		worker_stop(w);
}

/* "exited with status 3" and the like. */
static void describe_exit(int status, char *dst, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(dst, size, "killed by signal %d (%s)%s", WTERMSIG(status),
			 strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
	else
		snprintf(dst, size, "exited with status %d", WEXITSTATUS(status));
}

/* One read of stdout. Returns false when there was nothing (more) to read. */
static bool read_stdout(struct worker *w)
{
	bool more;
	ssize_t n;
	char *at;

	if (!stream_in_is_open(&w->out))
		return false;
	if (buf_reserve(&w->flights.bytes, READ_ROOM, &at)) {
		give_up(w, COPROC_EV_DESYNC, COPROC_REPLY_TOO_LONG, COPROC_DESYNC,
			"no memory for its reply");
		return false;
	}
	n = stream_in_read(&w->out, at, READ_ROOM);
	/* A pty gives at most a page at once, so that only "nothing" says it is empty. */
	more = w->settings->o.pty ? n > 0 : n == READ_ROOM;
	w->drained = !more;
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		stream_in_close(&w->out);
		w->closed_by_ms = MIN(w->closed_by_ms, now_ms(w) + CLOSED_GRACE_MS);
		changed(w);
	}
	if (n <= 0)
		return false;
	w->has_output = true;
	if (w->state < WORKER_STOPPING)
		buf_commit(&w->flights.bytes, (size_t)n);
	return more;
}

static void become_ready(struct worker *w)
{
	/* The owner may have had it replaced from within the report of its start. */
	if (w->state != WORKER_STARTING)
		return;
	worker_set_state(w, WORKER_READY);
	w->ready_ms = w->head_since_ms = now_ms(w);
	w->is_quiet = !w->has_output; /* what has said nothing yet need not be waited for */
	w->health_at_ms = clock_deadline_ms(w->ready_ms, w->settings->o.health_interval_ms);
	report(w, COPROC_EV_READY, LOG_INFO, "ready after %lld ms",
	       (long long)(w->ready_ms - w->started_ms));
	w->env->ops->on_ready(w->env->ops->ctx, w);
}

/* Skip the greeting; its end may be what proves the process ready. */
static void take_greeting(struct worker *w)
{
	struct buf *b = &w->flights.bytes;
	size_t longest = w->settings->o.max_reply;

	buf_consume(b, greeting_skip(&w->greeting, buf_bytes(b), b->len));
	if (!greeting_is_over(&w->greeting) && b->len > longest)
		give_up(w, COPROC_EV_DESYNC, COPROC_REPLY_TOO_LONG, COPROC_DESYNC,
			"a line of its greeting is longer than max-reply");
	else if (greeting_is_over(&w->greeting) && w->state == WORKER_STARTING)
		become_ready(w);
}

static void stdout_readable(void *ctx)
{
	struct worker *w = ctx;

	read_stdout(w);
	if (w->state < WORKER_STOPPING && !greeting_is_over(&w->greeting))
		take_greeting(w);
	if (w->state >= WORKER_STOPPING || !w->flights.bytes.len || !greeting_is_over(&w->greeting))
		return;
	take_replies(w, now_ms(w));
	if (w->state == WORKER_DRAINING && !worker_in_flight(w))
		worker_stop(w);
}

/* Whether what the process has started since it last rested may still write. */
static bool has_helpers(const struct worker *w, pid_t *youngest)
{
	const struct coproc_platform *p = w->env->platform;

	*youngest = p->youngest ? p->youngest(p->ctx, &w->child) : 0;
	return *youngest && *youngest != w->kept_child;
}

/*
 * Whether the process has nothing more to say about its last request. One that
 * waits for the next has not; one that does something else may still write a
 * surplus, so that it is given time to come back to reading.
 */
static bool has_come_to_rest(struct worker *w)
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
	now = now_ms(w);
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
	if (is_lockstep(w) && !has_come_to_rest(w))
		return 0;
	if (is_lockstep(w) && !w->drained)
		stdout_readable(w); /* a surplus fails the worker */
	/* What it could not read or answer any more waits for the next process instead. */
	if (!stream_out_is_open(&w->in) || !stream_in_is_open(&w->out))
		return 0;
	return w->state == WORKER_READY && w->loose_by_ms == CLOCK_NEVER ? places : 0;
}

static void on_stderr_line(void *ctx, int level, const char *line)
{
	report(ctx, COPROC_EV_STDERR, level, "stderr: %s", line);
}

static bool read_stderr(struct worker *w)
{
	char bytes[4096];
	ssize_t n;

	if (!stream_in_is_open(&w->err))
		return false;
	n = stream_in_read(&w->err, bytes, sizeof(bytes));
	if (n > 0)
		errlines_take(&w->errlines, bytes, (size_t)n, now_ms(w), on_stderr_line, w);
	else if (n != -EAGAIN)
		stream_in_close(&w->err);
	return n > 0;
}

static void stderr_readable(void *ctx)
{
	read_stderr(ctx);
}

static void on_stdout_line(void *ctx, int level, const char *line)
{
	report(ctx, COPROC_EV_ASYNC, level, "stdout: %s", line);
}

static void on_async_line(void *ctx, const char *line, size_t len)
{
	struct worker *w = ctx;

	errlines_take(&w->async_lines, line, len, now_ms(w), on_stdout_line, w);
}

static void stdin_closed(void *ctx)
{
	struct worker *w = ctx;

	stream_out_close(&w->in);
	w->closed_by_ms = MIN(w->closed_by_ms, now_ms(w) + CLOSED_GRACE_MS);
	changed(w);
}

/* What the process had written before it died counts; then the streams end. */
static void drain_streams(struct worker *w)
{
	for (int i = 0; i < LAST_READS && read_stdout(w); i++)
		continue;
	if (w->state < WORKER_STOPPING && w->flights.bytes.len && greeting_is_over(&w->greeting))
		take_replies(w, now_ms(w));
	for (int i = 0; i < LAST_READS && read_stderr(w); i++)
		continue;
	errlines_flush(&w->errlines, now_ms(w), on_stderr_line, w);
	errlines_flush(&w->async_lines, now_ms(w), on_stdout_line, w);
	stream_out_close(&w->in);
	stream_in_close(&w->out);
	stream_in_close(&w->err);
}

/* The process has died without having been asked to. */
static void die(struct worker *w, const char *how)
{
	const char *last = w->errlines.last;
	char why[700];

	snprintf(why, sizeof(why), "%s%s%s%s%s", how,
		 w->state == WORKER_STARTING ? " before it was ready" : "",
		 *last ? "; last stderr: \"" : "", last, *last ? "\"" : "");
	report(w, COPROC_EV_EXITED, LOG_WARNING, "%s; %lld ms after its start, %u requests lost",
	       why, (long long)(now_ms(w) - w->started_ms), worker_in_flight(w));
	lose_all(w, COPROC_CRASHED, COPROC_CRASHED, why);
	w->env->ops->on_failed(w->env->ops->ctx, w, why);
}

static void exited_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct worker *w = arg;
	const struct coproc_platform *p = w->env->platform;
	bool asked = w->state >= WORKER_STOPPING;
	char how[120];
	int status;

	if (p->has_exited && !p->has_exited(p->ctx, &w->child))
		return;
	/* Before the reaping, while the number of the group cannot be taken by another. */
	signal_group(w, SIGKILL);
	if (!p->reap(p->ctx, &w->child, &status))
		return;
	event_del(&w->exited);
	w->reaped = true;
	w->closed_by_ms = CLOCK_NEVER;
	describe_exit(status, how, sizeof(how));
	drain_streams(w);
	/* A surplus found while draining has reported the failure already. */
	if (w->state < WORKER_STOPPING)
		die(w, how);
	else if (asked)
		report(w, COPROC_EV_STOPPED, LOG_INFO, "%s as asked", how);
	worker_set_state(w, WORKER_GONE);
	w->env->ops->on_gone(w->env->ops->ctx, w);
}

/* ---- the beginning ---- */

int worker_open_streams(struct worker *w)
{
	struct event_base *base = w->env->base;
	struct coproc_child c = w->child;
	int rc;

	/* Each call consumes its descriptor, whether it succeeds or not. */
	rc = stream_out_open(&w->in, base, c.in, stdin_closed, w);
	if (stream_in_open(&w->out, base, c.out, stdout_readable, w))
		rc = -ENOMEM;
	if (c.err >= 0 && stream_in_open(&w->err, base, c.err, stderr_readable, w))
		rc = -ENOMEM;
	event_assign(&w->exited, base, c.exited, EV_READ | EV_PERSIST, exited_cb, w);
	if (event_add(&w->exited, NULL))
		rc = -ENOMEM;
	return rc;
}

struct worker *worker_new(const struct worker_env *env, struct settings *settings, unsigned id)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct worker){.env = env,
			     .id = id,
			     .child = {.exited = -1, .work = -1, .children = -1},
			     .reaped = true,
			     .ready_ms = -1,
			     .settle_until_ms = CLOCK_NEVER,
			     .closed_by_ms = CLOCK_NEVER,
			     .loose_by_ms = CLOCK_NEVER,
			     .health_at_ms = CLOCK_NEVER,
			     .look_at_ms = CLOCK_NEVER,
			     .start_by_ms = CLOCK_NEVER,
			     .drain_by_ms = CLOCK_NEVER,
			     .stop_step_ms = CLOCK_NEVER};
	w->settings = settings_ref(settings);
	window_init(&w->window, settings->window, settings->window_auto);
	w->greeting = (struct greeting){.spec = &settings->greeting};
	w->started_ms = now_ms(w);
	w->key = (uint64_t)env->platform->random(env->platform->ctx) << 32 |
		 env->platform->random(env->platform->ctx);
	errlines_init(&w->errlines, settings->o.stderr_rate, w->started_ms);
	errlines_init(&w->async_lines, settings->o.stderr_rate, w->started_ms);
	return w;
}

/* Write a probe alone. */
static void stage_probe(struct worker *w, const struct marker *probe, uint64_t number)
{
	size_t room = marker_max(probe) + w->settings->o.suffix_len, n;
	char *at = stream_out_stage(&w->in, room);

	if (!at)
		return;
	n = marker_write(probe, number, at);
	memcpy(at + n, w->settings->o.suffix, w->settings->o.suffix_len);
	stream_out_unstage(&w->in, room - n - w->settings->o.suffix_len);
}

/* Ready by having been started, or once the greeting, a probe's answer included, was seen. */
static void await_ready(struct worker *w)
{
	const struct greeting_spec *spec = &w->settings->greeting;
	const struct framing_spec *f = &w->settings->framing;
	bool by_framing = !w->settings->o.ready && f->probe_answer.numbered;
	uint64_t number;

	if (spec->ready == READY_START && !by_framing) {
		become_ready(w);
		return;
	}
	w->start_by_ms = clock_deadline_ms(w->started_ms, w->settings->o.start_timeout_ms);
	changed(w);
	/* Without memory for these start-timeout says so. */
	if (by_framing) {
		/* All that comes before the first answer, whatever it is, is no reply. */
		number = next_number(w);
		take_place(w, NULL, false, number);
		stage_probe(w, &f->probe, number);
	} else if (spec->ready == READY_PROBE) {
		stage_probe(w, &spec->probe, 0);
	}
}

int worker_start(struct worker *w, const char **step)
{
	const struct coproc_platform *platform = w->env->platform;
	const struct coproc_options *o = &w->settings->o;
	int rc;

	*step = "memory";
	rc = flights_init(&w->flights, w->settings->window, &w->settings->framing, o->max_reply);
	if (!rc)
		rc = platform->spawn(platform->ctx, o, &w->child, step);
	if (rc)
		return rc;
	w->reaped = false;
	*step = "memory";
	rc = worker_open_streams(w);
	if (rc)
		return rc;
	worker_listen(w);
	report(w, COPROC_EV_STARTED, LOG_INFO, "started: %s", o->argv[0]);
	await_ready(w);
	return 0;
}

/* SIGKILL cannot be refused, so this wait is short. */
static void kill_and_reap(struct worker *w)
{
	const struct coproc_platform *p = w->env->platform;
	struct pollfd pfd = {.fd = w->child.exited, .events = POLLIN};
	int status;

	if (w->reaped)
		return;
	signal_group(w, SIGKILL);
	poll(&pfd, 1, 1000);
	w->reaped = p->reap(p->ctx, &w->child, &status);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	kill_and_reap(w);
	if (event_initialized(&w->exited))
		event_del(&w->exited);
	fd_close(&w->child.exited);
	fd_close(&w->child.work);
	fd_close(&w->child.children);
	stream_out_close(&w->in);
	stream_in_close(&w->out);
	stream_in_close(&w->err);
	flights_finish(&w->flights);
	settings_unref(w->settings);
	free(w);
}

void worker_listen(struct worker *w)
{
	w->flights.on_async = on_async_line;
	w->flights.ctx = w;
	w->flights.framing.key = w->key;
}

/* ---- time ---- */

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

static void settle(struct worker *w, int64_t now)
{
	stdout_readable(w); /* a surplus that has come in the meantime ends it here */
	if (w->loose_by_ms != CLOCK_NEVER)
		w->settle_until_ms = CLOCK_NEVER; /* once it is known whether this is one */
	if (w->state < WORKER_STOPPING && w->settle_until_ms <= now &&
	    flights_has_reply(&w->flights))
		release(w, now);
	if (w->state == WORKER_DRAINING && !worker_in_flight(w))
		worker_stop(w);
}

static void give_up_closed(struct worker *w)
{
	give_up(w, COPROC_EV_DESYNC, COPROC_DESYNC, COPROC_DESYNC,
		stream_in_is_open(&w->out) ? "closed its stdin while alive"
					   : "closed its stdout while alive");
}

static void give_up_starting(struct worker *w)
{
	const struct coproc_options *o = &w->settings->o;
	bool may_buffer = !w->has_output && !o->line_buffered && !o->pty;
	char why[700];

	snprintf(why, sizeof(why), "not ready within %lld ms (start-timeout)%s%s%s",
		 (long long)o->start_timeout_ms,
		 may_buffer ? " (stdout may be block-buffered: try line-buffered = yes)" : "",
		 *w->errlines.last ? "; last stderr: " : "", w->errlines.last);
	give_up(w, COPROC_EV_START_FAILED, COPROC_UNAVAILABLE, COPROC_UNAVAILABLE, why);
}

static void give_up_hung(struct worker *w)
{
	char why[100];

	snprintf(why, sizeof(why), "holds a request for over %lld ms (hang-timeout)",
		 (long long)w->settings->o.hang_timeout_ms);
	give_up(w, COPROC_EV_HUNG, COPROC_TIMEOUT, COPROC_CRASHED, why);
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
	give_up(w, COPROC_EV_HUNG, COPROC_CRASHED, COPROC_CRASHED, why);
}

void worker_tick(struct worker *w, int64_t now)
{
	if (w->look_at_ms <= now) {
		w->look_at_ms = CLOCK_NEVER;
		changed(w);
	}
	if (w->state < WORKER_STOPPING && w->settle_until_ms <= now)
		settle(w, now);
	if (w->state < WORKER_STOPPING && w->closed_by_ms <= now)
		give_up_closed(w);
	if (w->state == WORKER_STARTING && w->start_by_ms <= now)
		give_up_starting(w);
	if (hang_at_ms(w) <= now)
		give_up_hung(w);
	if (w->state < WORKER_STOPPING && w->loose_by_ms <= now)
		give_up_desync(w, "that no request asked for");
	if (checks_health(w) && w->health_at_ms <= now)
		check_health(w, now);
	if (w->state == WORKER_DRAINING && w->drain_by_ms <= now) {
		lose_all(w, COPROC_STOPPING, COPROC_STOPPING,
			 "the process had no more time to answer (drain-timeout)");
		worker_stop(w);
	}
	if (w->state == WORKER_STOPPING && w->stop_step_ms <= now)
		begin_stop(w, w->stop_step == STOP_EOF ? STOP_TERM : STOP_KILL);
}
