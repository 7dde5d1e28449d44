/* SPDX-License-Identifier: MIT */
/*
 * Ask a coprocd from a libevent program, all requests at once:
 * client_event SOCKET LINE...; the listener has replies=status.
 * cc client_event.c -o client_event $(pkg-config --cflags --libs libcoproc)
 */
#include <coproc_client.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

static void on_answer(void *ctx, const struct coproc_answer *answer)
{
	if (answer->error)
		printf("%d: no answer: %s\n", (int)answer->number, strerror(-answer->error));
	else if (answer->code)
		printf("%d: no reply: %s: %s\n", (int)answer->number, answer->name, answer->bytes);
	else
		printf("%d: %s", (int)answer->number, answer->bytes);
}

static void on_closed(void *ctx, int error)
{
	event_base_loopbreak(ctx);
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct coproc_client *client;

	if (argc < 2 || coproc_client_open(argv[1], NULL, &client) < 0 ||
	    coproc_client_watch(client, base, on_closed, base) < 0)
		return 1;
	for (int i = 2; i < argc; i++)
		if (coproc_client_submit(client, argv[i], strlen(argv[i]), on_answer, NULL, NULL) <
		    0)
			return 2;
	coproc_client_end(client);
	event_base_dispatch(base);
	coproc_client_free(client);
	event_base_free(base);
	return 0;
}
