/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_ODD_H
#define DAEMON_PROBE_ODD_H

/* The odd requests: empty, long, not UTF-8, many at once. */

#include "probe_trial.h"

/* Try them all; what they do goes to the findings. Needs to know the usual reply. */
void probe_odd(struct trial *t);

#endif
