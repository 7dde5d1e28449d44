/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define SECONDS(n) ((int64_t)(n)*1000)
#define HOURS(n)   (SECONDS(n) * 3600)
#define KIB(n)     ((int64_t)(n) << 10)
#define MIB(n)     ((int64_t)(n) << 20)
#define GIB(n)     ((int64_t)(n) << 30)

#define AT(member)     offsetof(struct config, member)
#define ENGINE(member) offsetof(struct config, engine.member)

#define ROW(name, arg, fallback, range, file, many, help)                                          \
	{                                                                                          \
		name, arg, fallback, range, help, file, many                                       \
	}
#define DURATION(name, member, fallback, low, range, help)                                         \
	{                                                                                          \
		ROW(name, "DURATION", fallback, range, true, false, help), OPTION_DURATION,        \
		    ENGINE(member), low, HOURS(24), NULL                                           \
	}
#define SIZE(name, where, fallback, low, high, range, help)                                        \
	{                                                                                          \
		ROW(name, "SIZE", fallback, range, true, false, help), OPTION_SIZE, where, low,    \
		    high, NULL                                                                     \
	}
#define COUNT(name, where, fallback, low, high, range, help)                                       \
	{                                                                                          \
		ROW(name, "N", fallback, range, true, false, help), OPTION_COUNT, where, low,      \
		    high, NULL                                                                     \
	}
#define BOOL(name, where, help)                                                                    \
	{                                                                                          \
		ROW(name, NULL, "no", "yes or no", true, false, help), OPTION_BOOL, where, 0, 0,   \
		    NULL                                                                           \
	}
#define CHOICE(name, where, fallback, range, first, list, help)                                    \
	{                                                                                          \
		ROW(name, "WORD", fallback, range, true, false, help), OPTION_CHOICE, where,       \
		    first, 0, list                                                                 \
	}
#define OTHER(name, arg, fallback, range, many, kind, where, help)                                 \
	{                                                                                          \
		ROW(name, arg, fallback, range, true, many, help), kind, where, 0, 0, NULL         \
	}
#define ARGS(name, arg, range, kind, help)                                                         \
	{                                                                                          \
		ROW(name, arg, NULL, range, false, false, help), kind, 0, 0, 0, NULL               \
	}

static const char *const overload_words[] = {"reject", "wait", NULL};
static const char *const bytes_words[] = {"text", "utf8", "any", NULL};
static const char *const level_words[] = {"err", "warning", "notice", "info", "debug", NULL};
static const char *const target_words[] = {"auto", "stderr", "syslog", "journal", NULL};

