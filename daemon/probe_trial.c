/* SPDX-License-Identifier: MIT */
#include "probe_trial.h"

#include "clock.h"
#include "parse.h"
#include "patterns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that no sample holds by chance. */
enum { FIRST_NUMBER = 73100001, CLOSE_MS = 300, BANNER_QUIET_MS = 60 };

static char *unescaped(const char *text, size_t *len)
{
	char *bytes = malloc(strlen(text) + 1);

	if (bytes && parse_escapes(text, bytes, len) < 0) {
		strcpy(bytes, text);
		*len = strlen(text);
	}
	return bytes;
}

/* HOME is put out of reach of programs that keep what clients said there. */
static void set_env(struct trial *t, const char *cure)
{
	static char no_home[] = "HOME=/nonexistent";
	const struct probe_known *k = t->f->known;
	const char *all[] = {k->env, k->writes_home ? no_home : NULL, cure};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i] && n + 1 < ARRAY_SIZE(t->env))
			memcpy(&t->env[n++], &all[i], sizeof(all[i]));
	t->env[n] = NULL;
	t->how.env = t->env;
}

int trial_init(struct trial *t)
{
	const struct probe_known *k = t->f->known;
	char why[200];

	t->how = (struct probe_how){.argv = t->f->argv};
	t->next_number = FIRST_NUMBER;
	set_env(t, NULL);
	t->prefix = unescaped(k->prefix ? k->prefix : "", &t->prefix_len);
	t->suffix = unescaped(k->suffix ? k->suffix : "\\n", &t->suffix_len);
	if (!t->prefix || !t->suffix)
		return -ENOMEM;
	return k->async ? patterns_add(&t->async, k->async, why, sizeof(why)) : 0;
}

void trial_finish(struct trial *t)
{
	trial_kill(t);
	probe_answer_finish(&t->answer);
	patterns_free(t->async);
	buf_finish(&t->usual);
	free(t->cured_argv);
	free(t->prefix);
	free(t->suffix);
}

void trial_tell(struct trial *t, const char *what)
{
	if (t->on_step)
		t->on_step(what);
}

/* The command with @argument behind the program's name. */
static int set_argument(struct trial *t, const char *argument)
{
	size_t count = 0, first = probe_known_word(t->f->argv) + 1;

	while (t->f->argv[count])
		count++;
	free(t->cured_argv);
	t->cured_argv = calloc(count + 2, sizeof(*t->cured_argv));
	if (!t->cured_argv)
		return -ENOMEM;
	memcpy(t->cured_argv, t->f->argv, first * sizeof(*t->cured_argv));
	memcpy(&t->cured_argv[first], &argument, sizeof(argument));
	memcpy(&t->cured_argv[first + 1], &t->f->argv[first],
	       (count - first) * sizeof(*t->cured_argv));
	t->how.argv = t->cured_argv;
	return 0;
}

int trial_set_cure(struct trial *t, enum cure cure)
{
	const char *own = t->f->known->cure;
	bool is_env = own && strchr(own, '=') && *own != '-';

	trial_kill(t);
	buf_consume(&t->f->banner, t->f->banner.len); /* it may have another one now */
	t->how.argv = t->f->argv;
	t->how.line_buffered = cure == CURE_LINE_BUFFERED;
	t->how.pty = cure == CURE_PTY;
	set_env(t, cure == CURE_OWN && is_env ? own : NULL);
	return cure == CURE_OWN && !is_env ? set_argument(t, own) : 0;
}

/* Remember how the process ended, which may take it a moment after its stdout. */
static void bury(struct trial *t)
{
	struct probe_answer last = {0};

	if (!t->life.exited && probe_end_input(&t->life, CLOSE_MS, &last) < 0)
		t->error = -ENOMEM;
	probe_answer_finish(&last);
	trial_kill(t);
	t->status = t->life.status;
}

void trial_kill(struct trial *t)
{
	if (t->alive)
		probe_life_finish(&t->life);
	t->alive = false;
}

/* Say and record; false if the process is gone then. */
static bool say(struct trial *t, const char *bytes, size_t len, const struct probe_patience *p)
{
	int rc = probe_say(&t->life, bytes, len, p, &t->answer);

	if (rc < 0) {
		t->error = rc;
		t->step = "memory";
	}
	if (t->answer.end == PROBE_FLOOD)
		t->f->buffering = BUFFERING_FLOOD;
	if (rc < 0 || t->answer.end == PROBE_ENDED)
		bury(t);
	return t->alive;
}

static void note_stderr(struct trial *t)
{
	if (!t->f->err.len &&
	    buf_add(&t->f->err, buf_bytes(&t->answer.err), MIN(t->answer.err.len, 2000)) < 0)
		t->error = -ENOMEM;
}

