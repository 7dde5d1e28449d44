/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CONFIG_READ_H
#define DAEMON_CONFIG_READ_H

/* The command line and the config file as a list of assignments, not yet looked into. */

#include "macros.h"
#include "options.h"

#include <stdio.h>

/* One NAME = VALUE as it was written. */
struct assignment {
	const struct option_row *row;
	char *value; /* owned */
	int line;    /* of the file; 0: the command line */
};

/* Starts zeroed; end with reader_finish(). */
struct reader {
	const char *file; /* borrowed, NULL if none */
	FILE *stream;
	char *text; /* owned; what the file holds */
	char *raw;  /* owned; the value on the present line, of any length */
	int line;   /* lines read */
	struct assignment *list;
	size_t count;
	char *const *words; /* the command of the command line; NULL-terminated, borrowed */
	char *message;      /* owned; the first error */
	int exit_code;      /* of the first error, 0 if there is none */
};

/* Free what it owns. */
void reader_finish(struct reader *r);

/* Note an error unless there is one already; complete with "coprocd: " and LF. Returns -EINVAL. */
int reader_fail(struct reader *r, int exit_code, const char *fmt, ...) PRINTF(3, 4);

/* The same for a lack of memory. */
int reader_fail_memory(struct reader *r);

/*
 * A value as it was written, fit for a message: control bytes as \xNN, cut with
 * "..." where @dst, of @size bytes, does not hold it. Returns @dst.
 */
const char *reader_show(char *dst, size_t size, const char *value);

/* Collect the options of a command line. Returns 0, or -EINVAL with the error noted. */
int reader_take_args(struct reader *r, int argc, char *const *argv) WARN_UNUSED;

/*
 * Collect what stands in the file that --config names, if it was given.
 *
 * @file_text  taken in the place of what the file holds now; NULL: read the file
 *
 * Returns 0, or -EINVAL with the error noted.
 */
int reader_take_file(struct reader *r, const char *file_text) WARN_UNUSED;

/* Collect what stands in @stream, as of a file called @name. Returns 0 or -EINVAL. */
int reader_take_stream(struct reader *r, FILE *stream, const char *name) WARN_UNUSED;

/*
 * The value of the command-line option of this type, of OPTION_PRINT its name;
 * NULL if it was not given. Borrowed.
 */
const char *reader_given(const struct reader *r, enum option_type type);

#endif
