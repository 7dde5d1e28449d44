/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_FORBID_H
#define DAEMON_FORBID_H

/*
 * The regular expressions of `forbid`. Matching has a bound in processor time
 * that no pattern and no request can exceed, as nobody else is served meanwhile.
 */

#include "config.h"
#include "macros.h"

/*
 * Compile @text and add it.
 *
 * @patterns  the set, made at the first call; free with forbid_free()
 * @text      borrowed; must outlive the set
 * @why       of @why_size bytes; on -EINVAL set to what is wrong and where
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int forbid_add(struct config_patterns **patterns, const char *text, char *why,
	       size_t why_size) WARN_UNUSED;

/* The first pattern that matches, or whose matching takes too long; NULL if none. Accepts NULL. */
const char *forbid_match(struct config_patterns *patterns, const char *bytes, size_t len);

/* Accepts NULL. */
void forbid_free(struct config_patterns *patterns);

#endif
