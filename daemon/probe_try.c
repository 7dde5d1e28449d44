/* SPDX-License-Identifier: MIT */
#include "probe_try.h"

#include "clock.h"
#include "probe_find.h"
#include "probe_look.h"
#include "probe_odd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LIMIT_MS = 60000,
	IDLE_MS = 600,
	QUIET_MS = 100,
	BANNER_MS = 300,
	END_MS = 2000,
};

/* What a run of the ordinary requests was like. */
enum verdict { VERDICT_FITS, VERDICT_NO_SHAPE, VERDICT_SILENT };

/* ---- ordinary requests ---- */

static void drop_first(struct trial *t)
{
	t->request_count--;
	memmove(t->requests, t->requests + 1, t->request_count * sizeof(*t->requests));
}

static struct asked *note_asked(struct trial *t, const char *request)
{
	struct asked *a = &t->f->asked[t->f->asked_count];

	*a = (struct asked){.request = strdup(request)};
	if (a->request)
		t->f->asked_count++;
	else
		t->error = -ENOMEM;
	return a->request ? a : NULL;
}

/* Ask and note what came, without a marker's reply. */
static void ask_and_note(struct trial *t, const char *request)
{
	bool lives = trial_ask(t, request, strlen(request));
	struct asked *a = note_asked(t, request);
	struct shape_piece piece = {.len = t->answer.out.len};

	if (!a)
		return;
	a->ended = !lives;
	a->status = t->status;
	if (lives && t->f->shape.kind != SHAPE_NONE && !trial_reply(t, &piece)) {
		t->f->shape_is_doubtful = true;
		piece = (struct shape_piece){.len = t->answer.out.len};
	}
	if (buf_add(&a->reply, buf_bytes(&t->answer.out) + piece.off, piece.len) < 0)
		t->error = -ENOMEM;
}

/* The first request twice, then the others. Returns whether the first one had a reply. */
static bool ask_ordinary(struct trial *t)
{
	struct findings *f = t->f;

	findings_forget_asked(f);
	f->shape_is_doubtful = false;
	trial_kill(t);
	for (size_t i = 0; i < t->request_count + 1 && i < FINDINGS_REQUESTS && !t->error &&
			   f->buffering != BUFFERING_FLOOD;
	     i++) {
		ask_and_note(t, t->requests[i ? i - 1 : 0]);
		if (!i && f->asked_count && !f->asked[0].ended && !f->asked[0].reply.len &&
		    f->shape.kind == SHAPE_NONE)
			return false;
		if (!i && f->shape_is_doubtful)
			return false;
	}
	return f->asked_count && (f->shape.kind == SHAPE_NONE || !f->shape_is_doubtful);
}

static bool is_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || !memcmp(buf_bytes(a), buf_bytes(b), a->len));
}

/* Find the shape of what was noted. */
static enum verdict look_at_replies(struct trial *t)
{
	struct findings *f = t->f;
	struct find_sample samples[FINDINGS_REQUESTS];

	for (size_t i = 0; i < f->asked_count; i++) {
		samples[i] =
		    (struct find_sample){.bytes = buf_bytes(&f->asked[i].reply),
					 .len = f->asked[i].ended ? 0 : f->asked[i].reply.len};
		f->shape_is_doubtful |= !f->asked[i].ended && !samples[i].len;
	}
	shape_finish(&f->shape);
	t->error = find_shape(samples, f->asked_count, &f->shape);
	return f->shape.kind == SHAPE_NONE ? VERDICT_NO_SHAPE : VERDICT_FITS;
}

static enum verdict try_known_shape(struct trial *t)
{
	struct findings *f = t->f;

	shape_finish(&f->shape);
	t->error = shape_parse(f->known->reply, &f->shape);
	f->shape_is_known = !t->error && ask_ordinary(t);
	return f->shape_is_known ? VERDICT_FITS : VERDICT_NO_SHAPE;
}

/* Ask as it is started now, by the shape of the table, else by the one that is seen. */
static enum verdict attempt(struct trial *t)
{
	struct findings *f = t->f;
	enum verdict verdict;

