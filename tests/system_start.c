/* SPDX-License-Identifier: MIT */
/* How the daemon starts or says why not: exit codes, --daemonize, pid file, sockets. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* `coprocd @arguments` ends with @code and says @text. */
static void check_run(struct rig *r, const char *arguments, int code, const char *text)
{
	char *out;
	int got = rig_run(r, arguments);

	out = rig_read("out");
	if (got != code || !strstr(out, text))
		fail_msg("exit code %d, not %d, or no \"%s\" in: %s", got, code, text, out);
	free(out);
}

/* The same for `coprocd @options -- fake_coproc @fake_args`. */
static void check_run_fake(struct rig *r, const char *options, const char *fake_args, int code,
			   const char *text)
{
	char line[8192];

	snprintf(line, sizeof(line), "%s -- %s", options, rig_fake(fake_args));
	check_run(r, line, code, text);
}

/* ---- exit codes ---- */

static void test_a_wrong_command_line_exits_with_64(void **state)
{
	struct rig *r = *state;

	check_run(r, "--listen s", 64, "command: is required");
	check_run(r, "--no-such-option x -- cat", 64, "no-such-option");
	check_run(r, "--listen s --request-timeout 5 -- cat", 64, "request-timeout: \"5\"");
	check_run(r, "--listen s --window 0 -- cat", 64, "1 to 4096");
}

static void test_a_wrong_config_file_exits_with_78_and_names_the_line(void **state)
{
	struct rig *r = *state;

	rig_write("conf", "listen = s\nwindow = many\ncommand = cat\n");
	check_run(r, "--config conf", 78, "conf:2: window: \"many\"");
	rig_write("conf", "listen = s\ncommand = cat\nwindwo = 1\n");
	check_run(r, "--config conf", 78, "conf:3:");
	check_run(r, "--config missing", 78, "missing");
	rig_write("conf", "listen = s\ncommand = cat\n");
	check_run(r, "--config conf --check-config", 0, "the options are valid");
}

static void test_help_and_version_exit_with_0(void **state)
{
	struct rig *r = *state;

	check_run(r, "--help", 0, "Usage: coprocd");
	check_run(r, "--version", 0, "coprocd ");
}

static void test_a_socket_that_cannot_be_made_exits_with_73(void **state)
{
	struct rig *r = *state;

	check_run_fake(r, "--listen missing/s", "", 73, "missing/s");
	rig_write("file", "precious");
	check_run_fake(r, "--listen file", "", 73, "file: is there and is not a socket");
	assert_int_equal(rig_count("file", "precious"), 1);
	assert_int_equal(rig_starts(), 0);
}

static void test_a_system_error_exits_with_71(void **state)
{
	check_run_fake(*state, "--listen s --pid-file missing/pid", "", 71,
		       "missing/pid: cannot open the pid file");
	assert_int_not_equal(access("s", F_OK), 0);
}

static void test_a_process_that_cannot_start_exits_with_69_if_asked_to(void **state)
{
	struct rig *r = *state;

	check_run(r,
		  "--listen s --exit-on-failure --restart-limit 2 --restart-delay 1ms -- ./missing",
		  69, "./missing");
	check_run_fake(r, "--listen s --exit-on-failure --restart-limit 2 --restart-delay 1ms",
		       "--exit-at-start 5", 69, "exited with status 5");
	assert_int_equal(rig_starts(), 2);
}

/* ---- --daemonize and the pid file ---- */

static pid_t read_pid(const char *file)
{
	char *text = rig_read(file);
	pid_t pid = atoi(text);

	free(text);
	return pid;
}

static void test_daemonize_returns_0_when_the_process_is_ready(void **state)
{
	struct rig *r = *state;
	pid_t pid;

	check_run_fake(r, "--listen s --daemonize --pid-file pid", "", 0, "");
	rig_wait_starts(r, 1);
	pid = read_pid("pid");
	assert_true(pid > 0 && kill(pid, 0) == 0);
	ask(r, client_new(r), "in the background", "in the background");
	assert_int_equal(kill(pid, SIGTERM), 0);
	rig_wait_gone(r, pid);
	assert_int_not_equal(access("pid", F_OK), 0);
	assert_int_not_equal(access("s", F_OK), 0);
}

static void test_daemonize_of_a_missing_program_returns_69_and_the_reason(void **state)
{
	struct rig *r = *state;

	check_run(r, "--listen s --daemonize --pid-file pid -- ./missing", 69,
		  "cannot start \"./missing\": exec: No such file or directory");
	rig_wait_children(r, 0);
	assert_int_not_equal(access("pid", F_OK), 0);
	assert_int_not_equal(access("s", F_OK), 0);
}

static void test_daemonize_reports_other_errors_with_their_codes(void **state)
{
	struct rig *r = *state;

	check_run_fake(r, "--listen missing/s --daemonize", "", 73, "missing/s");
	check_run_fake(r, "--listen s --daemonize --pid-file missing/pid", "", 71, "missing/pid");
	rig_wait_children(r, 0);
}

static void test_the_pid_file_of_a_running_daemon_is_respected(void **state)
{
	struct rig *r = *state;
	pid_t pid;

	rig_start(r, "--pid-file pid", "");
	pid = read_pid("pid");
	assert_int_equal(pid, r->pid);
	check_run_fake(r, "--listen other --pid-file pid", "", 71,
		       "pid: the daemon that it names is running");
	assert_int_equal(read_pid("pid"), pid);
	ask(r, client_new(r), "undisturbed", "undisturbed");
	rig_stop(r);
	assert_int_not_equal(access("pid", F_OK), 0);
}

