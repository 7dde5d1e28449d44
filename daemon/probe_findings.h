/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PROBE_FINDINGS_H
#define DAEMON_PROBE_FINDINGS_H

/* What a probe has found out: plain data, between the trials and the report. */

#include "probe_known.h"
#include "probe_shape.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FINDINGS_REQUESTS = 16 };

/* What became of an odd request. */
enum odd_kind {
	ODD_UNTRIED,
	ODD_ONE,    /* one reply */
	ODD_NONE,   /* no reply, and no harm done */
	ODD_MANY,   /* several replies */
	ODD_SPOILS, /* it, or what is asked next, is not answered as it should be */
	ODD_SLOW,   /* no end of it in sight */
	ODD_ENDED,  /* the program ends */
};

struct odd {
	enum odd_kind kind;
	size_t replies; /* ODD_MANY */
	int status;     /* ODD_ENDED: as of waitpid() */
};

enum buffering {
	BUFFERING_NONE,  /* each reply comes at once */
	BUFFERING_BLOCK, /* replies come when the input has ended */
	BUFFERING_LATE,  /* each reply comes one request late */
	BUFFERING_MUTE,  /* nothing ever comes */
	BUFFERING_DEAF,  /* it does not read its input */
	BUFFERING_FLOOD, /* it never stops talking */
};

enum cure { CURE_NONE, CURE_LINE_BUFFERED, CURE_OWN, CURE_PTY, CURES };

enum cured { CURED_UNTRIED, CURED_NO, CURED_YES };

/* A request that was asked, and what came. */
struct asked {
	char *request; /* owned */
	struct buf reply;
	bool ended; /* the program ended over it, with: */
	int status;
};

struct findings {
	char *const *argv; /* borrowed; as given */
	const struct probe_known *known;
	struct asked asked[FINDINGS_REQUESTS];
	size_t asked_count;
	char *killer; /* owned; an ordinary request that ended the program, NULL: none */
	int killer_status;
	struct buf banner;
	const char *hello; /* borrowed; said to each process before all else, NULL: nothing */
	char *hello_reply; /* owned; the last line of what came for it, NULL: nothing came */
	struct buf err;    /* the first words on stderr */
	struct shape shape;
	bool shape_is_known;    /* it is the one of the table */
	bool shape_is_doubtful; /* some ordinary request had no reply, or another kind of it */
	enum buffering buffering;
	enum cured cured[CURES];
	enum cure cure;
	int64_t start_ms; /* from its start to the first reply */
	size_t rss;
	unsigned processes;
	struct odd empty, not_utf8, together;
	size_t together_count;
	size_t long_good;    /* the longest line with one reply, bytes */
	size_t long_bad;     /* the shortest without; 0: none was found */
	struct odd long_odd; /* what that one does */
	bool ends_at_eof, ends_at_term, term_untried;
	int64_t eof_ms;
	int eof_status;
};

/* "exit status 4", "signal 11, Segmentation fault", of what waitpid() gave. */
const char *findings_status(int status, char *dst, size_t size);

/* Whether a configuration serves the program. */
bool findings_can_be_served(const struct findings *f);

/* Free what was noted of ordinary requests. */
void findings_forget_asked(struct findings *f);

/* Free everything in it. */
void findings_finish(struct findings *f);

#endif
