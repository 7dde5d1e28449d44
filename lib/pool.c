/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include "clock.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int64_t now_ms(const struct pool *p)
{
	return p->env.platform->now_ms(p->env.platform->ctx);
}

static void report(struct pool *p, enum coproc_event_kind kind, int level, const char *fmt, ...)
    PRINTF(4, 5);

static void report(struct pool *p, enum coproc_event_kind kind, int level, const char *fmt, ...)
{
	char text[300];
	struct coproc_event event = {.kind = kind, .level = level, .text = text};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->ops->on_event(p->ops->ctx, &event);
}

/* Start one worker with @settings and add it to the set. */
static int add_worker(struct pool *p, struct settings *settings, struct worker **out)
{
	const char *step;
	int rc = worker_start(&p->env, settings, ++p->last_id, out, &step);

	if (rc) {
		report(p, COPROC_EV_START_FAILED, LOG_ERR, "worker %u: cannot start \"%s\": %s: %s",
		       p->last_id, settings->o.argv[0], step, strerror(-rc));
		return rc;
	}
	p->starts++;
	TAILQ_INSERT_TAIL(&p->workers, *out, link);
	return 0;
}

/* A worker in service is lost, or could not be had: say when the next one comes. */
static void plan_restart(struct pool *p, int64_t served_ms)
{
	const struct coproc_platform *platform = p->env.platform;
	int64_t delay;

	p->failures++;
	if (p->stopping || p->next)
		return; /* nothing is to follow, or the newcomer will */
	delay = restart_after(&p->restart, &p->settings->restart, served_ms,
			      platform->random(platform->ctx));
	if (delay != RESTART_NEVER) {
		p->restart_at_ms = now_ms(p) + delay;
		report(p, COPROC_EV_RESTARTING, LOG_INFO, "starting it again in %lld ms (failure %u)",
		       (long long)delay, p->restart.failures);
		return;
	}
	p->failed = true;
	report(p, COPROC_EV_FAILED, LOG_ERR,
	       "given up after %u failures in a row (restart-limit)", p->restart.failures);
	p->ops->on_failed(p->ops->ctx);
}

int pool_start(struct pool *p)
{
	struct worker *w;
	int rc;

	p->restart_at_ms = CLOCK_NEVER;
	rc = add_worker(p, p->settings, &w);
	if (rc)
		plan_restart(p, -1);
	p->ops->on_change(p->ops->ctx);
	return rc;
}

/* ---- replacement ---- */

static void forget_next(struct pool *p)
{
	p->next = NULL;
	settings_unref(p->next_settings);
	p->next_settings = NULL;
}

static bool is_in_service(const struct pool *p, const struct worker *w)
{
	return w != p->next && w->state <= WORKER_READY;
}

/* The newcomer is ready: it takes over, what was in service is drained. */
static void take_over(struct pool *p)
{
	struct worker *newcomer = p->next, *w;

	settings_unref(p->settings);
	p->settings = settings_ref(p->next_settings);
	forget_next(p);
	p->restart.failures = 0;
	p->replacements++;
	TAILQ_FOREACH(w, &p->workers, link)
		if (w != newcomer && is_in_service(p, w))
			worker_drain(w);
	report(p, COPROC_EV_REPLACED, LOG_NOTICE, "worker %u (pid %d) has taken over", newcomer->id,
	       (int)newcomer->child.pid);
}

/* The newcomer failed: what was in service stays, or is started again. */
static void roll_back(struct pool *p)
{
	struct worker *w;
	bool served = false;

	forget_next(p);
	TAILQ_FOREACH(w, &p->workers, link)
		served |= is_in_service(p, w);
	report(p, COPROC_EV_REPLACE_FAILED, LOG_ERR, "the replacement failed; %s",
	       served ? "the old process and its options stay" : "the old options stay");
	if (!served && p->restart_at_ms == CLOCK_NEVER)
		plan_restart(p, -1);
}

/* No process whose place could be kept: begin afresh. */
static void start_over(struct pool *p, struct settings *settings)
{
	settings_unref(p->settings);
	p->settings = settings_ref(settings);
	p->failed = false;
	p->restart.failures = 0;
	if (pool_start(p) == 0) {
		p->replacements++;
		report(p, COPROC_EV_REPLACED, LOG_NOTICE, "started anew");
	}
}

