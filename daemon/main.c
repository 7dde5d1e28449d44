/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct config *config = NULL;
	struct config_result result = config_from_args(argc, argv, &config);

	if (result.action != CONFIG_RUN) {
		fputs(result.message, result.action == CONFIG_PRINT ? stdout : stderr);
		free(result.message);
		return result.action == CONFIG_PRINT ? EXIT_CODE_OK : result.exit_code;
	}
	return server_run(config, argc, argv);
}
