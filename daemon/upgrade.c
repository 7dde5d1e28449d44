/* SPDX-License-Identifier: MIT */
#include "upgrade.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATE_VARIABLE "COPROCD_UPGRADE_FD"

/* How long the program on disk may take to say its format. */
#define CHECK_TIMEOUT_S 10

static char program[4096]; /* our path; set once, at the start */

void upgrade_init(void)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	program[n > 0 ? n : 0] = '\0';
}

/* ---- asking the program on disk ---- */

struct check {
	struct event *readable; /* owned */
	int fd;                 /* owned; its stdout */
	pid_t pid;
	char answer[64];
	size_t len;
	upgrade_checked_fn checked;
	void *ctx;
};

static struct check *running; /* NULL if none; there is one daemon in a process */

static void drop_check(struct check *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	if (c->readable)
		event_free(c->readable);
	fd_close(&c->fd);
	free(c);
	running = NULL;
}

static void end_check(struct check *c, const char *fault)
{
	upgrade_checked_fn checked = c->checked;
	void *ctx = c->ctx;

	drop_check(c);
	checked(ctx, fault);
}

static void judge(struct check *c)
{
	char expected[32], fault[200];

	snprintf(expected, sizeof(expected), "%d\n", UPGRADE_FORMAT);
	c->answer[c->len] = '\0';
	if (!strcmp(c->answer, expected)) {
		end_check(c, NULL);
		return;
	}
	snprintf(fault, sizeof(fault), "%.80s does not say that it reads format %d of the state",
		 program, UPGRADE_FORMAT);
	end_check(c, fault);
}

static void answer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct check *c = arg;
	ssize_t n = -1;

	if (what & EV_TIMEOUT) {
		end_check(c, "the program on disk did not answer in time");
		return;
	}
	n = read(fd, c->answer + c->len, sizeof(c->answer) - 1 - c->len);
	if (n > 0)
		c->len += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		judge(c);
}

/* In the child: become the program on disk. */
static _Noreturn void exec_check(int out)
{
	char *argv[] = {program, (char[]){"--upgrade-format"}, NULL};
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	dup2(out, STDOUT_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(program, argv);
	_exit(127);
}

/* Start "PROGRAM --upgrade-format" with its stdout in a pipe. Returns 0 or -errno. */
static int run_check(struct check *c)
{
	sigset_t all, old;
	int fds[2], rc = fd_pipe(fds);

	if (rc)
		return rc;
	/* No signal may run libevent's handler in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	c->pid = fork();
	if (c->pid == 0)
		exec_check(fds[1]);
	rc = c->pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	fd_close(&fds[1]);
	if (rc)
		fd_close(&fds[0]);
	else
		c->fd = fds[0];
	return rc;
}

void upgrade_check(struct event_base *base, upgrade_checked_fn checked, void *ctx)
{
	struct timeval limit = {.tv_sec = CHECK_TIMEOUT_S};
	struct check *c;
	int rc;

	if (running)
		return;
	c = calloc(1, sizeof(*c));
	if (!c) {
		checked(ctx, "out of memory");
		return;
	}
	c->checked = checked;
	c->ctx = ctx;
	rc = run_check(c);
	if (rc) {
		free(c);
		checked(ctx, strerror(-rc));
		return;
	}
	running = c;
	c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, answer_cb, c);
	if (!c->readable || event_add(c->readable, &limit))
		end_check(c, "out of memory");
}

/* ---- going ---- */

/* Put the state into a memfd that nobody can change any more. Returns it or -errno. */
static int seal_state(const struct pack *p)
{
	int fd = memfd_create("coprocd-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fd_write_all(fd, buf_bytes(&p->bytes), p->bytes.len);
	if (!rc && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		rc = -errno;
	if (rc)
		fd_close(&fd);
	return rc ? rc : fd;
}

/* Close-on-exec on or off for all that the next image inherits. */
static void set_inherited(const struct pack *p, int state_fd, bool inherited)
{
	int flags = inherited ? 0 : FD_CLOEXEC;

	for (size_t i = 0; i < p->fd_count; i++)
		fcntl(p->fds[i], F_SETFD, flags);
	fcntl(state_fd, F_SETFD, flags);
}

int upgrade_exec(char *const *argv, struct pack *p)
{
	int fd CLEANUP(fd_close) = p->failed ? -ENOMEM : seal_state(p);
	char number[16];
	sigset_t all, old;
	int rc;

	if (running)
		drop_check(running); /* the next image would not know of its child */
	if (fd < 0)
		return fd;
	snprintf(number, sizeof(number), "%d", fd);
	if (setenv(STATE_VARIABLE, number, 1))
		return -errno;
	/* A signal between exec and the new image's handlers waits instead of killing it. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	set_inherited(p, fd, true);
	execv(program, argv);
	rc = -errno;
	set_inherited(p, fd, false);
	sigprocmask(SIG_SETMASK, &old, NULL);
	unsetenv(STATE_VARIABLE);
	return rc;
}

/* ---- arriving ---- */

static _Noreturn void arrive_in_vain(const char *why)
{
	log_at(LOG_ERR, "upgrade: the state cannot be taken up: %s", why);
	exit(71);
}

bool upgrade_arrived(struct unpack *out)
{
	const char *number = getenv(STATE_VARIABLE);
	struct stat st;
	char *state;
	int fd;

	if (!number)
		return false;
	fd = atoi(number);
	unsetenv(STATE_VARIABLE);
	/* Only a sealed memfd can be ours: so nobody starts us with a state of their own. */
	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0)
		arrive_in_vain("no sealed descriptor");
	state = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (state == MAP_FAILED)
		arrive_in_vain(strerror(errno));
	*out = (struct unpack){.at = state, .end = state + st.st_size};
	if (unpack_u64(out) != UPGRADE_FORMAT)
		arrive_in_vain("another format");
	return true;
}
