/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_HOLD_H
#define DAEMON_HOLD_H

/*
 * The commands pause, drain and resume: while the hall is paused, what clients
 * ask waits with them, and the processes come to rest.
 */

#include "macros.h"

#include <event2/event_struct.h>
#include <stdbool.h>

struct control;
struct control_client;
struct coproc;
struct event_base;
struct hall;

/* What the supervisor is told while it is so. */
#define HOLD_STATUS "paused, requests wait with their clients"

struct hold {
	struct hall *hall;       /* borrowed, as the next two */
	struct coproc *engine;   /* for when it has come to rest */
	struct control *control; /* who waits for that */
	struct event look;       /* while somebody does */
};

void hold_init(struct hold *h, struct event_base *base, struct hall *hall, struct coproc *engine,
	       struct control *control);

/* Whether @command was one of the three, which is then answered now or later. */
bool hold_command(struct hold *h, struct control_client *client, const char *command) WARN_UNUSED;

/* The daemon stops: what waits is told so. */
void hold_stop(struct hold *h);

/* Accepts zeroed memory. */
void hold_finish(struct hold *h);

#endif
