/* SPDX-License-Identifier: MIT */
/*
 * floor: the least that a relay between many clients and one program can cost.
 *
 * A first-in first-out relay by hand on epoll: correct, but without any limit, timer,
 * log or restart. Clients are read straight into the bytes for the program, replies are
 * written straight out of what was read from it; who asked is kept in runs (client,
 * count), and what has gathered for the program is written once in a turn of the loop.
 */
#include "bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 65536, EVENTS = 1024, BACKLOG = 4096 };

struct client {
	int fd;           /* -1: gone, and only waited for by runs */
	uint32_t pending; /* lines with the program */
	bool half;        /* has stopped sending */
	bool want_out;
	struct bytes part; /* of a line */
	struct bytes out;
	struct client *next_dead;
};

/* So many lines of one client follow each other. */
struct run {
	struct client *client;
	uint32_t lines;
};

static struct {
	int epoll, listener, to_child, from_child;
	bool child_full;
	struct bytes in;  /* of the program */
	struct bytes out; /* of the program; a part of a line stays */
	size_t scanned;   /* bytes of out that hold no newline */
	struct run *runs; /* a ring */
	uint32_t head, tail, mask;
	struct client *dead; /* freed after the turn, as its events may still name them */
} relay;

static void watch(int operation, int fd, void *what, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = what};

	if (epoll_ctl(relay.epoll, operation, fd, &e) < 0)
		die("epoll_ctl");
}

static void watch_client(struct client *c)
{
	watch(EPOLL_CTL_MOD, c->fd, c,
	      (c->half ? 0 : EPOLLIN) | (c->want_out ? (uint32_t)EPOLLOUT : 0));
}

static void bury(struct client *c)
{
	c->next_dead = relay.dead;
	relay.dead = c;
}

static void client_gone(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	if (!c->pending)
		bury(c);
}

static void reap(void)
{
	while (relay.dead) {
		struct client *c = relay.dead;

		relay.dead = c->next_dead;
		free(c->part.data);
		free(c->out.data);
		free(c);
	}
}

static void grow_runs(void)
{
	uint32_t room = relay.mask ? (relay.mask + 1) * 2 : 1024, n = 0;
	struct run *runs = grown(NULL, room * sizeof(*runs));

	for (uint32_t i = relay.head; i != relay.tail; i++)
		runs[n++] = relay.runs[i & relay.mask];
	free(relay.runs);
	relay.runs = runs;
	relay.mask = room - 1;
	relay.head = 0;
	relay.tail = n;
}

static void add_run(struct client *c, uint32_t lines)
{
	struct run *last = &relay.runs[(relay.tail - 1) & relay.mask];

	c->pending += lines;
	if (relay.head != relay.tail && last->client == c) {
		last->lines += lines;
		return;
	}
	if (relay.tail - relay.head > relay.mask)
		grow_runs();
	relay.runs[relay.tail++ & relay.mask] = (struct run){c, lines};
}

/* The byte behind the last of at most @most lines; @lines: how many there are. */
static const char *skip_lines(const char *at, const char *end, uint32_t most, uint32_t *lines)
{
	const char *newline;

	*lines = 0;
	while (*lines < most && at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		at = newline + 1;
		++*lines;
	}
	return at;
}

static void child_wants(bool full)
{
	if (full != relay.child_full)
		watch(full ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, relay.to_child, &relay.to_child,
		      EPOLLOUT);
	relay.child_full = full;
}

static void write_child(void)
{
	struct bytes *b = &relay.in;

	while (b->from < b->to) {
		ssize_t n = write(relay.to_child, b->data + b->from, b->to - b->from);

		if (n < 0 && errno != EAGAIN)
			exit(0);
		if (n < 0) {
			child_wants(true);
			return;
		}
		b->from += (size_t)n;
	}
	child_wants(false);
}

/* End of input: answer what is pending, unless the client is gone altogether. */
static void client_ended(struct client *c, uint32_t events)
{
	c->half = true;
	if (events & (EPOLLHUP | EPOLLERR) || (!c->pending && c->out.from == c->out.to))
		client_gone(c);
	else
		watch_client(c);
}

