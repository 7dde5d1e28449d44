/* SPDX-License-Identifier: MIT */
#ifndef COPROC_SPAWN_H
#define COPROC_SPAWN_H

/* The real platform: fork and exec, pidfds, the monotonic clock. */

#include "coproc.h"
#include "macros.h"

/*
 * Start the program of @options in a process group of its own, without a controlling
 * terminal, with three pipes (stdout a raw pty where options->pty), all signals at their
 * defaults, no descriptor above 2, and SIGKILL should its parent die.
 *
 * @child  set on success; the descriptors are the caller's
 * @step   on failure set to a static word for what failed: "exec", "chdir" ...
 *
 * Blocks until exec has succeeded or failed; the errno of the child comes back
 * through a close-on-exec pipe.
 *
 * Returns 0 or -errno (-ENOENT with step "exec": no such program).
 */
int spawn(const struct coproc_options *options, struct coproc_child *child,
	  const char **step) WARN_UNUSED;

/* Time, spawn(), kill(2) to the group, waitid(2), arc4-like random numbers. */
extern const struct coproc_platform spawn_platform;

#endif