/* What is said before all else: as the user says, or as the table proves it ready. */
static int add_hello(const struct trial *t, struct buf *bytes)
{
	const char *ready = t->f->known->ready, *hello = t->f->hello, *arrow;
	size_t len = hello ? strlen(hello) : 0;

	if (!hello && ready && !strncmp(ready, "probe:", 6) && (arrow = strstr(ready, "=>"))) {
		hello = ready + 6;
		len = (size_t)(arrow - hello);
	}
	if (!hello)
		return 0;
	return buf_add(bytes, hello, len) < 0 || buf_add(bytes, "\n", 1) < 0 ? -ENOMEM : 0;
}

/* Keep the last line of the answer, as the proof for the configuration. */
static void note_hello(struct trial *t)
{
	const char *bytes = buf_bytes(&t->answer.out), *before;
	size_t len = t->answer.out.len;

	if (!t->f->hello || t->f->hello_reply || len < 2 || bytes[len - 1] != '\n')
		return;
	before = memrchr(bytes, '\n', len - 1);
	len -= before ? (size_t)(before + 1 - bytes) : 0;
	t->f->hello_reply = strndup(before ? before + 1 : bytes, len - 1);
	if (!t->f->hello_reply)
		t->error = -ENOMEM;
}

static bool shake_hands(struct trial *t)
{
	CLEANUP(buf_finish) struct buf bytes = {0};

	t->error = add_hello(t, &bytes);
	if (t->error || !bytes.len)
		return !t->error;
	if (!say(t, buf_bytes(&bytes), bytes.len, &t->patience))
		return false;
	note_hello(t);
	t->ready_ms = trial_last_ms(t);
	return !t->error;
}

int64_t trial_last_ms(const struct trial *t)
{
	return t->answer.begun_ms + MAX(t->answer.last_ms, 0) - t->life.started_ms;
}

/* Wait for as much as the banner was before; the first time, record it. */
static bool skip_banner(struct trial *t)
{
	struct probe_patience p = {.limit_ms = t->banner_wait_ms,
				   .idle_ms = t->banner_wait_ms,
				   .quiet_ms = t->banner_wait_ms};
	size_t seen = 0;
	int64_t end_ms = clock_now_ms() + t->banner_wait_ms;

	if (t->f->banner.len)
		p.quiet_ms = BANNER_QUIET_MS;
	do {
		if (!say(t, "", 0, &p))
			break;
		seen += t->answer.out.len;
		p.limit_ms = p.idle_ms = MAX(end_ms - clock_now_ms(), 0);
	} while (seen < t->f->banner.len && clock_now_ms() < end_ms);
	note_stderr(t);
	if (!t->f->banner.len && t->answer.out.len &&
	    buf_add(&t->f->banner, buf_bytes(&t->answer.out), t->answer.out.len) < 0)
		t->error = -ENOMEM;
	return t->alive;
}

bool trial_live(struct trial *t)
{
	if (t->alive || t->error)
		return t->alive;
	t->error = probe_start(&t->how, &t->life, &t->step);
	t->alive = !t->error;
	return t->alive && (!t->banner_wait_ms || skip_banner(t)) && shake_hands(t);
}

static int wrap(struct trial *t, const char *request, size_t len, uint64_t number, struct buf *out)
{
	CLEANUP(buf_finish) struct buf bytes = {0};

	if (buf_add(&bytes, t->prefix, t->prefix_len) < 0 || buf_add(&bytes, request, len) < 0 ||
	    buf_add(&bytes, t->suffix, t->suffix_len) < 0)
		return -ENOMEM;
	return shape_wrap(&t->f->shape, buf_bytes(&bytes), bytes.len, number, out);
}

bool trial_ask_several(struct trial *t, const char *const *requests, const size_t *lens,
		       size_t count)
{
	CLEANUP(buf_finish) struct buf bytes = {0};

	t->number = t->next_number;
	t->next_number += count;
	for (size_t i = 0; i < count && !t->error; i++)
		t->error = wrap(t, requests[i], lens[i], t->number + i, &bytes);
	if (!trial_live(t) || t->error)
		return false;
	say(t, buf_bytes(&bytes), bytes.len, &t->patience);
	note_stderr(t);
	t->answer.out.len =
	    shape_drop_lines(t->async, buf_bytes(&t->answer.out), t->answer.out.len);
	return t->alive;
}

bool trial_ask(struct trial *t, const char *request, size_t len)
{
	return trial_ask_several(t, &request, &len, 1);
}

bool trial_reply(const struct trial *t, struct shape_piece *out)
{
	return shape_next(&t->f->shape, t->number, buf_bytes(&t->answer.out), t->answer.out.len,
			  out) &&
	       out->used == t->answer.out.len;
}
