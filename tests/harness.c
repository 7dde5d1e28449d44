/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_MS = 15000, WRAPPED_FACTOR = 5, STEP_MS = 2, WORDS = 128 };

int64_t rig_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t rig_deadline(const struct rig *r)
{
	return rig_now_ms() + (int64_t)DEADLINE_MS * r->factor;
}

bool rig_go_on(int64_t until)
{
	poll(NULL, 0, STEP_MS);
	return rig_now_ms() < until;
}

/* ---- files ---- */

char *rig_read(const char *file)
{
	FILE *f = fopen(file, "re");
	char *text = NULL;
	size_t size = 0;

	if (f && getdelim(&text, &size, '\0', f) < 0 && text)
		text[0] = '\0';
	if (f)
		fclose(f);
	return text ? text : strdup("");
}

void rig_write(const char *file, const char *text)
{
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

unsigned rig_count(const char *file, const char *text)
{
	char *all = rig_read(file);
	unsigned n = 0;

	for (const char *p = all; (p = strstr(p, text)); p += strlen(text))
		n++;
	free(all);
	return n;
}

unsigned rig_starts(void)
{
	return rig_count("count", "\n");
}

/* ---- fixtures ---- */

int rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	const char *wrapper = getenv("COPROCD_WRAPPER");

	if (!r || !getenv("COPROCD") || !getenv("FAKE_COPROC"))
		return -1;
	signal(SIGPIPE, SIG_IGN);
	/* What the daemon leaves behind becomes ours, to be found and ended. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	strcpy(r->dir, "/tmp/coprocd-test-XXXXXX");
	r->factor = wrapper && *wrapper ? WRAPPED_FACTOR : 1;
	/* Other users may come in, as the programs of some tests run as somebody else. */
	if (!mkdtemp(r->dir) || chmod(r->dir, 0777) < 0 || chdir(r->dir) < 0)
		return -1;
	*state = r;
	return 0;
}

static void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Stop the daemon at once, but so that what looks for leaks at its exit can. */
static void end_daemon(struct rig *r)
{
	int64_t until = rig_deadline(r);

	while (r->pid > 0 && waitpid(r->pid, NULL, WNOHANG) == 0 && rig_go_on(until))
		kill(r->pid, SIGTERM);
}

/* What sanitizers and valgrind say where they have found something. */
static int look_for_errors(void)
{
	static const char *const words[] = {"Sanitizer",     "runtime error:", "Invalid read",
					    "Invalid write", "uninitialised",  "definitely lost:"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (rig_count("log", words[i])) {
			rig_show_log();
			return -1;
		}
	}
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *r = *state;
	int rc;

	for (size_t i = 0; i < r->client_count; i++)
		client_close(&r->clients[i]);
	end_daemon(r);
	rc = look_for_errors();
	/* The death of a process may give us its children. */
	while (proc_each_child(getpid(), 0, kill_child))
		continue;
	if (chdir("/") < 0 || nftw(r->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0)
		rc = -1;
	free(r);
	return rc;
}

/* ---- the daemon ---- */

/* Split @text in place into words at blanks outside of '...'. */
static size_t split(char *text, char **words, size_t max)
{
	size_t n = 0;
	char *to = text;

	while (*text) {
		bool quoted = false;

		text += strspn(text, " ");
		if (!*text)
			break;
		assert_true(n < max - 1);
		words[n++] = to;
		for (; *text && (quoted || *text != ' '); text++) {
			if (*text == '\'')
				quoted = !quoted;
			else
				*to++ = *text;
		}
		if (*text)
			text++;
		*to++ = '\0';
	}
	words[n] = NULL;
	return n;
}

/* Run the words of @line with the standard streams in /dev/null and @output. */
static pid_t run(const char *line, const char *output)
{
	char *text = strdup(line), *words[WORDS];
	pid_t pid;

	assert_non_null(text);
	split(text, words, WORDS);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int in = open("/dev/null", O_RDONLY),
		    out = open(output, O_WRONLY | O_CREAT | O_APPEND, 0666);

		dup2(in, 0);
		dup2(out, 1);
		dup2(out, 2);
		signal(SIGPIPE, SIG_DFL);
		execvp(words[0], words);
		_exit(126);
	}
	free(text);
	return pid;
}

static char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		abort();
	va_end(args);
	return text;
}

