/* SPDX-License-Identifier: MIT */
#ifndef COPROC_PATTERNS_H
#define COPROC_PATTERNS_H

/*
 * Sets of regular expressions (PCRE2), matched on bytes. Matching has a bound in
 * processor time that no pattern and no text can exceed, as nobody else is
 * served meanwhile.
 */

#include "macros.h"

#include <stdbool.h>
#include <stddef.h>

struct patterns;

/*
 * Compile @text and add it.
 *
 * @patterns  the set, made at the first call; free with patterns_free()
 * @text      borrowed; must outlive the set
 * @why       of @why_size bytes; on -EINVAL set to what is wrong and where
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int patterns_add(struct patterns **patterns, const char *text, char *why,
		 size_t why_size) WARN_UNUSED;

/* The first pattern that matches, or whose matching takes too long; NULL if none. Accepts NULL. */
const char *patterns_match(struct patterns *patterns, const char *bytes, size_t len);

/*
 * Whether one of them certainly matches; what takes too long does not.
 *
 * @group  NULL, or set to the first group's start and end in @bytes, both 0 if it has none
 */
bool patterns_find(struct patterns *patterns, const char *bytes, size_t len, size_t group[2]);

/* Accepts NULL. */
void patterns_free(struct patterns *patterns);

#endif
