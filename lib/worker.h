/* SPDX-License-Identifier: MIT */
#ifndef COPROC_WORKER_H
#define COPROC_WORKER_H

/*
 * A worker is one life of the process: it owns the child and its three streams,
 * and what was sent to it (flights.h). It knows no requests, only their tags.
 *
 *	STARTING -> READY -> DRAINING -> STOPPING -> GONE
 *
 * (each may also fall to STOPPING or GONE directly).
 */

#include "coproc.h"
#include "errlines.h"
#include "flights.h"
#include "greeting.h"
#include "settings.h"
#include "stream.h"
#include "window.h"

enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_DRAINING, WORKER_STOPPING, WORKER_GONE };

/* Upcalls about the process, to the pool. Not for freeing the worker in them. */
struct worker_ops {
	void (*on_ready)(void *ctx, struct worker *w);
	/* It failed without having been asked to stop; it ends by itself. @why: one line. */
	void (*on_failed)(void *ctx, struct worker *w, const char *why);
	/* Reaped, streams ended: it may be freed later. */
	void (*on_gone)(void *ctx, struct worker *w);
	/* It has room, is idle, or has another deadline: to be looked at when the turn ends. */
	void (*on_change)(void *ctx, struct worker *w);
	void (*on_event)(void *ctx, const struct coproc_event *event);
	void *ctx;
};

/* What a worker is given at birth, borrowed. */
struct worker_env {
	struct event_base *base;
	const struct coproc_platform *platform;
	const struct flight_sink *sink;
	const struct worker_ops *ops;
};

/* What the pool has a worker for. */
enum worker_role {
	WORKER_SERVING,  /* one of those that take requests */
	WORKER_NEWCOMER, /* is to take over when it is ready */
	WORKER_RETIRED,  /* others have taken over: its end is no failure */
};

/* The steps of stopping. */
enum stop_step { STOP_EOF, STOP_TERM, STOP_KILL };

struct worker {
	TAILQ_ENTRY(worker) link; /* pool.workers */
	enum worker_role role;    /* the pool's, as the next two */
	struct worker *replaces;  /* borrowed; the one that a newcomer recycles, NULL for all */
	int64_t recycle_after_ms; /* not to be recycled before */
	const struct worker_env *env;
	struct settings *settings; /* one reference */
	unsigned id;
	enum worker_state state;

	struct coproc_child child;
	struct event exited;
	bool reaped;
	struct stream_out in;
	struct stream_in out, err;
	struct errlines errlines, async_lines; /* of stderr; of stdout, lines of no reply */

	struct greeting greeting;
	struct flights flights; /* what it has, and its stdout */
	struct window window;   /* how much it may have */
	bool drained;           /* stdout was found empty in this turn of the loop */
	bool exclusive;         /* what it has must stay alone */
	bool has_output;        /* at least one byte came on stdout */
	unsigned restless;      /* times in a row that it did not come to rest */
	bool reads_stdin;       /* it was seen waiting for a request */
	pid_t kept_child;       /* the youngest process it had started when it last rested */
	bool is_quiet;          /* it has come to the end of its last request, as far as is known */

	uint64_t sent;      /* requests */
	uint64_t key;       /* of the numbers of its probes, */
	uint64_t probes;    /* of which it has had so many */
	bool asking_health; /* what it has is the daemon's own request */

	/* One request at a time is watched for how long it stays. */
	bool watching;
	uint32_t watched; /* its place */
	int64_t watched_since_ms, stay_ms;

	/* Moments, CLOCK_NEVER where none is set. */
	int64_t started_ms;
	int64_t ready_ms;        /* -1 before it is */
	int64_t head_since_ms;   /* the process works on the oldest since */
	int64_t settle_until_ms; /* the reply of the oldest is held back until */
	int64_t closed_by_ms;    /* it closed a stream: it should have died by then */
	int64_t loose_by_ms;     /* an unfinished line of no reply should be whole by then */
	int64_t look_at_ms;      /* whether it is quiet */
	int64_t health_at_ms;    /* to be asked how it is, or to have answered that */
	int64_t start_by_ms;     /* it should be ready by then */
	int64_t drain_by_ms;
	int64_t stop_step_ms; /* the next step of stopping is due */
	enum stop_step stop_step;
};

