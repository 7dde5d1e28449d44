/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CTL_FIXTURE_H
#define TESTS_CTL_FIXTURE_H

/* A directory with a socket, something that serves it, and coprocctl run against it. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CTL_TEXT_MAX = 1 << 16 };

struct ctl_fixture {
	char dir[64];
	char path[96];   /* the socket */
	char status[96]; /* the daemon's second socket, with replies=status */
	pid_t server;    /* 0: none */
	char out[CTL_TEXT_MAX], err[CTL_TEXT_MAX]; /* of the last ctl_run() */
};

/* For cmocka: *state is a struct ctl_fixture. With a daemon, $FAKE_COPROC is behind it. */
int ctl_setup(void **state);
int ctl_setup_daemon(void **state);
int ctl_teardown(void **state);

/*
 * Serve one client in another process: take @lines requests (0: all), say @text
 * in writes of @piece bytes, then hang up, or @stay.
 */
void ctl_serve(struct ctl_fixture *f, unsigned lines, const char *text, size_t piece, bool stay);

/* Serve one client by an echo that reads no more until all it has read is sent back. */
void ctl_serve_echo(struct ctl_fixture *f);

/* Write a file in the directory; "in" is the stdin of ctl_run(). */
void ctl_write_file(const struct ctl_fixture *f, const char *name, const char *bytes, size_t len);

/* Run $COPROCCTL with these arguments, up to a NULL. Returns its exit status. */
int ctl_run(struct ctl_fixture *f, ...);

#endif
