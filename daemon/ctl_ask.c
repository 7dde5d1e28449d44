/* SPDX-License-Identifier: MIT */
/*
 * One loop over poll(): what may be read is read before anything more is sent,
 * so that a daemon that stops reading us until we have read its replies cannot
 * make both wait for ever.
 */
#include "ctl_ask.h"

#include "buf.h"
#include "clock.h"
#include "coproc_client.h"
#include "ctl_json.h"
#include "ctl_progress.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 64 << 10 };

struct ask {
	const struct ctl_options *options; /* borrowed */
	struct coproc_client *client;
	struct buf source; /* read from stdin, not yet a whole request */
	struct buf print;  /* for stdout */
	int source_fd;
	struct progress progress;
	uint64_t asked, ended;
	bool source_ended; /* no more requests */
	int64_t deadline_ms;
	int error_code; /* exit status of the first error; 0: none */
};

static void free_bytes(char **bytes)
{
	free(*bytes);
}

static void on_piece(void *ctx, const char *bytes, size_t len)
{
	struct ask *a = ctx;

	/* Room for what was received is made before it is taken apart. */
	if (buf_add(&a->print, bytes, len) < 0 && !a->error_code)
		a->error_code = CTL_SYSTEM;
}

static void say_answer(struct ask *a, const struct coproc_answer *answer)
{
	progress_hide(&a->progress);
	fprintf(stderr, "coprocctl: request %llu: %s:%s%s\n", (unsigned long long)answer->number,
		answer->name, answer->len ? " " : "", answer->bytes);
}

static void on_answer(void *ctx, const struct coproc_answer *answer)
{
	struct ask *a = ctx;

	if (answer->error)
		return; /* the connection: said once, for all */
	a->ended++;
	if (a->options->json && json_answer(answer, &a->print) < 0 && !a->error_code)
		a->error_code = CTL_SYSTEM;
	if (answer->code == COPROC_OK)
		return;
	if (!a->options->json)
		say_answer(a, answer);
	if (!a->error_code)
		a->error_code = ctl_exit_of_code(answer->code);
}

static void touch_deadline(struct ask *a)
{
	a->deadline_ms = clock_deadline_ms(clock_now_ms(), a->options->timeout_ms);
}

static enum ctl_exit submit(struct ask *a, const char *line, size_t len)
{
	int error = coproc_client_submit(a->client, line, len, on_answer, a, NULL);

	if (error)
		return ctl_say_error("requests", -error, CTL_SYSTEM);
	a->asked++;
	return CTL_OK;
}

static enum ctl_exit take_arguments(struct ask *a)
{
	enum ctl_exit status = CTL_OK;

	for (size_t i = 0; i < a->options->line_count && status == CTL_OK; i++)
		status = submit(a, a->options->lines[i], strlen(a->options->lines[i]));
	a->source_ended = true;
	return status;
}

/* The whole lines of what was read, of which the last @fresh bytes are new. */
static enum ctl_exit submit_lines(struct ask *a, size_t fresh)
{
	size_t seen = a->source.len - fresh;
	enum ctl_exit status = CTL_OK;
	const char *lf;

	while (status == CTL_OK && a->source.len &&
	       (lf = memchr(buf_bytes(&a->source) + seen, '\n', a->source.len - seen))) {
		size_t len = (size_t)(lf - buf_bytes(&a->source));

		status = submit(a, buf_bytes(&a->source), len);
		buf_consume(&a->source, len + 1);
		seen = 0;
	}
	return status;
}

static const char *source_name(const struct ask *a)
{
	return a->options->file ? a->options->file : "stdin";
}

static enum ctl_exit read_source(struct ask *a)
{
	bool was_idle = a->asked == a->ended;
	enum ctl_exit status;
	char *dst;
	ssize_t n;

	if (buf_reserve(&a->source, CHUNK, &dst) < 0)
		return ctl_say_error("requests", ENOMEM, CTL_SYSTEM);
	n = read(a->source_fd, dst, CHUNK);
	if (n < 0)
		return errno == EINTR ? CTL_OK : ctl_say_error(source_name(a), errno, CTL_IO);
	a->source_ended = n == 0;
	/* The newline that the last line lacks. */
	if (n == 0 && a->source.len)
		dst[n++] = '\n';
	buf_commit(&a->source, (size_t)n);
	status = submit_lines(a, (size_t)n);
	if (was_idle)
		touch_deadline(a);
	return status;
}

static enum ctl_exit print_replies(struct ask *a)
{
	int error;

	if (!a->print.len)
		return CTL_OK;
	if (isatty(STDOUT_FILENO))
		progress_hide(&a->progress);
	error = fd_write_all(STDOUT_FILENO, buf_bytes(&a->print), a->print.len);
	buf_consume(&a->print, a->print.len);
	return error ? ctl_say_error("stdout", -error, CTL_IO) : CTL_OK;
}

