/* SPDX-License-Identifier: MIT */
#ifndef COPROC_FD_H
#define COPROC_FD_H

#include "macros.h"

#include <stdbool.h>
#include <stddef.h>

/* Close *@fd if it is one and set it to -1; errno is kept. Fit for CLEANUP. */
void fd_close(int *fd);

/* Set O_NONBLOCK. Returns 0 or -errno. */
int fd_set_nonblock(int fd) WARN_UNUSED;

/* Make a close-on-exec pipe of which both ends are non-blocking. Returns 0 or -errno. */
int fd_pipe(int out[2]) WARN_UNUSED;

/* Whether the peer of the socket @fd has closed both directions (not merely stopped writing). */
bool fd_is_hung_up(int fd);

/* Write all of @bytes to a blocking @fd. Returns 0 or -errno. */
int fd_write_all(int fd, const void *bytes, size_t len) WARN_UNUSED;

#endif