static const struct option_row table[] = {
    OTHER("command", "COMMAND", NULL, "a program and its arguments, quoted as in a shell", false,
	  OPTION_COMMAND, 0, "the program; on the command line the words behind the options"),
    OTHER("listen", "SOCKET", "$RUNTIME_DIRECTORY/coprocd.sock",
	  "PATH[,DETAIL=VALUE]... or fd:NAME[,DETAIL=VALUE]...", true, OPTION_LISTEN, 0,
	  "where clients connect (mode, owner, group, replies, request, allow-user, allow-group)"),
    OTHER("control", "SOCKET", NULL, "PATH[,mode=0600][,owner=U][,group=G]", false, OPTION_CONTROL,
	  0, "where coprocctl status, restart, reload and upgrade connect"),
    OTHER("env", "NAME=VALUE", NULL, "NAME=VALUE", true, OPTION_ENV, 0,
	  "set a variable in the program's environment"),
    BOOL("clear-env", ENGINE(clear_env), "start the program from an empty environment"),
    OTHER("directory", "DIR", NULL, "a directory", false, OPTION_TEXT, ENGINE(directory),
	  "working directory of the program"),
    OTHER("coprocess-user", "USER", NULL, "a user name; needs root", false, OPTION_COPROCESS_USER,
	  ENGINE(user), "run the program as this user"),
    SIZE("limit-memory", ENGINE(limit_memory), "0", 0, GIB(1024), "0 to 1024G",
	 "address space of the program (RLIMIT_AS); 0 for no limit"),
    COUNT("limit-files", ENGINE(limit_files), "0", 0, 1000000, "0 to 1000000",
	  "descriptors of the program (RLIMIT_NOFILE); 0 for no limit of ours"),
    {ROW("limit-cpu", "DURATION", "0s", "0s to 8760h", true, false,
	 "processor time of the program, in whole seconds (RLIMIT_CPU); 0s for no limit"),
     OPTION_DURATION, ENGINE(limit_cpu_ms), 0, HOURS(8760), NULL},
    BOOL("no-new-privileges", ENGINE(no_new_privs),
	 "set-user-ID programs have no effect in the program"),
    BOOL("line-buffered", ENGINE(line_buffered),
	 "make a program that uses C stdio flush each line, as stdbuf -oL does"),
    BOOL("pty", ENGINE(pty), "give the program a raw pseudo-terminal as stdout"),
    OTHER("reply", "FRAMING", "line",
	  "line, lines:N, until:TEXT, until-match:REGEX, prompt:TEXT, nul, sized:REGEX, "
	  "probe:REQUEST=>REPLY or channel",
	  false, OPTION_FRAMING, ENGINE(reply), "where a reply ends"),
    OTHER("end", "WORD", "keep", "strip or keep", false, OPTION_END, ENGINE(strip_end),
	  "whether what ends a reply (a line, a prompt, a NUL) is passed on"),
    OTHER("async", "REGEX", NULL, "a regular expression (PCRE2)", true, OPTION_ASYNC, ENGINE(async),
	  "lines of the program that belong to no reply and go to the log"),
    OTHER("no-reply", "REGEX", NULL, "a regular expression (PCRE2)", true, OPTION_NO_REPLY,
	  ENGINE(no_reply), "requests that have no reply end at once with an empty one"),
    OTHER("cancel", "BYTES", NULL, "bytes, with \\n \\r \\t \\0 \\e \\\\ \\xNN", false,
	  OPTION_BYTES, ENGINE(cancel),
	  "written when nobody waits any more for what the program works on"),
    OTHER("health", "CHECK", NULL, "REQUEST=>REPLY", false, OPTION_HEALTH, ENGINE(health),
	  "asked when the process is idle; without that line in reply it is replaced"),
    DURATION("health-interval", health_interval_ms, "30s", 1, "1ms to 24h",
	     "between two health checks, and for the answer"),
    OTHER("banner", "GREETING", NULL, "lines:N, until:TEXT, until-match:REGEX or prompt:TEXT",
	  false, OPTION_BANNER, ENGINE(banner),
	  "what the program says before its first reply, to be skipped"),
    OTHER("ready", "PROOF", "start", "start, banner or probe:REQUEST=>REPLY", false, OPTION_READY,
	  ENGINE(ready), "what proves the program ready"),
    {ROW("window", "N", NULL, "auto or 1 to 4096", true, false,
	 "requests with the process at one time; more than 1 only if it answers one for one"),
     OPTION_WINDOW, ENGINE(window), 1, 4096, NULL},
    COUNT("workers", ENGINE(workers), "1", 1, 256, "1 to 256", "processes that share the queue"),
    DURATION("request-timeout", request_timeout_ms, "30s", 0, "0s to 24h",
	     "from a request's arrival to its ending; 0s for never"),
    DURATION("hang-timeout", hang_timeout_ms, "1m", 0, "0s to 24h",
	     "the process is replaced when it holds a request this long; 0s for never"),
    DURATION("start-timeout", start_timeout_ms, "1m", 0, "0s to 24h",
	     "until the process is ready; 0s for no limit"),
    DURATION("stop-timeout", stop_timeout_ms, "5s", 0, "0s to 24h",
	     "from closing stdin to SIGTERM, and again to SIGKILL"),
    DURATION("drain-timeout", drain_timeout_ms, "30s", 0, "0s to 24h",
	     "for pending requests at stop or replacement; 0s for no limit"),
    DURATION("restart-delay", restart_delay_ms, "100ms", 1, "1ms to 24h",
	     "before the second start in a row, then doubled, with jitter"),
    DURATION("restart-delay-max", restart_delay_max_ms, "30s", 1, "1ms to 24h",
	     "the longest delay between starts"),
    DURATION("restart-stable", restart_stable_ms, "10s", 0, "0s to 24h",
	     "service of this length makes the next failure the first again"),
    COUNT("restart-limit", ENGINE(restart_limit), "10", 0, 1000000, "0 to 1000000",
	  "failures in a row, then requests end in `unavailable`; 0 for no limit"),
    COUNT("retries", ENGINE(retries), "0", 0, 100, "0 to 100",
	  "times to try again a request that was with a crashed process"),
    COUNT("max-requests", ENGINE(max_requests), "0", 0, INT32_MAX, "0 to 2147483647",
	  "a process is followed by a new one, without a gap, after so many; 0 for never"),
    {ROW("max-age", "DURATION", "0s", "0s to 8760h", true, false,
	 "a process is followed by a new one when it is so old; 0s for never"),
     OPTION_DURATION, ENGINE(max_age_ms), 0, HOURS(8760), NULL},
    SIZE("max-rss", ENGINE(max_rss), "0", 0, GIB(1024), "0 to 1024G",
	 "a process is followed by a new one when it has more memory resident; 0 for never"),
    COUNT("max-clients", AT(max_clients), "10000", 1, 1000000, "1 to 1000000",
	  "connections at one time, then accepting pauses"),
    COUNT("client-requests", AT(client_requests), "64", 1, 1000000, "1 to 1000000",
	  "unfinished requests of one client, then reading from it pauses"),
    SIZE("client-buffer", AT(client_buffer), "1M", 1, GIB(1), "1 to 1G",
	 "unsent bytes for one client, then reading from it pauses"),
    COUNT("queue", ENGINE(queue), "10000", 1, 10000000, "1 to 10000000", "waiting requests"),
    SIZE("queue-bytes", ENGINE(queue_bytes), "64M", 1, GIB(64), "1 to 64G",
	 "bytes of waiting requests, at least max-request"),
    CHOICE("overload", AT(overload), "reject", "reject or wait", 0, overload_words,
	   "when the queue is full: answer `overloaded`, or read no more for a while"),
    SIZE("max-request", ENGINE(max_request), "64K", 1, GIB(1), "1 to 1G", "bytes of a request"),
    SIZE("max-reply", ENGINE(max_reply), "16M", 1, GIB(1), "1 to 1G", "bytes of a reply"),
    CHOICE("request-bytes", ENGINE(request_bytes), "text", "text, utf8 or any", 0, bytes_words,
	   "what a request may hold: text (no NUL), utf8 (valid UTF-8 without NUL), any"),
    OTHER("forbid", "REGEX", NULL, "a regular expression (PCRE2)", true, OPTION_FORBID, 0,
	  "requests that match never reach the process"),
    OTHER("request-prefix", "BYTES", NULL, "bytes, with \\n \\r \\t \\0 \\e \\\\ \\xNN", false,
	  OPTION_BYTES, ENGINE(prefix), "bytes put before each request"),
    OTHER("request-suffix", "BYTES", "\\n", "bytes, with \\n \\r \\t \\0 \\e \\\\ \\xNN", false,
	  OPTION_BYTES, ENGINE(suffix), "bytes put behind each request"),
    DURATION("settle", settle_ms, "20ms", 0, "0s to 24h",
	     "wait for surplus output after a suspicious request, at window 1; 0s for none"),
    SIZE("settle-over", ENGINE(settle_over), "700", 0, GIB(1), "0 to 1G",
	 "requests of more bytes are suspicious"),
    COUNT("stderr-rate", ENGINE(stderr_rate), "100", 0, 1000000, "0 to 1000000",
	  "lines of the program's stderr logged per second (bursts of ten times that); 0 for all"),
    OTHER("user", "USER", NULL, "a user name or number; needs root", false, OPTION_USER, 0,
	  "become this user after the sockets are bound"),
    OTHER("group", "GROUP", NULL, "a group name or number; needs root", false, OPTION_GROUP, 0,
	  "become this group after the sockets are bound"),
    BOOL("daemonize", AT(daemonize),
	 "go to the background; the parent exits 0 only when the process is ready"),
    OTHER("pid-file", "FILE", NULL, "a file", false, OPTION_TEXT, AT(pid_file),
	  "where to write the daemon's process number"),
    BOOL("exit-on-failure", AT(exit_on_failure),
	 "exit with 69 when the process is given up (restart-limit)"),
    CHOICE("log-level", AT(log_level), "info", "err, warning, notice, info or debug", LOG_ERR,
	   level_words, "what is less important is not logged"),
    CHOICE("log-target", AT(log_target), "auto", "auto, stderr, syslog or journal", 0, target_words,
	   "where the log goes"),
    ARGS("config", "FILE", "a readable file", OPTION_FILE, "read options from FILE"),
    ARGS("check-config", NULL, "-", OPTION_CHECK, "read and check all options, then exit"),
    ARGS("upgrade-format", NULL, "-", OPTION_PRINT,
	 "print which state of another coprocd this one takes over on SIGUSR2, and exit"),
    ARGS("help", NULL, "-", OPTION_PRINT, "print this text and exit"),
    ARGS("version", NULL, "-", OPTION_PRINT, "print the version and exit"),
};

