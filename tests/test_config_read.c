/* SPDX-License-Identifier: MIT */
/* What the file and the command line look like when they are wrong, or nearly. */
#include "config.h"

#include "macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The ending of one reading; freed by the fixture. */
struct rig {
	struct config *config;
	char *message;
	int exit_code;
};

static int set_up(void **state)
{
	unsetenv("RUNTIME_DIRECTORY");
	*state = calloc(1, sizeof(struct rig));
	return *state ? 0 : -1;
}

static void forget(struct rig *r)
{
	config_free(r->config);
	free(r->message);
	*r = (struct rig){0};
}

static int tear_down(void **state)
{
	forget(*state);
	free(*state);
	return 0;
}

/* Read @text as a file, in the place of what the file named by --config holds. */
static void read_both(struct rig *r, char *const *argv, const char *text)
{
	struct config_result got;
	int argc = 0;

	while (argv[argc])
		argc++;
	forget(r);
	got = config_from_args_and_text(argc, argv, text, &r->config);
	r->message = got.message;
	r->exit_code = got.action == CONFIG_ERROR ? got.exit_code : 0;
}

static void read_text(struct rig *r, const char *text)
{
	static char name[] = "coprocd", option[] = "--config", file[] = "f";

	read_both(r, (char *[]){name, option, file, NULL}, text);
}

static void check_text(struct rig *r, const char *text, const char *message)
{
	read_text(r, text);
	if (!message && r->exit_code)
		fail_msg("refused: %s", r->message);
	if (message)
		assert_string_equal(r->message ? r->message : "accepted", message);
}

/* Arguments are cut at blanks. */
static void check_line(struct rig *r, const char *line, const char *file, const char *message)
{
	char copy[200], *argv[20] = {copy}, *save = NULL;
	int argc = 0;

	strcpy(copy, line);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	read_both(r, argv, file);
	assert_string_equal(r->message ? r->message : "accepted", message);
}

#define GOOD "command = cat\nlisten = s\n"

static void test_a_line_without_equals_sign_is_refused(void **state)
{
	check_text(*state, "command: cat\n", "coprocd: f:1: this is not NAME = VALUE\n");
	check_text(*state, GOOD "window 5\n", "coprocd: f:3: this is not NAME = VALUE\n");
	check_text(*state, GOOD " = 5\n", "coprocd: f:3: this is not NAME = VALUE\n");
}

static void test_a_key_ends_at_the_equals_sign_and_nowhere_else(void **state)
{
	check_text(*state, GOOD "window:3 = 5\n", "coprocd: f:3: this is not NAME = VALUE\n");
	check_text(*state, GOOD "window ;x = 5\n", "coprocd: f:3: this is not NAME = VALUE\n");
	check_text(*state, GOOD "win dow = 5\n",
		   "coprocd: f:3: win dow: there is no such option; did you mean \"window\"?\n");
}

static void test_a_section_is_refused_wherever_it_stands(void **state)
{
	static const char wanted[] = "coprocd: f:3: [x]: there are no sections in this file\n";

	check_text(*state, GOOD "[x]\n", wanted);
	check_text(*state, GOOD "[x]", wanted);
	check_text(*state, GOOD " [x]\nwindow = 2\n", wanted);
	check_text(*state, GOOD "[x", "coprocd: f:3: [x: there are no sections in this file\n");
}

static void test_an_indented_line_is_a_line_of_its_own(void **state)
{
	struct rig *r = *state;

	check_text(r, GOOD "pid-file = a\n  window = 2\n", NULL);
	assert_string_equal(r->config->pid_file, "a");
	assert_int_equal(r->config->engine.window, 2);
	check_text(r, GOOD "pid-file = a\n  b\n", "coprocd: f:4: this is not NAME = VALUE\n");
}

static void test_a_byte_order_mark_may_stand_in_front_only(void **state)
{
	check_text(*state, "\xef\xbb\xbf" GOOD, NULL);
	check_text(*state, "\xef\xbb\xbf# = x\n" GOOD, NULL);
	check_text(*state, GOOD "\xef\xbb\xbfwindow = 2\n",
		   "coprocd: f:3: \xef\xbb\xbfwindow: there is no such option\n");
}

