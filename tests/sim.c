/* SPDX-License-Identifier: MIT */
/*
 * The simulation: the real engine under a virtual clock with scripted
 * processes, in random sessions, each reproduced by one number. After every
 * step the model (sim_model.h) is asked whether promises P1 to P4 hold.
 *
 *	sim [--seed N] [--schedules M]
 *
 * Runs the schedules N to N+M-1 (default 1 and $SIM_SCHEDULES or 2000), and on
 * failure prints the number and the steps. The result is in TAP.
 */
#include "fake_platform.h"
#include "macros.h"
#include "sim_model.h"

#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define STEPS      40
#define RUN_MAX    6
#define TRACE_MAX  2000
#define ROUNDS_MAX 2000 /* of the loop, until all has ended */
#define OUTBOX_MAX 8192
#define SCHEDULE_S 20 /* real seconds; a schedule takes about a millisecond */

/* What a scripted process knows. */
struct script {
	char inbox[4096]; /* an unfinished request */
	size_t in_len;
	unsigned owed[64]; /* requests to be answered, the oldest first */
	unsigned owed_count;
	char outbox[OUTBOX_MAX]; /* not yet written */
	size_t out_len;
};

/* A request; the first of a run has what belongs to the run. */
struct query {
	struct coproc_request request;
	unsigned first; /* of its run */
	unsigned next;  /* of the run, the first that has not ended */
	unsigned end;   /* of the run */
	char bytes[RUN_MAX * 128];
};

struct step {
	const char *what;
	long a, b;
};

struct sim {
	struct event_base *base;
	struct coproc *engine;
	struct coproc_options options;
	struct fake_platform fake;
	struct script script[FAKE_PROCESSES];
	struct query query[MODEL_REQUESTS];
	struct model model;
	uint64_t random;
	unsigned replaces, recycles, spawn_failures;
	bool stopping, stopped;
};

/* What a sanitizer finds ends in SIGABRT, and so in the trace. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:halt_on_error=1:print_stacktrace=1";
}

static struct sim sim;
static uint64_t seed;
static struct step trace[TRACE_MAX];
static unsigned trace_count;

/* ---- failing ---- */

static void print_trace(void)
{
	fprintf(stderr, "# seed %llu: reproduce with --seed %llu --schedules 1; its steps:\n",
		(unsigned long long)seed, (unsigned long long)seed);
	for (unsigned i = 0; i < trace_count; i++)
		fprintf(stderr, "#   %s %ld %ld\n", trace[i].what, trace[i].a, trace[i].b);
}

static void note(const char *what, long a, long b)
{
	if (trace_count < TRACE_MAX)
		trace[trace_count++] = (struct step){what, a, b};
}

/* An assertion of the engine, or a busy loop in it. */
static void on_signal(int sig)
{
	print_trace();
	printf("not ok 1 - seed %llu: %s\n", (unsigned long long)seed,
	       sig == SIGALRM ? "it never came to an end" : "an assertion failed");
	fflush(stdout);
	_exit(1);
}

static void check(const char *broken)
{
	if (!broken)
		return;
	print_trace();
	printf("not ok 1 - seed %llu: %s\n", (unsigned long long)seed, broken);
	exit(1);
}

/* ---- chance ---- */

static unsigned chance(unsigned below)
{
	sim.random ^= sim.random << 13;
	sim.random ^= sim.random >> 7;
	sim.random ^= sim.random << 17;
	return (unsigned)(sim.random >> 33) % below;
}

static bool one_in(unsigned n)
{
	return chance(n) == 0;
}

/* ---- requests ---- */

static void cancel_any(void);
static void replace(void);

/* Some requests of a run end; the replies are one behind the other. */
static void end_queries(struct query *q, const struct coproc_reply *reply)
{
	struct coproc_reply one = *reply;
	const char *end = reply->bytes + reply->len;

	one.count = 1;
	if (!reply->count || reply->count > q->end - q->next)
		check("P2: more endings than a run has requests");
	for (unsigned n = 0; n < reply->count; n++) {
		if (reply->code == COPROC_OK) {
			const char *lf = memchr(one.bytes, '\n', (size_t)(end - one.bytes));

			if (!lf)
				check("P1: fewer replies than requests that end");
			one.len = (size_t)(lf + 1 - one.bytes);
		}
		note("  ended", (long)q->next, reply->code);
		check(model_ended(&sim.model, q->next++, &one));
		if (reply->code == COPROC_OK)
			one.bytes += one.len;
	}
	if (reply->code == COPROC_OK && one.bytes != end)
		check("P1: more replies than requests that end");
}

