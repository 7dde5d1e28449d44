/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LOAD_H
#define TESTS_LOAD_H

/*
 * The verifying load generator. A request is made of the client's number and
 * its own sequence number, so that for each reply it is known whose it is, and
 * whether it is the one that this client waits for.
 */

#include "buf.h"
#include "macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LOAD_CODES = 11, LOAD_BUCKETS = 64 * 16 };

/* What the command line says. */
struct load_options {
	const char *path;
	uint32_t clients;
	uint32_t depth;    /* requests that a client has unanswered at one time */
	uint32_t requests; /* of one client; not used with seconds */
	uint32_t churn;    /* a client connects anew after so many endings; 0: never */
	size_t min_bytes;
	size_t max_bytes;
	uint64_t seed;
	int64_t seconds_ms; /* 0: until all requests have ended */
	int64_t timeout_ms;
	int64_t abandon_ms;
	const char *count_file;
	const char *abandon_line;
	uint32_t kills;
	uint32_t abandoners;
	uint32_t flood;
	uint32_t idle;
	bool burst; /* random bursts of up to depth requests, random pauses */
	bool chop;  /* write in random pieces */
	bool halfclose;
	bool status; /* the listener has replies=status */
	bool no_errors;
	bool json;
};

/* The endings, counted. Every request sent is in one of the first group. */
struct load_tally {
	uint64_t right;
	uint64_t errors[LOAD_CODES];
	uint64_t foreign;   /* another client's reply */
	uint64_t reordered; /* this client's, but of another request */
	uint64_t altered;   /* neither a reply nor an error that is known */
	uint64_t lost;      /* no ending before the connection was closed or time was up */

	uint64_t sent;
	uint64_t unasked; /* a line with no request unanswered */
	uint64_t closed;  /* connections that the other side has closed early */
	uint64_t connects;
	uint64_t kills;
	uint64_t abandoned;
	uint64_t flooded; /* lines that were taken from the flooder */
	uint64_t latency[LOAD_BUCKETS];
	int64_t latency_max_us;
};

struct load {
	struct load_options options;
	struct load_tally tally;
	int epoll;
	int64_t start_ns;
	int64_t now_ns; /* of this turn of the loop */
	uint64_t random;
	bool enough;      /* seconds are over: what is unanswered may still end */
	char sample[200]; /* the first wrong line */
};

/* A polite client: one connection at a time, every reply verified. */
struct load_client {
	struct load *load; /* borrowed */
	uint32_t id;
	int fd;        /* -1 between connections */
	uint32_t next; /* sequence number of the next request */
	uint32_t done; /* requests that have ended */
	uint32_t born; /* value of done when it connected */
	uint32_t burst_left;
	int64_t wake_ns;  /* nothing is sent before */
	int64_t *sent_ns; /* owned; a ring of depth moments */
	struct buf in, out;
	bool want_out;
	bool half_closed;
	bool finished;
};

/* The names of the errors, in the order of load_tally.errors; the last counts all others. */
extern const char *const load_codes[LOAD_CODES];

int64_t load_now_ns(void);
int64_t load_now_ms(const struct load *load);

/* A number below @limit, which is above 0. */
uint64_t load_random(struct load *load, uint64_t limit);

/* All endings, but for `lost`. */
uint64_t load_ended(const struct load_tally *t);

/* Wrong endings, unasked lines and lost requests. */
uint64_t load_wrong(const struct load_tally *t);

/* A connected non-blocking socket, or -errno; -EAGAIN is to be tried again later. */
int load_connect(const char *path) WARN_UNUSED;

/* Returns 0 or -ENOMEM. */
int load_client_init(struct load_client *c, struct load *load, uint32_t id) WARN_UNUSED;
void load_client_finish(struct load_client *c);

/* Read what is there, and send what may be sent. */
void load_client_event(struct load_client *c, uint32_t events);

/* Do what is due: connect, send. */
void load_client_tick(struct load_client *c);

/* Nothing comes any more: what is unanswered is lost. */
void load_client_give_up(struct load_client *c);

/* Those that are not polite, and the killer. All of them act in load_extras_tick(). */
struct load_extras;
struct load_extras *load_extras_new(struct load *load);
void load_extras_free(struct load_extras *x);
void load_extras_tick(struct load_extras *x);

/* The flooder connects and sends, or leaves. */
void load_flood_start(struct load_extras *x);
void load_flood_stop(struct load_extras *x);

/* Hold idle connections until stdin ends. Returns the exit status. */
int load_idle(const struct load_options *o);

#endif
