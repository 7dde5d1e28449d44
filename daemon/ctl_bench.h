/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_BENCH_H
#define DAEMON_CTL_BENCH_H

/* `coprocctl bench`: a closed loop of clients that ask again as soon as they are answered. */

#include "ctl_common.h"

/*
 * Ask the lines of the options in turn by @options->clients connections, each
 * with @options->depth requests unanswered, for @options->duration_ms; print
 * the rate and the percentiles of the latency.
 *
 * Returns the exit status, after it has said why: that of the first error if
 * any request ended in one.
 */
enum ctl_exit ctl_bench(const struct ctl_options *options);

#endif
