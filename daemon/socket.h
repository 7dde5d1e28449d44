/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SOCKET_H
#define DAEMON_SOCKET_H

/* A listening Unix socket in the file system: made without a window, removed only if ours. */

#include "config.h"
#include "macros.h"

struct unix_socket {
	int fd;     /* listening, non-blocking, close-on-exec; -1 if none */
	char *path; /* owned; NULL for an inherited one */
	dev_t dev;  /* with ino: which file is ours */
	ino_t ino;
};

/*
 * Create, bind and listen. A stale socket at the path is replaced, a live
 * daemon's never (connect test under a lock on the directory).
 *
 * @out    set on success; end with socket_close()
 * @error  of @error_size bytes; on failure set to a sentence naming path and reason
 *
 * Returns 0 or -errno (-EADDRINUSE: a live daemon listens there).
 */
int socket_listen(const struct config_listen *listen, struct unix_socket *out, char *error,
		  size_t error_size) WARN_UNUSED;

/*
 * Take over an inherited listening socket; @fd is consumed on success.
 *
 * Returns 0, or -ENOTSOCK or -EINVAL if it is no listening Unix stream socket.
 */
int socket_inherit(int fd, struct unix_socket *out, char *error, size_t error_size) WARN_UNUSED;

/* Close it and remove its file if that is still ours. */
void socket_close(struct unix_socket *s);

#endif
