/* SPDX-License-Identifier: MIT */
/*
 * load: ask a coprocd whose coprocess echoes, with many clients at once, and
 * verify each reply. See load.h for how; the usage text for what.
 */
#include "load.h"

#include "parse.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_GOOD, EXIT_WRONG, EXIT_TIMEOUT, EXIT_USAGE = 64, LINGER_MS = 50 };

static const char usage[] =
    "usage: load SOCKET [OPTION...]\n"
    "  --clients N        polite clients, which verify each reply (1)\n"
    "  --depth D          unanswered requests of a client at most (1)\n"
    "  --requests R       requests of each client (100)\n"
    "  --bytes MIN[:MAX]  of a request, the newline not counted; at least 17 (32)\n"
    "  --burst random     bursts of 1 to D requests, pauses of 0 to 5 ms\n"
    "  --chop             send in random pieces\n"
    "  --churn K          connect anew after K requests\n"
    "  --halfclose        stop sending after the last request, wait for the server to close\n"
    "  --status           the listener has replies=status\n"
    "  --seed S           of all that is random (1)\n"
    "  --seconds T        go on for this long (a duration), in place of --requests\n"
    "  --timeout T        give up after this long (60s)\n"
    "  --kills K          kill -9 the process K times, spread over the run;\n"
    "  --count-file PATH    the last line of this file is its pid\n"
    "  --flood LINES      with --seconds: in the second third of the time, one more client\n"
    "                     sends so many lines and never reads\n"
    "  --abandon N        N more clients that ask and leave, again and again\n"
    "  --abandon-ms MS      after so long (10)\n"
    "  --abandon-line L     what they ask (\"!sleep 50 abandoned\")\n"
    "  --idle N           only hold N connections: prints `ready`, ends with stdin\n"
    "  --no-errors        count error replies as wrong\n"
    "  --json             the result as one JSON object\n"
    "Exit status: 0 all is right; 1 a reply was wrong, lost or not asked for; 2 time-out; 64 "
    "usage.\n";

struct phases {
	uint64_t ended[4]; /* at the start, at one third, two thirds, the end */
	unsigned count;
};

uint64_t load_ended(const struct load_tally *t)
{
	uint64_t n = t->right + t->foreign + t->reordered + t->altered;

	for (size_t i = 0; i < LOAD_CODES; i++)
		n += t->errors[i];
	return n;
}

static uint64_t count_errors(const struct load_tally *t)
{
	return load_ended(t) - t->right - t->foreign - t->reordered - t->altered;
}

uint64_t load_wrong(const struct load_tally *t)
{
	return t->foreign + t->reordered + t->altered + t->lost + t->unasked;
}

static double percentile_us(const struct load_tally *t, double part)
{
	double want = part * (double)load_ended(t), seen = 0;

	for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
		seen += (double)t->latency[i];
		if (seen >= want && seen > 0)
			return i < 32 ? i : (double)((uint64_t)(16 + i % 16) << (i / 16 - 1));
	}
	return 0;
}

static double rate(const struct load *load, const struct phases *p, unsigned i)
{
	double third_s = (double)load->options.seconds_ms / 3000;

	return p->count > i + 1 ? (double)(p->ended[i + 1] - p->ended[i]) / third_s : 0;
}

static void print_json(const struct load *load, const struct phases *p, double seconds)
{
	const struct load_tally *t = &load->tally;

	printf("{\"sent\":%lu,\"right\":%lu,\"foreign\":%lu,\"reordered\":%lu,\"altered\":%lu,"
	       "\"lost\":%lu,\"unasked\":%lu,\"closed\":%lu,\"connects\":%lu,\"kills\":%lu,"
	       "\"abandoned\":%lu,\"flooded_lines\":%lu,",
	       t->sent, t->right, t->foreign, t->reordered, t->altered, t->lost, t->unasked,
	       t->closed, t->connects, t->kills, t->abandoned, t->flooded / 32);
	printf("\"errors\":{");
	for (size_t i = 0; i < LOAD_CODES; i++)
		printf("%s\"%s\":%lu", i ? "," : "", load_codes[i], t->errors[i]);
	printf("},\"seconds\":%.3f,\"per_second\":%.0f,", seconds, (double)load_ended(t) / seconds);
	if (load->options.seconds_ms)
		printf("\"rate_before\":%.0f,\"rate_during\":%.0f,\"rate_after\":%.0f,",
		       rate(load, p, 0), rate(load, p, 1), rate(load, p, 2));
	printf("\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%ld}\n", percentile_us(t, 0.5),
	       percentile_us(t, 0.99), (long)t->latency_max_us);
}