static void on_done(void *ctx, const struct coproc_reply *reply)
{
	struct query *q = ctx;

	end_queries(q, reply);
	if (q->next == q->end)
		memset(&q->request, 0xee, sizeof(q->request)); /* the caller's again */
	if (one_in(15))
		cancel_any();
	if (one_in(60))
		replace();
	if (one_in(200)) {
		note("  stop from a callback", 0, 0);
		sim.stopping = true;
		coproc_stop(sim.engine);
	}
}

/* Write the request @id. Returns its length. */
static size_t compose(unsigned id, char *bytes)
{
	size_t len = (size_t)snprintf(bytes, 120, "q%u ", id);

	while (len < 8 + chance(4) * chance(25) && len < 120)
		bytes[len++] = 'x';
	if (one_in(10))
		bytes[len - 1] = one_in(10) ? '\0' : '\x01';
	return len;
}

static void submit(void)
{
	unsigned id = sim.model.count;
	struct query *q = &sim.query[id];
	enum coproc_code code;
	size_t len;

	if (id == MODEL_REQUESTS)
		return;
	len = compose(id, q->bytes);
	q->first = q->next = id;
	q->end = id + 1;
	code = coproc_submit(sim.engine, &q->request, q->bytes, len, on_done, q);
	note("submit", (long)id, code);
	if (code == COPROC_OK)
		model_accept(&sim.model, id, len);
	else if (code == COPROC_OVERLOADED && !coproc_refusal(sim.engine, code)[0])
		check("a refusal without words");
}

static void submit_run(void)
{
	unsigned id = sim.model.count, count, wanted = 1 + chance(RUN_MAX);
	struct query *q = &sim.query[id];
	size_t len = 0, at = 0;

	if (id + wanted > MODEL_REQUESTS)
		return;
	for (unsigned n = 0; n < wanted; n++) {
		len += compose(id + n, q->bytes + len);
		q->bytes[len++] = '\n';
	}
	count = coproc_measure_run(sim.engine, q->bytes, &len, 1 + chance(RUN_MAX));
	note("submit a run", (long)id, count);
	if (!count)
		return;
	q->next = id;
	q->end = id + count;
	coproc_submit_run(sim.engine, &q->request, q->bytes, len, count, on_done, q);
	for (unsigned n = 0; n < count; n++) {
		const char *lf = memchr(q->bytes + at, '\n', len - at);

		sim.query[id + n].first = id;
		/* While it waits it has its LF with it. */
		model_accept(&sim.model, id + n, (size_t)(lf + 1 - q->bytes) - at);
		at = (size_t)(lf + 1 - q->bytes);
	}
}

static void cancel_any(void)
{
	unsigned from = sim.model.count ? chance(sim.model.count) : 0;

	for (unsigned id = from; id < sim.model.count; id++) {
		struct model_request *r = &sim.model.request[id];
		struct query *q = &sim.query[sim.query[id].first];

		if (!r->accepted || r->ended || r->cancelled)
			continue;
		for (unsigned n = q->next; n < q->end; n++) {
			bool waits = q->end - n <= q->request.unsent;

			note("cancel", (long)n, waits);
			model_cancel(&sim.model, n, waits && !q->request.resent);
		}
		coproc_cancel(sim.engine, &q->request);
		memset(&q->request, 0xee, sizeof(q->request));
		return;
	}
}

/* ---- processes ---- */

static struct fake_process *any_alive(unsigned *index)
{
	unsigned from = sim.fake.count ? chance(sim.fake.count) : 0;

	for (unsigned n = 0; n < sim.fake.count; n++) {
		*index = (from + n) % sim.fake.count;
		if (sim.fake.process[*index].alive)
			return &sim.fake.process[*index];
	}
	return NULL;
}

