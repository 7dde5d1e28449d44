/* SPDX-License-Identifier: MIT */
/*
 * What the daemon gives to the process that it runs: environment, directory,
 * user, streams, session, signals. Run as root, as some options need it.
 */
#include "harness.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A program that answers each line with the output of a shell command. */
#define ANSWER_WITH(command) "sh -c 'while read x; do " command "; done'"

/* fake_coproc without files of its own. */
static void start_bare(struct rig *r, const char *options)
{
	char command[4096];

	snprintf(command, sizeof(command), "'%s'", getenv("FAKE_COPROC"));
	rig_start_command(r, options, command);
}

/* ---- environment and directory ---- */

static void test_the_environment_is_passed_on_with_env_added_and_replaced(void **state)
{
	struct rig *r = *state;
	struct client *c;

	setenv("COPROCD_TEST_KEPT", "kept", 1);
	setenv("COPROCD_TEST_CHANGED", "old", 1);
	start_bare(r, "--env COPROCD_TEST_CHANGED=new --env 'COPROCD_TEST_ADDED=two words'");
	unsetenv("COPROCD_TEST_KEPT");
	unsetenv("COPROCD_TEST_CHANGED");
	c = client_new(r);
	ask(r, c, "!env COPROCD_TEST_KEPT", "kept");
	ask(r, c, "!env COPROCD_TEST_CHANGED", "new");
	ask(r, c, "!env COPROCD_TEST_ADDED", "two words");
	ask(r, c, "!env COPROCD_TEST_NONE", "(unset)");
}

static void test_clear_env_leaves_only_what_env_says(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start_command(
	    r, "--clear-env --env ONE=1",
	    ANSWER_WITH("/usr/bin/env | grep -v -e ^PWD= -e ^_= -e ^OLDPWD= -e ^SHLVL="));
	c = client_new(r);
	ask(r, c, "?", "ONE=1");
	ask(r, c, "?", "ONE=1");
}

static void test_directory_is_where_the_process_runs(void **state)
{
	struct rig *r = *state;
	char expected[300];

	assert_int_equal(mkdir("work", 0755), 0);
	start_bare(r, "--directory work");
	snprintf(expected, sizeof(expected), "%s/work", r->dir);
	ask(r, client_new(r), "!cwd", expected);
}

static void test_a_missing_directory_is_named_in_the_log(void **state)
{
	struct rig *r = *state;

	rig_launch(r, "--listen s --directory missing -- cat");
	rig_wait_log(r, "cannot start \"cat\": chdir: No such file or directory");
}

static void test_a_missing_program_is_named_in_the_log(void **state)
{
	struct rig *r = *state;

	rig_launch(r, "--listen s -- ./missing");
	rig_wait_log(r, "cannot start \"./missing\": exec: No such file or directory");
}

/* ---- users ---- */

static void test_coprocess_user_is_who_the_process_runs_as(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start_command(r, "--coprocess-user nobody", ANSWER_WITH("id -un; id -Gn >&2"));
	c = client_new(r);
	ask(r, c, "?", "nobody");
	rig_wait_log(r, "stderr: nogroup");
	assert_int_equal(proc_status(r->pid, "Uid"), 0);
}

static void test_user_is_who_daemon_and_process_become(void **state)
{
	struct rig *r = *state;
	const struct passwd *nobody = getpwnam("nobody");

	rig_start_command(r, "--user nobody", ANSWER_WITH("id -u"));
	assert_int_equal(proc_status(r->pid, "Uid"), nobody->pw_uid);
	assert_int_equal(proc_status(r->pid, "Gid"), nobody->pw_gid);
	assert_int_equal(proc_status(r->pid, "Groups"), nobody->pw_gid);
	ask(r, client_new(r), "?", "65534");
	rig_stop(r);
	assert_int_not_equal(access("s", F_OK), 0);
}

static void test_user_and_coprocess_user_may_differ_after_a_restart_too(void **state)
{
	struct rig *r = *state;
	const struct passwd *nobody = getpwnam("nobody");
	struct client *c;

	rig_start_command(r, "--user nobody --coprocess-user daemon",
			  "sh -c 'while read x; do [ $x != die ] || exit 3; id -un; done'");
	assert_int_equal(proc_status(r->pid, "Uid"), nobody->pw_uid);
	c = client_new(r);
	ask(r, c, "?", "daemon");
	say(r, c, "die\n");
	expect_start(r, c, "coprocd: error: crashed: exited with status 3");
	ask(r, c, "?", "daemon");
	rig_stop(r);
}

static void test_group_alone_changes_the_group_and_drops_the_others(void **state)
{
	struct rig *r = *state;
	const struct group *nogroup = getgrnam("nogroup");

	rig_start_command(r, "--group nogroup", ANSWER_WITH("id -Gn"));
	assert_int_equal(proc_status(r->pid, "Uid"), 0);
	assert_int_equal(proc_status(r->pid, "Gid"), nogroup->gr_gid);
	ask(r, client_new(r), "?", "nogroup");
}

