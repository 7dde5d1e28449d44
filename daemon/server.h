/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

/* The daemon as a whole: engine, hall, listeners, signals, and what ties them together. */

struct config;

/*
 * Run until stopped.
 *
 * @config  consumed
 * @argv    borrowed; the command line, read again on SIGHUP
 *
 * Returns the exit code.
 */
int server_run(struct config *config, int argc, char *const *argv);

#endif
