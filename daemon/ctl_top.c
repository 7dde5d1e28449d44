/* SPDX-License-Identifier: MIT */
#include "ctl_top.h"

#include "ctl_look.h"
#include "macros.h"
#include "parse.h"

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY = 512, GRAPH_ROWS = 6, LABEL = 13, BARS = 12, CLIENT_ROWS = 5 };

struct top {
	const struct ctl_options *options; /* borrowed */
	struct coproc_client *client;      /* NULL: to be connected again */
	struct look before, now;
	double rates[HISTORY]; /* answers a second, the latest last */
	unsigned rate_count;
	int lost; /* why there is no connection, -errno; 0: there is one */
};

/* ---- looking ---- */

static void drop_client(struct top *t, int error)
{
	coproc_client_free(t->client);
	t->client = NULL;
	t->lost = error;
}

static void add_rate(struct top *t, double rate)
{
	if (t->rate_count == HISTORY) {
		memmove(t->rates, t->rates + 1, (HISTORY - 1) * sizeof(*t->rates));
		t->rate_count--;
	}
	t->rates[t->rate_count++] = rate;
}

static void look_again(struct top *t)
{
	struct look look;
	int rc = 0;

	if (!t->client)
		rc = coproc_client_open(t->options->socket, NULL, &t->client);
	if (!rc)
		rc = look_take(t->client, &look);
	if (rc) {
		drop_client(t, rc);
		return;
	}
	t->lost = 0;
	look_finish(&t->before);
	t->before = t->now;
	t->now = look;
	if (t->before.status)
		add_rate(t, look_rate(&t->before, &t->now, "answered"));
}

/* ---- showing ---- */

static void headline(const struct top *t)
{
	char age[32] = "-";
	int64_t ready_ms = look_number(&t->now, "ready_ms");

	if (ready_ms >= 0)
		parse_format_duration(ready_ms / 1000 * 1000, age, sizeof(age));
	attron(A_REVERSE);
	mvhline(0, 0, ' ', COLS);
	mvprintw(0, 0, " coprocd %s", t->options->socket);
	if (COLS > 2)
		mvaddnstr(0, MAX(COLS - 9, 0), "q: quit", 7);
	attroff(A_REVERSE);
	mvprintw(1, 1, "%-*s", LABEL, "state");
	attron(A_BOLD);
	printw("%s", t->lost ? "no connection" : look_text(&t->now, "state"));
	attroff(A_BOLD);
	if (t->lost)
		printw(" (%s), trying again; as it was last:", strerror(-t->lost));
	else
		printw(", pid %lld, ready for %s, %lld of %lld processes",
		       (long long)look_number(&t->now, "pid"), age,
		       (long long)look_number(&t->now, "ready"),
		       (long long)look_number(&t->now, "processes"));
}

/* A line "LABEL NAME NUMBER, ..." of these keys. */
static int numbers(const struct top *t, int row, const char *label, const char *const (*keys)[2],
		   size_t count)
{
	mvprintw(row, 1, "%-*s", LABEL, label);
	for (size_t i = 0; i < count; i++)
		printw("%s%s %lld", i ? ", " : "", keys[i][0],
		       (long long)look_number(&t->now, keys[i][1]));
	return row + 1;
}

#define NUMBERS(t, row, label, keys) numbers(t, row, label, keys, ARRAY_SIZE(keys))

static int counters(const struct top *t, int row)
{
	static const char *const load[][2] = {{"waiting", "waiting"},
					      {"bytes", "waiting_bytes"},
					      {"in flight", "in_flight"},
					      {"clients", "clients"}};
	static const char *const ends[][2] = {{"answered", "answered"}, {"timeouts", "timeouts"},
					      {"crashed", "crashed"},   {"desync", "desync"},
					      {"refused", "refused"},   {"cancelled", "cancelled"},
					      {"late", "late"}};
	static const char *const causes[][2] = {
	    {"exited", "causes.exited"}, {"start failed", "causes.start_failed"},
	    {"desync", "causes.desync"}, {"hung", "causes.hung"},
	    {"worn", "causes.recycled"}, {"replaced", "causes.replaced"}};

	mvprintw(row++, 1, "%-*s%.1f/s accepted, %.1f/s answered, %.0f bytes/s in, %.0f out", LABEL,
		 "throughput", look_rate(&t->before, &t->now, "accepted"),
		 look_rate(&t->before, &t->now, "answered"),
		 look_rate(&t->before, &t->now, "bytes_in"),
		 look_rate(&t->before, &t->now, "bytes_out"));
	row = NUMBERS(t, row, "queue", load);
	row = NUMBERS(t, row, "requests", ends);
	row = NUMBERS(t, row, "restarts", causes);
	mvprintw(row, 1, "%-*s%.*s", LABEL, "last failure", MAX(COLS - LABEL - 2, 0),
		 *look_text(&t->now, "last_failure") ? look_text(&t->now, "last_failure") : "none");
	return row + 1;
}

