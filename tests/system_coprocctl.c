/* SPDX-License-Identifier: MIT */
/*
 * coprocctl as a program ($COPROCCTL), first against a server that says what
 * the test wants to have said, then against the daemon ($COPROCD) with
 * $FAKE_COPROC behind it.
 */
#include "ctl_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- against the scripted server ---- */

static void test_each_line_argument_gets_its_reply(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 2, "one\ntwo\n", 100, false);
	assert_int_equal(ctl_run(f, "ask", "1", "--2", NULL), 0);
	assert_string_equal(f->out, "one\ntwo\n");
	assert_string_equal(f->err, "");
}

static void test_an_error_goes_to_stderr_and_tells_its_code(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 0, "one\ncoprocd: error: crashed: killed\nthree\ncoprocd: error: timeout: x\n",
		  1, false);
	assert_int_equal(ctl_run(f, "ask", "1", "2", "3", "4", NULL), 11);
	assert_string_equal(f->out, "one\nthree\n");
	assert_string_equal(f->err, "coprocctl: request 2: crashed: killed\n"
				    "coprocctl: request 4: timeout: x\n");
}

static void test_an_unknown_code_is_an_error_too(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 0, "coprocd: error: strange: x\n", 3, false);
	assert_int_equal(ctl_run(f, "ask", "1", NULL), 1);
	assert_string_equal(f->err, "coprocctl: request 1: strange: x\n");
}

static void test_an_error_without_a_code_is_an_error_too(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 0, "-\n", 1, false);
	assert_int_equal(ctl_run(f, "--status", "ask", "1", NULL), 1);
	assert_string_equal(f->err, "coprocctl: request 1: :\n");
}

static void test_a_reply_like_the_start_of_an_error_is_a_reply(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 0, "coprocd: err\n\ncoprocd: error:x\n", 1, false);
	assert_int_equal(ctl_run(f, "ask", "1", "2", "3", NULL), 0);
	assert_string_equal(f->out, "coprocd: err\n\ncoprocd: error:x\n");
}

static void test_status_replies_of_any_number_of_lines_are_exact(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 0, "*0\n+-x\n*2\n+a\n*0\n-denied not you\n+\n", 1, false);
	assert_int_equal(ctl_run(f, "--status", "ask", "1", "2", "3", "4", "5", NULL), 18);
	assert_string_equal(f->out, "-x\n+a\n*0\n\n");
	assert_string_equal(f->err, "coprocctl: request 4: denied: not you\n");
}

static void test_a_plain_listener_is_noticed_where_status_is_expected(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 1, "hello\n", 100, true);
	assert_int_equal(ctl_run(f, "--status", "ask", "1", NULL), 76);
	assert_non_null(strstr(f->err, "replies=status"));
}

static void test_a_bad_count_is_refused(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 1, "*1x\n", 100, true);
	assert_int_equal(ctl_run(f, "--status", "ask", "1", NULL), 76);
}

static void test_silence_ends_in_a_time_out(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 1, "", 1, true);
	assert_int_equal(ctl_run(f, "-t", "50ms", "ask", "1", NULL), 2);
	assert_non_null(strstr(f->err, "1 of 1 requests unanswered"));
}

static void test_a_lost_connection_is_told(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve(f, 1, "one\ntw", 100, false);
	assert_int_equal(ctl_run(f, "ask", "1", "2", "3", NULL), 4);
	assert_non_null(strstr(f->err, "connection lost with 2 of 3 requests unanswered"));
}

static void test_no_socket_is_told_with_its_path(void **state)
{
	struct ctl_fixture *f = *state;
	char want[256];

	snprintf(want, sizeof(want), "coprocctl: %s: No such file or directory\n", f->path);
	assert_int_equal(ctl_run(f, "ask", "1", NULL), 3);
	assert_string_equal(f->err, want);
}

static void test_wrong_usage_is_refused(void **state)
{
	struct ctl_fixture *f = *state;

	assert_int_equal(ctl_run(f, NULL), 64);
	assert_int_equal(ctl_run(f, "tell", NULL), 64);
	assert_non_null(strstr(f->err, "\"tell\""));
	assert_int_equal(ctl_run(f, "-t", "5", "ask", "1", NULL), 64);
	assert_non_null(strstr(f->err, "250ms"));
	assert_int_equal(ctl_run(f, "--nonsense", "ask", "1", NULL), 64);
	assert_int_equal(ctl_run(f, "ask", "1", "a\nb", NULL), 64);
	assert_non_null(strstr(f->err, "LINE 2"));
}

