/* SPDX-License-Identifier: MIT */
/*
 * The example coprocess, as a process: $NORMALIZER is the program,
 * $NORMALIZER_DATA the directory with its stop words and queries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

struct fixture {
	pid_t pid; /* 0: not running */
	int in, out, err;
	char *reply; /* owned; large enough for every test */
	size_t reply_cap;
	char words[64]; /* a file of the test's own */
};

static char *data_path(const char *name, char *dst, size_t size)
{
	snprintf(dst, size, "%s/%s", getenv("NORMALIZER_DATA"), name);
	return dst;
}

static void start(struct fixture *f, char *const *argv)
{
	int in[2], out[2], err[2];

	assert_int_equal(pipe(in) | pipe(out) | pipe(err), 0);
	f->pid = fork();
	if (f->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		for (int fd = 3; fd < 32; fd++)
			close(fd);
		execv(getenv("NORMALIZER"), argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	f->in = in[1];
	f->out = out[0];
	f->err = err[0];
}

static void start_with(struct fixture *f, const char *words)
{
	char name[] = "normalizer", path[4096];
	char *argv[] = {name, path, NULL};

	snprintf(path, sizeof(path), "%s", words);
	start(f, argv);
}

static int wait_for_exit(struct fixture *f)
{
	int status;

	close(f->in);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	close(f->out);
	close(f->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* One line from @fd, without its newline. */
static const char *read_line(struct fixture *f, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t len = 0;

	while (len + 1 < f->reply_cap) {
		if (poll(&p, 1, PATIENCE_MS) != 1)
			fail_msg("no answer");
		if (read(fd, f->reply + len, 1) != 1)
			fail_msg("the program has ended");
		if (f->reply[len] == '\n')
			break;
		len++;
	}
	f->reply[len] = '\0';
	return f->reply;
}

/* What is answered to @len bytes of @line, while the program goes on waiting for more. */
static const char *ask_bytes(struct fixture *f, const char *line, size_t len)
{
	assert_int_equal(write(f->in, line, len), len);
	assert_int_equal(write(f->in, "\n", 1), 1);
	return read_line(f, f->out);
}

static const char *ask(struct fixture *f, const char *line)
{
	return ask_bytes(f, line, strlen(line));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[4096];

	f->reply_cap = 1 << 20;
	f->reply = malloc(f->reply_cap);
	start_with(f, data_path("stopwords.txt", path, sizeof(path)));
	*state = f;
	return 0;
}

static int setup_idle(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	f->reply_cap = 4096;
	f->reply = malloc(f->reply_cap);
	strcpy(f->words, "/tmp/test_normalizer.XXXXXX");
	fd = mkstemp(f->words);
	if (fd < 0 || write(fd, "ok\n\xff\n", 5) != 5)
		return -1;
	close(fd);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pid) {
		kill(f->pid, SIGKILL);
		wait_for_exit(f);
	}
	if (f->words[0])
		unlink(f->words);
	free(f->reply);
	free(f);
	return 0;
}

static void test_sample_queries_get_sensible_answers(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(ask(f, "在云端"), "云端");
	assert_string_equal(ask(f, "云梯"), "云梯");
	assert_string_equal(ask(f, "摩萨德"), "摩萨德");
	assert_string_equal(ask(f, "Alisa"), "alisa");
	assert_string_equal(ask(f, "iDB"), "idb");
	assert_string_equal(ask(f, "阿里大数据"), "阿里大数据");
	assert_string_equal(ask(f, "在云端 云梯 摩萨德 Alisa iDB 阿里大数据"),
			    "云端 云梯 摩萨德 alisa idb 阿里大数据");
}

static void test_width_and_case_are_folded(void **state)
{
	assert_string_equal(ask(*state, "ＦＵＬＬ Straße ﬁn ①"), "full strasse fin 1");
}

static void test_white_space_of_every_kind_is_squeezed(void **state)
{
	assert_string_equal(ask(*state, "  x　　y\t\r z\xe2\x80\xa8w  "), "x y z w");
}

static void test_stop_words_go_as_whole_words_only(void **state)
{
	assert_string_equal(ask(*state, "The theatre OF the Opera"), "theatre opera");
}

static void test_a_stop_word_goes_from_within_a_text_without_spaces(void **state)
{
	assert_string_equal(ask(*state, "我的云 存在"), "我云 存");
}

static void test_a_line_without_words_gets_an_empty_line(void **state)
{
	assert_string_equal(ask(*state, ""), "");
	assert_string_equal(ask(*state, "the 在"), "");
	assert_string_equal(ask(*state, "after"), "after");
}

static void test_nul_is_white_space(void **state)
{
	assert_string_equal(ask_bytes(*state, "x\0y", 3), "x y");
}

static void test_invalid_utf8_gets_one_line_that_says_where(void **state)
{
	assert_string_equal(ask(*state, "\xff"), "error: invalid UTF-8 at byte 1");
	assert_string_equal(ask(*state, "ab\xc3"), "error: invalid UTF-8 at byte 3");
	assert_string_equal(ask(*state, "\xed\xa0\x80"), "error: invalid UTF-8 at byte 1");
	assert_string_equal(ask(*state, "after"), "after");
}

static void test_a_line_of_many_bytes_is_answered(void **state)
{
	struct fixture *f = *state;
	size_t len = 60000;
	char *line = malloc(len + 1), *want = malloc(len + 1);
	const char *got;

	memset(line, 'A', len);
	memset(want, 'a', len);
	line[len] = want[len] = '\0';
	got = ask(f, line);
	free(line);
	if (strcmp(got, want)) {
		free(want);
		fail_msg("another answer");
	}
	free(want);
}

static void test_it_ends_with_its_input(void **state)
{
	assert_int_equal(wait_for_exit(*state), 0);
}

static void test_a_missing_stop_word_file_is_an_error(void **state)
{
	struct fixture *f = *state;

	start_with(f, "/nonexistent/words");
	assert_string_equal(read_line(f, f->err),
			    "normalizer: /nonexistent/words: No such file or directory");
	assert_int_equal(wait_for_exit(f), 1);
}

static void test_a_stop_word_file_in_no_utf8_is_an_error_with_its_line(void **state)
{
	struct fixture *f = *state;
	char want[128];

	snprintf(want, sizeof(want), "normalizer: %s:2: not UTF-8", f->words);
	start_with(f, f->words);
	assert_string_equal(read_line(f, f->err), want);
	assert_int_equal(wait_for_exit(f), 1);
}

static void test_a_slow_start_reports_its_progress(void **state)
{
	struct fixture *f = *state;
	char name[] = "normalizer", option[] = "--startup-delay", delay[] = "100ms", path[4096];
	char *argv[] = {name, option, delay, path, NULL};

	data_path("stopwords.txt", path, sizeof(path));
	start(f, argv);
	assert_string_equal(read_line(f, f->err), "normalizer: starting, 10 %");
	assert_string_equal(ask(f, "x"), "x");
}

static void test_a_bad_delay_is_refused(void **state)
{
	struct fixture *f = *state;
	char name[] = "normalizer", option[] = "--startup-delay", delay[] = "-5", path[] = "x";
	char *argv[] = {name, option, delay, path, NULL};

	start(f, argv);
	assert_int_equal(wait_for_exit(f), 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH(start, test) cmocka_unit_test_setup_teardown(test, start, teardown)
	    WITH(setup, test_sample_queries_get_sensible_answers),
	    WITH(setup, test_width_and_case_are_folded),
	    WITH(setup, test_white_space_of_every_kind_is_squeezed),
	    WITH(setup, test_stop_words_go_as_whole_words_only),
	    WITH(setup, test_a_stop_word_goes_from_within_a_text_without_spaces),
	    WITH(setup, test_a_line_without_words_gets_an_empty_line),
	    WITH(setup, test_nul_is_white_space),
	    WITH(setup, test_invalid_utf8_gets_one_line_that_says_where),
	    WITH(setup, test_a_line_of_many_bytes_is_answered),
	    WITH(setup, test_it_ends_with_its_input),
	    WITH(setup_idle, test_a_missing_stop_word_file_is_an_error),
	    WITH(setup_idle, test_a_stop_word_file_in_no_utf8_is_an_error_with_its_line),
	    WITH(setup_idle, test_a_slow_start_reports_its_progress),
	    WITH(setup_idle, test_a_bad_delay_is_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
