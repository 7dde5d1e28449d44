/* SPDX-License-Identifier: MIT */
/* The client tool: the command line. What the commands do is in ctl_NAME.c. */
#include "ctl_ask.h"
#include "ctl_bench.h"
#include "ctl_probe.h"
#include "ctl_repl.h"
#include "ctl_top.h"

#include "macros.h"
#include "parse.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET  "/run/coprocd/coprocd.sock"
#define DEFAULT_CONTROL "/run/coprocd/control.sock"

static const char usage[] =
    "usage: coprocctl [OPTION...] ask [--json] [--file FILE] [--status] [--] [LINE...]\n"
    "       coprocctl [OPTION...] repl\n"
    "       coprocctl [OPTION...] bench [--clients N] [--depth N] [--time DURATION] LINE...\n"
    "       coprocctl [OPTION...] status [--json] | clients [--json] | top [--interval DURATION]\n"
    "       coprocctl [OPTION...] pause | drain | resume | restart | reload | upgrade\n"
    "       coprocctl probe [--request LINE]... [OPTION...] [--] COMMAND [ARG...]\n"
    "Ask the program behind a coprocd, one request for each LINE, else for each line of stdin.\n"
    "  -s, --socket SOCKET    the daemon's socket ($COPROCD_SOCKET, else " DEFAULT_SOCKET ")\n"
    "  -t, --timeout TIMEOUT  give up when nothing comes for this long: 500ms 5s 2m; 0: never "
    "(60s)\n"
    "  --status               the listener has replies=status\n"
    "ask: print the replies\n"
    "  --json                 one JSON object a line, "
    "{\"request\":1,\"code\":\"ok\",\"reply\":[...]}\n"
    "  --file FILE            the requests are its lines; shows its progress on a terminal\n"
    "repl: ask line by line, with editing and a history\n"
    "bench: clients that ask the LINEs again and again; prints the rate and the latency\n"
    "  --clients N            connections (1)\n"
    "  --depth N              unanswered requests of each (1)\n"
    "  --time DURATION        for how long (5s)\n"
    "  --json                 the results as a JSON object\n"
    "status, clients, top and the commands behind them go to the daemon's control socket\n"
    "($COPROCD_CONTROL, else " DEFAULT_CONTROL ")\n"
    "  --json                 of status and clients: as a JSON object\n"
    "  --interval DURATION    of top: between two looks (1s)\n"
    "probe tries COMMAND, says what it is like and prints the configuration that serves it.\n"
    "  --help, --version\n"
    "Exit status: 0 all answered, 2 time-out, 3 cannot connect, 4 connection lost, 64 usage;\n"
    "for the first error: 10 timeout, 11 crashed, 12 overloaded, 13 unavailable, 14 too-long,\n"
    "15 reply-too-long, 16 desync, 17 bad-request, 18 denied, 19 stopping, 1 another.\n";

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'},   {"timeout", required_argument, NULL, 't'},
    {"status", no_argument, NULL, 'S'},         {"json", no_argument, NULL, 'j'},
    {"file", required_argument, NULL, 'f'},     {"clients", required_argument, NULL, 'c'},
    {"depth", required_argument, NULL, 'd'},    {"time", required_argument, NULL, 'T'},
    {"interval", required_argument, NULL, 'i'}, {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},        {NULL, 0, NULL, 0},
};

/* The options that every command takes, and those that say what they are for. */
#define COMMON "sthV"

static enum ctl_exit control(const struct ctl_options *options);

struct command {
	const char *name;
	const char *options; /* beside COMMON */
	bool takes_lines;
	bool is_control; /* goes to the control socket, which speaks the status form */
	enum ctl_exit (*run)(const struct ctl_options *options);
};

