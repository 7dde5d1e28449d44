/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "server.h"
#include "upgrade.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct config *config = NULL;
	struct config_result result;
	struct unpack state;
	bool upgraded;

	upgrade_init();
	upgraded = upgrade_arrived(&state);
	result =
	    config_from_args_and_text(argc, argv, upgraded ? unpack_text(&state) : NULL, &config);
	if (result.action != CONFIG_RUN) {
		fputs(result.message, result.action == CONFIG_PRINT ? stdout : stderr);
		free(result.message);
		return result.action == CONFIG_PRINT ? EXIT_CODE_OK : result.exit_code;
	}
	return server_run(config, argc, argv, upgraded ? &state : NULL);
}
