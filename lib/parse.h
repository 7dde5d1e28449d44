/* SPDX-License-Identifier: MIT */
#ifndef COPROC_PARSE_H
#define COPROC_PARSE_H

/* Text into values. All functions are pure; none of them allocates unless it says so. */

#include "macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A duration: digits and a unit, "250ms" "5s" "2m" "1h"; a bare number is
 * refused, but "0" is not (it needs no unit).
 *
 * Returns 0 with *@out_ms set, -EINVAL if it is none, -ERANGE beyond 10 years.
 */
int parse_duration_ms(const char *text, int64_t *out_ms) WARN_UNUSED;

/*
 * A size: digits and an optional unit of 1024, "700" "64K" "1M" "2G".
 *
 * Returns 0 with *@out set, -EINVAL, -ERANGE beyond SIZE_MAX / 2.
 */
int parse_size(const char *text, size_t *out) WARN_UNUSED;

/* A plain decimal number without sign. Returns 0 with *@out set, -EINVAL, -ERANGE. */
int parse_count(const char *text, uint64_t *out) WARN_UNUSED;

/* "yes" "true" "on" "1" and "no" "false" "off" "0". Returns 0 with *@out set, or -EINVAL. */
int parse_bool(const char *text, bool *out) WARN_UNUSED;

/*
 * Backslash escapes \n \r \t \0 \e \\ \xNN into bytes; everything else as it is.
 *
 * @dst  at least strlen(@text) + 1 bytes; NUL-terminated behind the bytes
 *
 * Returns 0 with *@out_len set, -EINVAL for an unknown or unfinished escape.
 */
int parse_escapes(const char *text, char *dst, size_t *out_len) WARN_UNUSED;

/*
 * Split a command line into words as a shell would: blanks separate, '...' is
 * literal, "..." knows \" and \\, \x is x. Nothing is expanded.
 *
 * @out  set to a NULL-terminated array, the caller's; parse_words_free()
 *
 * Returns 0, -EINVAL for an open quote or a lone backslash at the end, -ENOMEM.
 */
int parse_words(const char *text, char ***out) WARN_UNUSED;

/* Free what parse_words() made. Accepts NULL. */
void parse_words_free(char **words);

/* Write @ms as the shortest text that parse_duration_ms() reads back ("90s", "2m"). */
const char *parse_format_duration(int64_t ms, char *dst, size_t size);

/* Write @n as the shortest text that parse_size() reads back ("64K", "700"). */
const char *parse_format_size(size_t n, char *dst, size_t size);

#endif
