/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_LOGGER_H
#define DAEMON_LOGGER_H

/* Where the lines of log.h go: stderr, syslog, or stderr with journal level prefixes. */

#include "config.h"

/*
 * Direct the log. With LOG_TARGET_AUTO: the journal if stderr leads there
 * (JOURNAL_STREAM, systemd.exec(5)), syslog if @detached, else stderr.
 *
 * @level     LOG_ERR .. LOG_DEBUG
 * @detached  stderr leads nowhere (daemonized)
 */
void logger_init(enum config_log_target target, int level, bool detached);

#endif
