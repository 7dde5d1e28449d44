/* SPDX-License-Identifier: MIT */
#include "hold.h"

#include "control.h"
#include "coproc.h"
#include "log.h"
#include "session.h"
#include "supervise.h"

#include <event2/event.h>
#include <string.h>

/* How often is looked whether the processes are at rest. */
#define LOOK_MS 20

static void look_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	const struct timeval soon = {.tv_usec = LOOK_MS * 1000};
	struct hold *h = arg;
	struct coproc_stats t;

	coproc_get_stats(h->engine, &t);
	if (t.waiting || t.in_flight)
		event_add(&h->look, &soon);
	else
		control_outcome(h->control, CONTROL_DRAINED, true, "nothing is asked until resume");
}

void hold_init(struct hold *h, struct event_base *base, struct hall *hall, struct coproc *engine,
	       struct control *control)
{
	*h = (struct hold){.hall = hall, .engine = engine, .control = control};
	evtimer_assign(&h->look, base, look_cb, h);
}

static void pause_hall(struct hold *h)
{
	if (!h->hall->paused)
		log_at(LOG_NOTICE, "control: " HOLD_STATUS);
	hall_pause(h->hall, true);
	supervise_status(HOLD_STATUS);
}

/* End the pause; who waits for a drain is told @why it has failed. */
static void end_pause(struct hold *h, const char *why)
{
	event_del(&h->look);
	control_outcome(h->control, CONTROL_DRAINED, false, why);
	hall_pause(h->hall, false);
}

static void resume_hall(struct hold *h)
{
	if (h->hall->paused)
		log_at(LOG_NOTICE, "control: resumed");
	end_pause(h, "resumed before the processes rested");
	supervise_status("requests are taken");
}

bool hold_command(struct hold *h, struct control_client *client, const char *command)
{
	if (!strcmp(command, "pause")) {
		pause_hall(h);
		control_reply(client, "requests wait until resume");
	} else if (!strcmp(command, "resume")) {
		resume_hall(h);
		control_reply(client, "requests are taken");
	} else if (!strcmp(command, "drain")) {
		pause_hall(h);
		control_wait(client, CONTROL_DRAINED);
		look_cb(-1, 0, h);
	} else {
		return false;
	}
	return true;
}

void hold_stop(struct hold *h)
{
	end_pause(h, "the daemon is stopping");
}

void hold_finish(struct hold *h)
{
	if (h->hall)
		event_del(&h->look);
}
