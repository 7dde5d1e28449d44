/* SPDX-License-Identifier: MIT */
#ifndef COPROC_FLIGHTS_H
#define COPROC_FLIGHTS_H

/*
 * What is with one process, in the order in which it was sent, and the bytes
 * that came back. It knows no requests, only tags that return with the reply
 * of the same place; a place whose tag was forgotten is a tombstone and
 * swallows its reply. It reads no descriptor and knows no time.
 *
 * The invariant: a reply is handed on only if every byte before it was
 * accounted for and no byte stood behind the last place when it was released.
 * So replies are first parsed as far as the bytes go, and then released.
 */

#include "buf.h"
#include "coproc.h"
#include "framing.h"
#include "pack.h"

/* Upcalls about what was sent. They may call flights_forget(), nothing else of these. */
struct flight_sink {
	/* The next @count replies to what @tag stands for, one behind the other; @bytes borrowed.
	 */
	void (*on_reply)(void *ctx, void *tag, const char *bytes, size_t len, unsigned count);
	/*
	 * There will be no reply to @count of them, for the reason @code; @why is one
	 * printable line.
	 */
	void (*on_lost)(void *ctx, void *tag, enum coproc_code code, const char *why,
			unsigned count);
	/* A tombstone has swallowed @count replies. */
	void (*on_late)(void *ctx, unsigned count);
	void *ctx;
};

/* One place, or several in a row that belong to the same tag: a run (FRAMING_LINE alone). */
struct flight {
	void *tag;       /* borrowed; NULL for a tombstone */
	unsigned count;  /* places */
	unsigned ready;  /* of them, at the front, those whose reply is there */
	size_t off, len; /* their replies in flights.bytes */
	uint64_t number; /* by which flights_claim() finds it; 0 if it never was saved */
	uint64_t nonce;  /* what its probe's answer must have */
	int64_t sent_ms; /* FRAMING_CHANNEL */
	bool suspicious;
	bool cancelled; /* the process was told that nobody waits for it */
	bool done;      /* FRAMING_CHANNEL: its reply has been parsed */
};

struct flights {
	struct flight *ring; /* owned */
	uint32_t mask;
	/* Of the ring: [head, parsed) have their replies, [parsed, tail) wait for some. */
	uint32_t head, parsed, tail;
	unsigned places; /* of all in [head, tail) */
	unsigned ready;  /* of them, those whose reply is there */
	/* FRAMING_CHANNEL, where replies come in any order: `parsed` stays at `head`, */
	uint32_t *order;      /* owned, as long as the ring; the places done, as they came */
	uint32_t order_count; /* of them, not yet handed on */
	uint32_t answered;    /* places in [head, tail) that are done */
	struct buf bytes;     /* received, from the reply of ring[head] on */
	size_t parsed_bytes;  /* of it, the replies that are there */
	struct framing framing;
	void (*on_async)(void *ctx, const char *line, size_t len); /* a line of no reply */
	void *ctx;
};

enum flights_verdict {
	FLIGHTS_PARTIAL,  /* no reply is complete */
	FLIGHTS_READY,    /* at least one is: flights_release() */
	FLIGHTS_LOOSE,    /* behind all places is part of a line of no reply, perhaps */
	FLIGHTS_FLOOD,    /* the same, and a whole line of no reply was before it */
	FLIGHTS_SURPLUS,  /* bytes that no request asked for: flights_surplus() */
	FLIGHTS_LOST,     /* bytes that no reply can have: flights_surplus() */
	FLIGHTS_TOO_LONG, /* the reply of ring[parsed] is over max_reply */
};

/*
 * Make room for @window places.
 *
 * @spec  borrowed
 *
 * Returns 0 or -ENOMEM.
 */
int flights_init(struct flights *f, unsigned window, const struct framing_spec *spec,
		 size_t max_reply) WARN_UNUSED;

/* Free the memory; tags still in it are dropped without an upcall. Accepts zeroed memory. */
void flights_finish(struct flights *f);

/* Places taken, tombstones included. */
static inline unsigned flights_count(const struct flights *f)
{
	return f->places - f->answered;
}

/* Places that can be taken before the oldest one has its reply. */
static inline unsigned flights_free(const struct flights *f)
{
	return f->mask + 1 - f->places;
}

static inline bool flights_has_reply(const struct flights *f)
{
	return f->ready || f->order_count;
}

/* Replies that flights_release() would hand on. */
static inline unsigned flights_ready(const struct flights *f)
{
	return f->ready + f->order_count;
}

/* The number under which the reply of the next place must come, see FRAMING_CHANNEL. */
static inline uint32_t flights_next_place(const struct flights *f)
{
	return f->tail;
}

/* Take the next place for @tag; there must be one (asserted). Returns it. */
uint32_t flights_push(struct flights *f, void *tag, bool suspicious);

/*
 * Take the next @count places for @tag; there must be so many (asserted). They join
 * those that it has, if these are the last ones. Returns where they are.
 */
uint32_t flights_push_run(struct flights *f, void *tag, unsigned count);

/*
 * Make a tombstone of each place at @place, which must be taken (asserted), and of
 * those of the same tag right before it.
 */
void flights_forget(struct flights *f, uint32_t place);

/* Whether the oldest place was pushed as suspicious; there must be one. */
bool flights_is_suspicious(const struct flights *f);

/* Look at flights.bytes, to which the caller has added. */
enum flights_verdict flights_parse(struct flights *f);

/* After FLIGHTS_SURPLUS, FLIGHTS_LOST: the bytes that do not fit, *@len of them. */
static inline const char *flights_surplus(const struct flights *f, size_t *len)
{
	*len = f->bytes.len - f->parsed_bytes;
	return buf_bytes(&f->bytes) + f->parsed_bytes;
}

/* Whether flights_release() would hand the reply of @place on. */
static inline bool flights_will_release(const struct flights *f, uint32_t place)
{
	return place - f->head < f->parsed - f->head || f->ring[place & f->mask].done;
}

/* The oldest reply that flights_release() would hand on; there must be one. */
const char *flights_first_reply(const struct flights *f, size_t *len);

/* Drop what flights_release() would hand on, with the places, without an upcall. */
void flights_drop_all(struct flights *f);

/* The oldest place that has no reply yet, NULL if there is none. */
struct flight *flights_oldest(const struct flights *f);

/* What is known of a taken place; for the one just pushed: its nonce is to be set. */
static inline struct flight *flights_at(const struct flights *f, uint32_t place)
{
	return &f->ring[place & f->mask];
}

/* Hand the parsed replies on, the oldest first. */
void flights_release(struct flights *f, const struct flight_sink *sink);

/* End every place, the oldest with @first and the others with @others; drop all bytes. */
void flights_lose(struct flights *f, const struct flight_sink *sink, enum coproc_code first,
		  enum coproc_code others, const char *why);

/*
 * Write the places and the bytes.
 *
 * @name  gives the number of a tag, never 0, by which flights_claim() finds its
 *	  place; further places of the same tag have the numbers that follow
 */
void flights_save(const struct flights *f, struct pack *p, uint64_t (*name)(const void *tag));

/* Read them back into fresh flights; every tag is NULL until it is claimed. 0, -EINVAL, -ENOMEM. */
int flights_load(struct flights *f, struct unpack *u) WARN_UNUSED;

/* Give the place that was saved under @number its tag. Returns false if there is none. */
bool flights_claim(struct flights *f, uint64_t number, void *tag, uint32_t *place);

#endif
