/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct client *client_at(struct rig *r, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int64_t until = rig_deadline(r);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct client *c;

	assert_true(fd >= 0 && r->client_count < RIG_CLIENTS);
	c = &r->clients[r->client_count++];
	*c = (struct client){.fd = fd};
	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	while (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		if (!rig_go_on(until))
			fail_msg("%s: %s", path, strerror(errno));
	return c;
}

struct client *client_new(struct rig *r)
{
	return client_at(r, "s");
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->bytes);
	*c = (struct client){.fd = -1};
}

void client_end(struct client *c)
{
	assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
}

void say_bytes(struct rig *r, struct client *c, const char *bytes, size_t len)
{
	int64_t until = rig_deadline(r);

	while (len) {
		ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN) {
			fail_msg("send: %s", strerror(errno));
		} else if (!rig_go_on(until)) {
			fail_msg("the daemon reads no more, %zu bytes are left", len);
		}
	}
}

void say(struct rig *r, struct client *c, const char *text)
{
	say_bytes(r, c, text, strlen(text));
}

/* Read what has come within @wait_ms. Returns 0 at the end of input, -1 after the time. */
static ssize_t receive(struct client *c, int wait_ms)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	char *bytes = realloc(c->bytes, c->len + 65537);
	ssize_t n;

	assert_non_null(bytes);
	c->bytes = bytes;
	if (poll(&p, 1, wait_ms) <= 0)
		return -1;
	n = read(c->fd, c->bytes + c->len, 65536);
	if (n < 0)
		return 0; /* reset: its end too */
	c->len += (size_t)n;
	return n;
}

/* Take the first @len bytes and their LF out of what was received. */
static const char *take_line(struct client *c, size_t len)
{
	static char *line;

	free(line);
	line = malloc(len + 1);
	assert_non_null(line);
	memcpy(line, c->bytes, len);
	line[len] = '\0';
	c->len -= len + 1;
	memmove(c->bytes, c->bytes + len + 1, c->len);
	return line;
}

const char *client_line(struct rig *r, struct client *c, const char *file, int line)
{
	int64_t until = rig_deadline(r);
	size_t scanned = 0;

	for (;;) {
		const char *lf = c->len ? memchr(c->bytes + scanned, '\n', c->len - scanned) : NULL;
		ssize_t n;

		if (lf)
			return take_line(c, (size_t)(lf - c->bytes));
		scanned = c->len;
		n = receive(c, (int)(until - rig_now_ms() > 0 ? until - rig_now_ms() : 0));
		if (n == 0 && !c->len)
			return NULL;
		if (n <= 0)
			break;
	}
	if (c->len)
		print_error("the beginning of a line: \"%.*s\"\n", c->len < 100 ? (int)c->len : 100,
			    c->bytes);
	rig_show_log();
	print_error("no line has come\n");
	_fail(file, line);
	return NULL;
}

void client_expect(struct rig *r, struct client *c, const char *text, bool whole, const char *file,
		   int line)
{
	const char *got = client_line(r, c, file, line);
	bool good = text && got && (whole ? !strcmp(got, text) : !strncmp(got, text, strlen(text)));

	if (good || (!text && !got))
		return;
	print_error("expected \"%s\", got \"%s\"\n", text ? text : "(the end)",
		    got ? got : "(the end)");
	_fail(file, line);
}

void client_ask(struct rig *r, struct client *c, const char *request, const char *reply,
		const char *file, int line)
{
	say(r, c, request);
	say(r, c, "\n");
	client_expect(r, c, reply, true, file, line);
}

pid_t ask_pid(struct rig *r, struct client *c)
{
	const char *reply;

	say(r, c, "!pid\n");
	reply = next_line(r, c);
	assert_non_null(reply);
	assert_true(atoi(reply) > 0);
	return atoi(reply);
}
