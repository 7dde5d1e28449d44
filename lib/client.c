/* SPDX-License-Identifier: MIT */
/*
 * The connection of a client, without any waiting but for connect(): requests
 * into the ring and out, endings in and off the ring. What waits is in
 * client_ask.c, client_async.c, or with the caller.
 *
 * After everything that has called up, the client may be doomed or its
 * connection lost; every path on from there looks first.
 */
#include "client.h"

#include "clock.h"
#include "fd.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	DEFAULT_TIMEOUT_MS = 60000,
	DEFAULT_MAX_REPLY = 64 << 20,
	MAX_UNSENT = 64 << 20,
	CONNECT_RETRY_MS = 10,
	FIRST_ROOM = 16,
	KEEP_REPLY = 64 << 10,
};

/* ---- upcalls ---- */

static void destroy(struct coproc_client *c)
{
	fd_close(&c->fd);
	buf_finish(&c->out);
	buf_finish(&c->in);
	buf_finish(&c->reply);
	buf_finish(&c->answer);
	replies_finish(&c->replies);
	free(c->ring);
	free(c);
}

void client_enter(struct coproc_client *c)
{
	c->upcalls++;
}

void client_leave(struct coproc_client *c)
{
	if (--c->upcalls == 0 && c->doomed)
		destroy(c);
}

static struct client_pending take_oldest(struct coproc_client *c)
{
	struct client_pending oldest = c->ring[c->oldest & (c->room - 1)];

	c->oldest++;
	c->pending--;
	return oldest;
}

static void end_oldest(struct coproc_client *c, struct coproc_answer *answer)
{
	struct client_pending p;

	answer->number = c->oldest;
	p = take_oldest(c);
	if (p.done)
		p.done(p.ctx, answer);
}

/* All that is pending now; an upcall can hand in nothing more as the connection is lost. */
static void end_all(struct coproc_client *c, int error)
{
	struct coproc_answer answer = {
	    .error = error, .code = COPROC_CODE_UNKNOWN, .name = "", .bytes = ""};

	client_enter(c);
	while (c->pending)
		end_oldest(c, &answer);
	client_leave(c);
}

void client_fail(struct coproc_client *c, int error, const char *text)
{
	if (c->error)
		return;
	c->error = error;
	snprintf(c->failure, sizeof(c->failure), "%s", text);
	client_enter(c);
	if (c->watch)
		client_watch_changed(c);
	fd_close(&c->fd);
	buf_finish(&c->out);
	end_all(c, error);
	client_leave(c);
}

/* ---- what comes ---- */

static void fail_size(struct coproc_client *c)
{
	char text[80];

	snprintf(text, sizeof(text), "a reply of more than %zu bytes", c->options.max_reply);
	client_fail(c, -EMSGSIZE, text);
}

static void keep_reply(struct coproc_client *c, const char *bytes, size_t len)
{
	size_t max = c->options.max_reply;

	if (max && len > max - MIN(max, c->reply.len))
		fail_size(c);
	else if (buf_add(&c->reply, bytes, len) < 0)
		client_fail(c, -ENOMEM, strerror(ENOMEM));
}

static void on_bytes(void *ctx, const char *bytes, size_t len)
{
	struct coproc_client *c = ctx;
	bool piecewise = c->options.on_piece != NULL;

	if (c->error)
		return;
	if (!c->pending && !(piecewise && c->options.plain))
		client_fail(c, -EPROTO, "a reply that nobody asked for");
	else if (c->pending && !c->ring[c->oldest & (c->room - 1)].done)
		return; /* nobody waits for it */
	else if (piecewise)
		c->options.on_piece(c->options.ctx, bytes, len);
	else
		keep_reply(c, bytes, len);
}

static void empty_reply(struct coproc_client *c)
{
	buf_consume(&c->reply, c->reply.len);
	buf_release(&c->reply, KEEP_REPLY);
}

static void on_end(void *ctx, uint64_t number UNUSED)
{
	struct coproc_client *c = ctx;
	struct coproc_answer answer = {
	    .code = COPROC_OK, .name = coproc_code_name(COPROC_OK), .len = c->reply.len};

	if (c->error || !c->pending)
		return;
	if (buf_add(&c->reply, "", 1) < 0) {
		client_fail(c, -ENOMEM, strerror(ENOMEM));
		return;
	}
	answer.bytes = buf_bytes(&c->reply);
	end_oldest(c, &answer);
	empty_reply(c);
}

