/* SPDX-License-Identifier: MIT */
/*
 * Keep a program running inside a libevent program, without the daemon:
 * embed COMMAND [ARG...] asks it each line of stdin and prints the replies.
 * cc embed.c -o embed $(pkg-config --cflags --libs libcoproc)
 */
#include <coproc.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct embed {
	struct coproc *engine;
	struct coproc_request request;
	char line[4096];
};

static void ask_next(struct embed *e);

static void on_reply(void *ctx, const struct coproc_reply *reply)
{
	if (reply->code != COPROC_OK)
		printf("no reply: %s: %.*s\n", coproc_code_name(reply->code), (int)reply->len,
		       reply->bytes);
	else
		fwrite(reply->bytes, 1, reply->len, stdout);
	ask_next(ctx);
}

static void ask_next(struct embed *e)
{
	enum coproc_code code;

	if (!fgets(e->line, sizeof(e->line), stdin)) {
		coproc_stop(e->engine); /* then on_stopped is called */
		return;
	}
	code = coproc_submit(e->engine, &e->request, e->line, strcspn(e->line, "\n"), on_reply, e);
	if (code != COPROC_OK) {
		fprintf(stderr, "refused: %s\n", coproc_refusal(e->engine, code));
		coproc_stop(e->engine);
	}
}

static void on_event(void *ctx, const struct coproc_event *event)
{
	if (event->kind == COPROC_EV_READY)
		fprintf(stderr, "process %d is ready\n", (int)event->pid);
}

static struct event_base *base;

static void on_stopped(void *ctx)
{
	event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
	const struct coproc_ops ops = {.on_event = on_event, .on_stopped = on_stopped};
	struct coproc_options options;
	struct embed e = {0};
	char error[200];

	if (argc < 2)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	coproc_options_init(&options);
	options.argv = argv + 1;
	if (coproc_new(&options, base, &ops, &e, &e.engine, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	if (coproc_start(e.engine) < 0)
		return 1;
	ask_next(&e);
	event_base_dispatch(base);
	coproc_free(e.engine);
	event_base_free(base);
	return 0;
}