	trial_tell(t, "asking");
	if (f->known->reply && try_known_shape(t) == VERDICT_FITS)
		return VERDICT_FITS;
	if (t->error)
		return VERDICT_NO_SHAPE;
	shape_finish(&f->shape);
	verdict = ask_ordinary(t) ? look_at_replies(t) : VERDICT_SILENT;
	return verdict;
}

/* ---- buffering ---- */

/* The first request has had no reply: does it come with the second, or at the end? */
static enum buffering find_buffering(struct trial *t)
{
	const char *request = t->requests[0];
	bool late;

	if (!trial_ask(t, request, strlen(request)))
		return BUFFERING_MUTE;
	late = t->answer.out.len;
	t->error = probe_end_input(&t->life, END_MS, &t->answer);
	if (!t->answer.out.len)
		return late ? BUFFERING_NONE : BUFFERING_MUTE;
	return late ? BUFFERING_LATE : BUFFERING_BLOCK;
}

static bool is_cured_by(struct trial *t, enum cure cure)
{
	bool cured;

	t->error = trial_set_cure(t, cure);
	if (t->error)
		return false;
	shape_finish(&t->f->shape);
	cured = trial_ask(t, t->requests[0], strlen(t->requests[0])) && t->answer.out.len;
	t->f->cured[cure] = cured ? CURED_YES : CURED_NO;
	return cured;
}

static enum verdict try_cures(struct trial *t)
{
	struct findings *f = t->f;

	trial_tell(t, "looking for a cure for its buffering");
	for (enum cure cure = CURE_LINE_BUFFERED; cure < CURES && !t->error; cure++) {
		if (cure == CURE_OWN && !f->known->cure)
			continue;
		if (is_cured_by(t, cure) && !f->cure)
			f->cure = cure;
	}
	if (!t->error)
		t->error = trial_set_cure(t, f->cure);
	return t->error ? VERDICT_SILENT : attempt(t);
}

static enum verdict try_requests(struct trial *t)
{
	enum verdict verdict = attempt(t);

	if (verdict != VERDICT_SILENT || t->error || t->f->buffering == BUFFERING_FLOOD)
		return verdict;
	t->f->buffering = find_buffering(t);
	if (t->f->buffering == BUFFERING_NONE && t->request_count > 1 && !t->error) {
		drop_first(t);
		return attempt(t);
	}
	if (t->f->buffering == BUFFERING_NONE || t->f->buffering == BUFFERING_MUTE || t->error)
		return verdict;
	return try_cures(t);
}

/* ---- beginning and end ---- */

/* Leave a request out that the program does not survive. */
static void drop_killer(struct trial *t)
{
	if (!t->f->killer) {
		t->f->killer = strdup(t->requests[0]);
		t->f->killer_status = t->status;
	}
	drop_first(t);
}

/* Find a request that it survives, and how long the first reply takes. */
static bool first_words(struct trial *t)
{
	trial_tell(t, "waiting for a first reply");
	while (t->request_count && !trial_ask(t, t->requests[0], strlen(t->requests[0]))) {
		if (t->error)
			return false;
		drop_killer(t);
	}
	if (!t->request_count)
		return false;
	if (t->answer.end == PROBE_DEAF)
		t->f->buffering = BUFFERING_DEAF;
	t->f->start_ms = t->answer.last_ms >= 0
			     ? t->answer.last_ms
			     : MAX(clock_now_ms() - t->life.started_ms - IDLE_MS, 0);
	t->banner_wait_ms = BANNER_MS + t->f->start_ms * 3 / 2;
	return true;
}

static void note_usual(struct trial *t)
{
	struct findings *f = t->f;

	t->steady = f->asked_count > 1 && is_same(&f->asked[0].reply, &f->asked[1].reply);
	if (f->asked_count > 1 &&
	    buf_add(&t->usual, buf_bytes(&f->asked[1].reply), f->asked[1].reply.len) < 0)
		t->error = -ENOMEM;
}

static void note_size(struct trial *t)
{
	struct probe_look look;

	if (!trial_live(t))
		return;
	look = probe_look(t->life.child.pid);
	t->f->rss = look.rss;
	t->f->processes = look.processes;
}

