/* SPDX-License-Identifier: MIT */
/*
 * Ask a coprocd: client SOCKET LINE...; the listener has replies=status.
 * cc client.c -o client $(pkg-config --cflags --libs libcoproc)
 */
#include <coproc_client.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct coproc_client *client;
	struct coproc_answer answer;

	if (argc < 2 || coproc_client_open(argv[1], NULL, &client) < 0)
		return 1;
	for (int i = 2; i < argc; i++) {
		if (coproc_client_ask(client, argv[i], strlen(argv[i]), 5000, &answer) < 0)
			return 2;
		if (answer.code)
			printf("no reply: %s: %s\n", answer.name, answer.bytes);
		else
			fputs(answer.bytes, stdout);
	}
	coproc_client_free(client);
	return 0;
}