static void take_line(unsigned index, const char *line)
{
	struct script *s = &sim.script[index];
	unsigned id;

	if (sscanf(line, "q%u ", &id) != 1)
		check("a process received what is no request");
	note("  received", (long)index, (long)id);
	check(model_received(&sim.model, index, id));
	if (s->owed_count == ARRAY_SIZE(s->owed))
		check("P4: a process was sent far more than the window");
	s->owed[s->owed_count++] = id;
}

/* The process reads a little of its stdin. */
static void read_some(struct fake_process *p, unsigned index, size_t room)
{
	struct script *s = &sim.script[index];
	ssize_t n = fake_read(p, s->inbox + s->in_len, MIN(room, sizeof(s->inbox) - 1 - s->in_len));
	char *lf;

	if (n <= 0)
		return;
	s->in_len += (size_t)n;
	while ((lf = memchr(s->inbox, '\n', s->in_len))) {
		size_t used = (size_t)(lf - s->inbox) + 1;

		*lf = '\0';
		take_line(index, s->inbox);
		s->in_len -= used;
		memmove(s->inbox, s->inbox + used, s->in_len);
	}
}

static void put(struct script *s, const char *bytes, size_t len)
{
	if (s->out_len + len > sizeof(s->outbox))
		return;
	memcpy(s->outbox + s->out_len, bytes, len);
	s->out_len += len;
}

static void answer_next(unsigned index)
{
	struct script *s = &sim.script[index];
	char reply[200];
	size_t len;

	if (!s->owed_count)
		return;
	note("answer", (long)index, (long)s->owed[0]);
	len = (size_t)snprintf(reply, sizeof(reply), "%u.%u ", s->owed[0], index);
	if (one_in(40))
		while (len < 150)
			reply[len++] = 'y'; /* over max_reply in some schedules */
	reply[len++] = '\n';
	put(s, reply, len);
	memmove(s->owed, s->owed + 1, --s->owed_count * sizeof(s->owed[0]));
}

static void write_some(struct fake_process *p, unsigned index, size_t room)
{
	struct script *s = &sim.script[index];
	size_t n = fake_write(p, s->outbox, MIN(room, s->out_len));

	s->out_len -= n;
	memmove(s->outbox, s->outbox + n, s->out_len);
}

/*
 * Output that nobody asked for. At window 1, written whole while nothing is
 * with the process, or in one write with the reply, it must be found out; at
 * any other moment only ids in the framing could tell (DESIGN, Exactness).
 */
static void surplus(struct fake_process *p, unsigned index)
{
	struct script *s = &sim.script[index];
	bool quiet, idle, with_reply;
	int unread = 1;

	/* Tombstones count: what has been sent to it is what is in its pipe or owed. */
	ioctl(p->in, FIONREAD, &unread);
	quiet = !unread && !s->in_len && !s->out_len;
	idle = quiet && !s->owed_count;
	with_reply = quiet && s->owed_count == 1;
	if (sim.options.window > 1 || sim.model.misled || !(idle || with_reply))
		sim.model.misled = true;
	note("surplus, misled", (long)index, sim.model.misled);
	if (with_reply)
		answer_next(index);
	put(s, "surplus\n", 8);
	if (!sim.model.misled)
		write_some(p, index, sizeof(s->outbox));
}

static void end_process(struct fake_process *p, unsigned index)
{
	if (one_in(2))
		write_some(p, index, chance(2) ? 5 : OUTBOX_MAX);
	note("die", (long)index, 0);
	fake_die(p, one_in(2) ? SIGKILL : 3 << 8);
}

static void close_stream(struct fake_process *p, unsigned index)
{
	int *ends[] = {&p->in, &p->out, &p->err};
	unsigned which = chance(3);

	note("close", (long)index, (long)which);
	fake_close(ends[which]);
}

static void replace(void)
{
	struct coproc_options other = sim.options;
	char error[200];

	if (sim.replaces > 6)
		return;
	if (one_in(3)) {
		sim.fake.spawn_fails = 1;
		sim.fake.spawn_error = -2;
		sim.spawn_failures++;
	}
	other.settle_ms = chance(2) * 20;
	if (one_in(4)) /* what was handed in as a run goes on one by one */
		other.window = 1;
	if (one_in(4)) {
		other.retries = 1;
		sim.model.retries = MAX(sim.model.retries, 1);
	}
	sim.replaces++;
	sim.model.shuffled |= sim.model.retries > 0;
	note("replace, failing", (long)sim.replaces, (long)sim.fake.spawn_fails);
	if (coproc_replace(sim.engine, one_in(2) ? &other : NULL, error, sizeof(error)) == 0 &&
	    one_in(4))
		coproc_get_stats(sim.engine, &(struct coproc_stats){0});
}