static void test_values_hold_what_looks_like_syntax(void **state)
{
	struct rig *r = *state;

	check_text(r, "command = sh -c 'a=b ; c' [d] #e :f\nlisten = s\nenv = A==\n", NULL);
	assert_string_equal(r->config->engine.argv[2], "a=b ; c");
	assert_string_equal(r->config->engine.argv[3], "[d]");
	assert_string_equal(r->config->engine.argv[4], "#e");
	assert_string_equal(r->config->engine.argv[5], ":f");
	assert_string_equal(r->config->engine.env[0], "A==");
}

static void test_an_error_is_one_line_that_a_terminal_can_show(void **state)
{
	check_text(*state, "window = \x1b[31m5\x7f\n",
		   "coprocd: f:1: window: \"\\x1b[31m5\\x7f\" is no number; allowed are auto or "
		   "1 to 4096\n");
	check_text(*state, "a\x01 = 5\n", "coprocd: f:1: a\\x01: there is no such option\n");
}

static void test_an_error_says_what_is_allowed_however_long_the_value_is(void **state)
{
	struct rig *r = *state;
	char text[3000];

	snprintf(text, sizeof(text), "window = %02500d\n", 0);
	read_text(r, text);
	assert_int_equal(r->exit_code, EXIT_CODE_CONFIG);
	assert_non_null(
	    strstr(r->message, "000...\" is out of range; allowed are auto or 1 to 4096\n"));
}

static void test_the_file_is_checked_also_where_the_command_line_wins(void **state)
{
	static const char line[] = "coprocd --config f --window 3";

	check_line(*state, line, GOOD "window = many\n",
		   "coprocd: f:3: window: \"many\" is no number; allowed are auto or 1 to 4096\n");
	check_line(*state, line, GOOD "window = 1\nwindow = 2\n",
		   "coprocd: f:4: window: stands on line 3 already\n");
	check_line(*state, line, GOOD "window = 1\n", "accepted");
	assert_int_equal(((struct rig *)*state)->config->engine.window, 3);
}

static void test_an_error_is_whole_however_long_the_name_of_the_file_is(void **state)
{
	char file[3001], wanted[3200],
	    *argv[] = {(char[]){"coprocd"}, (char[]){"--config"}, file, NULL};

	memset(file, 'd', sizeof(file) - 1);
	file[sizeof(file) - 1] = '\0';
	read_both(*state, argv, "window = 0\n");
	snprintf(wanted, sizeof(wanted),
		 "coprocd: %s:1: window: \"0\" is out of range; allowed are auto or 1 to 4096\n",
		 file);
	assert_string_equal(((struct rig *)*state)->message, wanted);
}

static void test_a_name_of_a_file_is_shown_as_one_line_too(void **state)
{
	char *argv[] = {(char[]){"coprocd"}, (char[]){"--config"}, (char[]){"a\nb\x1b"}, NULL};

	read_both(*state, argv, "window\n");
	assert_string_equal(((struct rig *)*state)->message,
			    "coprocd: a\\x0ab\\x1b:1: this is not NAME = VALUE\n");
	check_line(*state, "coprocd -\x1b cat", NULL,
		   "coprocd: -\\x1b: options have two dashes; see coprocd --help\n");
}

static void test_a_program_without_a_name_is_refused(void **state)
{
	static char name[] = "coprocd", listen[] = "--listen=s", program[] = "";

	check_text(*state, "listen = s\ncommand = '' -x\n",
		   "coprocd: f:2: command: \"'' -x\" names no program; allowed are a program and "
		   "its arguments, quoted as in a shell\n");
	read_both(*state, (char *[]){name, listen, program, NULL}, NULL);
	assert_string_equal(((struct rig *)*state)->message,
			    "coprocd: command: is required: which program to run\n");
	assert_int_equal(((struct rig *)*state)->exit_code, EXIT_CODE_USAGE);
}

static void test_short_options_are_refused_by_their_letter(void **state)
{
	static const char wanted[] = "coprocd: -x: options have two dashes; see coprocd --help\n";

	check_line(*state, "coprocd -x cat", NULL, wanted);
	check_line(*state, "coprocd -xyz cat", NULL, wanted);
	check_line(*state, "coprocd --pty -xyz cat", NULL, wanted);
}