void pool_replace(struct pool *p, struct settings *settings)
{
	struct worker *w = NULL;

	if (p->next) { /* overtaken by this one */
		w = p->next;
		forget_next(p);
		worker_stop(w);
	}
	TAILQ_FOREACH(w, &p->workers, link)
		if (is_in_service(p, w))
			break;
	if (!w) {
		start_over(p, settings);
		return;
	}
	p->next_settings = settings_ref(settings);
	/* on_ready() may come before add_worker() returns, when `next` is not yet known. */
	if (add_worker(p, settings, &w)) {
		roll_back(p);
		return;
	}
	p->next = w;
	if (w->state == WORKER_READY)
		take_over(p);
	p->ops->on_change(p->ops->ctx);
}

/* ---- upcalls of the workers ---- */

static void on_ready(void *ctx, struct worker *w)
{
	struct pool *p = ctx;

	if (w == p->next)
		take_over(p);
	p->ops->on_change(p->ops->ctx);
}

static void on_worker_failed(void *ctx, struct worker *w)
{
	struct pool *p = ctx;
	int64_t served_ms = w->ready_ms < 0 ? -1 : now_ms(p) - w->ready_ms;

	if (w == p->next)
		roll_back(p);
	else if (!w->retired)
		plan_restart(p, served_ms);
	p->ops->on_change(p->ops->ctx);
}

static void on_worker_changed(void *ctx, struct worker *w UNUSED)
{
	struct pool *p = ctx;

	p->ops->on_change(p->ops->ctx);
}

static void on_event(void *ctx, const struct coproc_event *event)
{
	struct pool *p = ctx;

	p->ops->on_event(p->ops->ctx, event);
}

/* ---- the set ---- */

void pool_init(struct pool *p, struct event_base *base, const struct coproc_platform *platform,
	       const struct flight_sink *sink, const struct pool_ops *ops,
	       struct settings *settings)
{
	*p = (struct pool){.ops = ops, .restart_at_ms = CLOCK_NEVER};
	p->worker_ops = (struct worker_ops){.on_ready = on_ready,
					    .on_failed = on_worker_failed,
					    .on_gone = on_worker_changed,
					    .on_change = on_worker_changed,
					    .on_event = on_event,
					    .ctx = p};
	p->env = (struct worker_env){
	    .base = base, .platform = platform, .sink = sink, .ops = &p->worker_ops};
	p->settings = settings_ref(settings);
	TAILQ_INIT(&p->workers);
}

void pool_finish(struct pool *p)
{
	struct worker *w, *next;

	TAILQ_FOREACH_SAFE(w, &p->workers, link, next)
	{
		TAILQ_REMOVE(&p->workers, w, link);
		worker_free(w);
	}
	forget_next(p);
	settings_unref(p->settings);
}

struct worker *pool_pick(struct pool *p, bool idle)
{
	struct worker *w, *best = NULL;
	unsigned most = 0;

	TAILQ_FOREACH(w, &p->workers, link)
	{
		unsigned room;

		if (w == p->next || (idle && worker_in_flight(w)))
			continue;
		room = worker_room(w);
		if (room > most) {
			most = room;
			best = w;
		}
	}
	return best;
}

struct worker *pool_ready(const struct pool *p)
{
	struct worker *w;

	TAILQ_FOREACH(w, &p->workers, link)
		if (w != p->next && w->state == WORKER_READY)
			return w;
	return NULL;
}

void pool_flush(struct pool *p)
{
	struct worker *w, *next;

	TAILQ_FOREACH_SAFE(w, &p->workers, link, next)
	{
		worker_flush(w);
		if (w->state != WORKER_GONE)
			continue;
		TAILQ_REMOVE(&p->workers, w, link);
		worker_free(w);
	}
}

static void stop_all(struct pool *p, void (*how)(struct worker *w))
{
	struct worker *w;

	p->stopping = true;
	p->restart_at_ms = CLOCK_NEVER;
	forget_next(p);
	TAILQ_FOREACH(w, &p->workers, link)
		how(w);
	p->ops->on_change(p->ops->ctx);
}

void pool_stop(struct pool *p)
{
	stop_all(p, worker_stop);
}

void pool_kill(struct pool *p)
{
	stop_all(p, worker_kill);
}

void pool_tick(struct pool *p, int64_t now)
{
	struct worker *w;

	TAILQ_FOREACH(w, &p->workers, link)
		worker_tick(w, now);
	if (p->restart_at_ms <= now)
		pool_start(p);
}

int64_t pool_deadline_ms(const struct pool *p)
{
	int64_t at = p->restart_at_ms;
	struct worker *w;

	TAILQ_FOREACH(w, &p->workers, link)
		at = MIN(at, worker_deadline_ms(w));
	return at;
}
