/* SPDX-License-Identifier: MIT */
#include "ctl_common.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum ctl_exit ctl_exit_of_code(int code)
{
	return code == COPROC_CODE_UNKNOWN
		   ? CTL_ERROR
		   : (enum ctl_exit)(CTL_FIRST_CODE + code - COPROC_TIMEOUT);
}

enum ctl_exit ctl_say_error(const char *what, int error, enum ctl_exit status)
{
	fprintf(stderr, "coprocctl: %s: %s\n", what, strerror(error));
	return status;
}

enum ctl_exit ctl_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CTL_OK;
	return ctl_say_error("stdout", errno, CTL_IO);
}

enum ctl_exit ctl_connect(const struct ctl_options *options,
			  const struct coproc_client_options *how, struct coproc_client **out)
{
	struct coproc_client_options usual;
	int error;

	coproc_client_options_init(&usual);
	usual.plain = !options->status;
	usual.timeout_ms = options->timeout_ms;
	error = coproc_client_open(options->socket, how ? how : &usual, out);
	if (!error)
		return CTL_OK;
	fprintf(stderr, "coprocctl: %s: %s\n", options->socket,
		error == -ETIMEDOUT ? "not accepted in time" : strerror(-error));
	if (error == -ETIMEDOUT)
		return CTL_TIMEOUT;
	return error == -ENOMEM ? CTL_SYSTEM : CTL_CONNECT;
}

int ctl_ask_one(struct coproc_client *client, const char *request, struct coproc_answer *answer)
{
	return coproc_client_ask(client, request, strlen(request), 0, answer);
}

enum ctl_exit ctl_say_lost(const struct ctl_options *options, const struct coproc_client *client,
			   int error)
{
	const char *failure = coproc_client_failure(client);

	if (error == -ETIMEDOUT) {
		fprintf(stderr, "coprocctl: %s: no reply in %lld ms\n", options->socket,
			(long long)options->timeout_ms);
		return CTL_TIMEOUT;
	}
	fprintf(stderr, "coprocctl: %s: %s\n", options->socket,
		failure ? failure : strerror(-error));
	switch (error) {
	case -EACCES:
		return ctl_exit_of_code(COPROC_DENIED);
	case -EPROTO:
		return CTL_PROTOCOL;
	case -ENOMEM:
		return CTL_SYSTEM;
	default:
		return CTL_LOST;
	}
}
