/* SPDX-License-Identifier: MIT */
#include "errlines.h"

#include "log.h"
#include "macros.h"

#include <stdio.h>
#include <string.h>

#define BURST_MS  10000 /* so many milliseconds of the rate may come at once */
#define LINE_COST 1000  /* of the allowance, which grows by `rate` each millisecond */

void errlines_init(struct errlines *e, unsigned rate, int64_t now_ms)
{
	*e = (struct errlines){
	    .rate = rate, .tokens = (int64_t)rate * BURST_MS, .updated_ms = now_ms};
}

static bool is_within_rate(struct errlines *e, int64_t now_ms)
{
	int64_t rate = e->rate, elapsed_ms = MIN(now_ms - e->updated_ms, BURST_MS);

	if (!rate)
		return true;
	e->tokens = MIN(e->tokens + elapsed_ms * rate, rate * BURST_MS);
	e->updated_ms = now_ms;
	if (e->tokens < LINE_COST)
		return false;
	e->tokens -= LINE_COST;
	return true;
}

static void tell_suppressed(struct errlines *e, errlines_fn fn, void *ctx)
{
	char text[80];

	if (!e->suppressed)
		return;
	snprintf(text, sizeof(text), "(%u lines suppressed: over %u a second)", e->suppressed,
		 e->rate);
	e->suppressed = 0;
	fn(ctx, LOG_WARNING, text);
}

/* A line is complete: take the level off its front, remember it, pass it on. */
static void end_line(struct errlines *e, int64_t now_ms, errlines_fn fn, void *ctx)
{
	const char *p = e->line;
	size_t len = e->len;
	int level = LOG_INFO;

	e->len = 0;
	if (len && p[len - 1] == '\r')
		len--;
	if (len >= 3 && p[0] == '<' && p[1] >= '0' && p[1] <= '7' && p[2] == '>') {
		level = p[1] - '0';
		p += 3;
		len -= 3;
	}
	if (len)
		log_escape(e->last, sizeof(e->last), p, len);
	if (!len)
		return;
	if (!is_within_rate(e, now_ms)) {
		e->suppressed++;
		return;
	}
	tell_suppressed(e, fn, ctx);
	fn(ctx, level, e->last);
}

void errlines_take(struct errlines *e, const char *bytes, size_t len, int64_t now_ms,
		   errlines_fn fn, void *ctx)
{
	while (len) {
		const char *lf = memchr(bytes, '\n', len);
		size_t piece = lf ? (size_t)(lf - bytes) : len;
		size_t room = MIN(sizeof(e->line) - e->len, piece);

		memcpy(e->line + e->len, bytes, room);
		e->len += room;
		bytes += piece;
		len -= piece;
		if (!lf)
			return;
		end_line(e, now_ms, fn, ctx);
		bytes++;
		len--;
	}
}

void errlines_flush(struct errlines *e, int64_t now_ms, errlines_fn fn, void *ctx)
{
	if (e->len)
		end_line(e, now_ms, fn, ctx);
	tell_suppressed(e, fn, ctx);
}
