/* SPDX-License-Identifier: MIT */
#include "ctl_repl.h"

#include "clock.h"
#include "ctl_times.h"
#include "macros.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HISTORY_LINES = 1000 };

struct repl {
	const struct ctl_options *options; /* borrowed */
	struct coproc_client *client;      /* NULL: to be connected again */
	EditLine *edit;
	History *history;
	char history_path[PATH_MAX]; /* "": it is not kept */
	bool answered;
	bool terminal; /* stdin is one */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig UNUSED)
{
	interrupted = 1;
}

static char *prompt(EditLine *edit UNUSED)
{
	static char text[] = "> ";

	return text;
}

/* ---- the history's file ---- */

/* Make the folders of the path, for nobody else to look into. */
static void make_folders(char *path)
{
	for (char *p = path + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		(void)mkdir(path, 0700); /* that it is missing is noticed when the file is saved */
		*p = '/';
	}
}

static void find_history(struct repl *r)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n = 0;

	if (state && *state == '/')
		n = snprintf(r->history_path, PATH_MAX, "%s/coprocctl/history", state);
	else if (home && *home == '/')
		n = snprintf(r->history_path, PATH_MAX, "%s/.local/state/coprocctl/history", home);
	if (n <= 0 || n >= PATH_MAX)
		r->history_path[0] = '\0';
}

static void save_history(struct repl *r)
{
	HistEvent event;
	mode_t mask = umask(077);

	if (r->history_path[0]) {
		make_folders(r->history_path);
		if (history(r->history, &event, H_SAVE, r->history_path) < 0)
			fprintf(stderr, "coprocctl: %s: the history is not kept\n",
				r->history_path);
	}
	umask(mask);
}

/* ---- asking ---- */

static void on_answer(void *ctx, const struct coproc_answer *answer)
{
	struct repl *r = ctx;

	r->answered = true;
	if (answer->error)
		return;
	if (answer->code != COPROC_OK)
		printf("! %s: %s\n", answer->name, answer->bytes);
	else
		fwrite(answer->bytes, 1, answer->len, stdout);
}

/* Until it is answered, the time is over or the user has enough of it; 0 or -errno. */
static int await(struct repl *r)
{
	int64_t deadline_ms = clock_deadline_ms(clock_now_ms(), r->options->timeout_ms);
	short ready = POLLOUT;
	long came = 0;

	while (came >= 0 && !r->answered) {
		struct pollfd p = {.fd = coproc_client_fd(r->client)};
		int64_t left;

		came = coproc_client_turn(r->client, ready);
		if (came < 0 || r->answered)
			break;
		left = deadline_ms - clock_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (interrupted)
			return -EINTR;
		p.events = coproc_client_events(r->client);
		ready = poll(&p, 1, deadline_ms == CLOCK_NEVER ? -1 : (int)MIN(left, 1 << 30)) > 0
			    ? p.revents
			    : 0;
	}
	return came < 0 ? (int)came : 0;
}

static void drop_client(struct repl *r)
{
	coproc_client_free(r->client);
	r->client = NULL;
}

/* What is to be said of a request that was not answered. */
static void say_unanswered(struct repl *r, int error)
{
	if (error == -EINTR)
		puts("! given up; a late reply is dropped");
	else if (error == -ETIMEDOUT)
		printf("! no reply in %lld ms; a late one is dropped\n",
		       (long long)r->options->timeout_ms);
	else if (error == -EACCES || error == -EPROTO)
		printf("! %s\n", coproc_client_failure(r->client));
	else
		puts("! the connection is lost; the next line connects again");
}

static void ask_line(struct repl *r, const char *line, size_t len)
{
	uint64_t start_ns = times_now_ns(), number = 0;
	int error;

	interrupted = 0;
	r->answered = false;
	/* The daemon may have gone since the last line. */
	if (r->client && coproc_client_turn(r->client, POLLIN) < 0)
		drop_client(r);
	if (!r->client && ctl_connect(r->options, NULL, &r->client) != CTL_OK)
		return;
	error = coproc_client_submit(r->client, line, len, on_answer, r, &number);
	if (!error)
		error = await(r);
	if (error) {
		coproc_client_cancel(r->client, number);
		say_unanswered(r, error);
	} else if (r->terminal) {
		printf("  (%.2f ms)\n", (double)(times_now_ns() - start_ns) / 1e6);
	}
	if (coproc_client_failure(r->client))
		drop_client(r);
}

static void remember(struct repl *r, const char *line, size_t len)
{
	HistEvent event;

	if (r->terminal && len && line[0] != ' ')
		history(r->history, &event, H_ENTER, line);
}

static void converse(struct repl *r)
{
	const char *line;
	int n;

	for (;;) {
		interrupted = 0;
		line = el_gets(r->edit, &n);
		if (!line && interrupted) {
			putchar('\n');
			el_reset(r->edit);
			continue;
		}
		if (!line || n <= 0)
			return;
		n -= line[n - 1] == '\n';
		/* libedit's line ends at n; as text it may have a newline behind. */
		remember(r, line, (size_t)n);
		ask_line(r, line, (size_t)n);
		if (ctl_flush() != CTL_OK)
			return;
	}
}

static bool set_up(struct repl *r)
{
	struct sigaction act = {.sa_handler = on_interrupt}; /* without SA_RESTART */
	HistEvent event;

	setlocale(LC_ALL, "");
	sigaction(SIGINT, &act, NULL);
	r->terminal = isatty(STDIN_FILENO);
	r->history = history_init();
	r->edit = el_init("coprocctl", stdin, stdout, stderr);
	if (!r->history || !r->edit)
		return false;
	history(r->history, &event, H_SETSIZE, HISTORY_LINES);
	history(r->history, &event, H_SETUNIQUE, 1);
	el_set(r->edit, EL_PROMPT, prompt);
	el_set(r->edit, EL_EDITOR, "emacs");
	el_set(r->edit, EL_HIST, history, r->history);
	el_set(r->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
	find_history(r);
	if (r->history_path[0])
		history(r->history, &event, H_LOAD, r->history_path);
	return true;
}

enum ctl_exit ctl_repl(const struct ctl_options *options)
{
	struct repl r = {.options = options};
	enum ctl_exit status = ctl_connect(options, NULL, &r.client);

	if (status != CTL_OK)
		return status;
	if (set_up(&r)) {
		converse(&r);
		if (r.terminal)
			save_history(&r);
		status = ctl_flush();
	} else {
		status = ctl_say_error("repl", ENOMEM, CTL_SYSTEM);
	}
	if (r.edit)
		el_end(r.edit);
	if (r.history)
		history_end(r.history);
	coproc_client_free(r.client);
	return status;
}
