/* SPDX-License-Identifier: MIT */
#include "probe_report.h"

#include "macros.h"
#include "parse.h"

#include <stdarg.h>
#include <string.h>

enum { WIDTH = 60, ROOM = 4 * WIDTH + 8, SHOWN = 6 };

/* Columns on a terminal of the character that starts with @c; the wide ones by their first byte. */
static size_t columns(unsigned char c)
{
	return (c & 0xc0) == 0x80 ? 0 : c >= 0xe3 ? 2 : 1;
}

const char *report_quote(const char *bytes, size_t len, size_t width, char *dst)
{
	size_t used = 0, i = 0;
	char *p = dst;

	*p++ = '"';
	for (; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		const char *escape = c == '\n'   ? "\\n"
				     : c == '\t' ? "\\t"
				     : c == '"'  ? "\\\""
						 : NULL;

		if (used + columns(c) > width)
			break;
		used += escape ? 2 : columns(c);
		if (escape)
			p += sprintf(p, "%s", escape);
		else if (c < ' ' || c == 0x7f)
			p += sprintf(p, "\\x%02x", c);
		else
			*p++ = (char)c;
	}
	strcpy(p, i < len ? "\"..." : "\"");
	return dst;
}

void report_shape(const struct shape *shape, FILE *out)
{
	switch (shape->kind) {
	case SHAPE_NONE:
		fputs("text without an end that could be seen", out);
		break;
	case SHAPE_LINE:
		fputs("one line", out);
		break;
	case SHAPE_LINES:
		fprintf(out, "%zu lines", shape->lines);
		break;
	case SHAPE_UNTIL:
		fprintf(out, "any number of lines, then %s%s",
			*shape->text ? "the line " : "an empty line", shape->text);
		break;
	case SHAPE_MATCH:
		fprintf(out, "any number of lines, then one that matches %s", shape->text);
		break;
	case SHAPE_PROMPT:
		fprintf(out, "text, then the prompt \"%s\" without a newline", shape->text);
		break;
	case SHAPE_NUL:
		fputs("text, then a NUL byte", out);
		break;
	case SHAPE_SIZED:
		fputs("a line with the number of bytes that follow it, or a line alone", out);
		break;
	case SHAPE_PROBE:
		fputs("any number of lines; the answer to a mark sent behind the request ends it",
		      out);
		break;
	case SHAPE_CHANNEL:
		fputs("one line, with the number that stood before the request", out);
		break;
	}
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

static void say_one_asked(const struct asked *a, const char *what, FILE *out)
{
	char request[ROOM], reply[ROOM], status[80];

	report_quote(a->request, strlen(a->request), WIDTH / 2, request);
	if (a->ended)
		say(out, what, "%s -> it ends (%s)", request,
		    findings_status(a->status, status, sizeof(status)));
	else if (!a->reply.len)
		say(out, what, "%s -> no reply", request);
	else
		say(out, what, "%s -> %s", request,
		    report_quote(buf_bytes(&a->reply), a->reply.len, WIDTH, reply));
}

static void say_asked(const struct findings *f, FILE *out)
{
	struct asked killer = {.request = f->killer, .ended = true, .status = f->killer_status};
	const char *what = "asked";

	if (f->killer) {
		say_one_asked(&killer, what, out);
		what = "";
	}
	/* The first one was asked twice. */
	for (size_t i = f->asked_count > 1; i < f->asked_count && i <= SHOWN; i++, what = "")
		say_one_asked(&f->asked[i], what, out);
}

static void say_hello(const struct findings *f, FILE *out)
{
	char hello[ROOM], reply[ROOM];

	if (!f->hello)
		return;
	report_quote(f->hello, strlen(f->hello), WIDTH / 2, hello);
	if (f->hello_reply)
		say(out, "greeted", "%s -> %s", hello,
		    report_quote(f->hello_reply, strlen(f->hello_reply), WIDTH, reply));
	else
		say(out, "greeted", "%s -> no reply", hello);
}

static bool is_silent(const struct findings *f)
{
	return f->buffering != BUFFERING_NONE && !f->cure;
}

static void say_shape(const struct findings *f, FILE *out)
{
	char err[ROOM];

	if (!is_silent(f)) {
		fprintf(out, "  %-11s ", "reply");
		report_shape(&f->shape, out);
		putc('\n', out);
	}
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
	case BUFFERING_DEAF:
		say(out, "stdin", "not read: it did not take the request (see --time-limit)");
		break;
	case BUFFERING_FLOOD:
		say(out, "stdout", "flooded: it does not stop talking");
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
		    findings_status(odd->status, status, sizeof(status)));
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
		say(out, "long line", "one reply, up to %zu KiB", (f->long_good + 512) >> 10);
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
		    findings_status(f->eof_status, status, sizeof(status)),
		    f->ends_at_term   ? ", and at SIGTERM"
		    : f->term_untried ? ""
				      : "; SIGTERM does not end it");
	else
		say(out, "ends", "not when its input ends; SIGTERM %s",
		    f->ends_at_term ? "ends it" : "does not end it either");
}

/* What was found out by asking. */
static void say_ways(const struct findings *f, FILE *out)
{
	say_asked(f, out);
	say_shape(f, out);
	say_buffering(f, out);
	say_odd("empty line", &f->empty, out);
	say_long(f, out);
	say_odd("not UTF-8", &f->not_utf8, out);
	say_together(f, out);
}

void report_words(const struct findings *f, FILE *out)
{
	for (char *const *word = f->argv; *word; word++)
		fprintf(out, "%s%s", word == f->argv ? "" : " ", *word);
	putc('\n', out);
	say_start(f, out);
	say_banner(f, out);
	say_hello(f, out);
	say_ways(f, out);
	if (f->buffering != BUFFERING_DEAF && f->buffering != BUFFERING_FLOOD)
		say_end(f, out);
}
