/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_VALUES_H
#define DAEMON_VALUES_H

/* Texts into the members of struct config, as the option table says. */

#include "config_store.h"
#include "options.h"

/*
 * Set one option.
 *
 * @why  of @why_size bytes; on failure set to what is wrong with @value, without
 *	 its name, "has no unit; allowed are 0s to 24h"
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int value_set(struct config *config, const struct option_row *row, const char *value, char *why,
	      size_t why_size) WARN_UNUSED;

/* Set `command` from words as they are. Returns 0 or -ENOMEM. */
int value_set_command(struct config *config, char *const *words) WARN_UNUSED;

#endif
