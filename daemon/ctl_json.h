/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_JSON_H
#define DAEMON_CTL_JSON_H

/* Answers as JSON, one object a line. */

#include "buf.h"

struct coproc_answer;

/*
 * Append {"request": N, "code": "ok", "reply": [LINE...]}, or for an error
 * {"request": N, "code": CODE, "text": TEXT}, and a LF. JSON is UTF-8: of a
 * reply that is not, what is wrong is replaced by U+FFFD and "base64" has it
 * byte for byte.
 *
 * Returns 0 or -ENOMEM.
 */
int json_answer(const struct coproc_answer *answer, struct buf *out) WARN_UNUSED;

#endif
