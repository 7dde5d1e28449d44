/* SPDX-License-Identifier: MIT */
#include "fake_platform.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static int64_t virtual_ms = 1000000;

void fake_advance_ms(int64_t ms)
{
	virtual_ms += ms;
}

int64_t fake_now_ms(void)
{
	return virtual_ms;
}

/* In place of libc's, for libevent too. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	*ts =
	    (struct timespec){.tv_sec = virtual_ms / 1000, .tv_nsec = virtual_ms % 1000 * 1000000};
	return 0;
}

static int64_t platform_now(void *ctx)
{
	(void)ctx;
	return virtual_ms;
}

static size_t platform_rss(void *ctx, const struct coproc_child *child)
{
	(void)child;
	return ((struct fake_platform *)ctx)->rss;
}

static uint32_t platform_random(void *ctx)
{
	return ((struct fake_platform *)ctx)->random;
}

static struct fake_process *find(struct fake_platform *f, pid_t pid)
{
	for (unsigned i = f->count; i-- > 0;)
		if (f->process[i].pid == pid)
			return &f->process[i];
	abort();
}

static void make_pipe(int *reader, int *writer)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		abort();
	*reader = fds[0];
	*writer = fds[1];
}

static int platform_spawn(void *ctx, const struct coproc_options *options,
			  struct coproc_child *child, const char **step)
{
	struct fake_platform *f = ctx;
	struct fake_process *p = &f->process[f->count];

	(void)options;
	f->attempts++;
	*step = "exec";
	if (f->spawn_fails) {
		f->spawn_fails--;
		return f->spawn_error;
	}
	if (f->count == FAKE_PROCESSES)
		abort();
	*p = (struct fake_process){.pid = 100 + (pid_t)f->count, .alive = true};
	f->count++;
	make_pipe(&p->in, &child->in);
	make_pipe(&child->out, &p->out);
	make_pipe(&child->err, &p->err);
	if (f->pipe_size)
		fcntl(p->in, F_SETPIPE_SZ, f->pipe_size);
	child->exited = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->exited = fcntl(child->exited, F_DUPFD_CLOEXEC, 3);
	child->pid = p->pid;
	return 0;
}

int fake_is_reading(void *ctx, const struct coproc_child *child)
{
	(void)child;
	return ((struct fake_platform *)ctx)->reading;
}

pid_t fake_youngest(void *ctx, const struct coproc_child *child)
{
	(void)child;
	return ((struct fake_platform *)ctx)->youngest;
}

static void platform_kill(void *ctx, const struct coproc_child *child, int sig)
{
	struct fake_process *p = find(ctx, child->pid);

	if (sig == SIGKILL)
		p->group_killed = true;
	if (!p->alive)
		return;
	strncat(p->signals, sig == SIGKILL ? "KILL " : "TERM ",
		sizeof(p->signals) - strlen(p->signals) - 1);
	if (sig == SIGKILL || !p->ignores_term)
		fake_die(p, sig);
}

static bool platform_reap(void *ctx, const struct coproc_child *child, int *status)
{
	struct fake_process *p = find(ctx, child->pid);

	if (p->alive)
		return false;
	if (p->reaped)
		abort();
	p->reaped = true;
	*status = p->status;
	return true;
}

void fake_platform_init(struct fake_platform *f)
{
	f->count = f->attempts = f->spawn_fails = 0;
	f->spawn_error = f->pipe_size = 0;
	f->random = 0;
	f->rss = 0;
	f->platform = (struct coproc_platform){.now_ms = platform_now,
					       .spawn = platform_spawn,
					       .rss = platform_rss,
					       .kill = platform_kill,
					       .reap = platform_reap,
					       .random = platform_random,
					       .ctx = f};
}

void fake_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void fake_platform_finish(struct fake_platform *f)
{
	for (unsigned i = 0; i < f->count; i++) {
		fake_close(&f->process[i].in);
		fake_close(&f->process[i].out);
		fake_close(&f->process[i].err);
		fake_close(&f->process[i].exited);
	}
	f->count = 0;
}

struct fake_process *fake_newest(struct fake_platform *f)
{
	if (!f->count)
		abort();
	return &f->process[f->count - 1];
}

void fake_die(struct fake_process *p, int status)
{
	uint64_t one = 1;

	if (!p->alive)
		return;
	p->alive = false;
	p->status = status;
	fake_close(&p->in);
	fake_close(&p->out);
	fake_close(&p->err);
	if (write(p->exited, &one, sizeof(one)) != (ssize_t)sizeof(one))
		abort();
}

unsigned fake_open_fds(void)
{
	struct pollfd p[256];
	unsigned open = 0;

	for (int fd = 0; fd < 256; fd++)
		p[fd] = (struct pollfd){.fd = fd};
	if (poll(p, 256, 0) < 0)
		abort();
	for (int fd = 0; fd < 256; fd++)
		open += !(p[fd].revents & POLLNVAL);
	return open;
}

size_t fake_write(struct fake_process *p, const char *bytes, size_t len)
{
	ssize_t n = p->out < 0 ? 0 : write(p->out, bytes, len);

	return n < 0 ? 0 : (size_t)n;
}

ssize_t fake_read(struct fake_process *p, char *dst, size_t room)
{
	ssize_t n;

	if (p->in < 0)
		return -1;
	n = read(p->in, dst, room);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	return n ? n : -1;
}