static void test_a_stale_pid_file_is_replaced(void **state)
{
	struct rig *r = *state;

	/* A process of this number is there, but it is no daemon that holds the lock. */
	rig_write("pid", "1\n");
	rig_start(r, "--pid-file pid", "");
	assert_int_equal(read_pid("pid"), r->pid);
}

/* ---- sockets ---- */

static void test_the_socket_of_a_live_daemon_is_not_stolen(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "");
	check_run_fake(r, "--listen s", "", 73, "s: a live daemon listens there");
	ask(r, client_new(r), "still here", "still here");
	rig_wait_starts(r, 1);
}

static void test_the_socket_of_a_full_daemon_is_not_stolen(void **state)
{
	struct rig *r = *state;

	rig_start(r, "--max-clients 1", "");
	ask(r, client_new(r), "one", "one");
	rig_wait_log(r, "accepting no more");
	check_run_fake(r, "--listen s", "", 73, "a live daemon listens there");
}

static void test_a_stale_socket_is_replaced(void **state)
{
	struct rig *r = *state;

	rig_start(r, "", "");
	rig_signal(r, SIGKILL);
	assert_int_equal(rig_exit_code(r), 128 + SIGKILL);
	assert_int_equal(access("s", F_OK), 0);
	rig_start(r, "", "");
	ask(r, client_new(r), "anew", "anew");
}

static void test_only_its_own_socket_is_removed_on_exit(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "s"};
	struct rig *r = *state;
	struct client *other;
	struct stat st;

	rig_start(r, "", "");
	other = client_new(r);
	assert_int_equal(unlink("s"), 0);
	close(other->fd);
	other->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(other->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	rig_stop(r);
	assert_int_equal(lstat("s", &st), 0);
}

static void test_of_two_starts_at_one_time_one_wins(void **state)
{
	struct rig *r = *state;
	char command[8192];

	snprintf(
	    command, sizeof(command),
	    "for i in 1 2 3 4 5 6; do ( %s %s --listen s --daemonize -- %s; echo $? >> codes ) "
	    "& done; wait",
	    getenv("COPROCD_WRAPPER") ? getenv("COPROCD_WRAPPER") : "", getenv("COPROCD"),
	    rig_fake(""));
	/* The quotes around the path would end those of the shell command. */
	for (char *p = command; *p; p++)
		if (*p == '\'')
			*p = ' ';
	assert_int_equal(rig_shell(r, command), 0);
	assert_int_equal(rig_count("codes", "0\n"), 1);
	assert_int_equal(rig_count("codes", "73\n"), 5);
	rig_wait_starts(r, 1);
	ask(r, client_new(r), "one daemon", "one daemon");
}

/* Whether a library of this name is in the daemon's memory. */
static bool has_mapped(struct rig *r, const char *name)
{
	char path[40], *maps;
	bool found;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)r->pid);
	maps = rig_read(path);
	found = strstr(maps, name) != NULL;
	free(maps);
	return found;
}

static void test_the_daemon_is_small_and_loads_no_library_that_it_does_not_need(void **state)
{
	struct rig *r = *state;
	struct client *c;

	unsetenv("NOTIFY_SOCKET");
	rig_start(r, "", "");
	c = client_new(r);
	ask(r, c, "one", "one");
	if (!rig_memory_counts(r))
		return;
	assert_false(has_mapped(r, "libsystemd"));
	assert_false(has_mapped(r, "libgcrypt"));
	assert_in_range(proc_status(r->pid, "VmRSS"), 1, 3072);
}

#if HAVE_LIBSYSTEMD
static void test_a_supervisor_without_its_library_is_an_error_in_the_log(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_write("libsystemd.so.0", "");
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("LD_LIBRARY_PATH", r->dir, 1);
	rig_start(r, "", "");
	unsetenv("LD_LIBRARY_PATH");
	unsetenv("NOTIFY_SOCKET");
	rig_wait_log(r, "NOTIFY_SOCKET is set, but libsystemd cannot be used: ");
	c = client_new(r);
	ask(r, c, "one", "one");
	assert_int_equal(rig_count("log", "libsystemd cannot be used"), 1);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_a_wrong_command_line_exits_with_64),
		RIG_TEST(test_a_wrong_config_file_exits_with_78_and_names_the_line),
		RIG_TEST(test_help_and_version_exit_with_0),
		RIG_TEST(test_a_socket_that_cannot_be_made_exits_with_73),
		RIG_TEST(test_a_system_error_exits_with_71),
		RIG_TEST(test_a_process_that_cannot_start_exits_with_69_if_asked_to),
		RIG_TEST(test_daemonize_returns_0_when_the_process_is_ready),
		RIG_TEST(test_daemonize_of_a_missing_program_returns_69_and_the_reason),
		RIG_TEST(test_daemonize_reports_other_errors_with_their_codes),
		RIG_TEST(test_the_pid_file_of_a_running_daemon_is_respected),
		RIG_TEST(test_a_stale_pid_file_is_replaced),
		RIG_TEST(test_the_socket_of_a_live_daemon_is_not_stolen),
		RIG_TEST(test_the_socket_of_a_full_daemon_is_not_stolen),
		RIG_TEST(test_a_stale_socket_is_replaced),
		RIG_TEST(test_only_its_own_socket_is_removed_on_exit),
		RIG_TEST(test_of_two_starts_at_one_time_one_wins),
		RIG_TEST(test_the_daemon_is_small_and_loads_no_library_that_it_does_not_need),
#if HAVE_LIBSYSTEMD
		RIG_TEST(test_a_supervisor_without_its_library_is_an_error_in_the_log),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