static const struct command commands[] = {
    {"ask", "Sjf", true, false, ctl_ask},       {"repl", "S", false, false, ctl_repl},
    {"bench", "SjcdT", true, false, ctl_bench}, {"status", "j", false, true, control},
    {"clients", "j", false, true, control},     {"top", "i", false, true, ctl_top},
    {"restart", "", false, true, control},      {"reload", "", false, true, control},
    {"upgrade", "", false, true, control},      {"pause", "", false, true, control},
    {"drain", "", false, true, control},        {"resume", "", false, true, control},
};

#define COMMAND_NAMES                                                                              \
	"ask, repl, bench, status, clients, top, pause, drain, resume, restart, reload, upgrade "  \
	"and probe"

/* A command of the control socket is passed on as it is. */
static enum ctl_exit control(const struct ctl_options *options)
{
	struct ctl_options ask = *options;
	char text[40], *line = text;

	snprintf(text, sizeof(text), "%s%s", options->command, options->json ? " --json" : "");
	ask.json = false;
	ask.lines = &line;
	ask.line_count = 1;
	return ctl_ask(&ask);
}

static int64_t duration_or_exit(const char *option, const char *text, int64_t least_ms)
{
	int64_t ms;

	if (parse_duration_ms(text, &ms) == 0 && (ms >= least_ms || (!ms && !least_ms)))
		return ms;
	fprintf(stderr,
		"coprocctl: --%s: \"%s\" is no duration; allowed are a number and a unit "
		"(250ms 5s 2m 1h)%s\n",
		option, text, least_ms ? "" : ", or 0 for no limit");
	exit(CTL_USAGE);
}

static unsigned count_or_exit(const char *option, const char *text)
{
	enum { MOST = 10000 };
	uint64_t n;

	if (parse_count(text, &n) == 0 && n >= 1 && n <= MOST)
		return (unsigned)n;
	fprintf(stderr, "coprocctl: --%s: \"%s\"; allowed are 1 to %d\n", option, text, MOST);
	exit(CTL_USAGE);
}

_Noreturn static void print_and_exit(const char *text)
{
	/* As for every other output: a full disk is not success. */
	exit(fputs(text, stdout) < 0 || fflush(stdout) < 0 ? CTL_IO : CTL_OK);
}

static void set_option(struct ctl_options *o, int option)
{
	switch (option) {
	case 's':
		o->socket = optarg;
		break;
	case 't':
		o->timeout_ms = duration_or_exit("timeout", optarg, 0);
		break;
	case 'S':
		o->status = true;
		break;
	case 'j':
		o->json = true;
		break;
	case 'f':
		o->file = optarg;
		break;
	case 'c':
		o->clients = count_or_exit("clients", optarg);
		break;
	case 'd':
		o->depth = count_or_exit("depth", optarg);
		break;
	case 'T':
		o->duration_ms = duration_or_exit("time", optarg, 1);
		break;
	case 'i':
		o->interval_ms = duration_or_exit("interval", optarg, 1);
		break;
	case 'h':
		print_and_exit(usage);
	case 'V':
		print_and_exit("coprocctl " COPROCD_VERSION "\n");
	default:
		fputs(usage, stderr);
		exit(CTL_USAGE);
	}
}

/* Set an option and note it in @seen, for check_options(). */
static void take_option(struct ctl_options *o, int option, char *seen)
{
	char text[] = {(char)option, '\0'};

	set_option(o, option);
	if (!strchr(seen, option))
		strcat(seen, text);
}

static const char *option_name(char option)
{
	for (size_t i = 0; i < ARRAY_SIZE(long_options) - 1; i++)
		if (long_options[i].val == option)
			return long_options[i].name;
	return "";
}

/* Whether all options that were given are for this command. */
static bool check_options(const struct command *c, const char *seen)
{
	for (; *seen; seen++) {
		if (strchr(COMMON, *seen) || strchr(c->options, *seen))
			continue;
		if (*seen == 'S' && c->is_control)
			continue;
		fprintf(stderr, "coprocctl: --%s is not for %s; see coprocctl --help\n",
			option_name(*seen), c->name);
		return false;
	}
	return true;
}

