/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ENGINE_RIG_H
#define TESTS_ENGINE_RIG_H

/*
 * The engine under a scripted platform. What it reports is recorded as text:
 * one line for each event, by its name, and for each ending, "NAME=CODE:TEXT".
 */
#include "coproc.h"
#include "fake_platform.h"
#include "macros.h"

#include <event2/event.h>

#define EXIT_STATUS(code) ((code) << 8)

struct asked {
	struct coproc_request request;
	struct rig *rig;
	const char *name;
	bool quiet; /* only count its ending */
	bool ended;
};

struct rig {
	struct event_base *base;
	struct fake_platform fake;
	struct coproc_options options;
	struct coproc *engine;
	struct asked asked[64];
	unsigned asked_count;
	char record[8192];
	char got[8192]; /* what sent() returned */
	size_t ending_bytes;
	unsigned open_fds;
	void (*in_event)(struct rig *rig, const struct coproc_event *event);
	void (*in_ending)(struct rig *rig, struct asked *a);
	bool freed;
};

/* Fixtures of cmocka; no descriptor and no process may be left behind by any test. */
int rig_setup(void **state);
int rig_teardown(void **state);
/* What the engine reports to. */
extern const struct coproc_ops rig_ops;
void rig_on_done(void *ctx, const struct coproc_reply *reply);

/* Append to what expect() compares. */
void record(struct rig *rig, const char *fmt, ...) PRINTF(2, 3);
/* Let all happen that is due. */
void turn(struct rig *rig);
void wait_ms(struct rig *rig, int64_t ms);
/* Make the engine of rig->options and start it. */
void begin(struct rig *rig);
/* Hand a request in; ask() lets all happen too. */
struct asked *submit(struct rig *rig, const char *name);
struct asked *ask(struct rig *rig, const char *name);
/* What the newest process has received since the last call. */
const char *sent(struct rig *rig);
/* Put a text on the stdout of a process, of the newest one. */
void answer_from(struct rig *rig, struct fake_process *p, const char *text);
void answer(struct rig *rig, const char *text);
void die(struct rig *rig, int status);
/* What was recorded since the last call must be @expected. */
void expect(struct rig *rig, const char *expected);

#endif
