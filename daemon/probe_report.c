/* SPDX-License-Identifier: MIT */
#include "probe_report.h"

#include "macros.h"
#include "parse.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

enum { WIDTH = 60, ROOM = 4 * WIDTH + 8, SHOWN = 6 };

const char *report_quote(const char *bytes, size_t len, size_t width, char *dst)
{
	char *p = dst;
	size_t i;

	*p++ = '"';
	for (i = 0; i < len && (size_t)(p - dst) < width; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '\n')
			p += sprintf(p, "\\n");
		else if (c == '\t')
			p += sprintf(p, "\\t");
		else if (c < ' ' || c == 0x7f)
			p += sprintf(p, "\\x%02x", c);
		else
			*p++ = (char)c;
	}
	/* Not in the middle of a character. */
	while (i < len && p > dst + 1 && ((unsigned char)p[-1] & 0x80) &&
	       ((unsigned char)bytes[i] & 0xc0) == 0x80) {
		p--;
		i--;
	}
	strcpy(p, i < len ? "\"..." : "\"");
	return dst;
}

const char *report_shape(const struct shape *shape)
{
	switch (shape->kind) {
	case SHAPE_NONE:
		return "no end mark that could be seen";
	case SHAPE_LINE:
		return "one line";
	case SHAPE_LINES:
		return "a fixed number of lines";
	case SHAPE_UNTIL:
		return *shape->text ? "lines, the last of which is always the same"
				    : "any number of lines, then an empty line";
	case SHAPE_MATCH:
		return "lines until one that matches a pattern";
	case SHAPE_PROMPT:
		return "text, then a prompt without a newline";
	case SHAPE_NUL:
		return "text, then a NUL byte";
	case SHAPE_SIZED:
		return "a line with the number of bytes that follow; or a line alone";
	case SHAPE_PROBE:
		return "any number of lines, also none; a mark sent behind the request shows the "
		       "end";
	case SHAPE_CHANNEL:
		return "one line with the number that stood before the request";
	}
	return "";
}

static PRINTF(3, 4) void say(FILE *out, const char *what, const char *fmt, ...)
{
	va_list ap;

	fprintf(out, "  %-11s ", what);
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	putc('\n', out);
}

