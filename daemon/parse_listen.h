/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PARSE_LISTEN_H
#define DAEMON_PARSE_LISTEN_H

/* The value of a `listen` line: PATH or fd:NAME, and details behind commas. */

#include "config.h"
#include "macros.h"

/*
 * @text  cut to pieces; must outlive @l, which points into it
 * @l     filled with the defaults by the caller; its lists are allocated, also
 *	  before a fault
 *
 * Returns NULL, or what is wrong with @text.
 */
const char *parse_listen(char *text, struct config_listen *l) WARN_UNUSED;

#endif
