/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_UPGRADE_H
#define DAEMON_UPGRADE_H

/*
 * The daemon executes its own program anew from disk, keeping its process
 * number, and with it every descriptor and every child. The state travels in a
 * sealed memfd whose number stands in the environment. Until exec() nothing is
 * given up: on any trouble the old image goes on.
 */

#include "macros.h"
#include "pack.h"

#include <stdbool.h>

struct event_base;

/* Bumped whenever the layout of what is saved changes. */
#define UPGRADE_FORMAT 3

/* Called with NULL if the program on disk can take over, else with the reason it cannot. */
typedef void (*upgrade_checked_fn)(void *ctx, const char *fault);

/* Remember which program we are, before it is replaced on disk. To be called first of all. */
void upgrade_init(void);

/*
 * Ask the program on disk, by running it, which format it reads; nothing
 * blocks. One check at a time: another is answered by its outcome.
 *
 * @checked  called once
 */
void upgrade_check(struct event_base *base, upgrade_checked_fn checked, void *ctx);

/*
 * Execute the program on disk with @argv and the state in @p, whose descriptors
 * stay open. A check that is under way is given up, without an upcall. Returns
 * only if that failed: -errno, everything else as before.
 */
int upgrade_exec(char *const *argv, struct pack *p) WARN_UNUSED;

/*
 * Whether we were executed by upgrade_exec(); then *@out is the state, in
 * memory that stays mapped. Exits with a message if it is unusable, as nothing
 * could be served without it.
 */
bool upgrade_arrived(struct unpack *out);

#endif