static void try_end_of_input(struct trial *t)
{
	int64_t begun_ms = clock_now_ms();

	trial_tell(t, "ending its input");
	if (!trial_live(t))
		return;
	t->error = probe_end_input(&t->life, END_MS, &t->answer);
	t->f->ends_at_eof = t->life.exited;
	t->f->eof_status = t->life.status;
	t->f->eof_ms = clock_now_ms() - begun_ms;
}

/* A last life: from its start to a reply at once, and SIGTERM in the middle of its work. */
static void try_start_and_term(struct trial *t)
{
	int64_t wait_ms = t->banner_wait_ms;

	trial_tell(t, "starting it anew");
	trial_kill(t);
	t->banner_wait_ms = 0;
	if (trial_ask(t, t->requests[0], strlen(t->requests[0])) && t->answer.last_ms >= 0)
		t->f->start_ms = t->ready_ms ? t->ready_ms : trial_last_ms(t);
	t->banner_wait_ms = wait_ms;
	t->f->term_untried = !t->alive;
	t->f->ends_at_term = t->alive && probe_terminate(&t->life, END_MS);
}

/* ---- all of it ---- */

/* Why nothing could be asked. */
static void say_why(const struct trial *t, char *why, size_t size)
{
	const char *err = t->f->err.len ? buf_bytes(&t->f->err) : "", *name = t->f->argv[0];
	int n = (int)MIN(strcspn(err, "\n"), t->f->err.len);
	char status[100];

	findings_status(t->status, status, sizeof(status));
	if (t->error == -ENOMEM)
		snprintf(why, size, "out of memory");
	else if (t->error)
		snprintf(why, size, "%s: %s: %s", name, t->step, strerror(-t->error));
	else if (t->answer.out.len)
		snprintf(why, size, "%s ends after one reply (%s); it has to stay for the next one",
			 name, status);
	else
		snprintf(why, size, "%s ends over its first request (%s)%s%.*s", name, status,
			 n ? ": " : "", n, err);
}

static bool run(struct trial *t)
{
	if (t->f->known->reply)
		t->error = shape_parse(t->f->known->reply, &t->f->shape);
	if (t->error || !first_words(t))
		return false;
	if (t->f->buffering != BUFFERING_NONE)
		return true;
	if (try_requests(t) != VERDICT_SILENT && !t->error && t->f->buffering != BUFFERING_FLOOD) {
		note_usual(t);
		note_size(t);
		probe_odd(t);
	}
	if (!t->error)
		try_end_of_input(t);
	if (!t->error)
		try_start_and_term(t);
	return !t->error;
}

static void take_requests(struct trial *t, const struct probe_task *task, const char **own)
{
	const struct probe_known *k = t->f->known;

	t->requests = task->requests;
	t->request_count = MIN(task->request_count, FINDINGS_REQUESTS - 1);
	if (t->request_count)
		return;
	t->requests = own;
	while (t->request_count < ARRAY_SIZE(k->requests) && k->requests[t->request_count]) {
		own[t->request_count] = k->requests[t->request_count];
		t->request_count++;
	}
}

int probe_try(const struct probe_task *task, struct findings *f, char *why, size_t size)
{
	const char *own[ARRAY_SIZE(f->known->requests)];
	struct trial t = {.f = f, .on_step = task->on_step};
	bool done;
	int rc;

	*f = (struct findings){
	    .argv = task->argv, .known = probe_known(task->argv), .hello = task->hello};
	t.patience = (struct probe_patience){.limit_ms = task->limit_ms ? task->limit_ms : LIMIT_MS,
					     .idle_ms = task->limit_ms ? task->limit_ms : IDLE_MS,
					     .quiet_ms = QUIET_MS};
	take_requests(&t, task, own);
	t.error = trial_init(&t);
	done = !t.error && run(&t);
	if (!done)
		say_why(&t, why, size);
	rc = done ? 0 : t.error == -ENOMEM ? -ENOMEM : -ECHILD;
	trial_finish(&t);
	return rc;
}
