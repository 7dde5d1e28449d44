/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_REPL_H
#define DAEMON_CTL_REPL_H

/* `coprocctl repl`: ask line by line from a terminal, with editing and a history. */

#include "ctl_common.h"

/*
 * Read lines from stdin until it ends, ask each and print the reply and how
 * long it took. Ctrl-C gives up on the present line or request. A connection
 * that is lost is made again for the next line. The history is kept in
 * $XDG_STATE_HOME/coprocctl/history (~/.local/state/coprocctl/history).
 *
 * Returns the exit status, after it has said why: that of the first connection,
 * later errors being part of the conversation.
 */
enum ctl_exit ctl_repl(const struct ctl_options *options);

#endif
