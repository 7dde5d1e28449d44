/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_ASK_H
#define DAEMON_CTL_ASK_H

/* `coprocctl ask`: send requests and print the replies, both at the same time. */

#include "ctl_common.h"

/*
 * Connect, ask and print. Replies go to stdout, everything else to stderr.
 * If the requests come from a file and stderr is a terminal, it shows a bar.
 *
 * Memory does not grow with the number of requests that are read, nor with the
 * length of a reply unless it is printed as JSON, but with that of a request.
 * Returns the exit status, after it has said why.
 */
enum ctl_exit ctl_ask(const struct ctl_options *options);

#endif
