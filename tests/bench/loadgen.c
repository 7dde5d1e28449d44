/* SPDX-License-Identifier: MIT */
#include "loadgen.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, BLOCKING_BYTES = 65536 };

static const char usage[] =
    "usage: loadgen [OPTION...] SOCKET\n"
    "       loadgen [OPTION...] -- COMMAND [ARG...]    the program itself, without a relay\n"
    "  --clients N   that ask (1)\n"
    "  --depth N     requests of a client that are unanswered at one time (1)\n"
    "  --idle N      connections that ask nothing (0)\n"
    "  --bytes N     of a request, its newline counted; 18 and more (32)\n"
    "  --seconds S   that are measured (1)\n"
    "  --warm S      before that (0.2)\n"
    "  --once        a connection for each request\n"
    "  --status      the listener has replies=status\n"
    "  --rounds N    in place of seconds: N times all clients write depth requests in one\n"
    "                write each, then wait for all replies\n"
    "  --stop PID    stop this process while a round is written, so that it finds all of it\n"
    "  --hold        only connect, print `ready`, and wait for the end of stdin\n"
    "  --syscalls    count those of the first --pid\n"
    "  --pid NAME=PID  whose CPU time is to be told; up to 4\n"
    "One JSON object on stdout. Exit status: 0 all is right; 1 a reply was wrong or is missing.\n";

struct loadgen loadgen = {
    .options = {.clients = 1, .depth = 1, .bytes = 32, .warm_ns = 200000000, .run_ns = 1000000000},
    .epoll = -1,
};

_Noreturn static void stalled(void)
{
	fprintf(stderr, "loadgen: %lu requests are unanswered after %d s\n", loadgen.pending,
		STALL_MS / 1000);
	exit(1);
}

static void one_turn(void)
{
	struct epoll_event events[EVENTS];
	int n;

	if (loadgen.epoll < 0) {
		client_read(&loadgen.clients[0]);
		return;
	}
	n = epoll_wait(loadgen.epoll, events, EVENTS, STALL_MS);
	if (n == 0)
		stalled();
	loadgen.now_ns = clock_ns();
	for (int i = 0; i < n; i++)
		client_read(events[i].data.ptr);
}

static void finish(void)
{
	loadgen.closing = true;
	while (loadgen.pending)
		one_turn();
}

/* Returns the seconds in which what the tally says was done. */
static double run_for_time(void)
{
	const struct options *o = &loadgen.options;
	int64_t begin_ns = clock_ns(), start_ns;
	uint64_t before, done;

	loadgen.now_ns = begin_ns;
	for (uint32_t i = 0; i < o->clients; i++)
		client_ask(&loadgen.clients[i], o->depth);
	while (loadgen.now_ns - begin_ns < o->warm_ns)
		one_turn();
	meters_start();
	start_ns = clock_ns();
	before = loadgen.tally.done;
	loadgen.recording = true;
	while (loadgen.now_ns - start_ns < o->run_ns || loadgen.tally.done == before)
		one_turn();
	meters_stop();
	loadgen.recording = false;
	start_ns = clock_ns() - start_ns;
	done = loadgen.tally.done - before;
	finish();
	loadgen.tally.done = done;
	return (double)start_ns / 1e9;
}

static char state_of(pid_t pid)
{
	char path[64], text[256] = "", *paren;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file || !fgets(text, sizeof(text), file))
		die(path);
	fclose(file);
	paren = strrchr(text, ')');
	return paren ? paren[2] : '?';
}

static void wait_for_state(char state)
{
	for (unsigned i = 0; state_of(loadgen.options.stop) != state; i++) {
		if (i == STALL_MS * 10)
			stalled();
		usleep(100);
	}
}

static void write_round(void)
{
	const struct options *o = &loadgen.options;

	if (o->stop) {
		wait_for_state('S');
		kill(o->stop, SIGSTOP);
		wait_for_state('T');
	}
	loadgen.now_ns = clock_ns();
	for (uint32_t i = 0; i < o->clients; i++)
		client_ask(&loadgen.clients[i], o->depth);
	if (o->stop)
		kill(o->stop, SIGCONT);
}

static double run_rounds(void)
{
	int64_t start_ns = clock_ns();

	loadgen.closing = true;
	loadgen.recording = true;
	meters_start();
	for (uint32_t i = 0; i < loadgen.options.rounds; i++) {
		write_round();
		while (loadgen.pending)
			one_turn();
	}
	meters_stop();
	if (loadgen.options.stop)
		wait_for_state('S');
	return (double)(clock_ns() - start_ns) / 1e9;
}