static void stop(void)
{
	note("stop", sim.stopping, 0);
	sim.stopping = true;
	coproc_stop(sim.engine);
}

/* ---- the course of a schedule ---- */

static void on_event(void *ctx, const struct coproc_event *event)
{
	(void)ctx;
	note("  event", event->kind, event->pid);
	sim.recycles += event->kind == COPROC_EV_RECYCLING;
	if (one_in(300))
		cancel_any();
	if (one_in(300))
		replace();
}

static void on_stopped(void *ctx)
{
	(void)ctx;
	note("  stopped", 0, 0);
	sim.stopped = true;
	sim.model.stopped++;
}

static const struct coproc_ops ops = {.on_event = on_event, .on_stopped = on_stopped};

static unsigned dead_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sim.fake.count; i++)
		n += !sim.fake.process[i].alive || sim.fake.process[i].signals[0];
	return n;
}

/* What a dead process had comes back to the queue without asking for room. */
static struct model_back came_back(void)
{
	struct model_back back = {0};

	for (unsigned id = 0; id < sim.model.count; id++) {
		const struct model_request *r = &sim.model.request[id];
		const struct coproc_request *q = &sim.query[sim.query[id].first].request;

		if (r->ended || r->cancelled || q->worker || !q->resent)
			continue;
		back.count++;
		back.bytes += r->len;
	}
	return back;
}

static void check_all(void)
{
	unsigned workers = sim.options.workers, given_up = dead_count();
	struct model_back back = came_back();
	struct coproc_stats stats;

	coproc_get_stats(sim.engine, &stats);
	check(model_check(&sim.model, &stats, &sim.options, MAX(stats.workers, workers), back));
	if (sim.fake.attempts >
	    workers * (1 + sim.replaces) + given_up + sim.recycles + sim.spawn_failures)
		check("P4: more starts than deaths and replacements");
}

