/* SPDX-License-Identifier: MIT */
#ifndef COPROC_POOL_H
#define COPROC_POOL_H

/*
 * The set of workers that stand behind one queue: starts them, starts them
 * again after failures, puts new ones in the place of old ones, and stops
 * them. It knows no requests.
 *
 * `workers` of the options (normally 1) are SERVING. Beside them there may be
 * NEWCOMERs, which take over once they are ready: all of them together in a
 * replacement (other options, or asked for), one for one when a worn worker is
 * recycled. Who was taken over from is RETIRED: it drains, stops and goes.
 */

#include "restart.h"
#include "worker.h"

TAILQ_HEAD(worker_list, worker);

/* Upcalls to the engine. */
struct pool_ops {
	/* Something changed: room, a deadline, a worker that can be swept. */
	void (*on_change)(void *ctx);
	/* Given up after restart_limit failures. */
	void (*on_failed)(void *ctx);
	void (*on_event)(void *ctx, const struct coproc_event *event);
	void *ctx;
};

struct pool {
	const struct pool_ops *ops; /* borrowed */
	struct worker_env env;
	struct worker_ops worker_ops;
	struct settings *settings;      /* one reference; what new workers are started with */
	struct settings *next_settings; /* of the replacement under way, NULL if none */
	struct worker_list workers;     /* owned; linked by worker.link, oldest first */
	unsigned last_id;
	struct restart restart;
	int64_t restart_at_ms; /* CLOCK_NEVER if no start is due */
	int64_t look_at_ms;    /* next look at the memory of the workers */
	bool failed;
	bool stopping;
	uint64_t starts, failures, replacements, recycled;
	char last_failure[200]; /* "" if there was none */
};

/*
 * @base, @platform, @sink, @ops  borrowed; must outlive the pool
 * @settings  one reference is taken
 */
void pool_init(struct pool *p, struct event_base *base, const struct coproc_platform *platform,
	       const struct flight_sink *sink, const struct pool_ops *ops,
	       struct settings *settings);

/* Kill, reap and free all. */
void pool_finish(struct pool *p);

/* Start what is missing. Returns 0, or -errno; a failure is counted and tried again later. */
int pool_start(struct pool *p);

/* Start new ones beside the present ones with @settings (a reference is taken), see
 * coproc_replace(). */
void pool_replace(struct pool *p, struct settings *settings);

/*
 * The worker with the most room, NULL if none has any.
 *
 * @idle  only one that has nothing in flight
 * @room  set to how many requests it may be sent before the next look; 1 where
 *	  there is a choice, so that all have the same to do
 */
struct worker *pool_pick(struct pool *p, bool idle, unsigned *room);

/* How many requests a process may have now: of the one that may have most. */
unsigned pool_window(const struct pool *p);

/* Places that are free with workers that keep up (worker_is_behind()). */
unsigned pool_places(const struct pool *p);

/*
 * End the turn of the loop: write what was sent, recycle what is worn, free the
 * workers that are gone.
 */
void pool_flush(struct pool *p);

/* Start no more and stop all workers; when pool_is_empty() they are gone. */
void pool_stop(struct pool *p);

/* The same with SIGKILL. */
void pool_kill(struct pool *p);

void pool_tick(struct pool *p, int64_t now_ms);
int64_t pool_deadline_ms(const struct pool *p);

static inline bool pool_is_empty(const struct pool *p)
{
	return TAILQ_EMPTY(&p->workers);
}

/* Whether no worker is in a state that cannot be saved. */
bool pool_is_calm(const struct pool *p);

/* Write the state of the set; must be calm. @name as in flights_save(). */
void pool_save(const struct pool *p, struct pack *out, uint64_t (*name)(const void *tag));

/* Take the state up in place of pool_start(). Returns 0, -EINVAL or -ENOMEM. */
int pool_load(struct pool *p, struct unpack *u) WARN_UNUSED;

/* The oldest ready worker that serves, NULL if none does. */
struct worker *pool_ready(const struct pool *p);

#endif
