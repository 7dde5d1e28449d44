/* SPDX-License-Identifier: MIT */
#include "coproc.h"

/* The defaults of libcoproc and, through it, of coprocd. */
void coproc_options_init(struct coproc_options *options)
{
	*options = (struct coproc_options){
	    .reply = "line",
	    .suffix = "\n",
	    .suffix_len = 1,
	    .request_bytes = COPROC_BYTES_TEXT,
	    .max_request = 64 << 10,
	    .max_reply = 16 << 20,
	    .window = COPROC_WINDOW_DEFAULT,
	    .workers = 1,
	    .settle_ms = 20,
	    .settle_over = 700,
	    .queue = 10000,
	    .queue_bytes = 64 << 20,
	    .request_timeout_ms = 30 * 1000,
	    .hang_timeout_ms = 60 * 1000,
	    .start_timeout_ms = 60 * 1000,
	    .stop_timeout_ms = 5 * 1000,
	    .drain_timeout_ms = 30 * 1000,
	    .health_interval_ms = 30 * 1000,
	    .restart_delay_ms = 100,
	    .restart_delay_max_ms = 30 * 1000,
	    .restart_stable_ms = 10 * 1000,
	    .restart_limit = 10,
	    .stderr_rate = 100,
	};
}