const struct option_row *option_at(size_t i)
{
	return i < ARRAY_SIZE(table) ? &table[i] : NULL;
}

const struct config_option *config_option_at(size_t i)
{
	return i < ARRAY_SIZE(table) ? &table[i].doc : NULL;
}

const struct option_row *option_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!strcmp(table[i].doc.name, name))
			return &table[i];
	return NULL;
}

/* The number of insertions, deletions and replacements between two short words. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t n = strlen(b);

	if (n >= ARRAY_SIZE(row))
		return 64;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0]++;

		for (size_t j = 1; j <= n; j++) {
			unsigned above = row[j], change = diagonal + (a[i] != b[j - 1]);

			row[j] = MIN(change, MIN(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[n];
}

const char *option_resembling(const char *name)
{
	const char *best = NULL;
	unsigned least = 3;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		unsigned d = distance(name, table[i].doc.name);

		if (d < least) {
			least = d;
			best = table[i].doc.name;
		}
	}
	return best;
}

#define HELP_COLUMNS 100
#define HELP_INDENT  31

/* Words up to HELP_COLUMNS, from the column HELP_INDENT on; a longer word is not cut. */
static void print_wrapped(FILE *f, const char *text)
{
	size_t column = HELP_INDENT;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > HELP_INDENT && column + 1 + n > HELP_COLUMNS) {
			fprintf(f, "\n%*s", HELP_INDENT + 2, "");
			column = HELP_INDENT + 2;
		} else if (column > HELP_INDENT) {
			fputc(' ', f);
			column++;
		}
		fprintf(f, "%.*s", (int)n, text);
		column += n;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', f);
}

