/* SPDX-License-Identifier: MIT */
/*
 * Everything that can fail for want of memory or names is done before fork();
 * between fork() and exec() only async-signal-safe calls are made, with all
 * signals blocked, so that a signal to the group in that window does not reach
 * the parent through libevent's inherited handler (libevent 2.1.12, signal.c).
 */
#include "spawn.h"

#include "clock.h"
#include "fd.h"
#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

#define STDBUF_LIBRARY "/usr/libexec/coreutils/libstdbuf.so"

/* How soon the end of a process is noticed without a pidfd. */
#define WATCH_MS 10

/* One that is not back at its stdin yet is looked at so often before it is waited for. */
#define LOOKS 10

/* What the child needs, made before fork(). */
struct plan {
	const struct coproc_options *options;
	char **env;
	uid_t uid; /* (uid_t)-1: stay */
	gid_t gid;
	gid_t groups[256];
	int group_count;
	int in, out, err; /* the child's ends */
	int report;       /* write end of the error pipe */
	sigset_t mask;    /* what the parent had blocked */
};

/* What the child reports when it gets no further. */
struct failure {
	int error;
	char step[28];
};

static void env_free(char ***env)
{
	if (!*env)
		return;
	for (char **e = *env; *e; e++)
		free(*e);
	free(*env);
}

/* Put "NAME=VALUE" into @env, over an entry of the same name. Takes @entry, NULL for no memory. */
static int env_set(char **env, char *entry)
{
	size_t name;

	if (!entry)
		return -ENOMEM;
	name = strcspn(entry, "=") + 1;
	while (*env && strncmp(*env, entry, name))
		env++;
	free(*env);
	*env = entry;
	return 0;
}

