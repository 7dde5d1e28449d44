/* SPDX-License-Identifier: MIT */
/* The life of a process: its start, its streams, and each way in which it ends. */
#include "worker_parts.h"

#include "fd.h"
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

/* What a dead process's streams are drained of at most: a grandchild may go on writing. */
#define LAST_READS 256

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

void worker_report(struct worker *w, enum coproc_event_kind kind, int level, const char *fmt, ...)
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

void worker_lose_all(struct worker *w, enum coproc_code first, enum coproc_code others,
		     const char *why)
{
	w->settle_until_ms = CLOCK_NEVER;
	flights_lose(&w->flights, w->env->sink, first, others, why);
}

void worker_give_up(struct worker *w, enum coproc_event_kind kind, enum coproc_code first,
		    enum coproc_code others, const char *why)
{
	worker_report(w, kind, LOG_WARNING, "%s; replacing it, %u requests lost", why,
		      worker_in_flight(w));
	worker_fail(w, first, others, why);
}

void worker_fail(struct worker *w, enum coproc_code first, enum coproc_code others, const char *why)
{
	worker_lose_all(w, first, others, why);
	worker_begin_stop(w, STOP_TERM);
	w->env->ops->on_failed(w->env->ops->ctx, w, why);
}

static void signal_group(struct worker *w, int sig)
{
	const struct coproc_platform *p = w->env->platform;

	if (!w->reaped)
		p->kill(p->ctx, &w->child, sig);
}

void worker_begin_stop(struct worker *w, enum stop_step step)
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
	w->stop_step_ms = step == STOP_KILL ? CLOCK_NEVER : worker_now_ms(w) + timeout_ms;
	if (step == STOP_TERM)
		signal_group(w, SIGTERM);
	if (step == STOP_KILL)
		signal_group(w, SIGKILL);
	worker_changed(w);
}

void worker_stop(struct worker *w)
{
	if (w->state < WORKER_STOPPING)
		worker_begin_stop(w, STOP_EOF);
}

void worker_kill(struct worker *w)
{
	if (w->state < WORKER_GONE)
		worker_begin_stop(w, STOP_KILL);
}

void worker_drain(struct worker *w)
{
	if (w->state >= WORKER_DRAINING)
		return;
	worker_set_state(w, WORKER_DRAINING);
	w->drain_by_ms = clock_deadline_ms(worker_now_ms(w), w->settings->o.drain_timeout_ms);
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

void worker_become_ready(struct worker *w)
{
	/* The owner may have had it replaced from within the report of its start. */
	if (w->state != WORKER_STARTING)
		return;
	worker_set_state(w, WORKER_READY);
	w->ready_ms = w->head_since_ms = worker_now_ms(w);
	w->is_quiet = !w->has_output; /* what has said nothing yet need not be waited for */
	w->health_at_ms = clock_deadline_ms(w->ready_ms, w->settings->o.health_interval_ms);
	worker_report(w, COPROC_EV_READY, LOG_INFO, "ready after %lld ms",
		      (long long)(w->ready_ms - w->started_ms));
	w->env->ops->on_ready(w->env->ops->ctx, w);
}

static void on_stderr_line(void *ctx, int level, const char *line)
{
	worker_report(ctx, COPROC_EV_STDERR, level, "stderr: %s", line);
}

static bool read_stderr(struct worker *w)
{
	char bytes[4096];
	ssize_t n;

	if (!stream_in_is_open(&w->err))
		return false;
	n = stream_in_read(&w->err, bytes, sizeof(bytes));
	if (n > 0)
		errlines_take(&w->errlines, bytes, (size_t)n, worker_now_ms(w), on_stderr_line, w);
	else if (n != -EAGAIN)
		stream_in_close(&w->err);
	return n > 0;
}

static void stderr_readable(void *ctx)
{
	read_stderr(ctx);
}

static void stdin_closed(void *ctx)
{
	struct worker *w = ctx;

	stream_out_close(&w->in);
	w->closed_by_ms = MIN(w->closed_by_ms, worker_now_ms(w) + CLOSED_GRACE_MS);
	worker_changed(w);
}

/* What the process had written before it died counts; then the streams end. */
static void drain_streams(struct worker *w)
{
	for (int i = 0; i < LAST_READS && worker_read_stdout(w); i++)
		continue;
	if (w->state < WORKER_STOPPING && w->flights.bytes.len && greeting_is_over(&w->greeting))
		worker_take_replies(w, worker_now_ms(w));
	for (int i = 0; i < LAST_READS && read_stderr(w); i++)
		continue;
	errlines_flush(&w->errlines, worker_now_ms(w), on_stderr_line, w);
	errlines_flush(&w->async_lines, worker_now_ms(w), worker_on_stdout_line, w);
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
	worker_report(w, COPROC_EV_EXITED, LOG_WARNING,
		      "%s; %lld ms after its start, %u requests lost", why,
		      (long long)(worker_now_ms(w) - w->started_ms), worker_in_flight(w));
	worker_lose_all(w, COPROC_CRASHED, COPROC_CRASHED, why);
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
		worker_report(w, COPROC_EV_STOPPED, LOG_INFO, "%s as asked", how);
	worker_set_state(w, WORKER_GONE);
	w->env->ops->on_gone(w->env->ops->ctx, w);
}

int worker_open_streams(struct worker *w)
{
	struct event_base *base = w->env->base;
	struct coproc_child c = w->child;
	int rc;

	/* Each call consumes its descriptor, whether it succeeds or not. */
	rc = stream_out_open(&w->in, base, c.in, stdin_closed, w);
	if (stream_in_open(&w->out, base, c.out, worker_hear, w))
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
	w->started_ms = worker_now_ms(w);
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
		worker_become_ready(w);
		return;
	}
	w->start_by_ms = clock_deadline_ms(w->started_ms, w->settings->o.start_timeout_ms);
	worker_changed(w);
	/* Without memory for these start-timeout says so. */
	if (by_framing) {
		/* All that comes before the first answer, whatever it is, is no reply. */
		number = worker_next_number(w);
		worker_take_place(w, NULL, false, number);
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
	worker_report(w, COPROC_EV_STARTED, LOG_INFO, "started: %s", o->argv[0]);
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
