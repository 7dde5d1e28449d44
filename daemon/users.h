/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_USERS_H
#define DAEMON_USERS_H

/* Users and groups by name or number. */

#include "macros.h"

#include <sys/types.h>

/*
 * @value  a name, else a number, which needs no user of its own
 * @gid    set to the primary group of a user that the machine knows, else untouched
 *
 * Returns 0 with *@uid set, or -ENOENT.
 */
int users_find(const char *value, uid_t *uid, gid_t *gid) WARN_UNUSED;

/* The same for a group. */
int users_find_group(const char *value, gid_t *gid) WARN_UNUSED;

#endif
