/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "macros.h"
#include "options.h"
#include "values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

/* What one reading gave; freed by the fixture. */
struct result {
	struct config *config;
	char *message;
	int exit_code;
	enum config_action action;
	char path[64]; /* of the file, removed by the fixture */
};

static int set_up(void **state)
{
	struct result *r = calloc(1, sizeof(*r));

	unsetenv("RUNTIME_DIRECTORY");
	*state = r;
	return r ? 0 : -1;
}

static int tear_down(void **state)
{
	struct result *r = *state;

	config_free(r->config);
	free(r->message);
	if (*r->path)
		unlink(r->path);
	free(r);
	return 0;
}

static struct result *forget(void **state)
{
	tear_down(state);
	set_up(state);
	return *state;
}

#define MAX_WORDS 16

/* Read a command line: blank-separated words behind the program's name. */
static struct result *read_line(void **state, const char *line)
{
	struct result *r = forget(state);
	char *copy = strdup(line), *save = NULL, *argv[MAX_WORDS] = {(char[]){"coprocd"}};
	struct config_result got;
	int argc = 1;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	got = config_from_args(argc, argv, &r->config);
	r->message = got.message;
	r->exit_code = got.exit_code;
	r->action = got.action;
	free(copy);
	return r;
}

static struct result *read_bytes(void **state, const char *bytes, size_t len, const char *options)
{
	struct result *r = forget(state);
	char line[300], path[sizeof(r->path)] = "/tmp/coprocd-config-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
	snprintf(line, sizeof(line), "--config %s %s", path, options);
	r = read_line(state, line);
	strcpy(r->path, path);
	return r;
}

static struct result *read_text(void **state, const char *text)
{
	return read_bytes(state, text, strlen(text), "");
}

/* The text is refused with an error that has all three pieces and the file's name. */
static void assert_refused(void **state, const char *text, const char *where, const char *what,
			   const char *allowed)
{
	struct result *r = read_text(state, text);
	char place[100];

	snprintf(place, sizeof(place), "coprocd: %s%s", r->path, where);
	assert_int_equal(r->action, CONFIG_ERROR);
	assert_int_equal(r->exit_code, EXIT_CODE_CONFIG);
	if (!strstr(r->message, place) || !strstr(r->message, what) || !strstr(r->message, allowed))
		fail_msg("expected %s, %s, %s in: %s", place, what, allowed, r->message);
}

static void test_a_file_of_two_lines_is_enough(void **state)
{
	struct result *r = read_text(state, "command = cat -u\nlisten=/tmp/x.sock\n");

	assert_int_equal(r->action, CONFIG_RUN);
	assert_string_equal(r->config->engine.argv[0], "cat");
	assert_string_equal(r->config->engine.argv[1], "-u");
	assert_string_equal(r->config->listens[0].path, "/tmp/x.sock");
	assert_int_equal(r->config->listens[0].mode, 0660);
}

static void test_the_defaults_of_the_table_are_those_of_a_fresh_config(void **state)
{
	struct config *fresh = config_new(), *set = config_new();
	const struct option_row *row;
	char why[300];

	(void)state;
	for (size_t i = 0; (row = option_at(i)); i++) {
		static const size_t sizes[] = {[OPTION_DURATION] = sizeof(int64_t),
					       [OPTION_SIZE] = sizeof(size_t),
					       [OPTION_COUNT] = sizeof(unsigned),
					       [OPTION_BOOL] = sizeof(bool),
					       [OPTION_CHOICE] = sizeof(int)};

		if (row->type > OPTION_CHOICE)
			continue;
		if (value_set(set, row, row->doc.fallback, why, sizeof(why)))
			fail_msg("%s: %s", row->doc.name, why);
		if (memcmp((char *)fresh + row->offset, (char *)set + row->offset,
			   sizes[row->type]))
			fail_msg("the default of %s is not %s", row->doc.name, row->doc.fallback);
	}
	config_free(fresh);
	config_free(set);
}

