/* SPDX-License-Identifier: MIT */
#include "probe_config.h"

#include "probe_find.h"
#include "probe_report.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SLOW_START_MS = 300,
	PATIENT_START_MS = 10000,
	WIDTH = 60,
	LINE = 92,
	MAX_REQUEST = 64 << 10
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_interpreter(const char *name)
{
	static const char *const names[] = {"python3", "python", "perl", "ruby", "node",
					    "php",     "bash",   "sh",   "java"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* What the socket is called after: the program, of an interpreter its script. */
static const char *service_name(const struct findings *f)
{
	char *const *word = f->argv + probe_known_word(f->argv);
	const char *name = base_name(*word);

	for (word++; *word && is_interpreter(name); word++)
		if (**word != '-' && access(*word, F_OK) == 0)
			return base_name(*word);
	return name;
}

/* Where it listens; the caller's, NULL without memory. */
static char *config_socket(const struct findings *f)
{
	const char *name = service_name(f);
	int len = (int)MIN(strcspn(name, ".,"), 60);
	char *path = NULL;

	return asprintf(&path, "/run/coprocd/%.*s.sock", len ? len : (int)strlen("program"),
			len ? name : "program") < 0
		   ? NULL
		   : path;
}

/* A comment in lines of bearable length, with an empty line before it. */
static PRINTF(2, 3) void comment(FILE *out, const char *fmt, ...)
{
	CLEANUP(shape_free_text) char *text = NULL;
	const char *p;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	putc('\n', out);
	for (p = text; *p;) {
		size_t len = strlen(p);

		if (len > LINE) {
			for (len = LINE; len && p[len] != ' ';)
				len--;
			len = len ? len : strlen(p);
		}
		fprintf(out, "# %.*s\n", (int)len, p);
		p += len + (p[len] == ' ');
	}
}

/* ---- the program ---- */

/* A word so that parse_words() reads it back. */
static void put_word(const char *word, FILE *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-_=+./:,@%^";

	if (*word && !word[strspn(word, plain)]) {
		fputs(word, out);
	} else if (!strchr(word, '\'')) {
		fprintf(out, "'%s'", word);
	} else {
		putc('"', out);
		for (; *word; word++)
			fprintf(out, *word == '"' || *word == '\\' ? "\\%c" : "%c", *word);
		putc('"', out);
	}
}

static bool is_argument_cure(const struct findings *f)
{
	return f->cure == CURE_OWN && (*f->known->cure == '-' || !strchr(f->known->cure, '='));
}

static void put_command(const struct findings *f, FILE *out)
{
	fputs("command = ", out);
	for (char *const *word = f->argv; *word; word++) {
		if (word != f->argv)
			putc(' ', out);
		put_word(*word, out);
		if (word == f->argv + probe_known_word(f->argv) && is_argument_cure(f)) {
			putc(' ', out);
			put_word(f->known->cure, out);
		}
	}
	putc('\n', out);
}

/* Whether a word of the command names a file here: then it must be found again. */
static bool names_file_here(const struct findings *f)
{
	for (char *const *word = f->argv; *word; word++)
		if (**word != '/' && (word != f->argv || strchr(*word, '/')) &&
		    strcmp(*word, ".") != 0 && access(*word, F_OK) == 0)
			return true;
	return false;
}

static void put_surroundings(const struct findings *f, FILE *out)
{
	const struct probe_known *k = f->known;
	char directory[PATH_MAX];

	if ((k->needs_directory || names_file_here(f)) && getcwd(directory, sizeof(directory)))
		fprintf(out, "directory = %s\n", directory);
	if (k->env)
		fprintf(out, "env = %s\n", k->env);
	if (f->cure == CURE_OWN && !is_argument_cure(f))
		fprintf(out, "env = %s\n", k->cure);
	if (k->writes_home) {
		comment(out,
			"It keeps what clients said in files there; give it a directory of its "
			"own, or none.");
		fputs("env = HOME=/nonexistent\n", out);
	}
}

/* ---- requests and replies ---- */

/* A reply whose end cannot be seen from its bytes is counted for the client. */
static bool needs_status(const struct findings *f)
{
	return f->shape.kind == SHAPE_PROBE || f->shape.kind == SHAPE_PROMPT;
}

static int put_listen(const struct findings *f, FILE *out)
{
	char *path = config_socket(f);
	const char *end = f->known->request_end;

	if (!path)
		return -ENOMEM;
	if (end)
		comment(out, "A request is several lines; %s%s ends it.",
			*end ? "the line " : "an empty line", end);
	if (needs_status(f))
		comment(out, "The end of a reply cannot be seen, so that its lines are counted; "
			     "`coprocctl --status ask` reads that.");
	if (!end && !needs_status(f))
		putc('\n', out);
	fprintf(out, "listen = %s%s%s%s\n", path, needs_status(f) ? ",replies=status" : "",
		end ? ",request=until:" : "", end ? end : "");
	free(path);
	return 0;
}

static void put_frame(const struct findings *f, FILE *out)
{
	const struct probe_known *k = f->known;

	fputs("\n# A reply is ", out);
	report_shape(&f->shape, out);
	fputs(".\n", out);
	fprintf(out, "reply = %s\n", f->shape.option);
	if (f->shape_is_doubtful)
		comment(out,
			"Not every request had one: such a client waits for request-timeout, and "
			"the others with it. Say which have none with no-reply, or end each reply "
			"with a mark: reply = probe:REQUEST=>REPLY.");
	if (f->shape_is_known && k->async) {
		comment(out, "These lines are no part of it.");
		fprintf(out, "async = %s\n", k->async);
	}
	if (k->prefix)
		fprintf(out, "request-prefix = %s\n", k->prefix);
	if (k->suffix)
		fprintf(out, "request-suffix = %s\n", k->suffix);
	if (k->cancel)
		fprintf(out, "cancel = %s\n", k->cancel);
}

static void put_cure(const struct findings *f, FILE *out)
{
	if (f->cure != CURE_LINE_BUFFERED && f->cure != CURE_PTY)
		return;
	comment(out, "Without this its replies come %s.",
		f->buffering == BUFFERING_LATE ? "one request late" : "when its input has ended");
	fprintf(out, "%s = yes\n", f->cure == CURE_PTY ? "pty" : "line-buffered");
}

/* Text as parse_escapes() reads it back. */
static void put_escaped(const char *text, FILE *out)
{
	for (; *text; text++)
		if (*text == '\\' || *text == '\t')
			fputs(*text == '\t' ? "\\t" : "\\\\", out);
		else if ((unsigned char)*text < ' ' || (*text == ' ' && !text[1]))
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			putc(*text, out);
}

/* A request and the last line of its reply, as proof that a slow program is ready. */
static bool put_ready_probe(const struct findings *f, FILE *out)
{
	const struct asked *a = &f->asked[0];
	const char *reply = buf_bytes(&a->reply);
	size_t len = a->reply.len;

	if (f->shape.kind != SHAPE_LINE || f->asked_count < 2 || len < 2 || f->known->prefix ||
	    len != f->asked[1].reply.len || memcmp(reply, buf_bytes(&f->asked[1].reply), len) ||
	    reply[len - 2] == ' ' || memchr(reply, '\\', len) || strpbrk(a->request, "\n\\%") ||
	    memchr(reply, '%', len) || strstr(a->request, "=>"))
		return false;
	comment(out, "Its start takes a while: requests wait until it has answered this one.");
	fprintf(out, "ready = probe:%s=>%.*s\n", a->request, (int)len - 1, reply);
	return true;
}

static int put_start(const struct findings *f, FILE *out)
{
	char quoted[4 * WIDTH + 8], *banner;

	if (find_banner(&f->shape, buf_bytes(&f->banner), f->banner.len, &banner) < 0)
		return -ENOMEM;
	if (banner) {
		comment(out, "It begins with %s",
			report_quote(buf_bytes(&f->banner), f->banner.len, WIDTH, quoted));
		fprintf(out, "banner = %s\n", banner);
	}
	if (f->hello_reply) {
		comment(out, "What is said to it first, and the proof that it is ready.");
		fputs("ready = probe:", out);
		put_escaped(f->hello, out);
		fputs("=>", out);
		put_escaped(f->hello_reply, out);
		putc('\n', out);
	} else if (f->known->ready)
		fprintf(out, "ready = %s\n", f->known->ready);
	else if (f->start_ms < SLOW_START_MS || !put_ready_probe(f, out))
		fputs(banner ? "ready = banner\n" : "", out);
	if (f->start_ms > PATIENT_START_MS) {
		comment(out, "Both count from the start, if a request waits for it.");
		fprintf(out, "start-timeout = %llds\nrequest-timeout = %llds\n",
			(long long)(3 * f->start_ms / 1000), (long long)(4 * f->start_ms / 1000));
	}
	free(banner);
	return 0;
}

/* ---- limits ---- */

/* Two digits are enough, and leave some room. */
static size_t round_down(size_t n)
{
	size_t unit = 1;

	while (n / unit >= 100)
		unit *= 10;
	return n / unit * unit;
}

static void put_limits(const struct findings *f, FILE *out)
{
	if (f->long_bad && !f->shape_is_doubtful && f->long_good > 0 &&
	    f->long_good < MAX_REQUEST) {
		comment(out, "A line of %zu bytes has one reply, one of %zu has not.", f->long_good,
			f->long_bad);
		fprintf(out, "max-request = %zu\n", round_down(f->long_good));
	}
	if (f->not_utf8.kind == ODD_ENDED || f->not_utf8.kind == ODD_SPOILS ||
	    f->not_utf8.kind == ODD_MANY || f->not_utf8.kind == ODD_SLOW) {
		comment(out, "It cannot stand requests that are not UTF-8.");
		fputs("request-bytes = utf8\n", out);
	}
}

/* What is known about requests without reply, and what was seen of the empty one. */
static void put_no_reply(const struct findings *f, FILE *out)
{
	const char *known = f->known->no_reply;

	if (known) {
		comment(out, "These have no reply.");
		fprintf(out, "no-reply = %s\n", known);
	} else if (f->empty.kind == ODD_NONE) {
		comment(out, "An empty line has no reply.");
		fputs("no-reply = ^$\n", out);
	} else if (f->empty.kind != ODD_ONE && f->empty.kind != ODD_UNTRIED) {
		comment(out, "An empty line is not answered with one reply.");
		fputs("forbid = ^$\n", out);
	}
}

static void put_forbid(const struct findings *f, FILE *out)
{
	const struct probe_known *k = f->known;

	if (k->note)
		comment(out, "%s", k->note);
	for (size_t i = 0; i < ARRAY_SIZE(k->forbid) && k->forbid[i]; i++)
		fprintf(out, "forbid = %s\n", k->forbid[i]);
}

static void put_end(const struct findings *f, FILE *out)
{
	if (!f->ends_at_eof) {
		comment(out, "It does not end with its input: do not wait long before the signal.");
		fputs("stop-timeout = 500ms\n", out);
	}
	if (f->together.kind == ODD_ONE && f->shape.kind == SHAPE_CHANNEL) {
		comment(out, "The number tells whose reply it is.");
		fputs("window = 16\n", out);
	} else if (f->together.kind == ODD_ONE && !f->shape_is_known && !f->shape_is_doubtful) {
		comment(out, "Faster, but only if each request always has exactly one reply:");
		fputs("#window = 16\n", out);
	}
}

bool config_can_hold(const struct findings *f)
{
	for (char *const *word = f->argv; *word; word++)
		if (strchr(*word, '\n'))
			return false;
	return true;
}

int config_print(const struct findings *f, FILE *out)
{
	int rc;

	fputs("# Written by coprocctl probe; see coprocd.conf(5).\n", out);
	if (f->known->recipe)
		fprintf(out, "# What this leaves open recipes/%s.conf closes, with reasons.\n",
			f->known->recipe);
	put_command(f, out);
	put_surroundings(f, out);
	rc = put_listen(f, out);
	put_frame(f, out);
	if (!rc)
		rc = put_start(f, out);
	put_cure(f, out);
	put_limits(f, out);
	put_no_reply(f, out);
	put_forbid(f, out);
	put_end(f, out);
	return rc;
}
