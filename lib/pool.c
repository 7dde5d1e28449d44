/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The memory of busy workers is looked at so often. */
#define RSS_LOOK_MS 1000

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

/* ---- starting ---- */

static void note_failure(struct pool *p, const char *why)
{
	snprintf(p->last_failure, sizeof(p->last_failure), "%s", why);
}

/* Start one worker and add it to the set. Returns NULL with *@rc set if that failed. */
static struct worker *add_worker(struct pool *p, struct settings *settings, enum worker_role role,
				 struct worker *replaces, int *rc)
{
	struct worker *w = worker_new(&p->env, settings, ++p->last_id);
	const char *step = "memory";
	char why[160];

	*rc = -ENOMEM;
	if (w) {
		w->role = role;
		w->replaces = replaces;
		TAILQ_INSERT_TAIL(&p->workers, w, link);
		*rc = worker_start(w, &step);
	}
	if (!*rc) {
		p->starts++;
		return w;
	}
	snprintf(why, sizeof(why), "cannot start \"%.80s\": %s: %s", settings->o.argv[0], step,
		 strerror(-*rc));
	note_failure(p, why);
	report(p, COPROC_EV_START_FAILED, LOG_ERR, "worker %u: %s", p->last_id, why);
	if (w) {
		TAILQ_REMOVE(&p->workers, w, link);
		worker_free(w);
	}
	return NULL;
}

/* Whether it is one of the present workers or of the newcomers, and not on its way out. */
static bool is_on_duty(const struct worker *w, enum worker_role role)
{
	return w->role == role && w->state <= WORKER_READY;
}

static unsigned count_on_duty(const struct pool *p, enum worker_role role)
{
	const struct worker *w;
	unsigned n = 0;

	TAILQ_FOREACH (w, &p->workers, link)
		n += is_on_duty(w, role);
	return n;
}

/* A start or a serving worker has failed: say when the next start comes. */
static void plan_restart(struct pool *p, int64_t served_ms)
{
	const struct coproc_platform *platform = p->env.platform;
	int64_t delay;

	p->failures++;
	if (p->stopping || p->next_settings)
		return; /* nothing is to follow, or the newcomers will */
	delay = restart_after(&p->restart, &p->settings->restart, served_ms,
			      platform->random(platform->ctx));
	if (delay != RESTART_NEVER) {
		p->restart_at_ms = now_ms(p) + delay;
		report(p, COPROC_EV_RESTARTING, LOG_INFO,
		       "starting it again in %lld ms (failure %u)", (long long)delay,
		       p->restart.failures);
		return;
	}
	p->restart_at_ms = CLOCK_NEVER;
	p->failed = count_on_duty(p, WORKER_SERVING) == 0;
	report(p, COPROC_EV_FAILED, LOG_ERR, "given up after %u failures in a row (restart-limit)",
	       p->restart.failures);
	if (p->failed)
		p->ops->on_failed(p->ops->ctx);
}

int pool_start(struct pool *p)
{
	int rc = 0;

	p->restart_at_ms = CLOCK_NEVER;
	for (unsigned n = count_on_duty(p, WORKER_SERVING); n < p->settings->o.workers && !rc; n++)
		if (!add_worker(p, p->settings, WORKER_SERVING, NULL, &rc))
			plan_restart(p, -1);
	p->ops->on_change(p->ops->ctx);
	return rc;
}

/* ---- replacement ---- */

static void end_replacement(struct pool *p)
{
	settings_unref(p->next_settings);
	p->next_settings = NULL;
}

/* Stop the newcomers: of a replacement, or of the recycling of @replaces. */
static void dismiss(struct pool *p, const struct worker *replaces)
{
	struct worker *w;

	TAILQ_FOREACH (w, &p->workers, link) {
		if (w->role != WORKER_NEWCOMER || w->replaces != replaces)
			continue;
		w->role = WORKER_RETIRED;
		worker_stop(w);
	}
}

static void retire(struct worker *w)
{
	w->role = WORKER_RETIRED;
	worker_drain(w);
}

/* All newcomers are ready: they take over, what served is drained. */
static void take_over(struct pool *p)
{
	struct worker *w, *newest = NULL;

	settings_unref(p->settings);
	p->settings = settings_ref(p->next_settings);
	end_replacement(p);
	p->failed = false;
	p->restart.failures = 0;
	p->restart_at_ms = CLOCK_NEVER;
	p->replacements++;
	TAILQ_FOREACH (w, &p->workers, link) {
		if (w->role == WORKER_SERVING) {
			retire(w);
		} else if (w->role == WORKER_NEWCOMER) {
			w->role = WORKER_SERVING;
			newest = w;
		}
	}
	report(p, COPROC_EV_REPLACED, LOG_NOTICE, "worker %u (pid %d) has taken over",
	       newest ? newest->id : 0, newest ? (int)newest->child.pid : 0);
}

