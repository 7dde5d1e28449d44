/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

/*
 * The daemon's configuration: one const table of options drives the command
 * line, the config file, --help, and the checks of man page and sample file.
 * A struct config is complete and valid or it is not made at all.
 */

#include "coproc.h"
#include "cut.h"
#include "macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Exit codes, of which 64.. are those of sysexits.h. */
enum {
	EXIT_CODE_OK = 0,
	EXIT_CODE_USAGE = 64,
	EXIT_CODE_UNAVAILABLE = 69, /* the process could not be started */
	EXIT_CODE_SYSTEM = 71,
	EXIT_CODE_SOCKET = 73, /* a socket cannot be created */
	EXIT_CODE_CONFIG = 78
};

enum config_replies { REPLIES_PLAIN, REPLIES_STATUS };
enum config_overload { OVERLOAD_REJECT, OVERLOAD_WAIT };
enum config_log_target {
	LOG_TARGET_AUTO,
	LOG_TARGET_STDERR,
	LOG_TARGET_SYSLOG,
	LOG_TARGET_JOURNAL
};

/* One `listen` line. */
struct config_listen {
	char *path;    /* owned; NULL if fd_name is set */
	char *fd_name; /* owned; name of an inherited socket (fd:NAME) */
	mode_t mode;   /* default 0660 */
	uid_t owner;   /* (uid_t)-1: leave */
	gid_t group;   /* (gid_t)-1: leave */
	enum config_replies replies;
	struct cut request; /* how a client's bytes are cut into requests */
	/* Who may ask: with both empty everybody whom the socket's mode lets in. */
	uid_t *allow_users; /* owned */
	size_t allow_user_count;
	gid_t *allow_groups; /* owned */
	size_t allow_group_count;
};

struct patterns;

struct config {
	struct coproc_options engine; /* what it points to is owned by this struct */

	struct config_listen *listens; /* owned */
	size_t listen_count;

	struct config_listen control; /* path NULL: no control socket */

	unsigned max_clients;
	unsigned client_requests;
	size_t client_buffer;
	enum config_overload overload;
	struct patterns *forbid; /* owned; NULL if none */

	char *user; /* of the daemon after binding; NULL: stay. As given, and resolved: */
	char *group;
	uid_t uid; /* (uid_t)-1: stay */
	gid_t gid; /* (gid_t)-1: stay */

	bool daemonize;
	char *pid_file;
	bool exit_on_failure;
	int log_level;
	enum config_log_target log_target;

	/* How it was made. */
	bool check_only;            /* --check-config */
	const char *file_text;      /* what the config file held, NULL without one */
	struct config_store *store; /* private: the owner of every string above */
};

/* What config_from_args() found to do. */
enum config_action {
	CONFIG_RUN,   /* *out is set */
	CONFIG_PRINT, /* --help or --version: `message` goes to stdout, exit 0 */
	CONFIG_ERROR, /* `message` goes to stderr, exit with `exit_code` */
};

struct config_result {
	enum config_action action;
	int exit_code; /* with CONFIG_ERROR: EXIT_CODE_USAGE, EXIT_CODE_CONFIG, EXIT_CODE_SYSTEM */
	char *message; /* owned by the caller (free); complete lines */
};

/*
 * Read the command line and the config file that it names. What the command
 * line says wins over the file; repeatable keys of the command line replace
 * the file's.
 *
 * @argv  borrowed during the call
 * @out   set if the action is CONFIG_RUN; free with config_free()
 *
 * An error names file and line or the option, the value, and what is allowed:
 *	coprocd: /etc/coprocd.conf:7: request-timeout: "5" has no unit; allowed are 0s to 24h
 */
struct config_result config_from_args(int argc, char *const *argv, struct config **out);

/*
 * The same with @file_text in the place of what the config file holds now, for
 * an upgrade that keeps the options as they are; NULL: read the file.
 */
struct config_result config_from_args_and_text(int argc, char *const *argv, const char *file_text,
					       struct config **out);

/*
 * Read options from @stream alone, as from a file called @name.
 *
 * @message  on failure set to the error, the caller's (free); NULL: no memory
 *
 * Returns 0 with *@out set, or -EINVAL.
 */
int config_from_stream(FILE *stream, const char *name, struct config **out,
		       char **message) WARN_UNUSED;

/* Free it and all it owns. Accepts NULL. */
void config_free(struct config *config);

/* The first `forbid` pattern that matches @bytes, as written; NULL if none does. */
const char *config_forbidden(const struct config *config, const char *bytes, size_t len);

/*
 * One row of the option table, for --help and the documentation checks.
 * Rows have no order but that of the table.
 */
struct config_option {
	const char *name;     /* "request-timeout" */
	const char *argument; /* "DURATION", NULL for none on the command line only */
	const char *fallback; /* the default as one would write it, NULL for none */
	const char *range;    /* "0s to 24h", "yes or no" */
	const char *help;     /* one phrase, unit included */
	bool in_file;         /* may stand in the config file too */
	bool repeatable;
};

/* The row @i of the table, NULL past its end. */
const struct config_option *config_option_at(size_t i);

#endif
