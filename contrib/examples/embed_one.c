/* SPDX-License-Identifier: MIT */
/*
 * Ask one question of a program that runs inside this one: embed_one COMMAND [ARG...]
 * cc embed_one.c -o embed_one $(pkg-config --cflags --libs libcoproc)
 */
#include <coproc.h>
#include <event2/event.h>
#include <stdio.h>

static void on_reply(void *base, const struct coproc_reply *reply)
{
	printf("%s: %.*s", coproc_code_name(reply->code), (int)reply->len, reply->bytes);
	event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct coproc_options options;
	struct coproc_request request;
	struct coproc *engine;
	char error[200] = "usage: embed_one COMMAND [ARG...]";

	coproc_options_init(&options);
	options.argv = argv + 1;
	if (argc < 2 || coproc_new(&options, base, &(struct coproc_ops){0}, NULL, &engine, error,
				   sizeof(error)))
		return fprintf(stderr, "%s\n", error), 64;
	if (!coproc_start(engine) && !coproc_submit(engine, &request, "hello", 5, on_reply, base))
		event_base_dispatch(base);
	coproc_free(engine);
	event_base_free(base);
}