static int code_of(const char *name)
{
	for (int code = COPROC_TIMEOUT; code <= COPROC_STOPPING; code++)
		if (!strcmp(name, coproc_code_name((enum coproc_code)code)))
			return code;
	return COPROC_CODE_UNKNOWN;
}

/* An error without a request is the daemon's farewell: this user is denied, or it stops. */
static void take_farewell(struct coproc_client *c, const char *error, size_t len, int code)
{
	char text[sizeof(c->failure)];

	snprintf(text, sizeof(text), "%.*s", (int)len, error);
	client_fail(c, code == COPROC_DENIED ? -EACCES : -ECONNRESET, text);
}

/* In both forms of the protocol the first word is the code. */
static void on_error(void *ctx, uint64_t number UNUSED, const char *error, size_t len)
{
	struct coproc_client *c = ctx;
	struct coproc_answer answer = {0};
	size_t name = 0, text;

	if (c->error)
		return;
	while (name < len && error[name] != ':' && error[name] != ' ')
		name++;
	text = name + (name < len && error[name] == ':');
	text += text < len && error[text] == ' ';
	buf_consume(&c->reply, c->reply.len);
	if (buf_add(&c->reply, error, name) || buf_add(&c->reply, "", 1) ||
	    buf_add(&c->reply, error + text, len - text) || buf_add(&c->reply, "", 1)) {
		client_fail(c, -ENOMEM, strerror(ENOMEM));
		return;
	}
	answer.name = buf_bytes(&c->reply);
	answer.code = code_of(answer.name);
	answer.bytes = answer.name + name + 1;
	answer.len = len - text;
	if (c->pending)
		end_oldest(c, &answer);
	else
		take_farewell(c, error, len, answer.code);
	empty_reply(c);
}

static void hang_up(struct coproc_client *c)
{
	bool within = c->pending || c->replies.state != REPLIES_START;

	client_fail(c, within ? -ECONNRESET : -ENOTCONN, "the daemon has closed the connection");
}

static long receive(struct coproc_client *c)
{
	char *dst;
	ssize_t n;

	if (buf_reserve(&c->in, CLIENT_CHUNK, &dst) < 0) {
		client_fail(c, -ENOMEM, strerror(ENOMEM));
		return c->error;
	}
	n = recv(c->fd, dst, CLIENT_CHUNK, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		hang_up(c);
		return c->error;
	}
	switch (replies_take(&c->replies, dst, (size_t)n)) {
	case 0:
		break;
	case -EPROTO:
		client_fail(c, -EPROTO, "no status replies; has this listener replies=status?");
		break;
	default:
		client_fail(c, -ENOMEM, strerror(ENOMEM));
	}
	return c->error ? c->error : n;
}

/* ---- what goes ---- */