static pid_t run_daemon(const char *arguments, const char *output)
{
	const char *wrapper = getenv("COPROCD_WRAPPER");
	char *line = format("%s '%s' %s", wrapper ? wrapper : "", getenv("COPROCD"), arguments);
	pid_t pid = run(line, output);

	free(line);
	return pid;
}

void rig_launch(struct rig *r, const char *arguments)
{
	r->pid = run_daemon(arguments, "log");
}

void rig_start_command(struct rig *r, const char *options, const char *command)
{
	char *line = format("--listen s --log-level debug %s -- %s", options, command);

	rig_launch(r, line);
	free(line);
	rig_wait_log(r, "ready after");
}

const char *rig_fake(const char *fake_args)
{
	static char line[4096];
	char dir[256];

	assert_non_null(getcwd(dir, sizeof(dir)));
	snprintf(line, sizeof(line), "'%s' --count-file %s/count --log-file %s/asked %s",
		 getenv("FAKE_COPROC"), dir, dir, fake_args);
	return line;
}

void rig_start(struct rig *r, const char *options, const char *fake_args)
{
	rig_start_command(r, options, rig_fake(fake_args));
}

static int decode(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int await_exit(struct rig *r, pid_t pid, const char *what)
{
	int64_t until = rig_deadline(r);
	int status;

	do {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return decode(status);
	} while (rig_go_on(until));
	fail_msg("%s does not end", what);
	return -1;
}

int rig_run(struct rig *r, const char *arguments)
{
	unlink("out");
	return await_exit(r, run_daemon(arguments, "out"), arguments);
}

int rig_shell(struct rig *r, const char *command)
{
	char *line = format("sh -c '%s'", command);
	pid_t pid;

	unlink("out");
	pid = run(line, "out");
	free(line);
	return await_exit(r, pid, command);
}

void rig_signal(struct rig *r, int sig)
{
	assert_true(r->pid > 0);
	assert_int_equal(kill(r->pid, sig), 0);
}

int rig_exit_code(struct rig *r)
{
	int code = await_exit(r, r->pid, "coprocd");

	r->pid = 0;
	return code;
}

void rig_stop(struct rig *r)
{
	rig_signal(r, SIGTERM);
	assert_int_equal(rig_exit_code(r), 0);
}

/* ---- waiting ---- */

void rig_wait_text(struct rig *r, const char *file, const char *text, unsigned times)
{
	int64_t until = rig_deadline(r);

	do {
		if (rig_count(file, text) >= times)
			return;
	} while (rig_go_on(until));
	rig_show_log();
	fail_msg("%s does not hold \"%s\" %u times", file, text, times);
}

void rig_show_log(void)
{
	char *log = rig_read("log");
	size_t len = strlen(log), shown = len < 2000 ? len : 2000;

	print_error("the end of the log:\n%s\n", log + len - shown);
	free(log);
}

void rig_wait_log(struct rig *r, const char *text)
{
	rig_wait_text(r, "log", text, 1);
}

void rig_wait_asked(struct rig *r, const char *request)
{
	char *line = format("%s\n", request);

	rig_wait_text(r, "asked", line, 1);
	free(line);
}

void rig_wait_starts(struct rig *r, unsigned starts)
{
	rig_wait_text(r, "count", "\n", starts);
	assert_int_equal(rig_starts(), starts);
}

void rig_wait_gone(struct rig *r, pid_t pid)
{
	int64_t until = rig_deadline(r);

	do {
		waitpid(pid, NULL, WNOHANG); /* it may be an orphan, and ours */
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return;
	} while (rig_go_on(until));
	fail_msg("process %d is still there", (int)pid);
}

static void reap(pid_t pid)
{
	waitpid(pid, NULL, WNOHANG);
}

void rig_wait_children(struct rig *r, unsigned children)
{
	int64_t until = rig_deadline(r);

	do {
		proc_each_child(getpid(), 'Z', reap);
		if (proc_children(getpid(), 0) == children)
			return;
	} while (rig_go_on(until));
	fail_msg("there are %u children, not %u", proc_children(getpid(), 0), children);
}

void rig_wait_path(struct rig *r, const char *path, bool there)
{
	int64_t until = rig_deadline(r);

	do {
		if ((access(path, F_OK) == 0) == there)
			return;
	} while (rig_go_on(until));
	fail_msg("%s is %sthere", path, there ? "not " : "still ");
}
