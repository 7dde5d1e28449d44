/* SPDX-License-Identifier: MIT */
/*
 * A coprocess that behaves as its arguments and its requests tell it, for the
 * tests of what happens around a coprocess. Line in, line out; all input and
 * output by read() and write(), so that a reply is in the pipe, or is not, and
 * never in a buffer of ours. It ends by itself (SIGALRM) after ten minutes, so
 * that a failed test leaves nothing behind.
 *
 * A request is echoed, unless it starts with `!`. The arguments and the
 * commands are listed in `usage` below, which is also what --help prints.
 */
#include "fake_commands.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: fake_coproc [OPTION...]\n"
    "  --banner TEXT         print the line TEXT first\n"
    "  --startup-ms N        wait before anything is printed or read\n"
    "  --delay-ms N          wait before each request is answered\n"
    "  --exit-at-start CODE  exit before anything is read\n"
    "  --ignore-term         ignore SIGTERM\n"
    "  --ignore-eof          stay, doing nothing, when stdin ends\n"
    "  --fork-helper         leave a process in the group that holds stdin, stdout and stderr\n"
    "  --count-file PATH     append one line with the pid at each start\n"
    "  --log-file PATH       append each request as it is received\n"
    "  --pid-reply           put the pid and a blank before each echo\n"
    "  --help\n"
    "A line is echoed. Lines with a meaning (every reply is one line):\n"
    "  !sleep MS [TEXT]      reply TEXT after MS milliseconds\n"
    "  !twice TEXT           two replies, in one write\n"
    "  !none                 no reply\n"
    "  !surplus MS TEXT      reply TEXT, MS milliseconds later a line that nobody asked for\n"
    "  !die [CODE]           exit without a reply\n"
    "  !kill SIGNAL          raise the signal (a number); `ok` if that is survived\n"
    "  !partial TEXT         write TEXT without a newline, then exit with 3\n"
    "  !hang                 no reply, and stop reading, for ever\n"
    "  !spin                 as !hang, using the processor\n"
    "  !big N                reply with N bytes `x`\n"
    "  !stderr TEXT          TEXT on stderr, then `ok`\n"
    "  !stderrflood N        N lines on stderr, then `ok`\n"
    "  !closestdout [TEXT]   reply TEXT if given, close stdout, read on\n"
    "  !closestdin [TEXT]    close stdin, reply TEXT if given, do nothing for ever\n"
    "  !env NAME             the variable, or `(unset)`\n"
    "  !pid                  the process id\n"
    "  !cwd                  the working directory\n"
    "  !id                   uid= gid= groups= sid= pgid= pid= ctty=yes|no stdout-tty=yes|no\n"
    "  !fds                  the number of open descriptors above 2, and which they are\n"
    "  !signals              blocked= and ignored= signals, as masks in hexadecimal\n"
    "  !slowly N TEXT        reply in pieces of N bytes, 1 ms between them\n"
    "  !split TEXT           reply in writes of one byte\n";

enum { LIFE_SECONDS = 600, HELPER_SECONDS = 60 };

struct fake {
	const char *banner; /* NULL for none */
	const char *count_file;
	int log_fd; /* -1 for none */
	long startup_ms;
	long delay_ms;
	int exit_at_start; /* -1: do not */
	bool ignore_term;
	bool ignore_eof;
	bool fork_helper;
	bool pid_reply;
};

/* @line ends in a NUL that is not part of its @len bytes. */
static void answer(const struct fake *f, const char *line, size_t len)
{
	char *text;
	int n;

	if (f->log_fd >= 0)
		fake_put_line(f->log_fd, line, len);
	fake_sleep_ms(f->delay_ms);
	if (line[0] == '!') {
		fake_command(line + 1);
		return;
	}
	text = malloc(len + 32);
	if (!text)
		abort();
	n = f->pid_reply ? snprintf(text, 32, "%d ", (int)getpid()) : 0;
	memcpy(text + n, line, len);
	fake_put_line(STDOUT_FILENO, text, len + (size_t)n);
	free(text);
}

