/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CONFIG_STORE_H
#define DAEMON_CONFIG_STORE_H

/* The memory of a config: made with the defaults, freed as a whole. */

#include "config.h"

/* Owner of the memory behind a config. */
struct config_store {
	void **kept; /* freed with the config */
	size_t count;
	char **env; /* NULL-terminated; its strings are kept, the array is owned here */
	size_t env_count;
	char **words;             /* of `command` */
	char **async, **no_reply; /* as env */
};

/* A complete config with every default, or NULL without memory. */
struct config *config_new(void);

/* Let the config own @p (malloc). Returns @p, or NULL (@p freed) without memory. */
void *config_keep(struct config *config, void *p);

#endif
