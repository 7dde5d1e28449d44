/* SPDX-License-Identifier: MIT */
/*
 * One loop over poll(): what may be read is read before anything more is sent,
 * so that a daemon that stops reading us until we have read its replies cannot
 * make both wait for ever.
 */
#include "ctl_ask.h"

#include "buf.h"
#include "clock.h"
#include "coproc.h"
#include "ctl_replies.h"
#include "fd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CHUNK = 64 << 10, CONNECT_RETRY_MS = 10 };

struct ask {
	const struct ctl_options *options; /* borrowed */
	int fd;                            /* -1 before it is connected */
	struct buf out;                    /* requests to send */
	struct buf in;                     /* what was received last */
	struct buf print;                  /* for stdout */
	struct replies replies;
	uint64_t asked;    /* requests in `out` or sent */
	bool mid_line;     /* the last request is not complete */
	bool source_ended; /* no more requests */
	bool cannot_send;  /* the daemon has closed its side */
	bool half_closed;
	bool hung_up;
	int64_t deadline_ms;
	int error_code; /* exit status of the first error; 0: none */
};

static void on_bytes(void *ctx, const char *bytes, size_t len)
{
	struct ask *a = ctx;

	/* Room for what was received is made before it is taken apart. */
	if (buf_add(&a->print, bytes, len) < 0 && !a->error_code)
		a->error_code = CTL_SYSTEM;
}

static int exit_status_of(const char *error, size_t len)
{
	for (int code = COPROC_TIMEOUT; code <= COPROC_STOPPING; code++) {
		const char *name = coproc_code_name((enum coproc_code)code);
		size_t n = strlen(name);

		if (len >= n && !memcmp(error, name, n) && (len == n || strchr(": ", error[n])))
			return CTL_FIRST_CODE + code - COPROC_TIMEOUT;
	}
	return CTL_ERROR;
}

/* In both forms of the protocol the first word is the code. */
static void on_error(void *ctx, uint64_t number, const char *error, size_t len)
{
	struct ask *a = ctx;
	size_t code = 0;

	while (code < len && error[code] != ':' && error[code] != ' ')
		code++;
	fprintf(stderr, "coprocctl: request %llu: %.*s:", (unsigned long long)number, (int)code,
		error);
	code += code < len && error[code] == ':';
	fprintf(stderr, "%.*s\n", (int)(len - code), error + code);
	if (!a->error_code)
		a->error_code = exit_status_of(error, len);
}

static void touch_deadline(struct ask *a)
{
	a->deadline_ms = clock_deadline_ms(clock_now_ms(), a->options->timeout_ms);
}

static enum ctl_exit say_socket(const struct ask *a, enum ctl_exit status, const char *text)
{
	fprintf(stderr, "coprocctl: %s: %s\n", a->options->socket, text);
	return status;
}

static enum ctl_exit say_error(const char *what, int error, enum ctl_exit status)
{
	fprintf(stderr, "coprocctl: %s: %s\n", what, strerror(error));
	return status;
}

static enum ctl_exit make_connection(struct ask *a)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(a->options->socket) >= sizeof(addr.sun_path))
		return say_socket(a, CTL_CONNECT, strerror(ENAMETOOLONG));
	strcpy(addr.sun_path, a->options->socket);
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return say_error("socket", errno, CTL_SYSTEM);
	/* EAGAIN: too many others wait to be accepted; there is no event for its end. */
	while (connect(a->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return say_socket(a, CTL_CONNECT, strerror(errno));
		if (clock_now_ms() >= a->deadline_ms)
			return say_socket(a, CTL_TIMEOUT, "not accepted in time");
		poll(NULL, 0, CONNECT_RETRY_MS);
	}
	return CTL_OK;
}

static enum ctl_exit take_arguments(struct ask *a)
{
	for (size_t i = 0; i < a->options->line_count; i++) {
		const char *line = a->options->lines[i];

		if (buf_add(&a->out, line, strlen(line)) || buf_add(&a->out, "\n", 1))
			return say_error("requests", ENOMEM, CTL_SYSTEM);
		a->asked++;
	}
	a->source_ended = true;
	return CTL_OK;
}

