/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_STATS_H
#define DAEMON_STATS_H

/* The counters as text: for the log on SIGUSR1, and for the control socket. */

#include <stddef.h>

struct coproc;
struct hall;

/* One line of everything, into @dst, which is returned. */
const char *stats_line(struct coproc *engine, const struct hall *hall, char *dst, size_t size);

/* The same as lines "NAME: VALUE", without an LF at the end. */
const char *stats_table(struct coproc *engine, const struct hall *hall, char *dst, size_t size);

#endif