static void send_requests(struct coproc_client *c)
{
	while (c->out.len && !c->cannot_send) {
		ssize_t n = send(c->fd, buf_bytes(&c->out), c->out.len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			c->cannot_send = true;
		else
			buf_consume(&c->out, (size_t)n);
	}
	buf_release(&c->out, CLIENT_CHUNK);
	if (c->ending && !c->half_closed)
		c->half_closed = shutdown(c->fd, SHUT_WR) == 0;
}

long client_turn(struct coproc_client *c, bool readable)
{
	long n = readable ? receive(c) : 0;

	if (!c->error)
		send_requests(c);
	return n;
}

long coproc_client_turn(struct coproc_client *c, short revents)
{
	long n;

	assert(!c->upcalls);
	if (c->error)
		return c->error;
	client_enter(c);
	n = client_turn(c, revents & ~POLLOUT);
	if (c->watch && !c->error)
		client_watch_changed(c);
	if (c->doomed)
		n = -ECANCELED;
	client_leave(c);
	return n;
}

static int grow(struct coproc_client *c)
{
	size_t room = c->room ? c->room * 2 : FIRST_ROOM;
	struct client_pending *ring;

	if (c->pending < c->room)
		return 0;
	ring = calloc(room, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (uint64_t n = c->oldest; n < c->oldest + c->pending; n++)
		ring[n & (room - 1)] = c->ring[n & (c->room - 1)];
	free(c->ring);
	c->ring = ring;
	c->room = room;
	return 0;
}

int coproc_client_submit(struct coproc_client *c, const char *request, size_t len,
			 coproc_answer_fn done, void *ctx, uint64_t *number)
{
	char *dst;

	if (c->error || c->ending || c->doomed)
		return -ENOTCONN;
	if (len && memchr(request, '\n', len))
		return -EINVAL;
	if (c->out.len && len >= MAX_UNSENT - MIN(MAX_UNSENT, c->out.len))
		return -ENOBUFS;
	if (grow(c) < 0 || buf_reserve(&c->out, len + 1, &dst) < 0)
		return -ENOMEM;
	if (len)
		memcpy(dst, request, len);
	dst[len] = '\n';
	buf_commit(&c->out, len + 1);
	if (number)
		*number = c->oldest + c->pending;
	c->ring[(c->oldest + c->pending++) & (c->room - 1)] =
	    (struct client_pending){.done = done, .ctx = ctx};
	if (c->watch)
		client_watch_changed(c);
	return 0;
}

void coproc_client_cancel(struct coproc_client *c, uint64_t number)
{
	if (number < c->oldest || number - c->oldest >= c->pending)
		return;
	c->ring[number & (c->room - 1)].done = NULL;
	/* What has come of it already is nobody's. */
	if (number == c->oldest)
		buf_consume(&c->reply, c->reply.len);
}

void coproc_client_end(struct coproc_client *c)
{
	c->ending = true;
	if (!c->error && !c->out.len && !c->half_closed)
		c->half_closed = shutdown(c->fd, SHUT_WR) == 0;
}

/* ---- looking ---- */

size_t coproc_client_pending(const struct coproc_client *c)
{
	return c->pending;
}

size_t coproc_client_unsent(const struct coproc_client *c)
{
	return c->out.len;
}

int coproc_client_fd(const struct coproc_client *c)
{
	return c->fd;
}

short coproc_client_events(const struct coproc_client *c)
{
	return POLLIN | (c->out.len && !c->cannot_send ? POLLOUT : 0);
}

const char *coproc_client_failure(const struct coproc_client *c)
{
	return c->error ? c->failure : NULL;
}

/* ---- life ---- */

void coproc_client_options_init(struct coproc_client_options *options)
{
	*options = (struct coproc_client_options){.timeout_ms = DEFAULT_TIMEOUT_MS,
						  .max_reply = DEFAULT_MAX_REPLY};
}

int coproc_client_adopt(int fd, const struct coproc_client_options *options,
			struct coproc_client **out)
{
	struct coproc_client *c = calloc(1, sizeof(*c));
	int error;

	if (!c)
		return -ENOMEM;
	error = fd_set_nonblock(fd);
	if (error) {
		free(c);
		return error;
	}
	coproc_client_options_init(&c->options);
	if (options)
		c->options = *options;
	c->fd = fd;
	c->oldest = 1;
	c->replies = (struct replies){.status = !c->options.plain,
				      .on_bytes = on_bytes,
				      .on_error = on_error,
				      .on_end = on_end,
				      .ctx = c};
	*out = c;
	return 0;
}

/* EAGAIN: too many others wait to be accepted; there is no event for its end. */
static int connect_by(int fd, const struct sockaddr_un *addr, int64_t deadline_ms)
{
	while (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (clock_now_ms() >= deadline_ms)
			return -ETIMEDOUT;
		poll(NULL, 0, CONNECT_RETRY_MS);
	}
	return 0;
}

int coproc_client_open(const char *path, const struct coproc_client_options *options,
		       struct coproc_client **out)
{
	int64_t timeout_ms = options ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	error = connect_by(fd, &addr, clock_deadline_ms(clock_now_ms(), timeout_ms));
	if (!error)
		error = coproc_client_adopt(fd, options, out);
	if (error)
		fd_close(&fd);
	return error;
}

void coproc_client_free(struct coproc_client *c)
{
	if (!c || c->doomed)
		return;
	client_enter(c);
	c->doomed = true;
	if (c->watch)
		client_watch_free(c);
	client_fail(c, -ECANCELED, "freed");
	end_all(c, -ECANCELED);
	client_leave(c);
}
