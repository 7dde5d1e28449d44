/* SPDX-License-Identifier: MIT */
/*
 * A program is taken to be done with a request when it has read all of it,
 * has used no processor time since and is silent: so a program that loads its
 * model for 20 seconds is waited for, and one that keeps its reply in a buffer
 * is found out in one.
 */
#include "probe_run.h"

#include "clock.h"
#include "fd.h"
#include "probe_look.h"
#include "spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 64 << 10, FLOOD = 8 << 20, STEP_MS = 20, BUSY_QUIETS = 10, LAST_WORDS_MS = 100 };

/* One exchange under way. */
struct talk {
	struct probe_life *life;
	const char *bytes;
	size_t left; /* bytes to write */
	const struct probe_patience *patience;
	struct probe_answer *answer;
	int64_t begun_ms;
	int64_t heard_ms; /* when stdout last said something */
	int64_t work_ms;  /* when it was last seen to work */
	int64_t exit_ms;  /* when its end was noticed, 0: not yet */
	uint64_t cpu_ticks;
	bool unread; /* not all that was written has been read */
};

int probe_start(const struct probe_how *how, struct probe_life *life, const char **step)
{
	struct coproc_options options;

	coproc_options_init(&options);
	options.argv = how->argv;
	options.env = how->env;
	options.line_buffered = how->line_buffered;
	options.pty = how->pty;
	*life = (struct probe_life){.started_ms = clock_now_ms()};
	return spawn(&options, &life->child, step);
}

/* Read what is there into @to. Returns the number of bytes, 0 for the end, -errno. */
static ssize_t take(int fd, struct buf *to)
{
	char *dst;
	ssize_t n;

	if (buf_reserve(to, CHUNK, &dst) < 0)
		return -ENOMEM;
	n = read(fd, dst, CHUNK);
	if (n < 0)
		return errno == EIO ? 0 : -errno; /* EIO: the end of a pty */
	buf_commit(to, (size_t)n);
	return n;
}

static int hear(struct talk *t)
{
	struct probe_life *life = t->life;
	ssize_t n;

	if (life->child.err >= 0) {
		n = take(life->child.err, &t->answer->err);
		if (n == -ENOMEM)
			return -ENOMEM;
		if (n == 0)
			fd_close(&life->child.err);
	}
	if (life->out_ended)
		return 0;
	n = take(life->child.out, &t->answer->out);
	if (n == -ENOMEM)
		return -ENOMEM;
	if (n == 0)
		life->out_ended = true;
	if (n <= 0)
		return 0;
	t->heard_ms = clock_now_ms();
	t->answer->last_ms = t->heard_ms - t->begun_ms;
	if (t->answer->first_ms < 0)
		t->answer->first_ms = t->answer->last_ms;
	return 0;
}

static void speak(struct talk *t)
{
	ssize_t n = t->left ? write(t->life->child.in, t->bytes, t->left) : 0;

	if (n > 0) {
		t->bytes += n;
		t->left -= (size_t)n;
		t->work_ms = clock_now_ms();
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		t->left = 0; /* it no longer reads */
	}
}

static void notice_exit(struct talk *t)
{
	struct probe_life *life = t->life;

	if (!life->exited)
		life->exited = spawn_platform.reap(NULL, &life->child, &life->status);
	if (life->exited && !t->exit_ms)
		t->exit_ms = clock_now_ms();
}

static void notice_work(struct talk *t)
{
	struct probe_look look = probe_look(t->life->child.pid);
	int unread = 0;

	if (t->life->child.in >= 0)
		ioctl(t->life->child.in, FIONREAD, &unread);
	t->unread = unread > 0;
	if (look.cpu_ticks != t->cpu_ticks || look.working || unread)
		t->work_ms = clock_now_ms();
	t->cpu_ticks = look.cpu_ticks;
}