static void print_row(FILE *f, const struct config_option *o)
{
	char left[80], text[600];

	snprintf(left, sizeof(left), "--%s%s%s", o->name, o->argument ? " " : "",
		 o->argument ? o->argument : "");
	fprintf(f, "  %-*s ", HELP_INDENT - 3, left);
	snprintf(text, sizeof(text), "%s%s", o->help, o->repeatable ? " (repeatable)" : "");
	print_wrapped(f, text);
	if (!o->in_file)
		return;
	fprintf(f, "%*s", HELP_INDENT, "");
	snprintf(text, sizeof(text), "[%s] %s", o->fallback ? o->fallback : "-", o->range);
	print_wrapped(f, text);
}

char *option_help(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f,
		"Usage: coprocd [OPTION...] [--] COMMAND [ARG...]\n"
		"       coprocd --config FILE [OPTION...]\n\n"
		"Keep one slow-starting program running and let any number of clients on a Unix\n"
		"socket query it: one line in, one reply out.\n\n"
		"Options, each with [default] and what is allowed; in the file: NAME = VALUE\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		print_row(f, &table[i].doc);
	fprintf(f, "\nDurations: 250ms 5s 2m 1h. Sizes: 700 64K 1M 2G. See coprocd(8), "
		   "coprocd.conf(5).\n");
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