/*
 * Make a worker, without a process.
 *
 * @env       borrowed; must outlive the worker
 * @settings  one reference is taken
 * @id        for logs
 *
 * Returns NULL without memory; end with worker_free().
 */
struct worker *worker_new(const struct worker_env *env, struct settings *settings, unsigned id);

/*
 * Start its process, once.
 *
 * @step  on failure set to a static word for what failed
 *
 * Upcalls: on_event and, where it is ready by having been started, on_ready.
 * Returns 0 or -errno; after a failure only worker_free() is allowed.
 */
int worker_start(struct worker *w, const char **step) WARN_UNUSED;

/*
 * Free it. A process that is still there is killed and reaped first (waits up
 * to a second); tags still with it are dropped without an upcall. Accepts NULL.
 */
void worker_free(struct worker *w);

/*
 * How many requests it takes now. At window 1 without proof in the framing this
 * looks at stdout first, and a surplus there fails the worker (on_failed).
 */
unsigned worker_room(struct worker *w);

/* Places taken, tombstones included. */
static inline unsigned worker_in_flight(const struct worker *w)
{
	return flights_count(&w->flights);
}

/*
 * Send one request; it leaves with worker_flush(). worker_room() must have said
 * that there is room (asserted).
 *
 * @tag        comes back with on_reply or on_lost
 * @exclusive  nothing is taken beside it
 * @out_place  for worker_forget()
 *
 * Returns 0, or -ENOMEM with nothing sent.
 */
int worker_send(struct worker *w, const char *bytes, size_t len, void *tag, bool exclusive,
		uint32_t *out_place) WARN_UNUSED;

/*
 * The same for a run of @count requests, as they are (settings.runs); one that has the
 * last places already is joined.
 */
int worker_send_run(struct worker *w, const char *bytes, size_t len, void *tag, unsigned count,
		    uint32_t *out_place) WARN_UNUSED;

/* Whether nothing was sent behind what has the place. */
bool worker_is_last(const struct worker *w, uint32_t place);

/* Whether @bytes are a request that has a reply, by the option no-reply. */
bool worker_has_reply(const struct worker *w, const char *bytes, size_t len);

/* Send a request that has none, on the conditions of worker_send(). 0 or -ENOMEM. */
int worker_tell(struct worker *w, const char *bytes, size_t len) WARN_UNUSED;

/* How many requests it may have more, by its window alone. */
static inline unsigned worker_places(const struct worker *w)
{
	unsigned taken = worker_in_flight(w), free = flights_free(&w->flights);

	return MIN(w->window.size - MIN(taken, w->window.size), free);
}

/* Whether what it has takes it a noticeable while, so that more would only wait inside it. */
bool worker_is_behind(const struct worker *w);

/* It has let a request time out: it gets one at a time until it has proved itself anew. */
void worker_distrust(struct worker *w);

/* Make the place a tombstone, of a run all of it. May be called from within upcalls. */
void worker_forget(struct worker *w, uint32_t place);

/* Write what was sent; ends the turn of the loop for this worker. */
void worker_flush(struct worker *w);

/* Take no more, then stop when what is in flight has ended or drain_timeout is over. */
void worker_drain(struct worker *w);

/* Close stdin, then SIGTERM, then SIGKILL, stop_timeout apart. */
void worker_stop(struct worker *w);

/* SIGKILL at once. */
void worker_kill(struct worker *w);

/* Do what is due at @now_ms. */
void worker_tick(struct worker *w, int64_t now_ms);

/* When something will be due. */
int64_t worker_deadline_ms(const struct worker *w);

/* Whether it is in an ordinary state, which can be saved. */
bool worker_is_calm(const struct worker *w);

/* Write its state, descriptors included; must be calm. @name as in flights_save(). */
void worker_save(const struct worker *w, struct pack *p, uint64_t (*name)(const void *tag));

/* Take the state up in place of worker_start(). Returns 0, -EINVAL or -ENOMEM. */
int worker_load(struct worker *w, struct unpack *u) WARN_UNUSED;

const char *worker_state_name(enum worker_state state);

#endif