static void test_an_unknown_user_is_refused(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_run(r, "--listen s --user no-such-user -- cat"), 64);
	assert_int_equal(rig_count("out", "no-such-user"), 1);
	assert_int_equal(rig_run(r, "--listen s --coprocess-user no-such-user -- cat"), 64);
}

/* ---- descriptors, session, signals ---- */

static void test_the_process_inherits_no_descriptors(void **state)
{
	struct rig *r = *state;
	int inherited = open("/dev/null", O_RDONLY);
	struct client *c;

	assert_true(inherited > 2);
	start_bare(r, "--listen second");
	close(inherited);
	c = client_new(r);
	ask(r, c, "!fds", "0");
	/* Nor those of clients, after a restart. */
	say(r, c, "!die 1\n");
	expect_start(r, c, "coprocd: error: crashed:");
	ask(r, c, "!fds", "0");
}

static void test_the_process_has_a_session_of_its_own_without_terminal(void **state)
{
	struct rig *r = *state;
	struct client *c;
	const char *id;
	char expected[64];
	pid_t pid;

	start_bare(r, "");
	c = client_new(r);
	pid = ask_pid(r, c);
	say(r, c, "!id\n");
	id = next_line(r, c);
	snprintf(expected, sizeof(expected), "pgid=%d pid=%d ctty=no stdout-tty=no", (int)pid,
		 (int)pid);
	assert_non_null(strstr(id, expected));
}

static void test_the_process_has_no_signals_blocked_or_ignored(void **state)
{
	struct rig *r = *state;

	start_bare(r, "");
	ask(r, client_new(r), "!signals", "blocked=0000000000000000 ignored=0000000000000000");
}

/* ---- programs that buffer ---- */

static void test_a_program_that_buffers_blocks_does_not_answer_by_itself(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start_command(r, "--request-timeout 300ms", "tr a-z A-Z");
	c = client_new(r);
	say(r, c, "hello\n");
	expect_start(r, c, "coprocd: error: timeout:");
}

static void test_line_buffered_cures_sed(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start_command(r, "--line-buffered", "sed s/l/L/g");
	c = client_new(r);
	ask(r, c, "hello", "heLLo");
	ask(r, c, "all", "aLL");
}

static void test_line_buffered_cures_tr(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start_command(r, "--line-buffered", "tr a-z A-Z");
	c = client_new(r);
	ask(r, c, "hello", "HELLO");
	ask(r, c, "again", "AGAIN");
}

static void test_stdbuf_in_the_command_cures_too(void **state)
{
	struct rig *r = *state;

	rig_start_command(r, "", "stdbuf -oL tr a-z A-Z");
	ask(r, client_new(r), "hello", "HELLO");
}

static void test_pty_cures_sed(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start_command(r, "--pty", "sed s/l/L/g");
	c = client_new(r);
	ask(r, c, "hello", "heLLo");
	ask(r, c, "all", "aLL");
	rig_stop(r);
}

static void test_pty_is_raw_and_only_stdout(void **state)
{
	struct rig *r = *state;
	struct client *c;

	start_bare(r, "--pty");
	c = client_new(r);
	ask(r, c, "tab\there \x04 \x03 end", "tab\there \x04 \x03 end");
	say(r, c, "!id\n");
	assert_non_null(strstr(next_line(r, c), "stdout-tty=yes"));
	say(r, c, "!big 100000\n");
	assert_int_equal(strlen(next_line(r, c)), 100000);
	say(r, c, "!die 3\n");
	expect_start(r, c, "coprocd: error: crashed: exited with status 3");
	ask(r, c, "again", "again");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_the_environment_is_passed_on_with_env_added_and_replaced),
	    RIG_TEST(test_clear_env_leaves_only_what_env_says),
	    RIG_TEST(test_directory_is_where_the_process_runs),
	    RIG_TEST(test_a_missing_directory_is_named_in_the_log),
	    RIG_TEST(test_a_missing_program_is_named_in_the_log),
	    RIG_TEST(test_coprocess_user_is_who_the_process_runs_as),
	    RIG_TEST(test_user_is_who_daemon_and_process_become),
	    RIG_TEST(test_user_and_coprocess_user_may_differ_after_a_restart_too),
	    RIG_TEST(test_group_alone_changes_the_group_and_drops_the_others),
	    RIG_TEST(test_an_unknown_user_is_refused),
	    RIG_TEST(test_the_process_inherits_no_descriptors),
	    RIG_TEST(test_the_process_has_a_session_of_its_own_without_terminal),
	    RIG_TEST(test_the_process_has_no_signals_blocked_or_ignored),
	    RIG_TEST(test_a_program_that_buffers_blocks_does_not_answer_by_itself),
	    RIG_TEST(test_line_buffered_cures_sed),
	    RIG_TEST(test_line_buffered_cures_tr),
	    RIG_TEST(test_stdbuf_in_the_command_cures_too),
	    RIG_TEST(test_pty_cures_sed),
	    RIG_TEST(test_pty_is_raw_and_only_stdout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