static void report(double seconds)
{
	const struct tally *t = &loadgen.tally;

	printf("{\"requests\":%lu,\"wrong\":%lu,\"seconds\":%.6f,\"per_second\":%.1f,"
	       "\"p50_us\":%.3f,\"p99_us\":%.3f,\"p999_us\":%.3f,\"cpu_us\":{",
	       t->done, t->wrong, seconds, (double)t->done / seconds, latency_us(0.5),
	       latency_us(0.99), latency_us(0.999));
	for (unsigned i = 0; i < loadgen.meter_count; i++)
		printf("%s\"%s\":%.6f", i ? "," : "", loadgen.meters[i].name,
		       (double)loadgen.meters[i].cpu_ns / 1e3 / (double)t->done);
	printf("}");
	if (loadgen.options.syscalls)
		printf(",\"syscalls\":%.6f", (double)loadgen.meters[0].syscalls / (double)t->done);
	printf("}\n");
	if (t->wrong)
		fprintf(stderr, "loadgen: %lu replies were wrong, first \"%s\"\n", t->wrong,
			t->sample);
}

static void hold_idle(void)
{
	int fd;

	for (uint32_t i = 0; i < loadgen.options.idle; i++) {
		fd = connect_path();
		if (fd < 0)
			die("connect");
	}
	if (!loadgen.options.hold)
		return;
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	exit(0);
}

static void open_clients(void)
{
	const struct options *o = &loadgen.options;
	static const struct timeval stall = {.tv_sec = STALL_MS / 1000};

	loadgen.filler = grown(NULL, o->bytes);
	memset(loadgen.filler, 'x', o->bytes);
	loadgen.filler[o->bytes - ID_BYTES - 1] = '\n';
	loadgen.clients = calloc(o->clients, sizeof(*loadgen.clients));
	if (!loadgen.clients)
		die("calloc");
	/* One client that cannot get stuck needs no epoll. */
	if (!o->path || o->clients > 1 || o->bytes * o->depth > BLOCKING_BYTES)
		loadgen.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; i < o->clients; i++)
		client_open(&loadgen.clients[i], i);
	if (loadgen.epoll < 0)
		setsockopt(loadgen.clients[0].fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof(stall));
}

static const struct option long_options[] = {
    {"clients", 1, NULL, 'c'}, {"depth", 1, NULL, 'd'},   {"idle", 1, NULL, 'i'},
    {"bytes", 1, NULL, 'b'},   {"seconds", 1, NULL, 's'}, {"warm", 1, NULL, 'w'},
    {"once", 0, NULL, 'o'},    {"status", 0, NULL, 't'},  {"rounds", 1, NULL, 'r'},
    {"stop", 1, NULL, 'S'},    {"hold", 0, NULL, 'h'},    {"syscalls", 0, NULL, 'y'},
    {"pid", 1, NULL, 'p'},     {NULL, 0, NULL, 0},
};

static void set_option(struct options *o, int option)
{
	switch (option) {
	case 'c':
		o->clients = (uint32_t)atol(optarg);
		break;
	case 'd':
		o->depth = (uint32_t)atol(optarg);
		break;
	case 'i':
		o->idle = (uint32_t)atol(optarg);
		break;
	case 'b':
		o->bytes = (size_t)atol(optarg);
		break;
	case 's':
		o->run_ns = (int64_t)(atof(optarg) * 1e9);
		break;
	case 'w':
		o->warm_ns = (int64_t)(atof(optarg) * 1e9);
		break;
	case 'o':
		o->once = true;
		break;
	case 't':
		o->status = true;
		break;
	case 'r':
		o->rounds = (uint32_t)atol(optarg);
		break;
	case 'S':
		o->stop = atoi(optarg);
		break;
	case 'h':
		o->hold = true;
		break;
	case 'y':
		o->syscalls = true;
		break;
	case 'p':
		meters_add(optarg);
		break;
	default:
		fputs(usage, stderr);
		exit(64);
	}
}

static void read_command_line(int argc, char **argv)
{
	struct options *o = &loadgen.options;
	bool program;
	int option;

	while ((option = getopt_long(argc, argv, "+", long_options, NULL)) != -1)
		set_option(o, option);
	program = optind > 1 && !strcmp(argv[optind - 1], "--");
	if (optind == argc || o->bytes < ID_BYTES + 2 || !o->depth || (!o->clients && !o->hold)) {
		fputs(usage, stderr);
		exit(64);
	}
	if (program)
		o->command = argv + optind;
	else
		o->path = argv[optind];
}

int main(int argc, char **argv)
{
	struct rlimit files;
	double seconds;

	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	read_command_line(argc, argv);
	hold_idle();
	open_clients();
	seconds = loadgen.options.rounds ? run_rounds() : run_for_time();
	report(seconds);
	return loadgen.tally.wrong ? 1 : 0;
}