static const char *env_get(char **env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static int env_set_stdbuf(char **env)
{
	const char *others = env_get(env, "LD_PRELOAD");
	char *preload = NULL;

	if (asprintf(&preload, "LD_PRELOAD=%s%s%s", others ? others : "", others ? ":" : "",
		     STDBUF_LIBRARY) < 0)
		return -ENOMEM;
	if (env_set(env, preload))
		return -ENOMEM;
	return env_set(env, strdup("_STDBUF_O=L"));
}

static size_t env_count(char *const *env)
{
	size_t n = 0;

	while (env && env[n])
		n++;
	return n;
}

/* The child's environment, NULL-terminated; freed by env_free(). */
static int env_make(const struct coproc_options *o, char ***out)
{
	char *const *start = o->clear_env ? NULL : environ;
	CLEANUP(env_free)
	char **env = calloc(env_count(start) + env_count(o->env) + 3, sizeof(*env));

	if (!env)
		return -ENOMEM;
	for (char *const *e = start; e && *e; e++)
		if (env_set(env, strdup(*e)))
			return -ENOMEM;
	for (char *const *e = o->env; e && *e; e++)
		if (env_set(env, strdup(*e)))
			return -ENOMEM;
	if (o->line_buffered && env_set_stdbuf(env))
		return -ENOMEM;
	*out = TAKE(env);
	return 0;
}

static int plan_user(struct plan *p, const char *user)
{
	struct passwd *pw;

	p->uid = (uid_t)-1;
	if (!user)
		return 0;
	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return errno ? -errno : -ENOENT;
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	p->group_count = (int)ARRAY_SIZE(p->groups);
	if (getgrouplist(user, pw->pw_gid, p->groups, &p->group_count) < 0)
		return -E2BIG;
	return 0;
}

/* Report what failed and end; only in the child. */
static _Noreturn void child_fail(const struct plan *p, const char *step, int error)
{
	struct failure f = {.error = error};
	ssize_t ignored;

	strncpy(f.step, step, sizeof(f.step) - 1);
	ignored = write(p->report, &f, sizeof(f));
	(void)ignored;
	_exit(127);
}

/* Back to what a program expects: nothing blocked or ignored, no handler left. */
static void child_reset_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_become_user(const struct plan *p)
{
	if (p->uid == (uid_t)-1)
		return;
	if (setgroups((size_t)p->group_count, p->groups) < 0)
		child_fail(p, "setgroups", errno);
	if (setresgid(p->gid, p->gid, p->gid) < 0)
		child_fail(p, "setgid", errno);
	if (setresuid(p->uid, p->uid, p->uid) < 0)
		child_fail(p, "setuid", errno);
}

static void child_limit(const struct plan *p, int resource, rlim_t limit)
{
	struct rlimit r = {.rlim_cur = limit, .rlim_max = limit};

	if (limit && setrlimit(resource, &r) < 0)
		child_fail(p, "setrlimit", errno);
}

static void child_set_limits(const struct plan *p)
{
	const struct coproc_options *o = p->options;

	child_limit(p, RLIMIT_AS, o->limit_memory);
	child_limit(p, RLIMIT_NOFILE, o->limit_files);
	child_limit(p, RLIMIT_CPU, (rlim_t)(o->limit_cpu_ms + 999) / 1000);
	if (o->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		child_fail(p, "no-new-privileges", errno);
}

/*
 * As execvpe(3), but a file that is no program is an error and not a script for
 * /bin/sh. Returns the errno.
 */
static int exec_in_path(char *const *argv, char **env)
{
	const char *dirs = env_get(env, "PATH");
	char path[4096];
	int error = ENOENT;

	if (strchr(argv[0], '/')) {
		execve(argv[0], argv, env);
		return errno;
	}
	dirs = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin";
	for (;; dirs++) {
		int n = (int)strcspn(dirs, ":");

		if (snprintf(path, sizeof(path), "%.*s%s%s", n, dirs, n ? "/" : "./", argv[0]) <
		    (int)sizeof(path)) {
			execve(path, argv, env);
			if (errno != ENOENT && errno != ENOTDIR)
				error = errno;
		}
		dirs += n;
		if (!*dirs)
			return error;
	}
}

/*
 * A process group of its own, for kill(2), and no controlling terminal, where reading
 * would stop it. No session of its own unless it takes that: the scheduler divides a
 * processor among sessions (autogroup), and lets one wake the other for each line.
 */
static void child_detach(struct plan *p)
{
	int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (terminal < 0 && setpgid(0, 0) < 0)
		child_fail(p, "setpgid", errno);
	if (terminal >= 0 && setsid() < 0)
		child_fail(p, "setsid", errno);
	fd_close(&terminal);
}

static _Noreturn void child_run(struct plan *p, pid_t parent)
{
	const struct coproc_options *o = p->options;

	/* The pipe ends are all above 2 (see above_stdio()), so no dup2() hits another. */
	child_detach(p);
	if (dup2(p->in, 0) < 0 || dup2(p->out, 1) < 0 || dup2(p->err, 2) < 0)
		child_fail(p, "dup2", errno);
	if (p->report != 3 && dup3(p->report, 3, O_CLOEXEC) < 0)
		child_fail(p, "dup3", errno);
	p->report = 3;
	syscall(SYS_close_range, 4U, ~0U, 0U);
	if (o->directory && chdir(o->directory) < 0)
		child_fail(p, "chdir", errno);
	child_set_limits(p);
	child_become_user(p);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	child_reset_signals();
	child_fail(p, "exec", exec_in_path(o->argv, p->env));
}

/* Move a descriptor above 2, should the caller run with 0 to 2 closed. Returns it or -errno. */
static int above_stdio(int fd)
{
	int high;

	if (fd < 0 || fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 4);
	if (high < 0)
		high = -errno;
	close(fd);
	return high;
}

/* A pipe of which only the end @ours (0 reads, 1 writes) is non-blocking. */
static int make_pipe(int out[2], int ours)
{
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	out[0] = above_stdio(fds[0]);
	out[1] = above_stdio(fds[1]);
	if (out[0] < 0 || out[1] < 0)
		return out[0] < 0 ? out[0] : out[1];
	rc = ours < 0 ? 0 : fd_set_nonblock(out[ours]);
	return rc;
}

/* A pty in raw mode: no echo, no CR before LF, no line length limit. */
static int make_pty(int out[2])
{
	struct termios t;
	char name[64];

	out[0] = above_stdio(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (out[0] < 0 || grantpt(out[0]) < 0 || unlockpt(out[0]) < 0 ||
	    ptsname_r(out[0], name, sizeof(name)))
		return errno ? -errno : -EIO;
	out[1] = above_stdio(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (out[1] < 0 || tcgetattr(out[1], &t) < 0)
		return -errno;
	cfmakeraw(&t);
	if (tcsetattr(out[1], TCSANOW, &t) < 0)
		return -errno;
	return fd_set_nonblock(out[0]);
}

/* The descriptors of a start under way; fds_finish() closes what is left in it. */
struct fds {
	int in[2], out[2], err[2], report[2];
};

static void fds_finish(struct fds *f)
{
	int *all[] = {f->in, f->out, f->err, f->report};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		fd_close(&all[i][0]);
		fd_close(&all[i][1]);
	}
}

static int fds_make(struct fds *f, bool pty)
{
	int rc = make_pipe(f->in, 1);

	if (!rc)
		rc = pty ? make_pty(f->out) : make_pipe(f->out, 0);
	if (!rc)
		rc = make_pipe(f->err, 0);
	if (!rc)
		rc = make_pipe(f->report, -1);
	return rc;
}

static pid_t fork_blocked(struct plan *p)
{
	pid_t parent = getpid(), pid;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &p->mask);
	pid = fork();
	if (pid == 0)
		child_run(p, parent);
	sigprocmask(SIG_SETMASK, &p->mask, NULL);
	return pid;
}

/* Wait for exec: end of file is success, else the child says what failed. */
static int await_exec(int fd, struct failure *f)
{
	ssize_t n;

	do
		n = read(fd, f, sizeof(*f));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*f) ? -f->error : 0;
}

/* The child's words are read from a buffer that is gone soon; these are not. */
static const char *static_step(const char *step)
{
	static const char *const steps[] = {"setpgid",   "setsid",           "dup2",   "dup3",
					    "chdir",     "setgid",           "setuid", "setgroups",
					    "setrlimit", "no-new-privileges"};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (!strcmp(step, steps[i]))
			return steps[i];
	return "exec";
}

/*
 * A descriptor that becomes readable when the process has ended. Where there
 * are no pidfds (Linux before 5.3, valgrind 3.19) it is a timer that makes
 * real_has_exited() look every WATCH_MS.
 */
static int open_watch(pid_t pid)
{
	struct itimerspec period = {.it_interval = {.tv_nsec = WATCH_MS * 1000000},
				    .it_value = {.tv_nsec = WATCH_MS * 1000000}};
	int fd = above_stdio((int)syscall(SYS_pidfd_open, pid, 0));

	if (fd >= 0 || errno != ENOSYS)
		return fd;
	fd = above_stdio(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
	if (fd >= 0 && timerfd_settime(fd, 0, &period, NULL) < 0)
		fd_close(&fd);
	return fd;
}

static int start(struct plan *p, struct fds *f, struct coproc_child *child, const char **step)
{
	struct failure failure = {0};
	pid_t pid;
	int rc, pidfd;

	p->in = f->in[0];
	p->out = f->out[1];
	p->err = f->err[1];
	p->report = f->report[1];
	*step = "fork";
	pid = fork_blocked(p);
	if (pid < 0)
		return -errno;
	fd_close(&f->report[1]);
	pidfd = open_watch(pid);
	rc = pidfd < 0 ? -errno : await_exec(f->report[0], &failure);
	if (rc) {
		*step = pidfd < 0 ? "pidfd" : static_step(failure.step);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		fd_close(&pidfd);
		return rc;
	}
	*child = (struct coproc_child){.pid = pid, .exited = pidfd};
	return 0;
}

int spawn(const struct coproc_options *options, struct coproc_child *child, const char **step)
{
	CLEANUP(fds_finish) struct fds f = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
	CLEANUP(env_free) char **env = NULL;
	struct plan plan = {.options = options};
	int rc;

	*step = "user";
	rc = plan_user(&plan, options->user);
	if (rc)
		return rc;
	*step = "libstdbuf.so of coreutils";
	if (options->line_buffered && access(STDBUF_LIBRARY, R_OK) < 0)
		return -errno;
	*step = "environment";
	rc = env_make(options, &env);
	if (rc)
		return rc;
	plan.env = env;
	*step = options->pty ? "pty" : "pipe";
	rc = fds_make(&f, options->pty);
	if (!rc)
		rc = start(&plan, &f, child, step);
	if (rc)
		return rc;
	child->in = f.in[1];
	child->out = f.out[0];
	child->err = f.err[0];
	f.in[1] = f.out[0] = f.err[0] = -1;
	child->work = procfs_open_work(child->pid);
	child->children = procfs_open_children(child->pid);
	return 0;
}

static int64_t real_now_us(void *ctx)
{
	(void)ctx;
	return clock_now_us();
}

static int64_t real_now_ms(void *ctx)
{
	(void)ctx;
	return clock_now_ms();
}

static int real_spawn(void *ctx, const struct coproc_options *options, struct coproc_child *child,
		      const char **step)
{
	(void)ctx;
	return spawn(options, child, step);
}

static void real_kill(void *ctx, const struct coproc_child *child, int sig)
{
	(void)ctx;
	kill(-child->pid, sig);
}

static bool real_has_exited(void *ctx, const struct coproc_child *child)
{
	siginfo_t info = {.si_pid = 0};
	uint64_t ticks;

	(void)ctx;
	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid)
		return true;
	/* It was a tick of the timer, not a pidfd, which cannot be read. */
	return read(child->exited, &ticks, sizeof(ticks)) == 0;
}

static bool real_reap(void *ctx, const struct coproc_child *child, int *status)
{
	pid_t pid = waitpid(child->pid, status, WNOHANG);

	(void)ctx;
	if (pid == child->pid)
		return true;
	if (pid == 0 || errno != ECHILD)
		return false;
	/* Reaped behind our back (SIGCHLD ignored by a parent): how it ended nobody knows. */
	*status = 0;
	return true;
}

static uint32_t real_random(void *ctx)
{
	uint32_t r;

	(void)ctx;
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
		r = (uint32_t)clock_now_ms();
	return r;
}

static size_t real_rss(void *ctx, const struct coproc_child *child)
{
	(void)ctx;
	return procfs_rss(child->pid);
}

/*
 * A reply wakes us before the process is back at its stdin, most often: it is let
 * run, and looked at some microseconds longer, which saves it a wait of a millisecond.
 */
static int real_is_reading(void *ctx, const struct coproc_child *child)
{
	int reading = procfs_is_reading(child->work);

	(void)ctx;
	for (int n = 0; n < LOOKS && !reading; n++) {
		sched_yield();
		reading = procfs_is_reading(child->work);
	}
	return reading;
}

static pid_t real_youngest(void *ctx, const struct coproc_child *child)
{
	(void)ctx;
	return procfs_youngest(child->children);
}

const struct coproc_platform spawn_platform = {
    .now_ms = real_now_ms,
    .spawn = real_spawn,
    .rss = real_rss,
    .kill = real_kill,
    .has_exited = real_has_exited,
    .reap = real_reap,
    .random = real_random,
    .is_reading = real_is_reading,
    .youngest = real_youngest,
    .now_us = real_now_us,
};