static void print_text(const struct load *load, const struct phases *p, double seconds)
{
	const struct load_tally *t = &load->tally;

	printf(
	    "%lu sent: %lu right, %lu errors, %lu foreign, %lu reordered, %lu altered, %lu lost; "
	    "%lu unasked",
	    t->sent, t->right, count_errors(t), t->foreign, t->reordered, t->altered, t->lost,
	    t->unasked);
	for (size_t i = 0; i < LOAD_CODES; i++) {
		if (t->errors[i])
			printf("; %s %lu", load_codes[i], t->errors[i]);
	}
	printf("; %lu connections, %lu closed early, %lu kills, %lu abandoned", t->connects,
	       t->closed, t->kills, t->abandoned);
	if (load->options.seconds_ms)
		printf("; %.0f, %.0f, %.0f per second in the three thirds, %lu lines flooded",
		       rate(load, p, 0), rate(load, p, 1), rate(load, p, 2), t->flooded / 32);
	printf("; %.3f s, %.0f per second, p50 %.0f us, p99 %.0f us, max %ld us\n", seconds,
	       (double)load_ended(t) / seconds, percentile_us(t, 0.5), percentile_us(t, 0.99),
	       (long)t->latency_max_us);
}

/* The flooder is there in the second third of the time. */
static void next_phase(struct load *load, struct phases *p, struct load_extras *x)
{
	int64_t all_ms = load->options.seconds_ms;

	if (!all_ms || p->count == 4 || load_now_ms(load) < all_ms * p->count / 3)
		return;
	p->ended[p->count++] = load_ended(&load->tally);
	if (p->count == 2 && load->options.flood)
		load_flood_start(x);
	if (p->count == 3)
		load_flood_stop(x);
	load->enough = p->count == 4;
}

static bool all_finished(const struct load *load, const struct load_client *clients)
{
	for (uint32_t i = 0; i < load->options.clients; i++) {
		if (!clients[i].finished)
			return false;
	}
	return true;
}

static void one_turn(struct load *load, int64_t *ticked_ms, struct load_client *clients,
		     struct load_extras *x)
{
	struct epoll_event events[256];
	int n = epoll_wait(load->epoll, events, 256, 1);

	load->now_ns = load_now_ns();
	for (int i = 0; i < n; i++)
		load_client_event(events[i].data.ptr, events[i].events);
	if (load_now_ms(load) == *ticked_ms)
		return;
	*ticked_ms = load_now_ms(load);
	for (uint32_t i = 0; i < load->options.clients; i++)
		load_client_tick(&clients[i]);
	load_extras_tick(x);
}

/* Returns whether all clients have finished in time. */
static bool run(struct load *load, struct load_client *clients, struct phases *p)
{
	struct load_extras *x = load_extras_new(load);
	int64_t ticked_ms = -1, linger_until_ms = 0;
	bool finished = false;

	while (load_now_ms(load) < load->options.timeout_ms) {
		one_turn(load, &ticked_ms, clients, x);
		next_phase(load, p, x);
		finished = all_finished(load, clients);
		if (!finished)
			continue;
		/* A line that nobody asked for may still be on its way. */
		if (!linger_until_ms)
			linger_until_ms = load_now_ms(load) + LINGER_MS;
		if (load_now_ms(load) >= linger_until_ms)
			break;
	}
	load_extras_free(x);
	return finished;
}

static int report(const struct load *load, const struct phases *p, bool in_time, double seconds)
{
	const struct load_tally *t = &load->tally;
	uint64_t wrong = load_wrong(t);

	if (load->options.no_errors)
		wrong += count_errors(t);
	if (load->options.json)
		print_json(load, p, seconds);
	else
		print_text(load, p, seconds);
	if (load->sample[0])
		fprintf(stderr, "load: %s\n", load->sample);
	if (t->kills < load->options.kills)
		fprintf(stderr, "load: only %lu of %u kills\n", t->kills, load->options.kills);
	if (!in_time)
		fprintf(stderr, "load: time is up\n");
	if (wrong || t->kills < load->options.kills)
		return EXIT_WRONG;
	return in_time ? EXIT_GOOD : EXIT_TIMEOUT;
}

static int run_clients(struct load *load)
{
	struct load_client *clients = calloc(load->options.clients, sizeof(*clients));
	struct phases phases = {0};
	double seconds;
	bool in_time;
	int status;

	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!clients || load->epoll < 0)
		abort();
	for (uint32_t i = 0; i < load->options.clients; i++) {
		if (load_client_init(&clients[i], load, i + 1) < 0)
			abort();
	}
	load->start_ns = load->now_ns = load_now_ns();
	load->random = load->options.seed;
	in_time = run(load, clients, &phases);
	seconds = (double)(load_now_ns() - load->start_ns) / 1e9 - (in_time ? LINGER_MS / 1e3 : 0);
	for (uint32_t i = 0; i < load->options.clients; i++) {
		load_client_give_up(&clients[i]);
		load_client_finish(&clients[i]);
	}
	free(clients);
	close(load->epoll);
	status = report(load, &phases, in_time, seconds);
	return status;
}

_Noreturn static void bad_usage(const char *name, const char *value)
{
	fprintf(stderr, "load: --%s: \"%s\" is not allowed\n%s", name, value, usage);
	exit(EXIT_USAGE);
}

