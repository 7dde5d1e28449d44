/* SPDX-License-Identifier: MIT */
/*
 * child: the coprocess of the benchmarks. It answers each line with the same line;
 * its argument says how it writes.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 65536, PIPE_BYTES = 1 << 20 };

static const char usage[] = "usage: child batch    one write for all lines of a read\n"
			    "       child flush    C stdio, flushed after each line\n"
			    "       child sleep    1 ms for each line\n"
			    "       child hold N   one write for N lines\n";

static void write_all(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);

		if (n <= 0)
			exit(1);
		bytes += n;
		len -= (size_t)n;
	}
}

static size_t count_lines(const char *at, const char *end)
{
	size_t lines = 0;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		lines++;
		at++;
	}
	return lines;
}

/* Answer when @hold lines are there. */
static void serve_batches(size_t hold)
{
	size_t len = 0, cap = 4 * READ_BYTES, lines = 0;
	char *bytes = malloc(cap);

	for (;;) {
		const char *last;
		size_t done;
		ssize_t n;

		if (cap - len < READ_BYTES)
			bytes = realloc(bytes, cap *= 2);
		if (!bytes)
			abort();
		n = read(STDIN_FILENO, bytes + len, len ? cap - len : READ_BYTES);
		if (n <= 0)
			break;
		last = memrchr(bytes + len, '\n', (size_t)n);
		if (hold > 1)
			lines += count_lines(bytes + len, bytes + len + n);
		len += (size_t)n;
		if (!last || (hold > 1 && lines < hold))
			continue;
		done = (size_t)(last - bytes) + 1;
		write_all(bytes, done);
		memmove(bytes, bytes + done, len - done);
		len -= done;
		lines = 0;
	}
	free(bytes);
}

static void serve_lines(bool slow)
{
	static const struct timespec one_ms = {.tv_nsec = 1000000};
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) > 0) {
		if (slow)
			clock_nanosleep(CLOCK_MONOTONIC, 0, &one_ms, NULL);
		fwrite(line, 1, (size_t)n, stdout);
		fflush(stdout);
	}
	free(line);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	prctl(PR_SET_TIMERSLACK, 1UL);
	if (!strcmp(mode, "batch")) {
		serve_batches(1);
	} else if (!strcmp(mode, "hold") && argc > 2) {
		/* Whole batches fit into the pipes, so that each is read and written at once. */
		fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
		fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
		serve_batches(strtoul(argv[2], NULL, 10));
	} else if (!strcmp(mode, "flush")) {
		serve_lines(false);
	} else if (!strcmp(mode, "sleep")) {
		serve_lines(true);
	} else {
		fputs(usage, stderr);
		return 64;
	}
	return 0;
}