/* Answer the complete lines of @bytes. Returns how many bytes they were. */
static size_t answer_lines(const struct fake *f, char *bytes, size_t len)
{
	size_t done = 0;
	char *lf;

	while ((lf = memchr(bytes + done, '\n', len - done))) {
		*lf = '\0';
		answer(f, bytes + done, (size_t)(lf - bytes) - done);
		done = (size_t)(lf - bytes) + 1;
	}
	return done;
}

static void serve(const struct fake *f)
{
	char *bytes = NULL;
	size_t len = 0, cap = 0;

	for (;;) {
		ssize_t n;
		size_t done;

		if (cap - len < 4096)
			bytes = realloc(bytes, cap = cap * 2 + 65536);
		if (!bytes)
			abort();
		n = read(STDIN_FILENO, bytes + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		done = answer_lines(f, bytes, len);
		len -= done;
		memmove(bytes, bytes + done, len);
	}
	free(bytes);
}

static void count_start(const char *path)
{
	char text[32];
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0) {
		dprintf(STDERR_FILENO, "fake_coproc: %s: %s\n", path, strerror(errno));
		_exit(64);
	}
	fake_put_line(fd, text, (size_t)snprintf(text, sizeof(text), "%d", (int)getpid()));
	close(fd);
}

static void leave_helper(void)
{
	if (fork() == 0) {
		fake_sleep_ms(HELPER_SECONDS * 1000L);
		_exit(0);
	}
}

static void start(const struct fake *f)
{
	alarm(LIFE_SECONDS);
	if (f->ignore_term)
		signal(SIGTERM, SIG_IGN);
	if (f->count_file)
		count_start(f->count_file);
	fake_sleep_ms(f->startup_ms);
	if (f->exit_at_start >= 0)
		_exit(f->exit_at_start);
	if (f->fork_helper)
		leave_helper();
	if (f->banner)
		fake_put_line(STDOUT_FILENO, f->banner, strlen(f->banner));
}

static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0) {
		dprintf(STDERR_FILENO, "fake_coproc: %s: %s\n", path, strerror(errno));
		exit(64);
	}
	return fd;
}

static void set_option(struct fake *f, int option)
{
	switch (option) {
	case 'b':
		f->banner = optarg;
		break;
	case 's':
		f->startup_ms = atol(optarg);
		break;
	case 'd':
		f->delay_ms = atol(optarg);
		break;
	case 'x':
		f->exit_at_start = atoi(optarg);
		break;
	case 't':
		f->ignore_term = true;
		break;
	case 'e':
		f->ignore_eof = true;
		break;
	case 'f':
		f->fork_helper = true;
		break;
	case 'c':
		f->count_file = optarg;
		break;
	case 'l':
		f->log_fd = open_log(optarg);
		break;
	case 'p':
		f->pid_reply = true;
		break;
	case 'h':
		fake_write(STDOUT_FILENO, usage, sizeof(usage) - 1);
		exit(0);
	default:
		fake_write(STDERR_FILENO, usage, sizeof(usage) - 1);
		exit(64);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"banner", required_argument, NULL, 'b'},
	    {"startup-ms", required_argument, NULL, 's'},
	    {"delay-ms", required_argument, NULL, 'd'},
	    {"exit-at-start", required_argument, NULL, 'x'},
	    {"ignore-term", no_argument, NULL, 't'},
	    {"ignore-eof", no_argument, NULL, 'e'},
	    {"fork-helper", no_argument, NULL, 'f'},
	    {"count-file", required_argument, NULL, 'c'},
	    {"log-file", required_argument, NULL, 'l'},
	    {"pid-reply", no_argument, NULL, 'p'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	struct fake fake = {.log_fd = -1, .exit_at_start = -1};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(&fake, option);
	start(&fake);
	serve(&fake);
	if (fake.ignore_eof)
		fake_idle();
	return 0;
}
