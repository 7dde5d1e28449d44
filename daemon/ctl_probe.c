/* SPDX-License-Identifier: MIT */
#include "ctl_probe.h"

#include "parse.h"
#include "probe_config.h"
#include "probe_report.h"
#include "probe_try.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: coprocctl probe [--hello LINE] [--request LINE]... [--time-limit DURATION]\n"
    "                       [--] COMMAND [ARG...]\n"
    "Start COMMAND, try it with a few requests, say what it is like (on stderr),\n"
    "and print the configuration of coprocd that serves it (on stdout).\n"
    "  --hello LINE           say this to it before all else\n"
    "  --request LINE         ask this; without it, what is known of the program, or plain words\n"
    "  --time-limit DURATION  wait this long for each reply (as long as the program works on it)\n";

static const struct option long_options[] = {
    {"request", required_argument, NULL, 'r'},
    {"time-limit", required_argument, NULL, 't'},
    {"hello", required_argument, NULL, 'e'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Take one option. Returns CTL_OK or the exit status. */
static enum ctl_exit set_option(struct probe_task *task, int option)
{
	switch (option) {
	case 'r':
		task->requests[task->request_count++] = optarg;
		return CTL_OK;
	case 'e':
		task->hello = optarg;
		return CTL_OK;
	case 't':
		if (parse_duration_ms(optarg, &task->limit_ms) == 0 && task->limit_ms > 0)
			return CTL_OK;
		fprintf(
		    stderr,
		    "coprocctl: --time-limit: \"%s\" is no duration; allowed are a number over 0 "
		    "and a unit (250ms 5s 2m)\n",
		    optarg);
		return CTL_USAGE;
	default:
		fputs(usage, stderr);
		return CTL_USAGE;
	}
}

/* What is being tried, on a terminal, in a line that is written over. */
static void show_step(const char *what)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s ...", what);
}

static void clear_step(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static enum ctl_exit print_config(const struct findings *f)
{
	int rc = config_print(f, stdout);

	if (rc < 0) {
		fputs("coprocctl: out of memory\n", stderr);
		return CTL_SYSTEM;
	}
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CTL_OK;
	fprintf(stderr, "coprocctl: stdout: %s\n", strerror(errno));
	return CTL_IO;
}

static enum ctl_exit say_findings(const struct findings *f)
{
	report_words(f, stderr);
	putc('\n', stderr);
	if (!findings_can_be_served(f)) {
		fputs("coprocctl: no configuration serves this program as it is\n", stderr);
		return CTL_ERROR;
	}
	if (!config_can_hold(f)) {
		fputs("coprocctl: the command has a newline in it, which a configuration cannot "
		      "hold; "
		      "put the program into a file\n",
		      stderr);
		return CTL_ERROR;
	}
	return print_config(f);
}

static enum ctl_exit probe(const struct probe_task *task)
{
	struct findings f;
	char why[400];
	int rc = probe_try(task, &f, why, sizeof(why));
	enum ctl_exit status;

	clear_step();
	if (rc == 0) {
		status = say_findings(&f);
	} else {
		fprintf(stderr, "coprocctl: %s\n", why);
		status = rc == -ENOMEM ? CTL_SYSTEM : CTL_ERROR;
	}
	findings_finish(&f);
	return status;
}

enum ctl_exit ctl_probe(int argc, char **argv)
{
	static char name[] = "coprocctl probe";
	struct probe_task task = {.on_step = show_step};
	enum ctl_exit status = CTL_OK;
	int option;

	task.requests = calloc((size_t)argc, sizeof(*task.requests));
	if (!task.requests) {
		fputs("coprocctl: out of memory\n", stderr);
		return CTL_SYSTEM;
	}
	argv[0] = name; /* for the messages of getopt_long() */
	optind = 0;     /* the options of the command itself are behind us */
	while (status == CTL_OK &&
	       (option = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			free(task.requests);
			return fflush(stdout) ? CTL_IO : CTL_OK;
		}
		status = set_option(&task, option);
	}
	if (status == CTL_OK && optind == argc) {
		fprintf(stderr, "coprocctl: probe: no COMMAND\n%s", usage);
		status = CTL_USAGE;
	}
	task.argv = argv + optind;
	if (status == CTL_OK) {
		signal(SIGPIPE, SIG_IGN);
		/* A daemon will not have what would hide that the program buffers. */
		unsetenv("PYTHONUNBUFFERED");
		unsetenv("PERLIO");
		status = probe(&task);
	}
	free(task.requests);
	return status;
}
