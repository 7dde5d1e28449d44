/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_COMMON_H
#define DAEMON_CTL_COMMON_H

/* What the commands of coprocctl share: options, exit statuses, the way to the daemon. */

#include "coproc_client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses of coprocctl. An error with a known code exits with CTL_FIRST_CODE and up. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_ERROR = 1, /* an error of an unknown code */
	CTL_TIMEOUT = 2,
	CTL_CONNECT = 3,
	CTL_LOST = 4, /* the connection, before all replies */
	CTL_FIRST_CODE = 10,
	CTL_USAGE = 64,
	CTL_SYSTEM = 71,
	CTL_IO = 74,       /* stdin, stdout or a file */
	CTL_PROTOCOL = 76, /* the daemon does not speak the form that was asked for */
};

struct ctl_options {
	const char *command;
	const char *socket;
	int64_t timeout_ms; /* without a byte while a request is unanswered; 0: no limit */
	bool status;        /* the listener has replies=status */
	bool json;          /* print JSON */
	const char *file;   /* with the requests, NULL: stdin */
	char *const *lines; /* behind the command: the requests, without newlines */
	size_t line_count;
	unsigned clients, depth; /* of a load: connections, requests of each at a time */
	int64_t duration_ms;     /* of a load */
	int64_t interval_ms;     /* between two looks */
};

/* The exit status for a code of the daemon that is not COPROC_OK. */
enum ctl_exit ctl_exit_of_code(int code);

/* Print "coprocctl: WHAT: the error's text"; returns @status. */
enum ctl_exit ctl_say_error(const char *what, int error, enum ctl_exit status);

/* What has been printed is with the system: CTL_OK, or CTL_IO after it has said why. */
enum ctl_exit ctl_flush(void);

/*
 * Connect to the daemon's socket.
 *
 * @how  NULL: as the options say
 * @out  set on success
 *
 * Returns the exit status, after it has said why.
 */
enum ctl_exit ctl_connect(const struct ctl_options *options,
			  const struct coproc_client_options *how, struct coproc_client **out);

/*
 * Ask one request and wait.
 *
 * Returns 0 or the -errno of coproc_client_ask(), the exit status for which is
 * ctl_say_lost()'s.
 */
int ctl_ask_one(struct coproc_client *client, const char *request, struct coproc_answer *answer);

/* Say that the connection has ended with @error; returns the exit status. */
enum ctl_exit ctl_say_lost(const struct ctl_options *options, const struct coproc_client *client,
			   int error);

#endif