static uint32_t count_of(const char *name, const char *text, uint32_t least)
{
	uint64_t n;

	if (parse_count(text, &n) < 0 || n < least || n > 1000000000)
		bad_usage(name, text);
	return (uint32_t)n;
}

static int64_t duration_of(const char *name, const char *text)
{
	int64_t ms;

	if (parse_duration_ms(text, &ms) < 0 || ms < 1)
		bad_usage(name, text);
	return ms;
}

static void set_bytes(struct load_options *o, const char *text)
{
	char least[32];
	const char *colon = strchr(text, ':');

	snprintf(least, sizeof(least), "%.*s", (int)(colon ? colon - text : 31), text);
	o->min_bytes = count_of("bytes", least, 17);
	o->max_bytes = colon ? count_of("bytes", colon + 1, 17) : o->min_bytes;
	if (o->max_bytes < o->min_bytes || o->max_bytes > 1 << 20)
		bad_usage("bytes", text);
}

static const struct option long_options[] = {
    {"clients", 1, NULL, 'c'}, {"depth", 1, NULL, 'd'},      {"requests", 1, NULL, 'r'},
    {"bytes", 1, NULL, 'b'},   {"burst", 1, NULL, 'B'},      {"chop", 0, NULL, 'C'},
    {"churn", 1, NULL, 'k'},   {"halfclose", 0, NULL, 'h'},  {"status", 0, NULL, 's'},
    {"seed", 1, NULL, 'S'},    {"seconds", 1, NULL, 'T'},    {"timeout", 1, NULL, 't'},
    {"kills", 1, NULL, 'K'},   {"count-file", 1, NULL, 'f'}, {"flood", 1, NULL, 'F'},
    {"abandon", 1, NULL, 'a'}, {"abandon-ms", 1, NULL, 'm'}, {"abandon-line", 1, NULL, 'l'},
    {"idle", 1, NULL, 'i'},    {"no-errors", 0, NULL, 'e'},  {"json", 0, NULL, 'j'},
    {"help", 0, NULL, 'H'},    {NULL, 0, NULL, 0},
};

/* Returns false if @option is not one of those without a value. */
static bool set_flag(struct load_options *o, int option)
{
	o->chop |= option == 'C';
	o->halfclose |= option == 'h';
	o->status |= option == 's';
	o->no_errors |= option == 'e';
	o->json |= option == 'j';
	return strchr("Chsej", option) != NULL;
}

static bool set_count(struct load_options *o, int option, const char *name)
{
	const struct {
		char option;
		uint32_t least;
		uint32_t *out;
	} counts[] = {
	    {'c', 1, &o->clients}, {'d', 1, &o->depth},      {'r', 1, &o->requests},
	    {'k', 1, &o->churn},   {'K', 1, &o->kills},      {'F', 1, &o->flood},
	    {'i', 1, &o->idle},    {'a', 1, &o->abandoners},
	};

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		if (counts[i].option == option) {
			*counts[i].out = count_of(name, optarg, counts[i].least);
			return true;
		}
	}
	return false;
}

static void set_option(struct load_options *o, int option, const char *name)
{
	if (set_flag(o, option) || set_count(o, option, name))
		return;
	switch (option) {
	case 'b':
		set_bytes(o, optarg);
		break;
	case 'B':
		o->burst = !strcmp(optarg, "random");
		if (!o->burst)
			bad_usage(name, optarg);
		break;
	case 'S':
		o->seed = count_of(name, optarg, 0);
		break;
	case 'T':
		o->seconds_ms = duration_of(name, optarg);
		break;
	case 't':
		o->timeout_ms = duration_of(name, optarg);
		break;
	case 'm':
		o->abandon_ms = count_of(name, optarg, 0);
		break;
	case 'l':
		o->abandon_line = optarg;
		break;
	case 'f':
		o->count_file = optarg;
		break;
	case 'H':
		fputs(usage, stdout);
		exit(EXIT_GOOD);
	default:
		fputs(usage, stderr);
		exit(EXIT_USAGE);
	}
}

int main(int argc, char **argv)
{
	struct load load = {.options = {.clients = 1,
					.depth = 1,
					.requests = 100,
					.min_bytes = 32,
					.max_bytes = 32,
					.seed = 1,
					.timeout_ms = 60000,
					.abandon_ms = 10,
					.abandon_line = "!sleep 50 abandoned"}};
	struct load_options *o = &load.options;
	struct rlimit limit;
	int option, index = 0;

	while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1)
		set_option(o, option, long_options[index].name);
	if (optind + 1 != argc || (o->kills && !o->count_file) || (o->flood && !o->seconds_ms)) {
		fprintf(stderr,
			"load: needs one SOCKET; --kills needs --count-file, --flood needs "
			"--seconds\n%s",
			usage);
		return EXIT_USAGE;
	}
	o->path = argv[optind];
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return o->idle ? load_idle(o) : run_clients(&load);
}
