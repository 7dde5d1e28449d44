/* SPDX-License-Identifier: MIT */
#include "engine_rig.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <cmocka.h>

static char program[] = "fake";
static char *const argv[] = {program, NULL};

void record(struct rig *rig, const char *fmt, ...)
{
	size_t n = strlen(rig->record);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(rig->record + n, sizeof(rig->record) - n, fmt, ap);
	va_end(ap);
}

static const char *event_name(enum coproc_event_kind kind)
{
	static const char *const names[] = {
	    [COPROC_EV_STARTED] = "started",
	    [COPROC_EV_READY] = "ready",
	    [COPROC_EV_START_FAILED] = "start-failed",
	    [COPROC_EV_EXITED] = "exited",
	    [COPROC_EV_DESYNC] = "desync",
	    [COPROC_EV_HUNG] = "hung",
	    [COPROC_EV_RESTARTING] = "restarting",
	    [COPROC_EV_RECYCLING] = "recycling",
	    [COPROC_EV_FAILED] = "failed",
	    [COPROC_EV_REPLACED] = "replaced",
	    [COPROC_EV_REPLACE_FAILED] = "replace-failed",
	    [COPROC_EV_STOPPED] = "stopped",
	    [COPROC_EV_LATE] = "late",
	    [COPROC_EV_POISON] = "poison",
	    [COPROC_EV_STDERR] = "stderr",
	    [COPROC_EV_SILENT] = "silent",
	    [COPROC_EV_ASYNC] = "async",
	};

	return names[kind];
}

static void on_event(void *ctx, const struct coproc_event *event)
{
	struct rig *rig = ctx;

	/* Every life starts with these two; they would only make the texts longer. */
	if (event->kind != COPROC_EV_STARTED && event->kind != COPROC_EV_READY)
		record(rig, "%s\n", event_name(event->kind));
	if (rig->in_event)
		rig->in_event(rig, event);
}

static void on_room(void *ctx)
{
	record(ctx, "room\n");
}

static void on_stopped(void *ctx)
{
	record(ctx, "all stopped\n");
}

const struct coproc_ops rig_ops = {
    .on_event = on_event, .on_room = on_room, .on_stopped = on_stopped};

void rig_on_done(void *ctx, const struct coproc_reply *reply)
{
	struct asked *a = ctx;
	struct rig *rig = a->rig;
	int len = (int)reply->len;

	a->ended = true;
	rig->ending_bytes += reply->len;
	if (!a->quiet && reply->code == COPROC_OK)
		record(rig, "%s=%.*s", a->name, len, reply->bytes);
	else if (!a->quiet)
		record(rig, "%s=%s\n", a->name, coproc_code_name(reply->code));
	if (rig->in_ending)
		rig->in_ending(rig, a);
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	signal(SIGPIPE, SIG_IGN);
	rig->base = event_base_new();
	rig->open_fds = fake_open_fds();
	fake_platform_init(&rig->fake);
	coproc_options_init(&rig->options);
	rig->options.argv = argv;
	rig->options.settle_ms = 0;
	*state = rig;
	return 0;
}

/* No descriptor and no process may be left behind by any test. */
int rig_teardown(void **state)
{
	struct rig *rig = *state;
	bool leak;

	coproc_free(rig->engine);
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	for (unsigned i = 0; i < rig->fake.count; i++) {
		leak = !rig->fake.process[i].reaped || !rig->fake.process[i].group_killed;
		if (leak)
			print_error("process %u was left behind\n", i);
	}
	fake_platform_finish(&rig->fake);
	leak = fake_open_fds() != rig->open_fds;
	if (leak)
		print_error("a descriptor was left behind\n");
	event_base_free(rig->base);
	free(rig);
	return leak ? -1 : 0;
}

/* Let all happen that is due. A deadline that stays in the past would be a busy loop. */
void turn(struct rig *rig)
{
	for (int i = 0; i < 12; i++)
		event_base_loop(rig->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_true(coproc_next_deadline_ms(rig->engine) > fake_now_ms());
}

void wait_ms(struct rig *rig, int64_t ms)
{
	fake_advance_ms(ms);
	turn(rig);
}

void begin(struct rig *rig)
{
	char error[200];

	assert_int_equal(
	    coproc_new(&rig->options, rig->base, &rig_ops, rig, &rig->engine, error, sizeof(error)),
	    0);
	coproc_set_platform(rig->engine, &rig->fake.platform);
	(void)!coproc_start(rig->engine);
	turn(rig);
}

struct asked *submit(struct rig *rig, const char *name)
{
	struct asked *a = &rig->asked[rig->asked_count++];

	assert_true(rig->asked_count <= ARRAY_SIZE(rig->asked));
	*a = (struct asked){.rig = rig, .name = name};
	assert_int_equal(
	    coproc_submit(rig->engine, &a->request, name, strlen(name), rig_on_done, a), COPROC_OK);
	return a;
}

struct asked *ask(struct rig *rig, const char *name)
{
	struct asked *a = submit(rig, name);

	turn(rig);
	return a;
}

/* What the newest process has received since the last call. */
const char *sent(struct rig *rig)
{
	ssize_t n = fake_read(fake_newest(&rig->fake), rig->got, sizeof(rig->got) - 1);

	if (n < 0)
		return "(end)";
	rig->got[n] = '\0';
	return rig->got;
}

void answer_from(struct rig *rig, struct fake_process *p, const char *text)
{
	assert_int_equal(fake_write(p, text, strlen(text)), strlen(text));
	turn(rig);
}

void answer(struct rig *rig, const char *text)
{
	answer_from(rig, fake_newest(&rig->fake), text);
}

void die(struct rig *rig, int status)
{
	fake_die(fake_newest(&rig->fake), status);
	turn(rig);
}

/* What was recorded since the last call must be @expected. */
void expect(struct rig *rig, const char *expected)
{
	char was[sizeof(rig->record)];

	strcpy(was, rig->record);
	rig->record[0] = '\0';
	assert_string_equal(was, expected);
}