/* A newcomer of the replacement failed: what served stays, or is started again. */
static void roll_back(struct pool *p)
{
	bool served = count_on_duty(p, WORKER_SERVING) > 0;

	dismiss(p, NULL);
	end_replacement(p);
	report(p, COPROC_EV_REPLACE_FAILED, LOG_ERR, "the replacement failed (%s); %s",
	       p->last_failure,
	       served ? "the old process and its options stay" : "the old options stay");
	if (count_on_duty(p, WORKER_SERVING) < p->settings->o.workers && !p->failed)
		plan_restart(p, -1);
}

static void take_over_if_ready(struct pool *p)
{
	const struct worker *w;
	unsigned ready = 0;

	if (!p->next_settings)
		return;
	TAILQ_FOREACH (w, &p->workers, link)
		ready += w->role == WORKER_NEWCOMER && !w->replaces && w->state == WORKER_READY;
	if (ready >= p->next_settings->o.workers)
		take_over(p);
}

/* The old options were given up on: nothing is left to fall back to. */
static void start_over(struct pool *p, struct settings *settings)
{
	settings_unref(p->settings);
	p->settings = settings_ref(settings);
	p->failed = false;
	p->restart.failures = 0;
	p->replacements++;
	report(p, COPROC_EV_REPLACED, LOG_NOTICE, "nothing was running: starting anew");
	pool_start(p);
}

void pool_replace(struct pool *p, struct settings *settings)
{
	struct worker *w;
	int rc = 0;

	dismiss(p, NULL); /* a replacement that this one overtakes */
	TAILQ_FOREACH (w, &p->workers, link)
		if (w->role == WORKER_SERVING)
			dismiss(p, w);
	end_replacement(p);
	if (p->failed) {
		start_over(p, settings);
		return;
	}
	p->next_settings = settings_ref(settings);
	p->restart_at_ms = CLOCK_NEVER; /* the newcomers take that place too */
	for (unsigned n = 0; n < settings->o.workers && p->next_settings && !rc; n++)
		if (!add_worker(p, settings, WORKER_NEWCOMER, NULL, &rc))
			roll_back(p);
	p->ops->on_change(p->ops->ctx);
}

/* ---- recycling ---- */

/* Why @w is worn, NULL if it is not. */
static const char *wear(const struct pool *p, const struct worker *w, int64_t now, bool look)
{
	const struct coproc_options *o = &w->settings->o;
	const struct coproc_platform *platform = p->env.platform;

	if (!is_on_duty(w, WORKER_SERVING) || w->state != WORKER_READY || now < w->recycle_after_ms)
		return NULL;
	if (o->max_requests && w->sent >= o->max_requests)
		return "max-requests";
	if (o->max_age_ms && now - w->ready_ms >= o->max_age_ms)
		return "max-age";
	if (look && o->max_rss && platform->rss(platform->ctx, &w->child) > o->max_rss)
		return "max-rss";
	return NULL;
}

/* Start the one that is to follow a worn worker; one at a time. */
static void recycle_worn(struct pool *p)
{
	int64_t now = now_ms(p);
	bool look = p->settings->o.max_rss && now >= p->look_at_ms;
	const char *reason = NULL;
	struct worker *w;
	int rc;

	if (p->stopping || p->next_settings || count_on_duty(p, WORKER_NEWCOMER))
		return;
	if (look)
		p->look_at_ms = now + RSS_LOOK_MS;
	TAILQ_FOREACH (w, &p->workers, link) {
		reason = wear(p, w, now, look);
		if (reason)
			break;
	}
	if (!reason)
		return;
	report(p, COPROC_EV_RECYCLING, LOG_INFO, "worker %u (pid %d) is recycled (%s)", w->id,
	       (int)w->child.pid, reason);
	w->recycle_after_ms = now + p->settings->o.restart_delay_max_ms; /* should it fail */
	add_worker(p, p->settings, WORKER_NEWCOMER, w, &rc);
	p->ops->on_change(p->ops->ctx);
}

/* A newcomer for one worker is ready. */
static void succeed(struct pool *p, struct worker *newcomer)
{
	struct worker *old = newcomer->replaces;

	newcomer->role = WORKER_SERVING;
	newcomer->replaces = NULL;
	p->recycled++;
	retire(old);
}

/* The worker that is to be recycled is gone: its newcomer serves as any other. */
static void lose_predecessor(struct pool *p, const struct worker *gone)
{
	struct worker *w;

	TAILQ_FOREACH (w, &p->workers, link) {
		if (w->role == WORKER_NEWCOMER && w->replaces == gone) {
			w->role = WORKER_SERVING;
			w->replaces = NULL;
		}
	}
}

/* ---- upcalls of the workers ---- */

static void on_ready(void *ctx, struct worker *w)
{
	struct pool *p = ctx;

	if (w->role == WORKER_NEWCOMER && w->replaces)
		succeed(p, w);
	else if (w->role == WORKER_NEWCOMER)
		take_over_if_ready(p);
	p->ops->on_change(p->ops->ctx);
}

