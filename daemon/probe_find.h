/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_FIND_H
#define DAEMON_PROBE_FIND_H

/* From recorded replies to where a reply ends. Pure functions of bytes. */

#include "probe_shape.h"

/* What came after one request; borrowed. */
struct find_sample {
	const char *bytes;
	size_t len;
};

/*
 * Find the shape that fits all samples in which something came.
 *
 * Returns 0 with *@out set, of kind SHAPE_NONE if none fits; -ENOMEM.
 */
int find_shape(const struct find_sample *samples, size_t count, struct shape *out) WARN_UNUSED;

/*
 * The value of `banner` that skips @bytes.
 *
 * Returns 0 with *@out the caller's, NULL if there is nothing to skip; -ENOMEM.
 */
int find_banner(const struct shape *shape, const char *bytes, size_t len, char **out) WARN_UNUSED;

#endif
