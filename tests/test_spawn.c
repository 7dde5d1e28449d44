/* SPDX-License-Identifier: MIT */
/* The real platform: real processes, real errors. */
#include "spawn.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 10000

struct fixture {
	struct coproc_options o;
	struct coproc_child child;
	const char *step;
	char *argv[4];
	char got[4096];
	char program[40]; /* a file made by a test */
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	x->child = (struct coproc_child){
	    .pid = 0, .exited = -1, .in = -1, .out = -1, .err = -1, .work = -1};
	coproc_options_init(&x->o);
	x->o.argv = x->argv;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	if (x->child.pid > 0) {
		kill(-x->child.pid, SIGKILL);
		waitpid(x->child.pid, NULL, 0);
	}
	fd_close(&x->child.work);
	fd_close(&x->child.in);
	fd_close(&x->child.out);
	fd_close(&x->child.err);
	fd_close(&x->child.exited);
	if (*x->program)
		unlink(x->program);
	signal(SIGCHLD, SIG_DFL);
	free(x);
	return 0;
}

static int run(struct fixture *x, const char *a, const char *b, const char *c)
{
	x->argv[0] = (char *)(size_t)a;
	x->argv[1] = (char *)(size_t)b;
	x->argv[2] = (char *)(size_t)c;
	return spawn(&x->o, &x->child, &x->step);
}

static int sh(struct fixture *x, const char *script)
{
	return run(x, "sh", "-c", script);
}

/* All that comes from @fd until it ends. */
static const char *read_all(struct fixture *x, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t have = 0;
	ssize_t n = 1;

	while (n > 0 && poll(&p, 1, DEADLINE_MS) == 1) {
		n = read(fd, x->got + have, sizeof(x->got) - 1 - have);
		have += n > 0 ? (size_t)n : 0;
	}
	x->got[have] = '\0';
	return x->got;
}

static int await_end(struct fixture *x)
{
	struct pollfd p = {.fd = x->child.exited, .events = POLLIN};
	int status = -1;

	/* Without pidfds it is readable now and then, and has_exited() looks. */
	do
		assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	while (!spawn_platform.has_exited(NULL, &x->child));
	assert_true(spawn_platform.reap(NULL, &x->child, &status));
	x->child.pid = 0;
	return status;
}

static void test_spawn_connects_the_three_streams(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(sh(x, "read line; echo \"got $line\"; echo oops >&2; exit 3"), 0);
	assert_int_equal(write(x->child.in, "hello\n", 6), 6);
	assert_string_equal(read_all(x, x->child.out), "got hello\n");
	assert_string_equal(read_all(x, x->child.err), "oops\n");
	assert_int_equal(WEXITSTATUS(await_end(x)), 3);
}

static void test_spawn_no_such_program_is_enoent(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(run(x, "/no/such/program", NULL, NULL), -ENOENT);
	assert_string_equal(x->step, "exec");
	assert_int_equal(run(x, "no-such-program-in-path", NULL, NULL), -ENOENT);
}

static void test_spawn_a_file_that_is_not_executable_is_eacces(void **state)
{
	struct fixture *x = *state;
	int fd;

	strcpy(x->program, "/tmp/test_spawn.XXXXXX");
	fd = mkstemp(x->program);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(run(x, x->program, NULL, NULL), -EACCES);
	assert_string_equal(x->step, "exec");
}

static void test_spawn_a_bad_directory_names_chdir(void **state)
{
	struct fixture *x = *state;

	x->o.directory = "/no/such/directory";
	assert_int_equal(sh(x, "true"), -ENOENT);
	assert_string_equal(x->step, "chdir");
}

static void test_spawn_an_unknown_user_is_an_error_of_the_user(void **state)
{
	struct fixture *x = *state;

	x->o.user = "no-such-user-here";
	assert_int_equal(sh(x, "true"), -ENOENT);
	assert_string_equal(x->step, "user");
}

static void test_spawn_a_failure_leaves_no_descriptor_and_no_zombie(void **state)
{
	struct fixture *x = *state;
	int before = dup(0), after;

	close(before);
	assert_int_equal(run(x, "/no/such/program", NULL, NULL), -ENOENT);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_spawn_hands_down_nothing_but_the_three_streams(void **state)
{
	struct fixture *x = *state;
	int leaked = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */

	assert_int_equal(run(x, "ls", "/proc/self/fd", NULL), 0);
	close(leaked);
	/* The fourth is what ls reads the directory with. */
	assert_string_equal(read_all(x, x->child.out), "0\n1\n2\n3\n");
}

static void test_spawn_runs_in_a_group_of_its_own_with_default_signals(void **state)
{
	struct fixture *x = *state;

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(sh(x, "grep -E 'SigBlk|SigIgn' /proc/self/status | cut -f2"), 0);
	assert_int_equal(getpgid(x->child.pid), x->child.pid);
	assert_string_equal(read_all(x, x->child.out), "0000000000000000\n0000000000000000\n");
}

static void test_spawn_environment_is_added_to_or_started_from_empty(void **state)
{
	struct fixture *x = *state;
	char first[] = "A_TEST=1", second[] = "PATH=/bin:/usr/bin", third[] = "A_TEST=2";
	char *env[] = {first, second, third, NULL};

	x->o.env = env;
	x->o.clear_env = true;
	assert_int_equal(run(x, "/usr/bin/env", NULL, NULL), 0);
	assert_string_equal(read_all(x, x->child.out), "A_TEST=2\nPATH=/bin:/usr/bin\n");
}

static void test_spawn_kill_reaches_the_whole_group(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(sh(x, "sleep 60 & echo ready; wait"), 0);
	assert_int_equal(read(x->child.err, x->got, 1), -1);
	assert_int_equal(fcntl(x->child.out, F_SETFL, 0), 0); /* wait for "ready" */
	assert_int_equal(read(x->child.out, x->got, 6), 6);
	spawn_platform.kill(NULL, &x->child, SIGKILL);
	assert_string_equal(read_all(x, x->child.out), ""); /* ends: nobody holds it */
	assert_int_equal(WTERMSIG(await_end(x)), SIGKILL);
}

static void test_spawn_a_child_that_others_have_reaped_counts_as_ended(void **state)
{
	struct fixture *x = *state;

	/* As inherited from some parents: the kernel reaps, and waitpid() finds no child. */
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(sh(x, "exit 0"), 0);
	await_end(x);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_spawn_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(connects_the_three_streams),
	    TEST(no_such_program_is_enoent),
	    TEST(a_file_that_is_not_executable_is_eacces),
	    TEST(a_bad_directory_names_chdir),
	    TEST(an_unknown_user_is_an_error_of_the_user),
	    TEST(a_failure_leaves_no_descriptor_and_no_zombie),
	    TEST(hands_down_nothing_but_the_three_streams),
	    TEST(runs_in_a_group_of_its_own_with_default_signals),
	    TEST(environment_is_added_to_or_started_from_empty),
	    TEST(kill_reaches_the_whole_group),
	    TEST(a_child_that_others_have_reaped_counts_as_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
