/* SPDX-License-Identifier: MIT */
#include "ctl_progress.h"

#include "clock.h"
#include "macros.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { STEP_MS = 100, TEXT_WIDTH = 60, BAR_MAX = 40, USUAL_WIDTH = 80 };

void progress_init(struct progress *p, uint64_t total)
{
	*p = (struct progress){.total = isatty(STDERR_FILENO) ? total : 0,
			       .started_ms = clock_now_ms()};
}

/* Columns for the bar itself; 0: the terminal is too narrow for one. */
static int bar_width(void)
{
	struct winsize size = {0};
	int columns = USUAL_WIDTH;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		columns = size.ws_col;
	return MIN(MAX(columns - TEXT_WIDTH, 0), BAR_MAX);
}

static void draw(const struct progress *p, uint64_t done, int64_t elapsed_ms)
{
	static const char full[BAR_MAX + 1] = "########################################";
	static const char rest[BAR_MAX + 1] = "........................................";
	double rate = (double)done * 1000 / (double)MAX(elapsed_ms, 1);
	int width = bar_width(), filled = (int)((double)width * (double)done / (double)p->total);

	fprintf(stderr, "\r\033[K");
	if (width)
		fprintf(stderr, "[%.*s%.*s] ", filled, full, width - filled, rest);
	fprintf(stderr, "%3d%% %llu/%llu, %.0f/s", (int)(done * 100 / p->total),
		(unsigned long long)done, (unsigned long long)p->total, rate);
	if (done && done < p->total)
		fprintf(stderr, ", %.0f s left", (double)(p->total - done) / rate);
	fflush(stderr);
}

void progress_show(struct progress *p, uint64_t done)
{
	int64_t now_ms = clock_now_ms();

	done = MIN(done, p->total);
	if (!p->total || (p->visible && done < p->total && now_ms - p->drawn_ms < STEP_MS))
		return;
	draw(p, done, now_ms - p->started_ms);
	p->drawn_ms = now_ms;
	p->visible = true;
}

void progress_hide(struct progress *p)
{
	if (p->visible)
		fputs("\r\033[K", stderr);
	p->visible = false;
}