static void test_bad_values_name_line_key_value_and_what_is_allowed(void **state)
{
	assert_refused(state, "command = x\n\nrequest-timeout = 5\n", ":3: request-timeout: \"5\"",
		       "has no unit", "0s to 24h");
	assert_refused(state, "request-timeout = soon\n", ":1: request-timeout: \"soon\"",
		       "no duration", "0s to 24h");
	assert_refused(state, "hang-timeout = 25h\n", ":1: hang-timeout: \"25h\"", "out of range",
		       "0s to 24h");
	assert_refused(state, "window = 0\n", ":1: window: \"0\"", "out of range", "1 to 4096");
	assert_refused(state, "window = many\n", ":1: window: \"many\"", "no number", "1 to 4096");
	assert_refused(state, "max-request = 2T\n", ":1: max-request: \"2T\"", "no size",
		       "1 to 1G");
	assert_refused(state, "max-reply = 2G\n", ":1: max-reply: \"2G\"", "out of range",
		       "1 to 1G");
	assert_refused(state, "pty = perhaps\n", ":1: pty: \"perhaps\"", "neither", "yes or no");
	assert_refused(state, "overload = drop\n", ":1: overload: \"drop\"", "none of them",
		       "reject or wait");
	assert_refused(state, "reply = lines\n", ":1: reply: \"lines\"", "no framing", "line");
	assert_refused(state, "request-suffix = \\q\n", ":1: request-suffix: \"\\q\"",
		       "unknown escape", "\\xNN");
	assert_refused(state, "env = NAME\n", ":1: env: \"NAME\"", "no \"=\"", "NAME=VALUE");
	assert_refused(state, "env = =x\n", ":1: env: \"=x\"", "no name", "NAME=VALUE");
	assert_refused(state, "command = 'x\n", ":1: command: \"'x\"", "open quote", "quoted");
	assert_refused(state, "command =\n", ":1: command: \"\"", "is empty", "program");
	assert_refused(state, "forbid = (\n", ":1: forbid: \"(\"", "PCRE2", "at byte 1");
	assert_refused(state, "user = no such user\n", ":1: user: ", "no user", "user name");
	assert_refused(state, "group = no-such-group\n", ":1: group: ", "no group", "group name");
	assert_refused(state, "coprocess-user = no-such\n", ":1: coprocess-user: ", "no user",
		       "user");
	assert_refused(state, "directory =\n", ":1: directory: \"\"", "is empty", "a directory");
}

static void test_bad_sockets_say_what_is_wrong(void **state)
{
	char text[300];

	assert_refused(state, "listen = /a,owner=no-such\n", ":1: listen: ", "owner is no user",
		       "PATH");
	assert_refused(state, "listen = /a,group=no-such\n", ":1: listen: ", "group is no group",
		       "PATH");
	assert_refused(state, "listen = /a,replies=json\n", ":1: listen: ", "neither plain nor",
		       "PATH");
	assert_refused(state, "listen = /a,allow-user=no-such\n", ":1: ", "allow-user is no",
		       "PATH");
	assert_refused(state, "listen = /a,colour=red\n", ":1: listen: ", "unknown detail", "PATH");
	assert_refused(state, "listen = /a,mode\n", ":1: listen: ", "without \"=\"", "PATH");
	assert_refused(state, "listen = fd:x,mode=0600\n", ":1: listen: ", "takes no detail",
		       "PATH");
	assert_refused(state, "listen = fd:\n", ":1: listen: ", "is empty", "PATH");
	assert_refused(state, "listen = /a\nlisten = /a\n", ":2: listen: ", "given twice", "PATH");
	snprintf(text, sizeof(text), "listen = /%0107d\n", 0);
	assert_refused(state, text, ":1: listen: ", "107 bytes", "PATH");
}

static void test_unknown_keys_get_a_suggestion(void **state)
{
	assert_refused(state, "request-timout = 5s\n", ":1: request-timout", "no such option",
		       "did you mean \"request-timeout\"?");
	assert_refused(state, "colour = red\n", ":1: colour", "no such option", "");
	assert_refused(state, "help = yes\n", ":1: help", "command line only", "");
}

static void test_what_is_no_assignment_is_an_error(void **state)
{
	assert_refused(state, "command = x\nnonsense\n", ":2", "not NAME = VALUE", "");
	assert_refused(state, "[main]\ncommand = x\n", ":1", "no sections", "[main]");
	assert_refused(state, "window = 1\nwindow = 2\n", ":2: window", "stands on line 1", "");
}

static void test_a_nul_in_the_file_is_an_error(void **state)
{
	static const char bytes[] = "listen = s\n\ncommand = x\0y\n";
	struct result *r = read_bytes(state, bytes, sizeof(bytes) - 1, "");

	assert_int_equal(r->exit_code, EXIT_CODE_CONFIG);
	assert_non_null(strstr(r->message, ":3: there is a NUL in the line\n"));
}

