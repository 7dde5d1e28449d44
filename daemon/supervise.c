/* SPDX-License-Identifier: MIT */
#include "supervise.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if HAVE_LIBSYSTEMD
#include <dlfcn.h>
#include <systemd/sd-daemon.h>
#endif

/* What the background process reports to the parent that waits for it. */
struct verdict {
	int exit_code;
	char reason[500];
};

/* The parent's part: exit as the child says, or as it ended. */
static _Noreturn void wait_for_verdict(int fd, pid_t child)
{
	struct verdict v = {0};
	int status = 0;
	ssize_t n;

	do
		n = read(fd, &v, sizeof(v));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(v)) {
		if (v.exit_code)
			fprintf(stderr, "coprocd: %s\n", v.reason);
		_exit(v.exit_code);
	}
	/* It ended without a word; what it had to say stands on stderr already. */
	if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	fprintf(stderr, "coprocd: the background process has ended unexpectedly\n");
	_exit(71);
}

int daemonize(int *out_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int rc = -errno;

		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for_verdict(fds[0], pid);
	}
	close(fds[0]);
	setsid();
	*out_fd = fds[1];
	return 0;
}

static void cut_off_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

void daemonize_report(int *fd, int exit_code, const char *reason)
{
	struct verdict v = {.exit_code = exit_code};

	if (*fd < 0)
		return;
	snprintf(v.reason, sizeof(v.reason), "%s", reason);
	/* Should the parent be gone, nobody wants to know. */
	if (!fd_write_all(*fd, &v, sizeof(v)) && !exit_code)
		cut_off_stdio();
	fd_close(fd);
}

static int pid_file_fail(char *error, size_t size, const char *path, const char *what)
{
	int rc = -errno;

	snprintf(error, size, "%s: %s: %s", path, what, strerror(-rc));
	return rc;
}

int pid_file_create(const char *path, struct pid_file *out, char *error, size_t size)
{
	int fd CLEANUP(fd_close) = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	char text[24];
	char *copy;
	int n;

	if (fd < 0)
		return pid_file_fail(error, size, path, "cannot open the pid file");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		snprintf(error, size, "%s: the daemon that it names is running", path);
		return -EEXIST;
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)n) != n)
		return pid_file_fail(error, size, path, "cannot write the pid file");
	copy = strdup(path);
	if (!copy)
		return pid_file_fail(error, size, path, "no memory for the pid file");
	*out = (struct pid_file){.fd = fd, .path = copy};
	fd = -1;
	return 0;
}

void pid_file_remove(struct pid_file *p)
{
	/* As another user than at the start we may not remove it: leave it empty. */
	if (p->path && unlink(p->path) < 0 && ftruncate(p->fd, 0) < 0)
		errno = 0;
	fd_close(&p->fd);
	free(p->path);
	p->path = NULL;
}

/* The capabilities that starting and signalling another user's processes need, no others. */
static int keep_capabilities(void)
{
	static const cap_value_t needed[] = {CAP_SETUID, CAP_SETGID, CAP_KILL};
	cap_t caps = cap_init();
	int rc = 0;

	if (!caps)
		return -errno;
	if (cap_set_flag(caps, CAP_PERMITTED, ARRAY_SIZE(needed), needed, CAP_SET) < 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, ARRAY_SIZE(needed), needed, CAP_SET) < 0 ||
	    cap_set_proc(caps) < 0)
		rc = -errno;
	cap_free(caps);
	return rc;
}

int drop_privileges(const char *user, uid_t uid, gid_t gid, bool change_user)
{
	bool keep = change_user && uid != (uid_t)-1 && uid != 0;

	if (keep && prctl(PR_SET_KEEPCAPS, 1L) < 0)
		return -errno;
	if (gid != (gid_t)-1 && (user ? initgroups(user, gid) : setgroups(1, &gid)) < 0)
		return -errno;
	if (gid != (gid_t)-1 && setresgid(gid, gid, gid) < 0)
		return -errno;
	if (uid != (uid_t)-1 && setresuid(uid, uid, uid) < 0)
		return -errno;
	return keep ? keep_capabilities() : 0;
}

#if HAVE_LIBSYSTEMD

static struct {
	bool tried;
	typeof(sd_notify) *notify;
	typeof(sd_listen_fds_with_names) *listen_fds;
} systemd;

/*
 * Whether there is a supervisor to talk to, as @variable says, and the library for it: it
 * brings six others and a megabyte of memory, so that it is loaded for those alone who
 * need it.
 */
static bool load_systemd(const char *variable)
{
	void *library;

	if (!getenv(variable))
		return false;
	if (!systemd.tried) {
		systemd.tried = true;
		library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
		systemd.notify = library ? dlsym(library, "sd_notify") : NULL;
		systemd.listen_fds =
		    systemd.notify ? dlsym(library, "sd_listen_fds_with_names") : NULL;
		if (!systemd.listen_fds)
			log_at(LOG_ERR, "%s is set, but libsystemd cannot be used: %s", variable,
			       dlerror());
	}
	return systemd.listen_fds;
}

__attribute__((format(printf, 1, 2))) static void notify(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	if (!load_systemd("NOTIFY_SOCKET"))
		return;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return;
	systemd.notify(0, text);
	free(text);
}

int supervise_inherited_fd(const char *name)
{
	char **names = NULL;
	int found = -ENOENT, n = 0;

	if (load_systemd("LISTEN_FDS"))
		n = systemd.listen_fds(0, &names);
	for (int i = 0; i < n; i++) {
		if (found < 0 && !strcmp(names[i], name))
			found = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	return found;
}

void supervise_ready(const char *status)
{
	notify("READY=1\nSTATUS=%s", status);
}

void supervise_reloading(void)
{
	struct timespec now;

	/* To the microsecond: systemd compares it with the moment of its own signal. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	notify("RELOADING=1\nMONOTONIC_USEC=%lld",
	       (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void supervise_stopping(void)
{
	notify("STOPPING=1\nSTATUS=stopping");
}

void supervise_status(const char *status)
{
	notify("STATUS=%s", status);
}

#else

int supervise_inherited_fd(const char *name UNUSED)
{
	return -ENOENT;
}

void supervise_ready(const char *status UNUSED)
{
}

void supervise_reloading(void)
{
}

void supervise_stopping(void)
{
}

void supervise_status(const char *status UNUSED)
{
}

#endif
