/* SPDX-License-Identifier: MIT */
#include "procfs.h"

#include "fd.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A shell that reads commands from @in[1] and answers on @out[0]. */
struct shell {
	pid_t pid;
	int in, out, work, children;
};

static int setup(void **state)
{
	struct shell *s = calloc(1, sizeof(*s));
	int in[2], out[2];

	if (!s || pipe(in) || pipe(out))
		return -1;
	s->pid = fork();
	if (!s->pid) {
		setpgid(0, 0);
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execl("/bin/sh", "sh", (char *)NULL);
		_exit(127);
	}
	setpgid(s->pid, s->pid);
	close(in[0]);
	close(out[1]);
	s->in = in[1];
	s->out = out[0];
	s->work = procfs_open_work(s->pid);
	s->children = procfs_open_children(s->pid);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct shell *s = *state;

	kill(-s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	fd_close(&s->in);
	fd_close(&s->out);
	fd_close(&s->work);
	fd_close(&s->children);
	free(s);
	return 0;
}

static void command(struct shell *s, const char *text)
{
	char answer;

	assert_int_equal(write(s->in, text, strlen(text)), strlen(text));
	assert_int_equal(read(s->out, &answer, 1), 1);
}

/* Look until it is @expected; a process takes its time. Returns what it was at last. */
static int await_reading(struct shell *s, int expected)
{
	int is = -2;

	for (int i = 0; i < 10000 && is != expected; i++) {
		is = procfs_is_reading(s->work);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return is;
}

static void test_procfs_a_process_that_waits_for_its_stdin_is_reading(void **state)
{
	struct shell *s = *state;

	command(s, "echo\n");
	assert_int_equal(await_reading(s, 1), 1);
	command(s, "echo; sleep 1000\n");
	assert_int_equal(await_reading(s, 0), 0);
}

static void test_procfs_nothing_is_known_without_the_files(void **state)
{
	(void)state;
	assert_int_equal(procfs_is_reading(-1), -1);
	assert_int_equal(procfs_youngest(-1), 0);
	assert_int_equal(procfs_rss(0), 0);
}

static void test_procfs_the_youngest_is_the_last_that_still_runs(void **state)
{
	struct shell *s = *state;
	pid_t first, second;

	command(s, "echo\n");
	assert_int_equal(procfs_youngest(s->children), 0);
	command(s, "sleep 1000 & echo\n");
	first = procfs_youngest(s->children);
	assert_true(first > 0);
	command(s, "sleep 1001 & echo\n");
	second = procfs_youngest(s->children);
	assert_true(second > 0 && second != first);
	/* It stays a zombie while the shell is stopped. */
	kill(s->pid, SIGSTOP);
	kill(second, SIGKILL);
	for (int i = 0; i < 10000 && procfs_youngest(s->children) != first; i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_int_equal(procfs_youngest(s->children), first);
	kill(first, SIGKILL);
	for (int i = 0; i < 10000 && procfs_youngest(s->children); i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_int_equal(procfs_youngest(s->children), 0);
}

static void test_procfs_a_process_has_memory(void **state)
{
	const struct shell *s = *state;

	assert_in_range(procfs_rss(s->pid), 4096, 100 << 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_procfs_a_process_that_waits_for_its_stdin_is_reading),
	    TEST(test_procfs_nothing_is_known_without_the_files),
	    TEST(test_procfs_the_youngest_is_the_last_that_still_runs),
	    TEST(test_procfs_a_process_has_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
