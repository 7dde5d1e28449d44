/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a client sends, cut into pieces of the size that the first
 * byte says, to a real hall and engine with an echo as the process: as many
 * endings as requests, each a line, and the connection closed at the end.
 */
#include "config.h"
#include "fd.h"
#include "log.h"
#include "session.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_REQUEST 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The process: its ends of the pipes. */
static int process_in, process_out;

static int64_t fixed_now(void *ctx UNUSED)
{
	return 1000;
}

static int echo_spawn(void *ctx UNUSED, const struct coproc_options *options UNUSED,
		      struct coproc_child *child, const char **step UNUSED)
{
	int in[2], out[2], err[2];

	if (fd_pipe(in) || fd_pipe(out) || fd_pipe(err))
		abort();
	process_in = in[0];
	process_out = out[1];
	close(err[1]);
	*child = (struct coproc_child){
	    .pid = 1, .exited = eventfd(0, EFD_CLOEXEC), .in = in[1], .out = out[0], .err = err[0]};
	return 0;
}

static void no_kill(void *ctx UNUSED, const struct coproc_child *child, int sig UNUSED)
{
	uint64_t one = 1;

	if (write(child->exited, &one, sizeof(one)) < 0)
		abort();
}

static bool reap(void *ctx UNUSED, const struct coproc_child *child UNUSED, int *status)
{
	*status = 0;
	return true;
}

static size_t no_rss(void *ctx UNUSED, const struct coproc_child *child UNUSED)
{
	return 0;
}

static uint32_t no_random(void *ctx UNUSED)
{
	return 0;
}

static void quiet(int level UNUSED, const char *line UNUSED)
{
}

/* Let the process echo what it has, and count the lines that reach the client. */
static size_t turn(struct event_base *base, int client, bool *closed)
{
	char bytes[4096];
	size_t lines = 0;
	ssize_t n;

	event_base_loop(base, EVLOOP_NONBLOCK);
	while ((n = read(process_in, bytes, sizeof(bytes))) > 0)
		if (write(process_out, bytes, (size_t)n) != n)
			abort();
	event_base_loop(base, EVLOOP_NONBLOCK);
	while ((n = recv(client, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += bytes[i] == '\n';
	*closed = n == 0;
	return lines;
}

static size_t count_requests(const uint8_t *data, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n';
	return n + (size && data[size - 1] != '\n');
}

static size_t talk(struct event_base *base, int client, const uint8_t *data, size_t size,
		   size_t piece)
{
	size_t lines = 0;
	bool closed = false;

	while (size) {
		ssize_t n = send(client, data, MIN(piece, size), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
		lines += turn(base, client, &closed);
	}
	shutdown(client, SHUT_WR);
	for (int i = 0; i < 20000 && !closed; i++)
		lines += turn(base, client, &closed);
	if (!closed)
		abort();
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct coproc_ops ops = {0};
	static const struct coproc_platform platform = {.now_ms = fixed_now,
							.spawn = echo_spawn,
							.rss = no_rss,
							.kill = no_kill,
							.reap = reap,
							.random = no_random};
	struct config config = {.max_clients = 10, .client_requests = 4, .client_buffer = 1000};
	char *argv[] = {(char[]){"echo"}, NULL};
	struct coproc *engine = NULL;
	struct event_base *base;
	struct hall hall;
	char error[200];
	int pair[2];

	if (size < 2 || size > 20000)
		return 0;
	signal(SIGPIPE, SIG_IGN);
	log_set_handler(quiet);
	coproc_options_init(&config.engine);
	config.engine.argv = argv;
	config.engine.max_request = MAX_REQUEST;
	config.engine.settle_ms = 0; /* the clock stands still */
	base = event_base_new();
	if (!base || coproc_new(&config.engine, base, &ops, NULL, &engine, error, sizeof(error)))
		abort();
	coproc_set_platform(engine, &platform);
	if (coproc_start(engine) || hall_init(&hall, base, engine, &config, NULL, NULL) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) ||
	    hall_admit(&hall, pair[0], &(const struct config_listen){.replies = REPLIES_PLAIN}))
		abort();
	if (talk(base, pair[1], data + 1, size - 1, data[0] + 1U) !=
	    count_requests(data + 1, size - 1))
		abort();
	close(pair[1]);
	close(process_in);
	close(process_out);
	hall_finish(&hall);
	coproc_free(engine);
	event_base_free(base);
	return 0;
}
