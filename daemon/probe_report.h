/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_REPORT_H
#define DAEMON_PROBE_REPORT_H

/* Findings in plain words, for a person at a terminal. */

#include "probe_findings.h"

#include <stdio.h>

/* Write the findings, one line each. */
void report_words(const struct findings *f, FILE *out);

/* Write what a reply is, as a phrase. */
void report_shape(const struct shape *shape, FILE *out);

/* @bytes as a quoted line of at most @width columns; dst has room for 4 * width + 8 bytes. */
const char *report_quote(const char *bytes, size_t len, size_t width, char *dst);

#endif
