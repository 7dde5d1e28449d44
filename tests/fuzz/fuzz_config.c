/* SPDX-License-Identifier: MIT */
/* Any bytes as a config file: a complete config or one line of error, no leak. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = NULL;
	char *message = NULL;
	FILE *stream;

	if (!size)
		return 0;
	stream = fmemopen((void *)(size_t)data, size, "r");
	if (!stream)
		return 0;
	if (config_from_stream(stream, "fuzz.conf", &config, &message)) {
		/* One line that says where. */
		if (!message || strncmp(message, "coprocd: ", 9) != 0 ||
		    strchr(message, '\n') != message + strlen(message) - 1)
			abort();
	} else if (!config->engine.argv || !config->engine.argv[0] || !config->listen_count) {
		abort();
	}
	config_free(config);
	free(message);
	fclose(stream);
	return 0;
}
