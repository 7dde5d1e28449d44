/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_TEXT_H
#define DAEMON_PROBE_TEXT_H

/* What a program said, as text in an option that a file can hold. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Whether @text is short and has no control characters. */
bool text_is_printable(const char *text, size_t len);

/* "until:TEXT", or where that would not survive in a file "until-match:^TEXT$". NULL: no memory. */
char *text_until(const char *text, size_t len);

/* "prompt:TEXT", with escapes where needed. NULL: no memory. */
char *text_prompt(const char *text, size_t len);

/* Write @text as a regular expression that has any number in the place of each number. */
void text_put_numbered(FILE *out, const char *text, size_t len);

#endif