static void test_an_ambiguous_abbreviation_sets_nothing(void **state)
{
	check_line(*state, "coprocd --listen s --restart 5s cat", NULL,
		   "coprocd: --restart: may stand for several options; see coprocd --help\n");
	check_line(*state, "coprocd --listen s --max=5 cat", NULL,
		   "coprocd: --max=5: may stand for several options; see coprocd --help\n");
}

static void test_the_command_is_given_once_on_the_command_line(void **state)
{
	struct rig *r = *state;

	check_line(r, "coprocd --listen s --command a -- b", NULL,
		   "coprocd: command: is given twice, by --command and behind the options\n");
	assert_int_equal(r->exit_code, EXIT_CODE_USAGE);
	check_line(r, "coprocd --config f -- b -c --pty", "command = a\nlisten = s\n", "accepted");
	assert_string_equal(r->config->engine.argv[0], "b");
	assert_string_equal(r->config->engine.argv[2], "--pty");
	assert_false(r->config->engine.pty);
}

static void test_a_pattern_that_matches_everything_by_accident_is_refused(void **state)
{
	check_text(*state, GOOD "forbid =\n",
		   "coprocd: f:3: forbid: \"\" is empty and would match everything; allowed are a "
		   "regular expression (PCRE2)\n");
}

static void test_the_control_socket_is_no_other_socket(void **state)
{
	struct rig *r = *state;

	read_text(r, "command = cat\ncontrol = s\nlisten = s\n");
	assert_non_null(strstr(r->message, "f:3: listen: \"s\" is the control socket"));
	read_text(r, "command = cat\nlisten = s\ncontrol = s\n");
	assert_non_null(strstr(r->message, "f:3: control: \"s\" is given twice"));
	check_text(r, "command = cat\nlisten = t\ncontrol = s\n", NULL);
}

static void test_a_mode_is_octal_digits_and_nothing_else(void **state)
{
	static const char *const bad[] = {"", "-1", "+7", " 7", "8", "1000", "0x7", "7 7"};
	struct rig *r = *state;
	char text[100];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "command = cat\nlisten = s,mode=%s,replies=plain\n",
			 bad[i]);
		read_text(r, text);
		assert_int_equal(r->exit_code, EXIT_CODE_CONFIG);
		assert_non_null(strstr(r->message, "mode is not octal"));
	}
	check_text(r, "command = cat\nlisten = s,replies=plain,mode=0777\n", NULL);
	assert_int_equal(r->config->listens[0].mode, 0777);
}

/* Where uid and gid are set nobody keeps the group of root by accident. */
static void test_a_user_brings_a_group_or_needs_one(void **state)
{
	struct rig *r = *state;

	if (geteuid() != 0)
		return;
	check_text(r, GOOD "user = 1\n", NULL);
	assert_int_equal(r->config->uid, 1);
	assert_int_equal(r->config->gid, 1);
	check_text(r, GOOD "user = 3999999999\n",
		   "coprocd: f: user: has no group that this machine knows, so group is required "
		   "too\n");
	check_text(r, GOOD "user = 3999999999\ngroup = 2\n", NULL);
	assert_int_equal(r->config->uid, 3999999999);
	assert_int_equal(r->config->gid, 2);
	check_text(r, GOOD "group = 2\nuser = 1\n", NULL);
	assert_int_equal(r->config->gid, 2);
	check_line(r, "coprocd --config f --user 1 --user 2", GOOD, "accepted");
	assert_int_equal(r->config->uid, 2);
	assert_int_equal(r->config->gid, 2);
}

static void test_a_runtime_directory_that_is_too_long_is_named(void **state)
{
	struct rig *r = *state;
	char dir[120];

	memset(dir, 'd', sizeof(dir) - 1);
	dir[sizeof(dir) - 1] = '\0';
	setenv("RUNTIME_DIRECTORY", dir, 1);
	read_both(r, (char *[]){(char[]){"coprocd"}, (char[]){"cat"}, NULL}, NULL);
	unsetenv("RUNTIME_DIRECTORY");
	assert_int_equal(r->exit_code, EXIT_CODE_USAGE);
	assert_non_null(strstr(r->message, "coprocd: $RUNTIME_DIRECTORY: \"ddd"));
	assert_non_null(strstr(r->message, "107 bytes"));
}

