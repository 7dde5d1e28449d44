/* SPDX-License-Identifier: MIT */
#include "loadgen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10 };

int connect_path(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", loadgen.options.path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die(loadgen.options.path);
	return fd;
}

static void start_program(struct client *c)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		die("start");
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execvp(loadgen.options.command[0], loadgen.options.command);
		die(loadgen.options.command[0]);
	}
	close(in[0]);
	close(out[1]);
	c->fd = out[0];
	c->fd_out = in[1];
}

static void watch(struct client *c, int operation)
{
	struct epoll_event in = {.events = EPOLLIN, .data.ptr = c};
	struct epoll_event out = {.events = c->want_out ? (uint32_t)EPOLLOUT : 0, .data.ptr = c};

	if (c->fd == c->fd_out)
		in.events |= out.events;
	if ((c->fd == c->fd_out || operation == EPOLL_CTL_ADD) &&
	    epoll_ctl(loadgen.epoll, operation, c->fd, &in) < 0)
		die("epoll_ctl");
	if (c->fd != c->fd_out && epoll_ctl(loadgen.epoll, operation, c->fd_out, &out) < 0)
		die("epoll_ctl");
}

static void connect_client(struct client *c)
{
	if (loadgen.options.path)
		c->fd = c->fd_out = connect_path();
	else
		start_program(c);
	if (loadgen.epoll < 0)
		return;
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	fcntl(c->fd_out, F_SETFL, O_NONBLOCK);
	watch(c, EPOLL_CTL_ADD);
}

void client_open(struct client *c, uint32_t id)
{
	c->id = id;
	c->sent_ns = grown(NULL, loadgen.options.depth * sizeof(*c->sent_ns));
	connect_client(c);
}

/* Eight digits each, least significant first. */
static void write_id(char *at, uint32_t client, uint32_t request)
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < 8; i++) {
		at[i] = digits[client >> 4 * i & 15];
		at[8 + i] = digits[request >> 4 * i & 15];
	}
}

static void write_out(struct client *c)
{
	struct bytes *b = &c->out;
	bool want_out;

	while (b->from < b->to) {
		ssize_t n = write(c->fd_out, b->data + b->from, b->to - b->from);

		if (n < 0 && errno != EAGAIN)
			die("write");
		if (n < 0)
			break;
		b->from += (size_t)n;
	}
	want_out = b->from < b->to;
	if (want_out != c->want_out) {
		c->want_out = want_out;
		watch(c, EPOLL_CTL_MOD);
	}
}

void client_ask(struct client *c, uint32_t requests)
{
	const struct options *o = &loadgen.options;
	char *at = room(&c->out, requests * o->bytes);

	for (uint32_t i = 0; i < requests; i++) {
		write_id(at, c->id, c->sent);
		memcpy(at + ID_BYTES, loadgen.filler, o->bytes - ID_BYTES);
		c->sent_ns[c->sent++ % o->depth] = loadgen.now_ns;
		at += o->bytes;
	}
	c->out.to += requests * o->bytes;
	loadgen.pending += requests;
	write_out(c);
}

static bool is_right(const struct client *c, const char *line, size_t len)
{
	const struct options *o = &loadgen.options;
	char id[ID_BYTES];

	if (c->done == c->sent || len != o->bytes + o->status)
		return false;
	if (o->status && *line++ != '+')
		return false;
	write_id(id, c->id, c->done);
	return !memcmp(line, id, ID_BYTES) &&
	       !memcmp(line + ID_BYTES, loadgen.filler, o->bytes - ID_BYTES);
}

static void take_line(struct client *c, const char *line, size_t len)
{
	struct tally *t = &loadgen.tally;

	if (!is_right(c, line, len)) {
		if (!t->wrong++)
			snprintf(t->sample, sizeof(t->sample), "%.*s", (int)len - 1, line);
		if (c->done == c->sent)
			return;
	}
	if (loadgen.recording)
		latency_add(loadgen.now_ns - c->sent_ns[c->done % loadgen.options.depth], 1);
	c->done++;
	t->done++;
	loadgen.pending--;
}

/* Returns how many lines there were. A right one is found by its length alone. */
static uint32_t take_lines(struct client *c)
{
	struct bytes *b = &c->in;
	size_t whole = loadgen.options.bytes + loadgen.options.status;
	uint32_t lines = 0;

	for (;;) {
		const char *line = b->data + b->from, *end = NULL;
		size_t len = b->to - b->from;

		if (len >= whole && line[whole - 1] == '\n' && !memchr(line, '\n', ID_BYTES))
			end = line + whole - 1;
		else if (len > c->scanned)
			end = memchr(line + c->scanned, '\n', len - c->scanned);
		if (!end)
			break;
		take_line(c, line, (size_t)(end + 1 - line));
		b->from += (size_t)(end + 1 - line);
		c->scanned = 0;
		lines++;
	}
	c->scanned = b->to - b->from;
	return lines;
}

static void reconnect(struct client *c)
{
	if (loadgen.epoll >= 0 && epoll_ctl(loadgen.epoll, EPOLL_CTL_DEL, c->fd, NULL) < 0)
		die("epoll_ctl");
	close(c->fd);
	connect_client(c);
}

void client_read(struct client *c)
{
	uint32_t lines;
	ssize_t n;

	if (c->want_out)
		write_out(c);
	n = read(c->fd, room(&c->in, READ_BYTES), READ_BYTES);
	if (n < 0 && errno == EAGAIN && loadgen.epoll >= 0)
		return;
	if (n <= 0) {
		fprintf(stderr, "loadgen: client %u: %s with %u requests unanswered\n", c->id,
			n ? strerror(errno) : "end of input", c->sent - c->done);
		exit(1);
	}
	loadgen.now_ns = clock_ns();
	c->in.to += (size_t)n;
	lines = take_lines(c);
	if (!lines || loadgen.closing)
		return;
	if (loadgen.options.once)
		reconnect(c);
	client_ask(c, lines);
}
