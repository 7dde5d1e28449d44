/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CTL_ASK_H
#define DAEMON_CTL_ASK_H

/* `coprocctl ask`: send requests and print the replies, both at the same time. */

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
	CTL_IO = 74,       /* stdin or stdout */
	CTL_PROTOCOL = 76, /* the daemon does not speak the form that was asked for */
};

struct ctl_options {
	const char *socket;
	int64_t timeout_ms; /* without a byte while a request is unanswered; 0: no limit */
	bool status;        /* the listener has replies=status */
	char *const *lines; /* the requests, without newlines */
	size_t line_count;  /* 0: the requests are the lines of stdin */
};

/* The exit status for a code of the daemon that is not COPROC_OK. */
enum ctl_exit ctl_exit_of_code(int code);

/*
 * Connect to the daemon's socket.
 *
 * @out  set on success
 *
 * Returns the exit status, after it has said why.
 */
enum ctl_exit ctl_connect(const struct ctl_options *options,
			  const struct coproc_client_options *how, struct coproc_client **out);

/*
 * Connect, ask and print. Replies go to stdout, everything else to stderr.
 *
 * Memory does not grow with the number of requests read from stdin, nor with
 * the length of a reply, but with that of a request. Returns the exit status, after it has said
 * why.
 */
enum ctl_exit ctl_ask(const struct ctl_options *options);

#endif