static enum ctl_exit say_lost(const struct ask *a)
{
	fprintf(stderr, "coprocctl: %s: connection lost with %llu of %llu requests unanswered%s\n",
		a->options->socket, (unsigned long long)(a->asked - a->ended),
		(unsigned long long)a->asked, a->source_ended ? "" : " and more to be read");
	return CTL_LOST;
}

static enum ctl_exit say_timeout(const struct ask *a)
{
	fprintf(stderr, "coprocctl: %s: no reply in %lld ms, %llu of %llu requests unanswered\n",
		a->options->socket, (long long)a->options->timeout_ms,
		(unsigned long long)(a->asked - a->ended), (unsigned long long)a->asked);
	return CTL_TIMEOUT;
}

/* The connection is no more, which is how it should end once all are answered. */
static enum ctl_exit say_end(const struct ask *a, int error)
{
	switch (error) {
	case -EACCES:
	case -EPROTO:
		fprintf(stderr, "coprocctl: %s: %s\n", a->options->socket,
			coproc_client_failure(a->client));
		return error == -EACCES ? ctl_exit_of_code(COPROC_DENIED) : CTL_PROTOCOL;
	case -ENOMEM:
		return ctl_say_error("replies", ENOMEM, CTL_SYSTEM);
	case -ENOTCONN:
		return a->source_ended ? (enum ctl_exit)a->error_code : say_lost(a);
	default:
		return say_lost(a);
	}
}

/* Milliseconds for poll(); while every request is answered there is no limit. */
static int wait_ms(const struct ask *a)
{
	int64_t left = a->deadline_ms - clock_now_ms();

	if (a->deadline_ms == CLOCK_NEVER || (a->asked <= a->ended && !a->source_ended))
		return -1;
	return (int)MIN(MAX(left, 0), 1 << 30);
}

/* Sets *@error to why the connection is no more. */
static enum ctl_exit one_turn(struct ask *a, int *error)
{
	bool more = !a->source_ended && coproc_client_unsent(a->client) < CHUNK;
	struct pollfd fds[] = {
	    {.fd = coproc_client_fd(a->client), .events = coproc_client_events(a->client)},
	    {.fd = more ? a->source_fd : -1, .events = POLLIN},
	};
	enum ctl_exit status = CTL_OK;
	int n = poll(fds, ARRAY_SIZE(fds), wait_ms(a));
	long came;

	if (n < 0)
		return errno == EINTR ? CTL_OK : ctl_say_error("poll", errno, CTL_SYSTEM);
	if (n == 0)
		return clock_now_ms() >= a->deadline_ms ? say_timeout(a) : CTL_OK;
	came = coproc_client_turn(a->client, fds[0].revents);
	if (came > 0)
		touch_deadline(a);
	*error = (int)MIN(came, 0);
	status = print_replies(a);
	progress_show(&a->progress, a->ended);
	if (status == CTL_OK && !*error && fds[1].revents)
		status = read_source(a);
	if (a->source_ended)
		coproc_client_end(a->client);
	return status;
}

static enum ctl_exit exchange(struct ask *a)
{
	enum ctl_exit status = CTL_OK;
	int error = 0;

	if (a->options->line_count) {
		status = take_arguments(a);
		coproc_client_end(a->client);
	}
	touch_deadline(a);
	while (status == CTL_OK && !error)
		status = one_turn(a, &error);
	progress_hide(&a->progress);
	return status == CTL_OK ? say_end(a, error) : status;
}

/* How many requests the file has, if it can be read twice; else 0. */
static uint64_t count_requests(int fd)
{
	CLEANUP(free_bytes) char *bytes = malloc(CHUNK);
	struct stat info;
	uint64_t count = 0;
	char last = '\n';
	ssize_t n;

	if (!bytes || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
		return 0;
	while ((n = read(fd, bytes, CHUNK)) > 0) {
		for (const char *p = bytes; (p = memchr(p, '\n', (size_t)(bytes + n - p))); p++)
			count++;
		last = bytes[n - 1];
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? 0 : count + (last != '\n');
}

static enum ctl_exit open_source(struct ask *a)
{
	const char *file = a->options->file;

	a->source_fd = STDIN_FILENO;
	if (!file)
		return CTL_OK;
	a->source_fd = open(file, O_RDONLY | O_CLOEXEC);
	if (a->source_fd < 0)
		return ctl_say_error(file, errno, CTL_IO);
	if (isatty(STDERR_FILENO))
		progress_init(&a->progress, count_requests(a->source_fd));
	return CTL_OK;
}

enum ctl_exit ctl_ask(const struct ctl_options *options)
{
	struct ask a = {.options = options};
	struct coproc_client_options how = {.plain = !options->status,
					    .timeout_ms = options->timeout_ms,
					    .on_piece = options->json ? NULL : on_piece,
					    .ctx = &a};
	enum ctl_exit status = open_source(&a);

	if (status == CTL_OK)
		status = ctl_connect(options, &how, &a.client);
	if (status == CTL_OK)
		status = exchange(&a);
	coproc_client_free(a.client);
	if (options->file)
		fd_close(&a.source_fd);
	buf_finish(&a.source);
	buf_finish(&a.print);
	return status;
}
