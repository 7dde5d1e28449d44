/* SPDX-License-Identifier: MIT */
#ifndef COPROC_LOG_H
#define COPROC_LOG_H

/*
 * The logger: the one piece of global state. The library itself writes at
 * LOG_DEBUG only; what matters to the owner is reported through upcalls.
 */

#include "macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h> /* the level names LOG_ERR .. LOG_DEBUG */

/* Receives one finished line without its newline. @level: LOG_ERR .. LOG_DEBUG. */
typedef void (*log_fn)(int level, const char *line);

/* Replace the handler; NULL restores the default, which writes to stderr. */
void log_set_handler(log_fn fn);

/* Drop what is less important than @level (LOG_ERR .. LOG_DEBUG; default LOG_INFO). */
void log_set_level(int level);

/* The level in force. */
int log_level(void);

/* Format one line (cut at 1 KiB) and hand it to the handler; never fails. */
void log_at(int level, const char *fmt, ...) PRINTF(2, 3);

/* What keeps a message that others cause from filling the log; zeroed memory to begin with. */
struct log_limit {
	int64_t next_ms;     /* not before, by the clock of the caller */
	unsigned suppressed; /* left out since the last */
};

/*
 * Whether a message may be logged: one a second. If so, @text is set to a remark
 * about those left out before it, to be put behind it ("" if there were none).
 */
bool log_may(struct log_limit *l, int64_t now_ms, char *text, size_t size);

/*
 * Make foreign bytes fit to be shown: printable ASCII and valid UTF-8 above
 * U+009F as they are, backslash doubled, \n \r \t by name, every other byte as
 * \xNN; cut with "..." where @size does not hold it all.
 *
 * @dst   receives the text and a NUL; never overrun
 * @size  bytes of @dst, at least 8 (asserted)
 *
 * Returns @dst.
 */
char *log_escape(char *dst, size_t size, const char *bytes, size_t len);

#endif
