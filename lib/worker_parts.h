/* SPDX-License-Identifier: MIT */
#ifndef COPROC_WORKER_PARTS_H
#define COPROC_WORKER_PARTS_H

/* What worker.c and worker_state.c share; for no other module. */

#include "worker.h"

/* The one place where the state changes. It only moves forward (asserted). */
void worker_set_state(struct worker *w, enum worker_state state);

/* Have lines that are no replies reported, and the numbers of its probes known. */
void worker_listen(struct worker *w);

/* Take over the descriptors in w->child. Returns 0 or -ENOMEM. */
int worker_open_streams(struct worker *w);

#endif