static void test_values_pass_whole(void **state)
{
	char text[3000];
	struct result *r;

	r = read_text(state, "\xef\xbb\xbf; a comment\n# another\n  command = sh -c 'a ; b # c'\n"
			     "listen = /tmp/x\nenv = A= b=c ; d\nforbid = ^#\nforbid = ;\n");
	assert_int_equal(r->action, CONFIG_RUN);
	assert_string_equal(r->config->engine.argv[2], "a ; b # c");
	assert_string_equal(r->config->engine.env[0], "A= b=c ; d");
	assert_string_equal(config_forbidden(r->config, "x;y", 3), ";");
	snprintf(text, sizeof(text), "command = cat %02000d\r\nlisten = /tmp/x\r\n", 7);
	r = read_text(state, text);
	assert_int_equal(r->action, CONFIG_RUN);
	assert_int_equal(strlen(r->config->engine.argv[1]), 2000);
	assert_string_equal(r->config->listens[0].path, "/tmp/x");
}

static void test_the_command_line_wins_over_the_file(void **state)
{
	static const char text[] = "command = a\nlisten = /tmp/a\nlisten = /tmp/b\nwindow = 2\n"
				   "env = A=1\nqueue = 5\n";
	struct result *r =
	    read_bytes(state, text, strlen(text), "--window 3 --listen /tmp/c -- cat -n");

	assert_int_equal(r->action, CONFIG_RUN);
	assert_int_equal(r->config->engine.window, 3);
	assert_int_equal(r->config->engine.queue, 5);
	assert_int_equal(r->config->listen_count, 1);
	assert_string_equal(r->config->listens[0].path, "/tmp/c");
	assert_string_equal(r->config->engine.argv[0], "cat");
	assert_string_equal(r->config->engine.argv[1], "-n");
	assert_string_equal(r->config->engine.env[0], "A=1");
}

/* A wrong command line is refused with 64 and a text that has @what. */
static void assert_usage(void **state, const char *line, const char *what)
{
	struct result *r = read_line(state, line);

	assert_int_equal(r->action, CONFIG_ERROR);
	assert_int_equal(r->exit_code, EXIT_CODE_USAGE);
	if (!strstr(r->message, what))
		fail_msg("expected \"%s\" in: %s", what, r->message);
}

static void test_wrong_command_lines_exit_with_64(void **state)
{
	assert_usage(state, "--listen /tmp/x", "command: is required");
	assert_usage(state, "cat", "listen: is required");
	assert_usage(state, "--windw 3 cat", "did you mean \"--window\"?");
	assert_usage(state, "--window", "needs a value");
	assert_usage(state, "--check-config=yes cat", "takes no value");
	assert_usage(state, "--window 5000 --listen /tmp/x cat",
		     "--window: \"5000\" is out of range; allowed are auto or 1 to 4096");
	assert_usage(state, "--queue-bytes 1K --listen /tmp/x cat", "queue-bytes: is less than");
	assert_usage(state, "--restart-delay 1m --listen /tmp/x cat", "restart-delay: is over");
	assert_usage(state, "--request-suffix= --listen /tmp/x cat", "request-suffix: must not");
}

static void test_flags_may_stand_alone_or_with_a_value(void **state)
{
	struct result *r = read_line(state, "--pty --clear-env=no --listen /tmp/x cat --help");

	assert_int_equal(r->action, CONFIG_RUN);
	assert_true(r->config->engine.pty);
	assert_false(r->config->engine.clear_env);
	assert_string_equal(r->config->engine.argv[1], "--help");
}

static void test_help_version_and_check_are_printed(void **state)
{
	assert_int_equal(read_line(state, "--help")->action, CONFIG_PRINT);
	assert_int_equal(read_line(state, "--version")->action, CONFIG_PRINT);
	assert_non_null(strstr(((struct result *)*state)->message, "coprocd "));
	assert_int_equal(read_line(state, "--check-config --listen /tmp/x cat")->action,
			 CONFIG_PRINT);
	assert_int_equal(read_line(state, "--check-config cat")->action, CONFIG_ERROR);
	assert_int_equal(read_line(state, "--upgrade-format")->action, CONFIG_PRINT);
}