static void test_help_and_version_are_printed(void **state)
{
	struct ctl_fixture *f = *state;

	assert_int_equal(ctl_run(f, "--help", NULL), 0);
	assert_non_null(strstr(f->out, "usage: coprocctl"));
	assert_int_equal(ctl_run(f, "--version", NULL), 0);
	assert_non_null(strstr(f->out, "coprocctl 0."));
}

static void test_much_input_is_pipelined_without_a_dead_lock(void **state)
{
	struct ctl_fixture *f = *state;
	size_t len = 16 << 20;
	char *text = malloc(len);
	char path[128];
	struct stat info;

	for (size_t i = 0; i < len; i++)
		text[i] = i % 16 == 15 ? '\n' : 'x';
	ctl_write_file(f, "in", text, len);
	free(text);
	ctl_serve_echo(f);
	assert_int_equal(ctl_run(f, "ask", NULL), 0);
	snprintf(path, sizeof(path), "%s/out", f->dir);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_size, len);
}

static void test_stdin_passes_nul_and_a_last_line_without_newline(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_write_file(f, "in", "a\0b\n\nlast", 9);
	ctl_serve_echo(f);
	assert_int_equal(ctl_run(f, "ask", NULL), 0);
	assert_memory_equal(f->out, "a\0b\n\nlast\n", 11);
}

static void test_empty_stdin_asks_nothing(void **state)
{
	struct ctl_fixture *f = *state;

	ctl_serve_echo(f);
	assert_int_equal(ctl_run(f, "ask", NULL), 0);
	assert_string_equal(f->out, "");
}

/* ---- against the daemon ---- */

static void test_the_daemon_answers_in_order(void **state)
{
	struct ctl_fixture *f = *state;

	assert_int_equal(ctl_run(f, "ask", "a", "!sleep 20 b", "", "c", NULL), 0);
	assert_string_equal(f->out, "a\nb\n\nc\n");
	assert_int_equal(ctl_run(f, "-s", f->status, "--status", "ask", "+a", "", NULL), 0);
	assert_string_equal(f->out, "+a\n\n");
}

static void test_the_daemons_errors_are_told_apart(void **state)
{
	struct ctl_fixture *f = *state;
	char *const forms[][3] = {{(char[]){"-s"}, f->path, (char[]){"-t5s"}},
				  {(char[]){"-s"}, f->status, (char[]){"--status"}}};
	char longest[1002];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ctl_write_file(f, "in", "a\0b\n", 4);
	for (int i = 0; i < 2; i++) {
		char *const *form = forms[i];

		assert_int_equal(ctl_run(f, form[0], form[1], form[2], "ask", longest, NULL), 14);
		assert_int_equal(ctl_run(f, form[0], form[1], form[2], "ask", NULL), 17);
		assert_int_equal(ctl_run(f, form[0], form[1], form[2], "ask", "!sleep 500 x", NULL),
				 10);
	}
}

static void test_a_crash_and_the_lack_of_a_program_are_told_apart(void **state)
{
	struct ctl_fixture *f = *state;

	assert_int_equal(ctl_run(f, "ask", "!die 3", NULL), 11);
	assert_int_equal(ctl_run(f, "ask", "after", NULL), 13);
	assert_string_equal(f->out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define SCRIPTED(test) cmocka_unit_test_setup_teardown(test, ctl_setup, ctl_teardown)
#define REAL(test)     cmocka_unit_test_setup_teardown(test, ctl_setup_daemon, ctl_teardown)
	    SCRIPTED(test_each_line_argument_gets_its_reply),
	    SCRIPTED(test_an_error_goes_to_stderr_and_tells_its_code),
	    SCRIPTED(test_an_unknown_code_is_an_error_too),
	    SCRIPTED(test_an_error_without_a_code_is_an_error_too),
	    SCRIPTED(test_a_reply_like_the_start_of_an_error_is_a_reply),
	    SCRIPTED(test_status_replies_of_any_number_of_lines_are_exact),
	    SCRIPTED(test_a_plain_listener_is_noticed_where_status_is_expected),
	    SCRIPTED(test_a_bad_count_is_refused),
	    SCRIPTED(test_silence_ends_in_a_time_out),
	    SCRIPTED(test_a_lost_connection_is_told),
	    SCRIPTED(test_no_socket_is_told_with_its_path),
	    SCRIPTED(test_wrong_usage_is_refused),
	    SCRIPTED(test_help_and_version_are_printed),
	    SCRIPTED(test_much_input_is_pipelined_without_a_dead_lock),
	    SCRIPTED(test_stdin_passes_nul_and_a_last_line_without_newline),
	    SCRIPTED(test_empty_stdin_asks_nothing),
	    REAL(test_the_daemon_answers_in_order),
	    REAL(test_the_daemons_errors_are_told_apart),
	    REAL(test_a_crash_and_the_lack_of_a_program_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