static void turn(unsigned times)
{
	while (times--)
		event_base_loop(sim.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void step_process(void)
{
	unsigned index;
	struct fake_process *p = any_alive(&index);
	unsigned what = chance(100);

	if (!p)
		return;
	if (what < 35)
		read_some(p, index, one_in(3) ? 1 + chance(9) : 4096);
	else if (what < 65)
		answer_next(index);
	else if (what < 92)
		write_some(p, index, one_in(2) ? 1 + chance(6) : OUTBOX_MAX);
	else if (what < 96)
		end_process(p, index);
	else if (what < 98)
		surplus(p, index);
	else if (what < 99)
		close_stream(p, index);
	else
		p->ignores_term = true;
}

static void step_time(void)
{
	int64_t ms = one_in(6) ? chance(1500) : chance(25);

	note("advance", (long)ms, 0);
	fake_advance_ms(ms);
}

static void step(void)
{
	unsigned what = chance(100);

	if (what < 20)
		submit();
	else if (what < 25)
		submit_run();
	else if (what < 82)
		step_process();
	else if (what < 86)
		cancel_any();
	else if (what < 95)
		step_time();
	else if (what < 97)
		replace();
	else if (what < 98)
		stop();
	else {
		sim.fake.spawn_fails = 1;
		sim.fake.spawn_error = -11;
		sim.spawn_failures++;
	}
	if (!one_in(3))
		turn(1 + chance(2));
	check_all();
}

static void choose_options(void)
{
	static char program[] = "sim";
	static char *const argv[] = {program, NULL};
	struct coproc_options *o = &sim.options;

	coproc_options_init(o);
	o->argv = argv;
	o->window = one_in(2) ? 1 : 2 + chance(7);
	o->workers = one_in(6) ? 2 : 1;
	o->retries = chance(3);
	o->settle_ms = chance(2) * 20;
	o->settle_over = 30;
	o->max_request = 90;
	o->max_reply = one_in(2) ? 100 : 1000;
	o->queue = one_in(2) ? 1 + chance(6) : 1000;
	o->queue_bytes = one_in(2) ? 90 + chance(200) : 100000;
	o->request_timeout_ms = chance(3) * 400;
	o->hang_timeout_ms = chance(3) * 500;
	o->stop_timeout_ms = 200;
	o->drain_timeout_ms = 300 + chance(500);
	o->restart_delay_ms = 50;
	o->restart_delay_max_ms = 400;
	o->restart_stable_ms = 300;
	o->restart_limit = chance(2) * 3;
	o->max_requests = one_in(6) ? 1 + chance(5) : 0;
	o->max_age_ms = one_in(10) ? 500 : 0;
}

/* The end: time passes from deadline to deadline until all has stopped. */
static void wind_down(void)
{
	if (!sim.stopping)
		stop();
	for (unsigned i = 0; i < ROUNDS_MAX && !sim.stopped; i++) {
		int64_t next;
		unsigned index;
		struct fake_process *p = any_alive(&index);

		turn(3);
		check_all();
		if (p && one_in(3)) {
			read_some(p, index, 4096);
			answer_next(index);
			write_some(p, index, OUTBOX_MAX);
		}
		next = coproc_next_deadline_ms(sim.engine);
		if (next != INT64_MAX && next > fake_now_ms() && one_in(2))
			fake_advance_ms(next - fake_now_ms());
	}
	if (!sim.stopped)
		check("it did not come to its end");
}

static void check_left_behind(unsigned open_fds)
{
	for (unsigned i = 0; i < sim.fake.count; i++) {
		if (!sim.fake.process[i].reaped)
			check("P4: a process was not reaped");
		if (!sim.fake.process[i].group_killed)
			check("P4: the group of a process was not killed");
	}
	fake_platform_finish(&sim.fake);
	if (fake_open_fds() != open_fds)
		check("P4: a descriptor was left behind");
}

static void run_schedule(void)
{
	unsigned open_fds = fake_open_fds();
	char error[200];

	sim.random = (seed + 1) * 0x9e3779b97f4a7c15u;
	trace_count = 0;
	sim.replaces = sim.recycles = sim.spawn_failures = 0;
	sim.stopping = sim.stopped = false;
	choose_options();
	fake_platform_init(&sim.fake);
	for (unsigned i = 0; i < FAKE_PROCESSES; i++)
		sim.script[i].in_len = sim.script[i].out_len = sim.script[i].owed_count = 0;
	model_init(&sim.model, sim.options.retries);
	sim.model.shuffled =
	    sim.options.retries &&
	    (sim.options.workers > 1 || sim.options.max_requests || sim.options.max_age_ms);
	note("window, workers", sim.options.window, sim.options.workers);
	note("retries, settle", sim.options.retries, (long)sim.options.settle_ms);
	if (coproc_new(&sim.options, sim.base, &ops, &sim, &sim.engine, error, sizeof(error)))
		check(error);
	coproc_set_platform(sim.engine, &sim.fake.platform);
	(void)!coproc_start(sim.engine);
	for (unsigned i = 0; i < STEPS; i++)
		step();
	if (!one_in(8))
		wind_down();
	note("free", 0, 0);
	coproc_free(sim.engine);
	turn(1);
	check(model_finish(&sim.model));
	check_left_behind(open_fds);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"seed", required_argument, NULL, 's'},
						     {"schedules", required_argument, NULL, 'n'},
						     {NULL, 0, NULL, 0}};
	const char *count = getenv("SIM_SCHEDULES");
	uint64_t schedules = count ? strtoull(count, NULL, 10) : 2000;
	int c;

	seed = 1;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (c == 'n')
			schedules = strtoull(optarg, NULL, 10);
		else
			return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_signal);
	signal(SIGABRT, on_signal);
	sim.base = event_base_new();
	for (uint64_t n = 0; n < schedules; n++, seed++) {
		if (n % 64 == 0)
			alarm(SCHEDULE_S);
		run_schedule();
	}
	event_base_free(sim.base);
	printf("ok 1 - %llu schedules\n1..1\n", (unsigned long long)schedules);
	return 0;
}
