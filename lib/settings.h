/* SPDX-License-Identifier: MIT */
#ifndef COPROC_SETTINGS_H
#define COPROC_SETTINGS_H

/*
 * A checked, immutable and counted copy of struct coproc_options. A process
 * keeps the settings it was started with, also while a new one with others is
 * taking over.
 */

#include "coproc.h"
#include "framing.h"
#include "greeting.h"
#include "macros.h"
#include "restart.h"

struct settings {
	unsigned refs;
	struct coproc_options o; /* what it points to is owned */
	struct framing_spec framing;
	struct patterns *async, *no_reply;
	struct marker health_request, health_reply; /* empty: no health check */
	struct greeting_spec greeting;
	struct restart_policy restart;
	bool proof;       /* the framing proves the position */
	bool runs;        /* requests may go to a process in runs, see coproc_measure_run() */
	unsigned window;  /* requests with one process at a time, */
	bool window_auto; /* or what that may grow to */
};

/*
 * Copy and check @options.
 *
 * @out         set to one reference on success
 * @error       of @error_size bytes; set to a line that names the bad option
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int settings_new(const struct coproc_options *options, struct settings **out, char *error,
		 size_t error_size) WARN_UNUSED;

/* What to try with a process that does not speak, as the end of a sentence; "" if nothing is left.
 */
const char *settings_silence_hint(const struct settings *s);

/* Take one more reference; returns @s. */
struct settings *settings_ref(struct settings *s);

/* Drop a reference; the last one frees. Accepts NULL. */
void settings_unref(struct settings *s);

#endif
