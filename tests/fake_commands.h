/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAKE_COMMANDS_H
#define TESTS_FAKE_COMMANDS_H

/* The requests with a meaning of fake_coproc, and how it waits and writes. */

#include <stddef.h>

/* Wait, also over signals. */
void fake_sleep_ms(long ms);

/* Write all of it. Errors are passed over: a closed descriptor is part of the game. */
void fake_write(int fd, const char *bytes, size_t len);

/* Write @bytes and a newline in one piece. */
void fake_put_line(int fd, const char *bytes, size_t len);

/* Do nothing, until a signal ends the process. */
_Noreturn void fake_idle(void);

/* Do what the request @line, without its `!`, says. May not return. */
void fake_command(const char *line);

#endif