/* Answers a second as columns, the latest at the right edge. */
static int graph(const struct top *t, int row)
{
	unsigned shown = MIN(t->rate_count, (unsigned)MAX(COLS - 2, 0));
	const double *rates = t->rates + t->rate_count - shown;
	double most = 1;

	for (unsigned i = 0; i < shown; i++)
		most = MAX(most, rates[i]);
	mvprintw(row++, 1, "answered, up to %.1f/s", most);
	for (int level = GRAPH_ROWS; level > 0; level--, row++)
		for (unsigned i = 0; i < shown; i++)
			if (rates[i] * GRAPH_ROWS / most > level - 1)
				mvaddch(row, COLS - 1 - (int)(shown - i), '|');
	return row;
}

/* "< 64 us", "< 131 ms". */
static const char *limit_text(uint64_t us, char *dst, size_t size)
{
	if (us < 10000)
		snprintf(dst, size, "< %llu us", (unsigned long long)us);
	else if (us < 10000000)
		snprintf(dst, size, "< %llu ms", (unsigned long long)us / 1000);
	else
		snprintf(dst, size, "< %llu s", (unsigned long long)us / 1000000);
	return dst;
}

/* Of each power of two a bar; with more of them than rows the first is of all that is shorter. */
static int bars(uint64_t counts[LATENCY_COUNTS], int row)
{
	unsigned rows = (unsigned)MAX(MIN(LINES - row - CLIENT_ROWS, BARS), 0);
	unsigned first = 0, last = LATENCY_COUNTS;
	uint64_t most = 1;
	char limit[32];

	while (last && !counts[last - 1])
		last--;
	while (first < last && (!counts[first] || last - first > rows)) {
		if (first + 1 < LATENCY_COUNTS)
			counts[first + 1] += counts[first];
		first++;
	}
	for (unsigned n = first; n < last; n++)
		most = MAX(most, counts[n]);
	for (unsigned n = first; n < last; n++, row++) {
		int width = (int)((double)counts[n] * MAX(COLS - 30, 1) / (double)most);

		mvprintw(row, 1, "%10s %12llu ", limit_text(UINT64_C(1) << n, limit, sizeof(limit)),
			 (unsigned long long)counts[n]);
		for (int i = 0; i < width; i++)
			addch('#');
	}
	return row;
}

/* How long all answered requests took. */
static int latencies(const struct top *t, int row)
{
	static const struct look none;
	static const double parts[] = {0.5, 0.9, 0.99};
	uint64_t counts[LATENCY_COUNTS];
	char limit[32];

	look_latencies(&none, &t->now, counts);
	mvprintw(row++, 1, "%-*s", LABEL, "latency");
	for (size_t i = 0; latency_within_us(counts, 1) && i < ARRAY_SIZE(parts); i++)
		printw("%sp%.0f %s", i ? ", " : "", parts[i] * 100,
		       limit_text(latency_within_us(counts, parts[i]), limit, sizeof(limit)));
	return bars(counts, row);
}

static void clients(const struct top *t, int row)
{
	json_t *list = json_object_get(t->now.clients, "clients"), *c;
	static const char *const keys[] = {"id", "uid", "pid", "unfinished", "unsent"};
	size_t i;

	attron(A_REVERSE);
	mvhline(row, 0, ' ', COLS);
	mvprintw(row++, 1, "%10s %10s %10s %10s %10s", "CLIENT", "UID", "PID", "UNFINISHED",
		 "UNSENT");
	attroff(A_REVERSE);
	json_array_foreach(list, i, c)
	{
		if (row >= LINES)
			return;
		move(row++, 0);
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			printw(" %10lld",
			       (long long)json_integer_value(json_object_get(c, keys[k])));
	}
}

static void draw(const struct top *t)
{
	int row;

	erase();
	headline(t);
	row = counters(t, 2);
	row = graph(t, row + 1);
	row = latencies(t, row + 1);
	clients(t, row + 1);
	refresh();
}

static void watch(struct top *t)
{
	int key = ERR;

	setlocale(LC_ALL, "");
	initscr();
	cbreak();
	noecho();
	curs_set(0);
	timeout((int)t->options->interval_ms);
	while (key != 'q' && key != 'Q') {
		if (key == ERR)
			look_again(t);
		draw(t);
		key = getch();
	}
	endwin();
}

enum ctl_exit ctl_top(const struct ctl_options *options)
{
	struct top t = {.options = options};
	enum ctl_exit status;
	int rc;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fputs("coprocctl: top needs a terminal; see status --json\n", stderr);
		return CTL_USAGE;
	}
	status = ctl_connect(options, NULL, &t.client);
	if (status != CTL_OK)
		return status;
	rc = look_take(t.client, &t.now);
	if (rc)
		status = ctl_say_lost(options, t.client, rc);
	else
		watch(&t);
	look_finish(&t.before);
	look_finish(&t.now);
	coproc_client_free(t.client);
	return status;
}