/* Whether the exchange is over; answer->end says how. */
static bool is_over(struct talk *t)
{
	const struct probe_patience *p = t->patience;
	int64_t now = clock_now_ms(), quiet = now - t->heard_ms, idle = now - t->work_ms;
	struct probe_answer *a = t->answer;

	/* Descendants may hold stdout open for ever after the process has ended. */
	if (t->life->out_ended ||
	    (t->exit_ms && now - MAX(t->exit_ms, t->heard_ms) > LAST_WORDS_MS))
		a->end = PROBE_ENDED;
	else if (a->out.len > FLOOD)
		a->end = PROBE_FLOOD;
	else if (a->out.len && !t->left && quiet >= p->quiet_ms &&
		 (idle >= p->quiet_ms || quiet >= BUSY_QUIETS * p->quiet_ms))
		a->end = PROBE_REPLIED;
	else if (!a->out.len && !t->left && MIN(quiet, idle) >= p->idle_ms)
		a->end = PROBE_SILENT;
	else if (now - t->begun_ms >= p->limit_ms)
		a->end = !a->out.len && t->unread          ? PROBE_DEAF
			 : idle >= p->quiet_ms && !t->left ? PROBE_SILENT
							   : PROBE_SLOW;
	else
		return false;
	return true;
}

static int converse(struct talk *t)
{
	struct probe_life *life = t->life;
	int rc;

	do {
		struct pollfd fds[] = {
		    {.fd = t->left ? life->child.in : -1, .events = POLLOUT},
		    {.fd = life->out_ended ? -1 : life->child.out, .events = POLLIN},
		    {.fd = life->child.err, .events = POLLIN},
		    {.fd = life->exited ? -1 : life->child.exited, .events = POLLIN},
		};

		if (poll(fds, ARRAY_SIZE(fds), STEP_MS) == 0)
			notice_work(t);
		speak(t);
		rc = hear(t);
		notice_exit(t);
	} while (!rc && !is_over(t));
	return rc;
}

static void answer_begin(struct probe_answer *answer)
{
	probe_answer_finish(answer);
	*answer = (struct probe_answer){.first_ms = -1, .last_ms = -1};
}

static struct talk talk_begin(struct probe_life *life, struct probe_answer *answer)
{
	int64_t now = clock_now_ms();

	answer_begin(answer);
	answer->begun_ms = now;
	return (struct talk){.life = life,
			     .answer = answer,
			     .begun_ms = now,
			     .heard_ms = now,
			     .work_ms = now,
			     .cpu_ticks = probe_look(life->child.pid).cpu_ticks};
}

int probe_say(struct probe_life *life, const char *bytes, size_t len,
	      const struct probe_patience *patience, struct probe_answer *answer)
{
	struct talk t = talk_begin(life, answer);

	t.bytes = bytes;
	t.left = len;
	t.patience = patience;
	return converse(&t);
}

/* Wait for the end of the process, with its last words. */
static int await_exit(struct probe_life *life, int64_t limit_ms, struct probe_answer *answer)
{
	struct probe_patience patience = {
	    .limit_ms = limit_ms, .idle_ms = limit_ms, .quiet_ms = limit_ms};
	struct talk t = talk_begin(life, answer);
	int rc;

	t.patience = &patience;
	rc = converse(&t);
	/* Its stdout may have ended a moment before itself. */
	while (!rc && !life->exited && clock_now_ms() - t.begun_ms < limit_ms) {
		poll(&(struct pollfd){.fd = life->child.exited, .events = POLLIN}, 1, STEP_MS);
		notice_exit(&t);
	}
	return rc;
}

int probe_end_input(struct probe_life *life, int64_t limit_ms, struct probe_answer *answer)
{
	fd_close(&life->child.in);
	return await_exit(life, limit_ms, answer);
}

bool probe_terminate(struct probe_life *life, int64_t limit_ms)
{
	struct probe_answer last_words = {0};
	int rc;

	spawn_platform.kill(NULL, &life->child, SIGTERM);
	rc = await_exit(life, limit_ms, &last_words);
	probe_answer_finish(&last_words);
	return !rc && life->exited;
}

void probe_life_finish(struct probe_life *life)
{
	if (life->child.pid > 0) {
		/* The number of a reaped process is its own only while a descendant has it as
		 * group. */
		if (!life->exited || probe_look(life->child.pid).processes)
			spawn_platform.kill(NULL, &life->child, SIGKILL);
		if (!life->exited)
			waitpid(life->child.pid, &life->status, 0);
		fd_close(&life->child.in);
		fd_close(&life->child.out);
		fd_close(&life->child.err);
		fd_close(&life->child.exited);
	}
	life->child.pid = 0;
}

void probe_answer_finish(struct probe_answer *answer)
{
	buf_finish(&answer->out);
	buf_finish(&answer->err);
}
