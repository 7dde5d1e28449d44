/* SPDX-License-Identifier: MIT */
#ifndef NORMALIZER_NORMALIZE_H
#define NORMALIZER_NORMALIZE_H

/* Text into its normal form: the work of the example, apart from its input and output. */

#include <stddef.h>

struct stop_words {
	char **words; /* owned; sorted, in normal form */
	size_t count;
	char **pieces; /* those of scripts without spaces, longest first; in words as well */
	size_t piece_count;
};

/*
 * Read one word from each line of @path; `#` starts a comment.
 *
 * Returns 0, or -errno, with *bad_line set if a line is not UTF-8 (-EILSEQ).
 */
int stop_words_load(struct stop_words *s, const char *path, size_t *bad_line);
void stop_words_free(struct stop_words *s);

/*
 * Bring one line into normal form.
 *
 * @out  set to a NUL-terminated line without a newline; the caller's (free)
 *
 * Returns 0, -ENOMEM, or -EILSEQ with *bad_byte set to the position of the
 * first byte that is not UTF-8, counted from 1.
 */
int normalize(const struct stop_words *s, const char *line, size_t len, char **out,
	      size_t *bad_byte);

#endif
