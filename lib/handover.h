/* SPDX-License-Identifier: MIT */
#ifndef COPROC_HANDOVER_H
#define COPROC_HANDOVER_H

/*
 * The state of an engine, written by one program image and taken up by the
 * next one in the same process, which inherits the coprocesses with their
 * pipes. Not part of the installed library.
 */

#include "coproc.h"
#include "pack.h"

/*
 * Whether the state can be written now: nothing is starting, draining, dying or
 * stopping. What is not so becomes so within the engine's time limits.
 */
bool coproc_is_calm(const struct coproc *engine);

/* Write all but the requests themselves, which are the owner's. The engine must be calm. */
void coproc_save(const struct coproc *engine, struct pack *p);

/*
 * Take the state up in place of coproc_start(). After it every saved request is
 * handed in with coproc_adopt(), in ascending order of seq.
 *
 * Returns 0, -EINVAL if the state makes no sense, -ENOMEM.
 */
int coproc_load(struct coproc *engine, struct unpack *u) __attribute__((warn_unused_result));

/*
 * What the owner saves of a pending request beside its bytes.
 *
 * @nth  of a run, whose requests are saved one by one: which of those that have not ended
 */
void coproc_request_save(const struct coproc_request *request, unsigned nth, struct pack *p);

/* Read what coproc_request_save() wrote into @request, for coproc_adopt(). */
void coproc_request_load(struct coproc_request *request, struct unpack *u);

/* Hand a saved request in: it is where it was, with a process or in the queue. */
void coproc_adopt(struct coproc *engine, struct coproc_request *request, const char *bytes,
		  size_t len, coproc_done_fn done, void *ctx);

#endif
