/* SPDX-License-Identifier: MIT */
#include "probe_findings.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

void findings_forget_asked(struct findings *f)
{
	for (size_t i = 0; i < f->asked_count; i++) {
		free(f->asked[i].request);
		buf_finish(&f->asked[i].reply);
	}
	f->asked_count = 0;
}

void findings_finish(struct findings *f)
{
	findings_forget_asked(f);
	free(f->killer);
	free(f->hello_reply);
	buf_finish(&f->banner);
	buf_finish(&f->err);
	shape_finish(&f->shape);
}

const char *findings_status(int status, char *dst, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(dst, size, "signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(dst, size, "exit status %d", WEXITSTATUS(status));
	return dst;
}

bool findings_can_be_served(const struct findings *f)
{
	return f->shape.kind != SHAPE_NONE && (f->buffering == BUFFERING_NONE || f->cure);
}
