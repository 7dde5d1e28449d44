/* SPDX-License-Identifier: MIT */
#include "framing.h"

#include <errno.h>
#include <string.h>

int framing_spec_parse(const char *text, struct framing_spec *out)
{
	if (strcmp(text, "line"))
		return -EINVAL;
	out->kind = FRAMING_LINE;
	return 0;
}

const char *framing_allowed(void)
{
	return "line";
}

bool framing_spec_is_proof(const struct framing_spec *spec)
{
	switch (spec->kind) {
	case FRAMING_LINE:
		return false;
	}
	return false;
}

static enum frame_result next_line(struct framing *f, const char *bytes, size_t len,
				   struct frame *frame)
{
	const char *lf = memchr(bytes + f->scanned, '\n', len - f->scanned);
	size_t line = lf ? (size_t)(lf - bytes) : len;

	if (line > f->max_reply)
		return FRAME_TOO_LONG;
	f->scanned = lf ? 0 : len;
	if (!lf)
		return FRAME_PARTIAL;
	*frame = (struct frame){.len = line + 1, .used = line + 1};
	return FRAME_READY;
}

enum frame_result framing_next(struct framing *f, const char *bytes, size_t len,
			       struct frame *frame)
{
	switch (f->spec->kind) {
	case FRAMING_LINE:
		return next_line(f, bytes, len, frame);
	}
	return FRAME_PARTIAL;
}