/* What no single line shows: 78 where there is a file, 64 where there is none. */
static void test_conflicts_name_the_file_and_exit_with_78(void **state)
{
	struct rig *r = *state;

	check_text(r, "listen = s\n", "coprocd: f: command: is required: which program to run\n");
	assert_int_equal(r->exit_code, EXIT_CODE_CONFIG);
	check_text(r, "command = cat\n",
		   "coprocd: listen: is required (where clients connect) unless "
		   "$RUNTIME_DIRECTORY is set\n");
	assert_int_equal(r->exit_code, EXIT_CODE_CONFIG);
	check_text(r, GOOD "queue-bytes = 2K\nmax-request = 2049\n",
		   "coprocd: f: queue-bytes: is less than max-request\n");
	check_text(r, GOOD "queue-bytes = 2K\nmax-request = 2K\n", NULL);
	check_text(r, GOOD "restart-delay = 2s\nrestart-delay-max = 1s\n",
		   "coprocd: f: restart-delay: is over restart-delay-max\n");
	check_text(r, GOOD "restart-delay = 2s\nrestart-delay-max = 2s\n", NULL);
	check_text(r, GOOD "ready = banner\n", "coprocd: f: ready: \"banner\" needs a banner\n");
	check_text(r, GOOD "ready = banner\nbanner = lines:1\n", NULL);
}

/* The highest number stands for "leave it" in chown() and setuid(). */
static void test_the_number_that_is_nobody_is_refused(void **state)
{
	static const char *const details[] = {"owner", "group", "allow-user", "allow-group"};
	struct rig *r = *state;
	char text[100];

	for (size_t i = 0; i < ARRAY_SIZE(details); i++) {
		snprintf(text, sizeof(text), "command = cat\nlisten = s,%s=4294967295\n",
			 details[i]);
		read_text(r, text);
		assert_int_equal(r->exit_code, EXIT_CODE_CONFIG);
		assert_non_null(strstr(r->message, "here; allowed are"));
		snprintf(text, sizeof(text), "command = cat\nlisten = s,%s=4294967294\n",
			 details[i]);
		check_text(r, text, NULL);
	}
}

static void test_root_may_run_the_program_as_somebody_else(void **state)
{
	struct rig *r = *state;

	if (geteuid() != 0) {
		read_text(r, GOOD "coprocess-user = root\n");
		assert_non_null(strstr(r->message, "only root may run the program"));
		return;
	}
	check_text(r, GOOD "coprocess-user = daemon\n", NULL);
	assert_string_equal(r->config->engine.user, "daemon");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(test_a_line_without_equals_sign_is_refused),
	    TEST(test_a_key_ends_at_the_equals_sign_and_nowhere_else),
	    TEST(test_a_section_is_refused_wherever_it_stands),
	    TEST(test_an_indented_line_is_a_line_of_its_own),
	    TEST(test_a_byte_order_mark_may_stand_in_front_only),
	    TEST(test_values_hold_what_looks_like_syntax),
	    TEST(test_an_error_is_one_line_that_a_terminal_can_show),
	    TEST(test_an_error_says_what_is_allowed_however_long_the_value_is),
	    TEST(test_the_file_is_checked_also_where_the_command_line_wins),
	    TEST(test_an_error_is_whole_however_long_the_name_of_the_file_is),
	    TEST(test_a_name_of_a_file_is_shown_as_one_line_too),
	    TEST(test_a_program_without_a_name_is_refused),
	    TEST(test_short_options_are_refused_by_their_letter),
	    TEST(test_an_ambiguous_abbreviation_sets_nothing),
	    TEST(test_the_command_is_given_once_on_the_command_line),
	    TEST(test_a_pattern_that_matches_everything_by_accident_is_refused),
	    TEST(test_the_control_socket_is_no_other_socket),
	    TEST(test_a_mode_is_octal_digits_and_nothing_else),
	    TEST(test_a_runtime_directory_that_is_too_long_is_named),
	    TEST(test_conflicts_name_the_file_and_exit_with_78),
	    TEST(test_the_number_that_is_nobody_is_refused),
	    TEST(test_root_may_run_the_program_as_somebody_else),
	    TEST(test_a_user_brings_a_group_or_needs_one),
	};

	return cmocka_run_group_tests_name("config_read", tests, NULL, NULL);
}
