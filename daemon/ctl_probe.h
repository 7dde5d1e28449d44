/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_PROBE_H
#define DAEMON_CTL_PROBE_H

/* `coprocctl probe`: try a program, say what it is like, print how to serve it. */

#include "ctl_ask.h"

/*
 * @argv  the command's name, its options, `--`, the program; permuted
 *
 * The findings go to stderr, the configuration to stdout. Returns the exit
 * status, after it has said why: CTL_ERROR if the program cannot be served.
 */
enum ctl_exit ctl_probe(int argc, char **argv);

#endif
