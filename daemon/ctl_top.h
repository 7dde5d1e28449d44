/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_TOP_H
#define DAEMON_CTL_TOP_H

/* `coprocctl top`: the daemon's counters, live, on the whole terminal. */

#include "ctl_common.h"

/*
 * Look at the control socket every @options->interval_ms and show it, until
 * the key q or Ctrl-C. A connection that is lost, as in an upgrade, is made
 * again. Returns the exit status, after it has said why.
 */
enum ctl_exit ctl_top(const struct ctl_options *options);

#endif