/* "exit status 4", "signal 11 (Segmentation fault)". */
static const char *describe_status(int status, char *dst, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(dst, size, "signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(dst, size, "exit status %d", WEXITSTATUS(status));
	return dst;
}

static void say_start(const struct findings *f, FILE *out)
{
	char processes[40] = "";

	if (f->processes > 1)
		snprintf(processes, sizeof(processes), ", %u processes", f->processes);
	if (f->rss)
		say(out, "starts", "first reply after %lld ms; %zu MB of memory%s",
		    (long long)f->start_ms, (f->rss + (1 << 19)) >> 20, processes);
}

static void say_banner(const struct findings *f, FILE *out)
{
	char quoted[ROOM];

	if (f->banner.len)
		say(out, "banner", "%s",
		    report_quote(buf_bytes(&f->banner), f->banner.len, WIDTH, quoted));
	else
		say(out, "banner", "none");
}

static void say_asked(const struct findings *f, FILE *out)
{
	char request[ROOM], reply[ROOM], status[80];
	size_t shown = 0;

	if (f->killer)
		say(out, "asked", "%s -> it ends (%s)",
		    report_quote(f->killer, strlen(f->killer), WIDTH / 2, request),
		    describe_status(f->killer_status, status, sizeof(status)));
	/* The first one was asked twice. */
	for (size_t i = f->asked_count > 1; i < f->asked_count && shown < SHOWN; i++, shown++) {
		const struct asked *a = &f->asked[i];

		report_quote(a->request, strlen(a->request), WIDTH / 2, request);
		if (a->ended)
			say(out, "asked", "%s -> it ends (%s)", request,
			    describe_status(a->status, status, sizeof(status)));
		else if (!a->reply.len)
			say(out, "asked", "%s -> no reply", request);
		else
			say(out, "asked", "%s -> %s", request,
			    report_quote(buf_bytes(&a->reply), a->reply.len, WIDTH, reply));
	}
}

static void say_shape(const struct findings *f, FILE *out)
{
	char err[ROOM];

	if (f->buffering != BUFFERING_MUTE)
		say(out, "reply", "%s", report_shape(&f->shape));
	if (f->shape_is_doubtful && f->shape.kind != SHAPE_NONE)
		say(out, "", "but not always: see what was asked");
	if (f->shape.kind == SHAPE_NONE && f->err.len)
		say(out, "stderr", "%s", report_quote(buf_bytes(&f->err), f->err.len, WIDTH, err));
}

static const char *cure_name(const struct findings *f, enum cure cure)
{
	switch (cure) {
	case CURE_NONE:
	case CURES:
		break;
	case CURE_LINE_BUFFERED:
		return "line-buffered = yes";
	case CURE_OWN:
		return f->known->cure;
	case CURE_PTY:
		return "pty = yes";
	}
	return "";
}

static void say_cures(const struct findings *f, FILE *out)
{
	for (enum cure cure = CURE_LINE_BUFFERED; cure < CURES; cure++)
		if (f->cured[cure] != CURED_UNTRIED)
			say(out, "", "%s %s", cure_name(f, cure),
			    f->cured[cure] == CURED_YES ? "cures it" : "does not cure it");
	if (!f->cure)
		say(out, "", "nothing tried cures it: it cannot be served like this");
}

static void say_buffering(const struct findings *f, FILE *out)
{
	switch (f->buffering) {
	case BUFFERING_NONE:
		say(out, "stdout", "not buffered: each reply comes at once");
		break;
	case BUFFERING_BLOCK:
		say(out, "stdout", "block-buffered: nothing came until its input had ended");
		say_cures(f, out);
		break;
	case BUFFERING_LATE:
		say(out, "stdout", "late by one: each reply came with the next request");
		say_cures(f, out);
		break;
	case BUFFERING_MUTE:
		say(out, "stdout", "silent: nothing came, not even when its input had ended");
		break;
	}
}

static void say_odd(const char *what, const struct odd *odd, FILE *out)
{
	char status[80];

	switch (odd->kind) {
	case ODD_UNTRIED:
		break;
	case ODD_ONE:
		say(out, what, "one reply");
		break;
	case ODD_NONE:
		say(out, what, "no reply");
		break;
	case ODD_MANY:
		say(out, what, "%zu replies", odd->replies);
		break;
	case ODD_SPOILS:
		say(out, what, "not answered properly, or what follows it is not");
		break;
	case ODD_SLOW:
		say(out, what, "no end of the reply in sight");
		break;
	case ODD_ENDED:
		say(out, what, "ends the program (%s)",
		    describe_status(odd->status, status, sizeof(status)));
		break;
	}
}

static const char *long_trouble(const struct odd *odd, char *dst, size_t size)
{
	switch (odd->kind) {
	case ODD_UNTRIED:
	case ODD_ONE:
		break;
	case ODD_NONE:
		return "has no reply";
	case ODD_MANY:
		snprintf(dst, size, "is split: %zu replies", odd->replies);
		return dst;
	case ODD_SPOILS:
		return "is split, or spoils what follows";
	case ODD_SLOW:
		return "takes too long";
	case ODD_ENDED:
		return "ends the program";
	}
	return "";
}

static void say_long(const struct findings *f, FILE *out)
{
	char trouble[60];

	if (!f->long_bad && f->long_good)
		say(out, "long line", "one reply, up to %zu KiB", f->long_good >> 10);
	else if (f->long_bad)
		say(out, "long line", "one reply up to %zu bytes; one of %zu bytes %s",
		    f->long_good, f->long_bad,
		    long_trouble(&f->long_odd, trouble, sizeof(trouble)));
}

static void say_together(const struct findings *f, FILE *out)
{
	if (f->together.kind == ODD_ONE)
		say(out, "at once", "%zu requests in one write have the replies of single ones",
		    f->together_count);
	else if (f->together.kind != ODD_UNTRIED)
		say(out, "at once", "requests in one write are not answered as single ones");
}

static void say_end(const struct findings *f, FILE *out)
{
	char status[80];

	if (f->ends_at_eof)
		say(out, "ends", "when its input ends (%s)%s",
		    describe_status(f->eof_status, status, sizeof(status)),
		    f->ends_at_term   ? ", and at SIGTERM"
		    : f->term_untried ? ""
				      : "; SIGTERM does not end it");
	else
		say(out, "ends", "not when its input ends; SIGTERM %s",
		    f->ends_at_term ? "ends it" : "does not end it either");
}

void report_words(const struct findings *f, FILE *out)
{
	for (char *const *word = f->argv; *word; word++)
		fprintf(out, "%s%s", word == f->argv ? "" : " ", *word);
	putc('\n', out);
	say_start(f, out);
	say_banner(f, out);
	say_asked(f, out);
	say_shape(f, out);
	say_buffering(f, out);
	say_odd("empty line", &f->empty, out);
	say_long(f, out);
	say_odd("not UTF-8", &f->not_utf8, out);
	say_together(f, out);
	say_end(f, out);
}