/*
 * What stands behind `ask` is a LINE, also if it starts with a dash, but for
 * these words directly behind it. Returns how many words they are.
 */
static int take_ask_options(struct ctl_options *o, int argc, char *const *argv, char *seen)
{
	int i = 0;

	for (; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			take_option(o, 'j', seen);
		} else if (!strcmp(argv[i], "--status")) {
			take_option(o, 'S', seen);
		} else if (!strncmp(argv[i], "--file=", 7)) {
			optarg = argv[i] + 7;
			take_option(o, 'f', seen);
		} else if (!strcmp(argv[i], "--file") && i + 1 < argc) {
			optarg = argv[++i];
			take_option(o, 'f', seen);
		} else {
			return i + !strcmp(argv[i], "--");
		}
	}
	return i;
}

/* Returns the place of the first word that is no option. */
static int take_options(struct ctl_options *o, int argc, char **argv, char *seen)
{
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, "+s:t:", long_options, NULL)) != -1)
		take_option(o, option, seen);
	return optind;
}

static bool take_lines(struct ctl_options *o, const struct command *c, int argc, char *const *argv)
{
	if (argc && !c->takes_lines) {
		fprintf(stderr, "coprocctl: %s takes no \"%s\"; see coprocctl --help\n", c->name,
			argv[0]);
		return false;
	}
	for (int i = 0; i < argc; i++) {
		if (!strchr(argv[i], '\n'))
			continue;
		fprintf(stderr, "coprocctl: LINE %d holds a newline; one LINE is one request\n",
			i + 1);
		return false;
	}
	if (argc && o->file) {
		fputs("coprocctl: the requests are LINEs or those of --file, not both\n", stderr);
		return false;
	}
	if (!argc && c->run == ctl_bench) {
		fputs("coprocctl: bench needs a LINE to ask; see coprocctl --help\n", stderr);
		return false;
	}
	o->lines = argv;
	o->line_count = (size_t)argc;
	return true;
}

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	fprintf(stderr, "coprocctl: unknown command \"%s\"; there are " COMMAND_NAMES "\n", name);
	return NULL;
}

/* @argv[0] is the command, @seen the options before it. */
static enum ctl_exit run_command(struct ctl_options *o, int argc, char **argv, char *seen)
{
	const struct command *c = find_command(argv[0]);
	static char name[] = "coprocctl"; /* for the messages of getopt_long() */
	int first;

	if (!c)
		return CTL_USAGE;
	argv[0] = name;
	if (c->run == ctl_ask)
		first = 1 + take_ask_options(o, argc - 1, argv + 1, seen);
	else
		first = take_options(o, argc, argv, seen);
	if (!check_options(c, seen) || !take_lines(o, c, argc - first, argv + first))
		return CTL_USAGE;
	o->command = c->name;
	o->status = o->status || c->is_control;
	if (!o->socket && c->is_control)
		o->socket = from_environment("COPROCD_CONTROL", DEFAULT_CONTROL);
	else if (!o->socket)
		o->socket = from_environment("COPROCD_SOCKET", DEFAULT_SOCKET);
	return c->run(o);
}

int main(int argc, char **argv)
{
	struct ctl_options options = {.timeout_ms = 60000,
				      .clients = 1,
				      .depth = 1,
				      .duration_ms = 5000,
				      .interval_ms = 1000};
	char seen[ARRAY_SIZE(long_options)] = "";
	int first = take_options(&options, argc, argv, seen);

	if (first == argc) {
		fputs("coprocctl: no command; there are " COMMAND_NAMES "\n", stderr);
		fputs(usage, stderr);
		return CTL_USAGE;
	}
	if (!strcmp(argv[first], "probe"))
		return ctl_probe(argc - first, argv + first);
	return run_command(&options, argc - first, argv + first, seen);
}
