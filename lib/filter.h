/* SPDX-License-Identifier: MIT */
#ifndef COPROC_FILTER_H
#define COPROC_FILTER_H

/*
 * What is wrong with a request before it may reach a process. Pure functions.
 */

#include "coproc.h"

enum filter_verdict {
	FILTER_OK,
	FILTER_TOO_LONG, /* over max_request */
	FILTER_NUL,      /* a NUL where request_bytes has none */
	FILTER_UTF8,     /* not UTF-8 where request_bytes asks for it */
	FILTER_SUFFIX,   /* holds the suffix: the process would read two requests */
};

/* Check @bytes against max_request, request_bytes and suffix of @options. */
enum filter_verdict filter_check(const struct coproc_options *options, const char *bytes,
				 size_t len);

/*
 * Which of @bytes, from the beginning on, are whole lines that are good requests each.
 *
 * @len   the number of bytes; set to those of the lines, LF included
 * @most  lines at most
 *
 * Returns the number of lines; 0 also where the bytes of one of them are bad.
 */
unsigned filter_lines(const struct coproc_options *options, const char *bytes, size_t *len,
		      unsigned most);

/*
 * Whether a request is of a kind that many programs answer twice or not at
 * all (measured): longer than @over bytes, control bytes other than TAB, or
 * invalid UTF-8.
 */
bool filter_is_suspicious(const char *bytes, size_t len, size_t over);

#endif
