/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct abandoner {
	int fd; /* -1 between connections */
	int64_t leave_ns;
};

struct load_extras {
	struct load *load; /* borrowed */
	struct abandoner *abandoners;
	int flood_fd; /* -1 before and after */
	uint64_t flood_left;
	char *flood_text; /* what is being sent; longer than a socket buffer */
	size_t flood_off;
	size_t flood_len;
	pid_t killed; /* the last */
};

enum { FLOOD_LINE = 32, FLOOD_LINES = 4096 };

struct load_extras *load_extras_new(struct load *load)
{
	struct load_extras *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->load = load;
	x->flood_fd = -1;
	x->flood_text = malloc((size_t)FLOOD_LINE * FLOOD_LINES + 1);
	x->abandoners = calloc(load->options.abandoners + 1, sizeof(*x->abandoners));
	if (!x->flood_text || !x->abandoners)
		abort();
	for (uint32_t i = 0; i < load->options.abandoners; i++)
		x->abandoners[i].fd = -1;
	return x;
}

void load_extras_free(struct load_extras *x)
{
	load_flood_stop(x);
	for (uint32_t i = 0; i < x->load->options.abandoners; i++) {
		if (x->abandoners[i].fd >= 0)
			close(x->abandoners[i].fd);
	}
	free(x->abandoners);
	free(x->flood_text);
	free(x);
}

/* The last line of the file is the pid of the process that runs now. */
static pid_t current_pid(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[64];
	pid_t pid = 0;

	while (file && fgets(line, sizeof(line), file))
		pid = (pid_t)atol(line);
	if (file)
		fclose(file);
	return pid;
}

/* The kills are spread evenly over the requests. */
static void kill_when_due(struct load_extras *x)
{
	const struct load_options *o = &x->load->options;
	struct load_tally *t = &x->load->tally;
	uint64_t total = (uint64_t)o->clients * o->requests;
	pid_t pid;

	if (t->kills == o->kills || load_ended(t) * (o->kills + 1) < total * (t->kills + 1))
		return;
	pid = current_pid(o->count_file);
	if (pid <= 1 || pid == x->killed)
		return;
	if (kill(pid, SIGKILL) == 0) {
		t->kills++;
		x->killed = pid;
	}
}

static void abandon(struct load_extras *x, struct abandoner *a)
{
	const struct load_options *o = &x->load->options;
	int64_t now_ns = x->load->now_ns;
	char text[512];
	int len;

	if (a->fd >= 0 && now_ns >= a->leave_ns) {
		close(a->fd);
		a->fd = -1;
		x->load->tally.abandoned++;
	}
	if (a->fd >= 0)
		return;
	a->fd = load_connect(o->path);
	if (a->fd < 0)
		return;
	a->leave_ns = now_ns + o->abandon_ms * 1000000;
	len = snprintf(text, sizeof(text), "%s\n", o->abandon_line);
	if (send(a->fd, text, (size_t)len, MSG_NOSIGNAL) < 0)
		a->leave_ns = now_ns;
}

void load_flood_start(struct load_extras *x)
{
	x->flood_fd = load_connect(x->load->options.path);
	x->flood_left = x->load->options.flood;
}

void load_flood_stop(struct load_extras *x)
{
	if (x->flood_fd >= 0)
		close(x->flood_fd);
	x->flood_fd = -1;
}

/* Make the next lines; none of them is a request of a polite client. */
static void make_flood(struct load_extras *x)
{
	x->flood_len = 0;
	x->flood_off = 0;
	for (unsigned i = 0; i < FLOOD_LINES && x->flood_left; i++, x->flood_left--)
		x->flood_len +=
		    (size_t)snprintf(x->flood_text + x->flood_len, FLOOD_LINE + 1,
				     "flood-%024llx-\n", (unsigned long long)x->flood_left);
}

static void flood(struct load_extras *x)
{
	while (x->flood_fd >= 0) {
		ssize_t n;

		if (x->flood_off == x->flood_len)
			make_flood(x);
		if (x->flood_off == x->flood_len)
			return;
		n = send(x->flood_fd, x->flood_text + x->flood_off, x->flood_len - x->flood_off,
			 MSG_NOSIGNAL);
		if (n < 0)
			return;
		x->load->tally.flooded += (uint64_t)n;
		x->flood_off += (size_t)n;
	}
}

void load_extras_tick(struct load_extras *x)
{
	if (x->load->options.kills)
		kill_when_due(x);
	for (uint32_t i = 0; i < x->load->options.abandoners; i++)
		abandon(x, &x->abandoners[i]);
	flood(x);
}

int load_idle(const struct load_options *o)
{
	struct pollfd *held = calloc(o->idle, sizeof(*held));
	uint32_t closed = 0;
	char byte;

	if (!held)
		abort();
	for (uint32_t i = 0; i < o->idle; i++) {
		int64_t until_ns = load_now_ns() + o->timeout_ms * 1000000;

		while ((held[i].fd = load_connect(o->path)) == -EAGAIN && load_now_ns() < until_ns)
			poll(NULL, 0, 1);
		held[i].events = POLLIN;
		if (held[i].fd >= 0)
			continue;
		fprintf(stderr, "load: idle connection %u: %s\n", i, strerror(-held[i].fd));
		free(held);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	poll(held, o->idle, 0);
	for (uint32_t i = 0; i < o->idle; i++)
		closed += held[i].revents != 0;
	printf("%u idle connections, %u of them closed by the other side\n", o->idle, closed);
	free(held);
	return closed ? 1 : 0;
}
