/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_CONFIG_H
#define DAEMON_PROBE_CONFIG_H

/* Findings as a configuration of coprocd. */

#include "macros.h"
#include "probe_findings.h"

#include <stdbool.h>
#include <stdio.h>

/* Whether the command can stand in a file: on one line. */
bool config_can_hold(const struct findings *f);

/* Write the configuration, with a comment on each line of it. 0 or -ENOMEM. */
int config_print(const struct findings *f, FILE *out) WARN_UNUSED;

#endif
