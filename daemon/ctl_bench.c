/* SPDX-License-Identifier: MIT */
#include "ctl_bench.h"

#include "ctl_times.h"
#include "macros.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench_client;

/* One place of a client's depth: a request, then the next. */
struct lane {
	struct bench_client *client; /* borrowed */
	uint64_t asked_ns;
};

struct bench_client {
	struct bench *bench; /* borrowed */
	struct coproc_client *client;
	struct lane *lanes; /* owned; as many as the depth */
};

struct bench {
	const struct ctl_options *options; /* borrowed */
	struct event_base *base;
	struct bench_client *clients; /* owned; those connected */
	unsigned count;
	size_t next_line;
	bool over; /* no more requests */
	unsigned busy;
	uint64_t replies, errors;
	uint64_t codes[COPROC_STOPPING + 2]; /* the last: unknown */
	enum ctl_exit status;
	struct times times;
};

static void ask_again(struct lane *lane);

static void end_if_idle(struct bench *b)
{
	if (b->over && !b->busy)
		event_base_loopbreak(b->base);
}

static void note_error(struct bench *b, const struct coproc_answer *answer)
{
	bool known = answer->code != COPROC_CODE_UNKNOWN;

	b->errors++;
	b->codes[known ? answer->code : COPROC_STOPPING + 1]++;
	if (b->status == CTL_OK)
		b->status = ctl_exit_of_code(answer->code);
}

static void on_answer(void *ctx, const struct coproc_answer *answer)
{
	struct lane *lane = ctx;
	struct bench *b = lane->client->bench;

	b->busy--;
	if (answer->error) {
		/* Said once, by on_closed(). */
		end_if_idle(b);
		return;
	}
	times_add(&b->times, times_now_ns() - lane->asked_ns);
	if (answer->code == COPROC_OK)
		b->replies++;
	else
		note_error(b, answer);
	if (!b->over)
		ask_again(lane);
	end_if_idle(b);
}

static void ask_again(struct lane *lane)
{
	struct bench *b = lane->client->bench;
	const char *line = b->options->lines[b->next_line++ % b->options->line_count];
	int error;

	lane->asked_ns = times_now_ns();
	error =
	    coproc_client_submit(lane->client->client, line, strlen(line), on_answer, lane, NULL);
	b->busy += !error;
}

/* A load with a client less is not the one that was asked for: it ends. */
static void on_closed(void *ctx, int error)
{
	struct bench_client *c = ctx;

	c->bench->status = ctl_say_lost(c->bench->options, c->client, error ? error : -ECONNRESET);
	c->bench->over = true;
	event_base_loopbreak(c->bench->base);
}

static void over_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct bench *b = arg;

	b->over = true;
	end_if_idle(b);
}

static enum ctl_exit start_client(struct bench *b, struct bench_client *c)
{
	enum ctl_exit status;

	c->bench = b;
	c->lanes = calloc(b->options->depth, sizeof(*c->lanes));
	if (!c->lanes)
		return ctl_say_error("clients", ENOMEM, CTL_SYSTEM);
	status = ctl_connect(b->options, NULL, &c->client);
	if (status != CTL_OK)
		return status;
	if (coproc_client_watch(c->client, b->base, on_closed, c) < 0)
		return ctl_say_error("clients", ENOMEM, CTL_SYSTEM);
	for (unsigned i = 0; i < b->options->depth; i++)
		c->lanes[i].client = c;
	return CTL_OK;
}

static enum ctl_exit start_clients(struct bench *b)
{
	enum ctl_exit status = CTL_OK;

	b->clients = calloc(b->options->clients, sizeof(*b->clients));
	if (!b->clients)
		return ctl_say_error("clients", ENOMEM, CTL_SYSTEM);
	while (status == CTL_OK && b->count < b->options->clients)
		status = start_client(b, &b->clients[b->count++]);
	return status;
}

static void run(struct bench *b)
{
	struct timeval tv = {.tv_sec = b->options->duration_ms / 1000,
			     .tv_usec = b->options->duration_ms % 1000 * 1000};

	event_base_once(b->base, -1, EV_TIMEOUT, over_cb, b, &tv);
	for (unsigned i = 0; i < b->count; i++)
		for (unsigned lane = 0; lane < b->options->depth; lane++)
			ask_again(&b->clients[i].lanes[lane]);
	event_base_dispatch(b->base);
}

static const char *const share_names[] = {"p50", "p90", "p99", "p99.9"};
static const double shares[] = {0.5, 0.9, 0.99, 0.999};

static void print_codes(const struct bench *b, bool json)
{
	for (int code = COPROC_TIMEOUT; code <= COPROC_STOPPING + 1; code++) {
		const char *name =
		    code <= COPROC_STOPPING ? coproc_code_name((enum coproc_code)code) : "unknown";

		if (b->codes[code] && json)
			printf(",\"%s\":%llu", name, (unsigned long long)b->codes[code]);
		else if (b->codes[code])
			printf(", %s %llu", name, (unsigned long long)b->codes[code]);
	}
}

static void print_text(const struct bench *b, double seconds)
{
	printf("%u clients, depth %u, %.1f s\n", b->options->clients, b->options->depth, seconds);
	printf("replies  %llu, %.0f/s\nerrors   %llu", (unsigned long long)b->replies,
	       (double)b->replies / seconds, (unsigned long long)b->errors);
	print_codes(b, false);
	printf("\nlatency ");
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++)
		printf(" %s %.3f ms,", share_names[i],
		       (double)times_percentile(&b->times, shares[i]) / 1e6);
	printf(" max %.3f ms\n", (double)b->times.max / 1e6);
}

static void print_json(const struct bench *b, double seconds)
{
	printf("{\"clients\":%u,\"depth\":%u,\"seconds\":%.3f,\"replies\":%llu,\"per_second\":%.1f,"
	       "\"errors\":%llu,\"codes\":{\"ok\":%llu",
	       b->options->clients, b->options->depth, seconds, (unsigned long long)b->replies,
	       (double)b->replies / seconds, (unsigned long long)b->errors,
	       (unsigned long long)b->replies);
	print_codes(b, true);
	printf("},\"latency_ms\":{");
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++)
		printf("\"%s\":%.4f,", share_names[i],
		       (double)times_percentile(&b->times, shares[i]) / 1e6);
	printf("\"max\":%.4f}}\n", (double)b->times.max / 1e6);
}

static void finish(struct bench *b)
{
	for (unsigned i = 0; i < b->count; i++) {
		coproc_client_free(b->clients[i].client);
		free(b->clients[i].lanes);
	}
	free(b->clients);
	if (b->base)
		event_base_free(b->base);
	free(b);
}

enum ctl_exit ctl_bench(const struct ctl_options *options)
{
	struct bench *b = calloc(1, sizeof(*b));
	enum ctl_exit status;
	uint64_t start_ns;
	double seconds;

	if (!b || !(b->base = event_base_new())) {
		free(b);
		return ctl_say_error("bench", ENOMEM, CTL_SYSTEM);
	}
	b->options = options;
	b->status = CTL_OK;
	status = start_clients(b);
	if (status == CTL_OK) {
		start_ns = times_now_ns();
		run(b);
		seconds = (double)(times_now_ns() - start_ns) / 1e9;
		(options->json ? print_json : print_text)(b, seconds);
		status = b->status;
		if (ctl_flush() != CTL_OK)
			status = CTL_IO;
	}
	finish(b);
	return status;
}
