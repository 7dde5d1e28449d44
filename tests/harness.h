/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

/*
 * A rig runs the real coprocd in a temporary directory, which is also the
 * working directory of the test, so that all paths in the tests are short:
 * `s` is the socket, `log` what the daemon wrote on stderr, `count` has a line
 * for each start of the coprocess and `asked` one for each request it received.
 *
 * Everything here waits for a condition with a deadline and fails the present
 * test when that has passed. What a test leaves behind (processes, clients,
 * files) is cleaned up by rig_teardown(), however the test ended.
 *
 * From the environment: COPROCD and FAKE_COPROC, the two binaries;
 * COPROCD_WRAPPER, words put in front of the daemon (`valgrind -q`), with which
 * all deadlines are longer.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

enum { RIG_CLIENTS = 512 };

struct client {
	int fd;
	char *bytes; /* received, not yet looked at */
	size_t len;
};

struct rig {
	char dir[64];
	pid_t pid;  /* of the daemon, 0 if there is none */
	int factor; /* deadlines are so many times longer than without a wrapper */
	struct client clients[RIG_CLIENTS];
	size_t client_count;
};

/* Fixtures for cmocka_unit_test_setup_teardown(): *state is a struct rig. */
int rig_setup(void **state);
int rig_teardown(void **state);

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/* ---- the daemon ---- */

/*
 * Start coprocd with @options before a fake_coproc with @fake_args, listening
 * on `s`, and wait until the process is ready. Words are split at blanks, but
 * not within '...'.
 */
void rig_start(struct rig *r, const char *options, const char *fake_args);

/* The same with another program than fake_coproc. */
void rig_start_command(struct rig *r, const char *options, const char *command);

/* The same without waiting and without options of our own. */
void rig_launch(struct rig *r, const char *arguments);

/* The words of @fake_args behind the path and the standard options of fake_coproc. */
const char *rig_fake(const char *fake_args);

/* Run `coprocd @arguments` to its end; its output is in `out`. Returns the exit code. */
int rig_run(struct rig *r, const char *arguments);

/* Run a shell command to its end; its output is in `out`. Returns the exit code. */
int rig_shell(struct rig *r, const char *command);

void rig_signal(struct rig *r, int sig);

/* Wait for the daemon's end. Returns the exit code, 128 + N for signal N. */
int rig_exit_code(struct rig *r);

/* Stop it by SIGTERM and check that it exits with 0. */
void rig_stop(struct rig *r);

/* ---- waiting ---- */

int64_t rig_now_ms(void);

/* When what is waited for now must have come. */
int64_t rig_deadline(const struct rig *r);

/* Let a moment pass. Returns false when it is later than @until. */
bool rig_go_on(int64_t until);

/* Wait until @file holds @text at least @times times. */
void rig_wait_text(struct rig *r, const char *file, const char *text, unsigned times);
void rig_wait_log(struct rig *r, const char *text);
void rig_wait_asked(struct rig *r, const char *request);

/* Wait for @starts starts of the coprocess; there must not be more. */
void rig_wait_starts(struct rig *r, unsigned starts);

/* Wait until no process has the number @pid. */
void rig_wait_gone(struct rig *r, pid_t pid);

/*
 * Wait until the test has @children living children: the daemon, and the
 * orphans of the daemon's processes.
 */
void rig_wait_children(struct rig *r, unsigned children);

/* Wait until @path is there, or is not. */
void rig_wait_path(struct rig *r, const char *path, bool there);

/* ---- looking ---- */

/* The content of @file; empty if there is none. The caller frees it. */
char *rig_read(const char *file);

/* Print the end of the log, to explain a failure. */
void rig_show_log(void);

void rig_write(const char *file, const char *text);
unsigned rig_count(const char *file, const char *text);
unsigned rig_starts(void);

/* The number behind @key in /proc/PID/status. */
long proc_status(pid_t pid, const char *key);

/*
 * Whether the memory of the daemon is its own, not that of a wrapper or of a
 * sanitizer, which reserves terabytes and keeps what was freed.
 */
bool rig_memory_counts(const struct rig *r);

/* Processor time used so far, in milliseconds. */
long proc_cpu_ms(pid_t pid);

/* Open descriptors. */
unsigned proc_fds(pid_t pid);

/*
 * Call @fn, unless it is NULL, with each child of @pid that is in the state
 * @wanted, or with each if that is 0. Returns how many they are.
 */
unsigned proc_each_child(pid_t pid, char wanted, void (*fn)(pid_t child));

/* Children of @pid, in the state @state only unless that is 0. */
unsigned proc_children(pid_t pid, char state);

/* ---- clients ---- */

/* Connect to @path, waiting until somebody listens there. */
struct client *client_at(struct rig *r, const char *path);
struct client *client_new(struct rig *r);
void client_close(struct client *c);

/* Send no more. */
void client_end(struct client *c);

void say_bytes(struct rig *r, struct client *c, const char *bytes, size_t len);
void say(struct rig *r, struct client *c, const char *text);

/* Read one line, without its LF; NULL at the end of input. Valid until the next call. */
const char *client_line(struct rig *r, struct client *c, const char *file, int line);

/* The next line is @text, or starts with it, or the connection ends. */
void client_expect(struct rig *r, struct client *c, const char *text, bool whole, const char *file,
		   int line);

#define expect(r, c, text)       client_expect(r, c, text, true, __FILE__, __LINE__)
#define expect_start(r, c, text) client_expect(r, c, text, false, __FILE__, __LINE__)
#define expect_end(r, c)         client_expect(r, c, NULL, true, __FILE__, __LINE__)
#define next_line(r, c)          client_line(r, c, __FILE__, __LINE__)

/* Send @request and a LF, expect @reply. */
void client_ask(struct rig *r, struct client *c, const char *request, const char *reply,
		const char *file, int line);

#define ask(r, c, request, reply) client_ask(r, c, request, reply, __FILE__, __LINE__)

/* The process number of the coprocess, by asking it. */
pid_t ask_pid(struct rig *r, struct client *c);

#endif
