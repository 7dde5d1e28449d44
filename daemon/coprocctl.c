/* SPDX-License-Identifier: MIT */
/* The client tool: the command line. What it does is in ctl_ask.c and ctl_probe.c. */
#include "ctl_ask.h"
#include "ctl_probe.h"

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
    "usage: coprocctl [-s SOCKET] [-t TIMEOUT] [--status] ask [LINE...]\n"
    "       coprocctl [-s CONTROL] [-t TIMEOUT] status|restart|reload|upgrade\n"
    "       coprocctl probe [--request LINE]... [--time-limit DURATION] [--] COMMAND [ARG...]\n"
    "Ask the program behind a coprocd, one request for each LINE, else for each line of stdin.\n"
    "  -s, --socket SOCKET    the daemon's socket ($COPROCD_SOCKET, else " DEFAULT_SOCKET ")\n"
    "  -t, --timeout TIMEOUT  give up when nothing comes for this long: 500ms 5s 2m; 0: never "
    "(60s)\n"
    "  --status               the listener has replies=status\n"
    "The other commands go to the daemon's control socket ($COPROCD_CONTROL, else " DEFAULT_CONTROL
    ").\n"
    "probe tries COMMAND, says what it is like and prints the configuration that serves it.\n"
    "  --help, --version\n"
    "Exit status: 0 all answered, 2 time-out, 3 cannot connect, 4 connection lost, 64 usage;\n"
    "for the first error: 10 timeout, 11 crashed, 12 overloaded, 13 unavailable, 14 too-long,\n"
    "15 reply-too-long, 16 desync, 17 bad-request, 18 denied, 19 stopping, 1 another.\n";

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'}, {"timeout", required_argument, NULL, 't'},
    {"status", no_argument, NULL, 'S'},       {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0},
};

_Noreturn static void refuse_duration(const char *text)
{
	fprintf(stderr,
		"coprocctl: --timeout: \"%s\" is no duration; allowed are a number and a unit "
		"(250ms 5s 2m 1h), or 0 for no limit\n",
		text);
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
		if (parse_duration_ms(optarg, &o->timeout_ms) < 0)
			refuse_duration(optarg);
		break;
	case 'S':
		o->status = true;
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

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

/* Whether the command is one for the control socket, which takes it as it is. */
static bool is_control(const char *command)
{
	static const char *const commands[] = {"status", "restart", "reload", "upgrade"};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(command, commands[i]))
			return true;
	return false;
}

/* The arguments behind the options: the command and its lines. */
static bool take_command(struct ctl_options *o, int argc, char *const *argv)
{
	static const char commands[] = "ask, probe, status, restart, reload and upgrade";

	if (argc < 1) {
		fprintf(stderr, "coprocctl: no command; there are %s\n%s", commands, usage);
		return false;
	}
	if (is_control(argv[0]) && argc == 1) {
		o->lines = argv;
		o->line_count = 1;
		o->status = true;
		if (!o->socket)
			o->socket = from_environment("COPROCD_CONTROL", DEFAULT_CONTROL);
		return true;
	}
	if (strcmp(argv[0], "ask") != 0) {
		fprintf(stderr, "coprocctl: unknown command \"%s\"%s; there are %s\n", argv[0],
			is_control(argv[0]) ? " with arguments" : "", commands);
		return false;
	}
	o->lines = argv + 1;
	o->line_count = (size_t)argc - 1;
	for (size_t i = 0; i < o->line_count; i++) {
		if (!strchr(o->lines[i], '\n'))
			continue;
		fprintf(stderr, "coprocctl: LINE %zu holds a newline; one LINE is one request\n",
			i + 1);
		return false;
	}
	if (!o->socket)
		o->socket = from_environment("COPROCD_SOCKET", DEFAULT_SOCKET);
	return true;
}

int main(int argc, char **argv)
{
	struct ctl_options options = {.timeout_ms = 60000};
	int option;

	/* `+`: what stands behind the command is a LINE, also if it starts with a dash. */
	while ((option = getopt_long(argc, argv, "+s:t:", long_options, NULL)) != -1)
		set_option(&options, option);
	if (optind < argc && !strcmp(argv[optind], "probe"))
		return ctl_probe(argc - optind, argv + optind);
	if (!take_command(&options, argc - optind, argv + optind))
		return CTL_USAGE;
	return ctl_ask(&options);
}
