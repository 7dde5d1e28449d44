/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SUPERVISE_H
#define DAEMON_SUPERVISE_H

/*
 * What an init system wants of a daemon: going to the background with a
 * verdict, a pid file, inherited sockets, readiness notification, and giving
 * up root.
 */

#include "macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Fork into the background. The parent waits for daemonize_report() and exits
 * with what it says; only the child returns. To be called before any event
 * base exists.
 *
 * @out_fd  set to the descriptor for daemonize_report()
 *
 * Returns 0 (in the child) or -errno.
 */
int daemonize(int *out_fd) WARN_UNUSED;

/*
 * Tell the waiting parent its exit code and, if that is not 0, the reason,
 * which it prints. On 0 stdin, stdout and stderr are cut off. @fd is closed and
 * set to -1; with -1 nothing happens.
 */
void daemonize_report(int *fd, int exit_code, const char *reason);

/* A pid file held under a lock for as long as the daemon runs. */
struct pid_file {
	int fd;     /* -1 if none */
	char *path; /* owned */
};

/*
 * Write our pid. A file whose daemon is gone is taken over.
 *
 * @error  of @error_size bytes; on failure set to a sentence with path and reason
 *
 * Returns 0 or -errno (-EEXIST: the daemon that it names is running).
 */
int pid_file_create(const char *path, struct pid_file *out, char *error,
		    size_t error_size) WARN_UNUSED;

/* Remove it, if there is one. */
void pid_file_remove(struct pid_file *p);

/* The inherited descriptor named @name (LISTEN_FDNAMES, sd_listen_fds(3)), or -ENOENT. */
int supervise_inherited_fd(const char *name) WARN_UNUSED;

/* Tell the supervisor, if there is one (sd_notify(3)); a no-op otherwise. */
void supervise_ready(const char *status);
void supervise_reloading(void);
void supervise_stopping(void);
void supervise_status(const char *status);

/*
 * Give up root for good. (uid_t)-1 and (gid_t)-1 leave things as they are.
 *
 * @change_user  keep the capabilities to start processes as another user, and
 *		 to signal them; they do not pass to those processes
 *
 * Returns 0 or -errno.
 */
int drop_privileges(const char *user, uid_t uid, gid_t gid, bool change_user) WARN_UNUSED;

#endif