static void on_worker_failed(void *ctx, struct worker *w, const char *why)
{
	struct pool *p = ctx;
	int64_t served_ms = w->ready_ms < 0 ? -1 : now_ms(p) - w->ready_ms;
	enum worker_role role = w->role;

	note_failure(p, why);
	w->role = WORKER_RETIRED;
	if (role == WORKER_NEWCOMER && !w->replaces) {
		roll_back(p);
	} else if (role == WORKER_SERVING) {
		lose_predecessor(p, w);
		if (count_on_duty(p, WORKER_SERVING) < p->settings->o.workers)
			plan_restart(p, served_ms);
		else
			p->failures++;
	}
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

	TAILQ_FOREACH_SAFE (w, &p->workers, link, next) {
		TAILQ_REMOVE(&p->workers, w, link);
		worker_free(w);
	}
	end_replacement(p);
	settings_unref(p->settings);
}

struct worker *pool_pick(struct pool *p, bool idle, unsigned *room)
{
	struct worker *w, *best = NULL;
	unsigned most = 0, choice = 0;

	TAILQ_FOREACH (w, &p->workers, link) {
		unsigned places;

		if (w->role != WORKER_SERVING || (idle && worker_in_flight(w)))
			continue;
		places = worker_room(w);
		choice += places > 0;
		if (places > most) {
			most = places;
			best = w;
		}
	}
	*room = choice == 1 ? most : 1;
	/* The failure of one, found in the last, may have let others be replaced. */
	if (best && (best->role != WORKER_SERVING || best->state != WORKER_READY))
		return NULL;
	return best;
}

unsigned pool_window(const struct pool *p)
{
	const struct worker *w;
	unsigned most = 0;

	TAILQ_FOREACH (w, &p->workers, link)
		most = MAX(most, w->window.size);
	return most;
}

unsigned pool_places(const struct pool *p)
{
	const struct worker *w;
	unsigned n = 0;

	TAILQ_FOREACH (w, &p->workers, link)
		if (w->role == WORKER_SERVING && w->state == WORKER_READY && !w->exclusive &&
		    !worker_is_behind(w))
			n += worker_places(w);
	return n;
}

struct worker *pool_ready(const struct pool *p)
{
	struct worker *w;

	TAILQ_FOREACH (w, &p->workers, link)
		if (w->role == WORKER_SERVING && w->state == WORKER_READY)
			return w;
	return NULL;
}

void pool_flush(struct pool *p)
{
	struct worker *w, *next;

	recycle_worn(p);
	TAILQ_FOREACH_SAFE (w, &p->workers, link, next) {
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
	end_replacement(p);
	TAILQ_FOREACH (w, &p->workers, link) {
		w->role = WORKER_RETIRED;
		how(w);
	}
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

	TAILQ_FOREACH (w, &p->workers, link)
		worker_tick(w, now);
	if (p->restart_at_ms <= now)
		pool_start(p);
}

int64_t pool_deadline_ms(const struct pool *p)
{
	bool may_recycle = !p->stopping && !p->next_settings && !count_on_duty(p, WORKER_NEWCOMER);
	int64_t at = p->restart_at_ms;
	const struct worker *w;

	TAILQ_FOREACH (w, &p->workers, link) {
		at = MIN(at, worker_deadline_ms(w));
		if (may_recycle && w->role == WORKER_SERVING && w->state == WORKER_READY)
			at = MIN(at, MAX(clock_deadline_ms(w->ready_ms, w->settings->o.max_age_ms),
					 w->recycle_after_ms));
	}
	return at;
}

bool pool_is_calm(const struct pool *p)
{
	const struct worker *w;

	TAILQ_FOREACH (w, &p->workers, link)
		if (!worker_is_calm(w))
			return false;
	return !p->next_settings && !p->stopping;
}

void pool_save(const struct pool *p, struct pack *out, uint64_t (*name)(const void *tag))
{
	const uint64_t numbers[] = {
	    p->last_id,      p->restart.failures, (uint64_t)p->restart_at_ms,
	    p->failed,       p->starts,           p->failures,
	    p->replacements, p->recycled};
	const struct worker *w;
	uint64_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		pack_u64(out, numbers[i]);
	pack_text(out, p->last_failure);
	TAILQ_FOREACH (w, &p->workers, link)
		count++;
	pack_u64(out, count);
	TAILQ_FOREACH (w, &p->workers, link)
		worker_save(w, out, name);
}

static int load_worker(struct pool *p, struct unpack *u)
{
	struct worker *w = worker_new(&p->env, p->settings, 0);

	if (!w)
		return -ENOMEM;
	TAILQ_INSERT_TAIL(&p->workers, w, link);
	return worker_load(w, u);
}

int pool_load(struct pool *p, struct unpack *u)
{
	const char *failure;
	int rc = 0;

	p->last_id = (unsigned)unpack_u64(u);
	p->restart.failures = (unsigned)unpack_u64(u);
	p->restart_at_ms = (int64_t)unpack_u64(u);
	p->failed = unpack_u64(u) != 0;
	p->starts = unpack_u64(u);
	p->failures = unpack_u64(u);
	p->replacements = unpack_u64(u);
	p->recycled = unpack_u64(u);
	failure = unpack_text(u);
	snprintf(p->last_failure, sizeof(p->last_failure), "%s", failure ? failure : "");
	for (uint64_t n = unpack_u64(u); n && !rc && !u->failed; n--)
		rc = load_worker(p, u);
	return u->failed ? -EINVAL : rc;
}
