/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

static void default_handler(int level, const char *line)
{
	(void)level;
	fprintf(stderr, "%s\n", line);
}

static log_fn handler = default_handler;
static int threshold = LOG_INFO;

void log_set_handler(log_fn fn)
{
	handler = fn ? fn : default_handler;
}

void log_set_level(int level)
{
	threshold = level;
}

int log_level(void)
{
	return threshold;
}

void log_at(int level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (level > threshold)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	handler(level, line);
}

/* Show the character at @p in @out (at most 8 bytes and a NUL); returns the bytes it took of @p. */
static size_t escape_one(char out[9], const char *p, size_t len)
{
	unsigned char c = (unsigned char)*p;
	utf8proc_int32_t cp;
	utf8proc_ssize_t n;

	if (c == '\\')
		strcpy(out, "\\\\");
	else if (c == '\n')
		strcpy(out, "\\n");
	else if (c == '\r')
		strcpy(out, "\\r");
	else if (c == '\t')
		strcpy(out, "\\t");
	else if (c >= 0x20 && c < 0x7f)
		snprintf(out, 9, "%c", c);
	else if (c >= 0x80 &&
		 (n = utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)len, &cp)) >
		     1 &&
		 cp > 0x9f) {
		memcpy(out, p, (size_t)n);
		out[n] = '\0';
		return (size_t)n;
	} else
		snprintf(out, 9, "\\x%02x", c);
	return 1;
}

bool log_may(struct log_limit *l, int64_t now_ms, char *text, size_t size)
{
	if (now_ms < l->next_ms) {
		l->suppressed++;
		return false;
	}
	*text = '\0';
	if (l->suppressed)
		snprintf(text, size, " (and %u more like it, not logged)", l->suppressed);
	*l = (struct log_limit){.next_ms = now_ms + 1000};
	return true;
}

char *log_escape(char *dst, size_t size, const char *bytes, size_t len)
{
	static const char cut[] = "...";
	char *o = dst, *end = dst + size - sizeof(cut); /* always room for the mark of a cut */
	char one[9];

	assert(size >= 8);
	while (len) {
		size_t used = escape_one(one, bytes, len), n = strlen(one);

		if (n > (size_t)(end - o)) {
			strcpy(o, cut);
			return dst;
		}
		memcpy(o, one, n);
		o += n;
		bytes += used;
		len -= used;
	}
	*o = '\0';
	return dst;
}
