/* SPDX-License-Identifier: MIT */
#ifndef COPROC_WORKER_PARTS_H
#define COPROC_WORKER_PARTS_H

/* What worker.c, worker_life.c, worker_replies.c and worker_state.c share; for no other module. */

#include "clock.h"
#include "worker.h"

/* A process that closes a stream is given so long to be found dead, a line to be whole. */
#define CLOSED_GRACE_MS 100

static inline int64_t worker_now_ms(const struct worker *w)
{
	return w->env->platform->now_ms(w->env->platform->ctx);
}

static inline int64_t worker_now_us(const struct worker *w)
{
	const struct coproc_platform *p = w->env->platform;

	return p->now_us ? p->now_us(p->ctx) : worker_now_ms(w) * 1000;
}

/* Something changed that the owner looks at when the turn ends: room, a deadline. */
static inline void worker_changed(struct worker *w)
{
	w->env->ops->on_change(w->env->ops->ctx, w);
}

/* Whether only discipline keeps the position: one at a time, with a quiet stdout between. */
static inline bool worker_is_lockstep(const struct worker *w)
{
	return w->window.size == 1 && !w->settings->proof;
}

/* ---- worker.c ---- */

/* The number of the next probe; 0 where the framing has none. */
uint64_t worker_next_number(struct worker *w);

/* Take the place of what has been staged; there must be one (asserted). Returns it. */
uint32_t worker_take_place(struct worker *w, void *tag, bool suspicious, uint64_t number);

/*
 * Whether the process has nothing more to say about its last request. One that
 * waits for the next has not; one that does something else may still write a
 * surplus, so that it is given time to come back to reading, from head_since_ms on.
 */
bool worker_rests(struct worker *w);

/* Tell the process that nobody waits for what it works on. */
void worker_cancel_running(struct worker *w);

/* ---- worker_life.c ---- */

/* Report an event of this process; the text is formatted behind its name. */
void worker_report(struct worker *w, enum coproc_event_kind kind, int level, const char *fmt, ...)
    PRINTF(4, 5);

/* The one place where the state changes. It only moves forward (asserted). */
void worker_set_state(struct worker *w, enum worker_state state);

/* It has proved itself ready; nothing if it is on its way out already. */
void worker_become_ready(struct worker *w);

/* End every place, the oldest with @first and the others with @others. */
void worker_lose_all(struct worker *w, enum coproc_code first, enum coproc_code others,
		     const char *why);

/*
 * The process cannot be trusted or waited for any longer: end what it has and
 * replace it. It gets SIGTERM at once, as nothing it could still do counts.
 */
void worker_give_up(struct worker *w, enum coproc_event_kind kind, enum coproc_code first,
		    enum coproc_code others, const char *why);

/* The same, where it has been reported. */
void worker_fail(struct worker *w, enum coproc_code first, enum coproc_code others,
		 const char *why);

/* Enter STOPPING at @step, or move on to it. */
void worker_begin_stop(struct worker *w, enum stop_step step);

/* Take over the descriptors in w->child. Returns 0 or -ENOMEM. */
int worker_open_streams(struct worker *w);

/* ---- worker_replies.c ---- */

/* Have lines that are no replies reported, and the numbers of its probes known. */
void worker_listen(struct worker *w);

/* There may be something on stdout; @ctx is the worker. */
void worker_hear(void *ctx);

/* One read of stdout. Returns false when there was nothing (more) to read. */
bool worker_read_stdout(struct worker *w);

/* Look at the output received. */
void worker_take_replies(struct worker *w, int64_t now);

/* Give up for what stands on stdout where no reply can be; @what says so. */
void worker_give_up_desync(struct worker *w, const char *what);

/* The time for which a reply was held back is over. */
void worker_settle(struct worker *w, int64_t now);

/* Report one line that is no reply; an errlines_fn. */
void worker_on_stdout_line(void *ctx, int level, const char *line);

#endif