static void count_requests(struct ask *a, const char *bytes, size_t len)
{
	const char *end = bytes + len;

	for (const char *p = bytes; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		a->asked++;
	a->mid_line = len ? end[-1] != '\n' : a->mid_line;
}

static enum ctl_exit read_source(struct ask *a)
{
	bool was_idle = a->asked == a->replies.ended;
	char *dst;
	ssize_t n;

	if (buf_reserve(&a->out, CHUNK, &dst) < 0)
		return say_error("requests", ENOMEM, CTL_SYSTEM);
	n = read(STDIN_FILENO, dst, CHUNK);
	if (n < 0)
		return errno == EINTR ? CTL_OK : say_error("stdin", errno, CTL_IO);
	/* The newline that the last line lacks. */
	if (n == 0 && a->mid_line)
		dst[n++] = '\n';
	else if (n == 0)
		a->source_ended = true;
	buf_commit(&a->out, (size_t)n);
	count_requests(a, dst, (size_t)n);
	if (was_idle)
		touch_deadline(a);
	return CTL_OK;
}

static void send_requests(struct ask *a)
{
	while (a->out.len && !a->cannot_send) {
		ssize_t n = send(a->fd, buf_bytes(&a->out), a->out.len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			a->cannot_send = true; /* replies may still be there to be read */
		else
			buf_consume(&a->out, (size_t)n);
	}
	if (a->source_ended && !a->half_closed && !a->out.len)
		a->half_closed = shutdown(a->fd, SHUT_WR) == 0;
}

static enum ctl_exit print_replies(struct ask *a)
{
	int error;

	if (!a->print.len)
		return CTL_OK;
	error = fd_write_all(STDOUT_FILENO, buf_bytes(&a->print), a->print.len);
	buf_consume(&a->print, a->print.len);
	return error ? say_error("stdout", -error, CTL_IO) : CTL_OK;
}

static enum ctl_exit receive(struct ask *a)
{
	char *dst;
	ssize_t n;
	int error;

	if (buf_reserve(&a->in, CHUNK, &dst) < 0)
		return say_error("replies", ENOMEM, CTL_SYSTEM);
	n = recv(a->fd, dst, CHUNK, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return CTL_OK;
	if (n <= 0) {
		a->hung_up = true;
		return CTL_OK;
	}
	error = replies_take(&a->replies, dst, (size_t)n);
	if (error == -EPROTO)
		return say_socket(a, CTL_PROTOCOL,
				  "no status replies; has this listener replies=status?");
	if (error)
		return say_error("replies", -error, CTL_SYSTEM);
	touch_deadline(a);
	return print_replies(a);
}

static enum ctl_exit say_lost(const struct ask *a)
{
	fprintf(stderr, "coprocctl: %s: connection lost with %llu of %llu requests unanswered%s\n",
		a->options->socket, (unsigned long long)(a->asked - a->replies.ended),
		(unsigned long long)a->asked, a->source_ended ? "" : " and more to be read");
	return CTL_LOST;
}

static enum ctl_exit say_timeout(const struct ask *a)
{
	fprintf(stderr, "coprocctl: %s: no reply in %lld ms, %llu of %llu requests unanswered\n",
		a->options->socket, (long long)a->options->timeout_ms,
		(unsigned long long)(a->asked - a->replies.ended), (unsigned long long)a->asked);
	return CTL_TIMEOUT;
}

/* Milliseconds for poll(); while every request is answered there is no limit. */
static int wait_ms(const struct ask *a)
{
	int64_t left = a->deadline_ms - clock_now_ms();

	if (a->deadline_ms == CLOCK_NEVER || (a->asked <= a->replies.ended && !a->half_closed))
		return -1;
	return (int)MIN(MAX(left, 0), 1 << 30);
}

static enum ctl_exit one_turn(struct ask *a)
{
	bool more = !a->source_ended && !a->cannot_send && a->out.len < CHUNK;
	struct pollfd fds[] = {
	    {.fd = a->fd, .events = POLLIN | (a->out.len && !a->cannot_send ? POLLOUT : 0)},
	    {.fd = more ? STDIN_FILENO : -1, .events = POLLIN},
	};
	enum ctl_exit status = CTL_OK;
	int n = poll(fds, ARRAY_SIZE(fds), wait_ms(a));

	if (n < 0)
		return errno == EINTR ? CTL_OK : say_error("poll", errno, CTL_SYSTEM);
	if (n == 0)
		return clock_now_ms() >= a->deadline_ms ? say_timeout(a) : CTL_OK;
	if (fds[0].revents & ~POLLOUT)
		status = receive(a);
	if (status == CTL_OK && !a->hung_up && fds[1].revents)
		status = read_source(a);
	send_requests(a);
	return status;
}

static enum ctl_exit exchange(struct ask *a)
{
	enum ctl_exit status = make_connection(a);

	if (status == CTL_OK && a->options->line_count)
		status = take_arguments(a);
	send_requests(a);
	while (status == CTL_OK && !a->hung_up)
		status = one_turn(a);
	if (status != CTL_OK)
		return status;
	/* More lines than requests are no harm: replies of several lines on a plain listener. */
	if (!a->source_ended || a->replies.ended < a->asked || a->replies.state != REPLIES_START)
		return say_lost(a);
	return (enum ctl_exit)a->error_code;
}

enum ctl_exit ctl_ask(const struct ctl_options *options)
{
	struct ask a = {
	    .options = options,
	    .fd = -1,
	    .replies = {
		.status = options->status, .on_bytes = on_bytes, .on_error = on_error, .ctx = &a}};
	enum ctl_exit status;

	touch_deadline(&a);
	status = exchange(&a);
	fd_close(&a.fd);
	buf_finish(&a.out);
	buf_finish(&a.in);
	buf_finish(&a.print);
	replies_finish(&a.replies);
	return status;
}
