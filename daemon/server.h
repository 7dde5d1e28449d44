/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

/* The daemon as a whole: engine, hall, listeners, signals, and what ties them together. */

struct config;
struct unpack;

/*
 * Run until stopped.
 *
 * @config  consumed
 * @argv    borrowed; the command line, read again on SIGHUP
 * @state   of the image before this one, behind its options; NULL if there was none
 *
 * Returns the exit code.
 */
int server_run(struct config *config, int argc, char *const *argv, struct unpack *state);

#endif