static void read_client(struct client *c, uint32_t events)
{
	size_t old = c->part.to, whole;
	char *start = room(&relay.in, old + READ_BYTES), *last;
	uint32_t lines;
	ssize_t n = read(c->fd, start + old, READ_BYTES);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			client_ended(c, n < 0 ? EPOLLERR : events);
		return;
	}
	last = memrchr(start + old, '\n', (size_t)n);
	if (!last) {
		add(&c->part, start + old, (size_t)n);
		return;
	}
	if (old)
		memcpy(start, c->part.data, old);
	c->part.to = 0;
	whole = (size_t)(last + 1 - start);
	if (old + (size_t)n > whole)
		add(&c->part, last + 1, old + (size_t)n - whole);
	skip_lines(start + old, last + 1, UINT32_MAX, &lines);
	relay.in.to += whole;
	add_run(c, lines);
}

static void write_client(struct client *c)
{
	struct bytes *b = &c->out;

	while (b->from < b->to) {
		ssize_t n = write(c->fd, b->data + b->from, b->to - b->from);

		if (n < 0 && errno != EAGAIN) {
			client_gone(c);
			return;
		}
		if (n < 0)
			break;
		b->from += (size_t)n;
	}
	if (c->want_out != (b->from < b->to)) {
		c->want_out = b->from < b->to;
		watch_client(c);
	}
	if (c->half && !c->pending && !c->want_out)
		client_gone(c);
}

static void answer(struct client *c, const char *reply, size_t len)
{
	ssize_t n = 0;

	if (c->fd < 0) {
		if (!c->pending)
			bury(c);
		return;
	}
	if (!c->want_out)
		n = write(c->fd, reply, len);
	if (n == (ssize_t)len && !c->half)
		return;
	if (n < 0 && errno != EAGAIN) {
		client_gone(c);
		return;
	}
	n = n < 0 ? 0 : n;
	add(&c->out, reply + n, len - (size_t)n);
	if (!c->want_out)
		write_client(c);
}

static void answer_runs(void)
{
	struct bytes *b = &relay.out;

	while (relay.head != relay.tail) {
		struct run *run = &relay.runs[relay.head & relay.mask];
		struct client *c = run->client;
		const char *reply = b->data + b->from;
		uint32_t lines;
		const char *end =
		    skip_lines(reply + relay.scanned, b->data + b->to, run->lines, &lines);

		if (!lines)
			break;
		relay.scanned = 0;
		b->from += (size_t)(end - reply);
		c->pending -= lines;
		run->lines -= lines;
		if (!run->lines)
			relay.head++;
		answer(c, reply, (size_t)(end - reply));
	}
	relay.scanned = b->to - b->from;
}

static void read_child(void)
{
	struct bytes *b = &relay.out;
	char *at = room(b, 4 * READ_BYTES);
	ssize_t n = read(relay.from_child, at, b->cap - b->to);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		exit(0);
	b->to += (size_t)n;
	answer_runs();
}

static void accept_clients(void)
{
	int fd;

	while ((fd = accept4(relay.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *c = calloc(1, sizeof(*c));

		if (!c)
			die("calloc");
		c->fd = fd;
		watch(EPOLL_CTL_ADD, fd, c, EPOLLIN);
	}
}

static void serve_client(struct client *c, uint32_t events)
{
	if (c->fd >= 0 && events & EPOLLOUT)
		write_client(c);
	if (c->fd < 0)
		return;
	if (!c->half)
		read_client(c, events);
	else if (events & (EPOLLHUP | EPOLLERR))
		client_gone(c);
}

static void serve(const struct epoll_event *e)
{
	if (e->data.ptr == &relay.listener)
		accept_clients();
	else if (e->data.ptr == &relay.from_child)
		read_child();
	else if (e->data.ptr == &relay.to_child)
		write_child();
	else
		serve_client(e->data.ptr, e->events);
}

static void start_child(char **argv)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		die("start");
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	close(in[0]);
	close(out[1]);
	relay.to_child = in[1];
	relay.from_child = out[0];
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
}

static void start_listening(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	relay.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (bind(relay.listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(relay.listener, BACKLOG) < 0)
		die(path);
	watch(EPOLL_CTL_ADD, relay.listener, &relay.listener, EPOLLIN);
	watch(EPOLL_CTL_ADD, relay.from_child, &relay.from_child, EPOLLIN);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];

	if (argc < 3) {
		fputs("usage: floor SOCKET COMMAND [ARG...]\n", stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	start_child(argv + 2);
	grow_runs();
	start_listening(argv[1]);
	for (;;) {
		int n = epoll_wait(relay.epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			serve(&events[i]);
		if (relay.in.from < relay.in.to && !relay.child_full)
			write_child();
		reap();
	}
}
