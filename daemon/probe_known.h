/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_KNOWN_H
#define DAEMON_PROBE_KNOWN_H

/*
 * What cannot be seen from outside: what to ask a well-known program, which
 * requests of it are dangerous, how to make it mark the end of a reply. The
 * probe tries all of it and keeps what works.
 */

#include <stdbool.h>
#include <stddef.h>

struct probe_known {
	const char *name;        /* the program, without directory */
	const char *argument;    /* how an argument of it starts, NULL: any */
	const char *requests[5]; /* NULL-terminated */
	/* Values of the options of the same names; NULL: as it is seen. */
	const char *reply;
	const char *ready;
	const char *async;
	const char *no_reply;
	const char *prefix;
	const char *suffix;
	const char *cancel;
	const char *env;
	const char *forbid[4]; /* NULL-terminated */
	/* "NAME=VALUE" or an argument behind the name that ends its buffering; NULL: none known. */
	const char *cure;
	/* A long request is `head`, `unit` again and again, `tail`; NULL: made of words. */
	const char *head, *unit, *tail;
	const char *request_end; /* a request is several lines up to this one; NULL: one line */
	const char *recipe;   /* the configuration in contrib/recipes that closes all its traps */
	const char *note;     /* one sentence for the reader of the configuration */
	bool needs_directory; /* what it answers depends on its working directory */
	bool writes_home;     /* it keeps files in HOME, with what clients said */
};

/* The entry for a command; there is always one: of all others nothing is known. */
const struct probe_known *probe_known(char *const *argv);

/* Which word of the command is the program: not the first one behind `env` and its like. */
size_t probe_known_word(char *const *argv);

#endif
