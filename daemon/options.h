/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

/*
 * The option table: what there is, of which type, where it goes in struct
 * config, and what is allowed. Everything that reads or documents an option is
 * driven by it.
 */

#include "config.h"

enum option_type {
	OPTION_DURATION, /* int64_t, milliseconds; min and max too */
	OPTION_SIZE,     /* size_t */
	OPTION_COUNT,    /* unsigned */
	OPTION_BOOL,     /* bool */
	OPTION_CHOICE,   /* enum or int: the index in choices[] plus min */
	OPTION_WINDOW,   /* unsigned, or auto */
	OPTION_TEXT,     /* char *, not empty */
	OPTION_BANNER,   /* char *, a value of `banner` */
	OPTION_READY,    /* char *, a value of `ready` */
	OPTION_FRAMING,  /* char *, a value of `reply` */
	OPTION_BYTES,    /* char * with escapes, and the size_t behind it */
	OPTION_ENV,      /* NAME=VALUE, added to a list */
	OPTION_COMMAND,  /* words */
	OPTION_LISTEN,
	OPTION_CONTROL, /* PATH[,mode=..] of the control socket */
	OPTION_FORBID,  /* regular expression, added to a list */
	OPTION_ASYNC,   /* the same, to another, as the next */
	OPTION_NO_REPLY,
	OPTION_END,    /* "strip" or "keep" */
	OPTION_HEALTH, /* REQUEST=>REPLY */
	OPTION_USER,   /* name or number of a user */
	OPTION_GROUP,
	OPTION_COPROCESS_USER, /* the name of a user */
	OPTION_FILE,           /* of the command line only, as the next two */
	OPTION_CHECK,
	OPTION_PRINT
};

struct option_row {
	struct config_option doc;
	enum option_type type;
	size_t offset; /* in struct config */
	int64_t min, max;
	const char *const *choices; /* NULL-terminated, of OPTION_CHOICE */
};

/* The row @i, NULL past the end. */
const struct option_row *option_at(size_t i);

/* The row named @name, NULL if there is none. */
const struct option_row *option_find(const char *name);

/* The name in the table that resembles @name, NULL if none does. */
const char *option_resembling(const char *name);

/* The text of --help; free() it. NULL: no memory. */
char *option_help(void);

#endif
