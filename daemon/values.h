/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_VALUES_H
#define DAEMON_VALUES_H

/* Texts into the members of struct config, as the option table says. */

#include "options.h"

/* Owner of the memory behind a config. */
struct config_store {
	void **kept; /* freed with the config */
	size_t count;
	char **env; /* NULL-terminated; its strings are kept, the array is owned here */
	size_t env_count;
	char **words; /* of `command` */
};

/* A complete config with every default, or NULL without memory. */
struct config *config_new(void);

/* Let the config own @p (malloc). Returns @p, or NULL (@p freed) without memory. */
void *value_keep(struct config *config, void *p);

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