static void test_a_missing_file_is_a_configuration_error(void **state)
{
	struct result *r = read_line(state, "--config /no/such/file");

	assert_int_equal(r->exit_code, EXIT_CODE_CONFIG);
	assert_non_null(strstr(r->message, "/no/such/file: cannot be opened: No such file"));
	r = read_line(state, "--config /tmp");
	assert_int_equal(r->exit_code, EXIT_CODE_CONFIG);
	assert_non_null(strstr(r->message, "directory"));
}

static void test_the_default_socket_is_in_the_runtime_directory(void **state)
{
	struct result *r = forget(state);
	char *argv[] = {(char[]){"coprocd"}, (char[]){"cat"}, NULL};

	setenv("RUNTIME_DIRECTORY", "/run/a:/run/b", 1);
	r->action = config_from_args(2, argv, &r->config).action;
	unsetenv("RUNTIME_DIRECTORY");
	assert_int_equal(r->action, CONFIG_RUN);
	assert_string_equal(r->config->listens[0].path, "/run/a/coprocd.sock");
}

static void test_socket_details_are_read(void **state)
{
	struct result *r = read_text(
	    state, "command = x\nlisten = /tmp/a,mode=0600,owner=root,group=0,replies=status,"
		   "allow-user=root,allow-user=1,allow-group=daemon\nlisten = fd:web\n");
	const struct config_listen *l;

	assert_int_equal(r->action, CONFIG_RUN);
	l = &r->config->listens[0];
	assert_int_equal(l->mode, 0600);
	assert_int_equal(l->owner, 0);
	assert_int_equal(l->group, 0);
	assert_int_equal(l->replies, REPLIES_STATUS);
	assert_int_equal(l->allow_user_count, 2);
	assert_int_equal(l->allow_users[1], 1);
	assert_int_equal(l->allow_group_count, 1);
	assert_string_equal(r->config->listens[1].fd_name, "web");
}

static void test_a_pattern_that_takes_too_long_counts_as_a_match(void **state)
{
	struct result *r = read_text(state, "command = x\nlisten = /tmp/a\nforbid = (a+)+$\n");
	char request[60];

	assert_int_equal(r->action, CONFIG_RUN);
	memset(request, 'a', sizeof(request));
	request[sizeof(request) - 1] = '!';
	assert_non_null(config_forbidden(r->config, request, sizeof(request)));
	assert_null(config_forbidden(r->config, "bcd", 3));
}

static void test_words_and_numbers_reach_their_members(void **state)
{
	struct result *r = read_text(state, "command = x\nlisten = /tmp/a\nlog-level = debug\n"
					    "log-target = syslog\noverload = wait\n"
					    "request-bytes = any\nrequest-prefix = ^\\0\n");

	assert_int_equal(r->action, CONFIG_RUN);
	assert_int_equal(r->config->log_level, LOG_DEBUG);
	assert_int_equal(r->config->log_target, LOG_TARGET_SYSLOG);
	assert_int_equal(r->config->overload, OVERLOAD_WAIT);
	assert_int_equal(r->config->engine.request_bytes, COPROC_BYTES_ANY);
	assert_int_equal(r->config->engine.prefix_len, 2);
	assert_memory_equal(r->config->engine.prefix, "^", 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_file_of_two_lines_is_enough),
	    TEST(test_the_defaults_of_the_table_are_those_of_a_fresh_config),
	    TEST(test_bad_values_name_line_key_value_and_what_is_allowed),
	    TEST(test_bad_sockets_say_what_is_wrong),
	    TEST(test_unknown_keys_get_a_suggestion),
	    TEST(test_what_is_no_assignment_is_an_error),
	    TEST(test_a_nul_in_the_file_is_an_error),
	    TEST(test_values_pass_whole),
	    TEST(test_the_command_line_wins_over_the_file),
	    TEST(test_wrong_command_lines_exit_with_64),
	    TEST(test_flags_may_stand_alone_or_with_a_value),
	    TEST(test_help_version_and_check_are_printed),
	    TEST(test_a_missing_file_is_a_configuration_error),
	    TEST(test_the_default_socket_is_in_the_runtime_directory),
	    TEST(test_socket_details_are_read),
	    TEST(test_a_pattern_that_takes_too_long_counts_as_a_match),
	    TEST(test_words_and_numbers_reach_their_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
