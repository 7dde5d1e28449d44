/* SPDX-License-Identifier: MIT */
/*
 * The path of a request: on_io() reads, take_requests() cuts, ask() makes a slot
 * and submits it. The way back: slot_on_done() writes the ending into `out` if the
 * slot is the oldest, or keeps it in the slot until it is; flush_cb(), once at
 * the end of each turn of the loop, writes.
 *
 * A client that we do not read from is watched for closing, edge-triggered, as
 * a level-triggered EV_CLOSED spins (libevent 2.1.12). EV_READ is part of that:
 * one that leaves replies unread is an error, which libevent reports as EV_READ.
 */
#include "session_parts.h"

#include "clock.h"
#include "coproc.h"
#include "fd.h"
#include "log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AREA_SIZE (64 << 10)

/* Replies from this size on are written straight from where they are. */
#define WRITE_THROUGH (64 << 10)

/* Who has sent within this time, or the one before, counts as a client that asks. */
#define EPOCH_MS 100

/* Requests of up to so many bytes share a size, and so many of them are kept to be used again. */
#define SMALL_REQUEST 64
#define SPARE_SLOTS   4096

/* What an idle session's buffers may keep. */
#define KEEP_BYTES 0

void session_mark_dirty(struct session *s)
{
	struct hall *h = s->hall;

	if (!s->is_dirty) {
		s->is_dirty = true;
		TAILQ_INSERT_TAIL(&h->dirty, s, dirty_link);
	}
	if (!h->flushing) {
		h->flushing = true;
		event_active(&h->flush, EV_TIMEOUT, 0);
	}
}

/* The session can be served no longer; it is closed at the end of the turn. */
static void break_off(struct session *s, const char *why)
{
	char more[60];

	if (s->broken)
		return;
	if (log_may(&s->hall->breaks, clock_now_ms(), more, sizeof(more)))
		log_at(LOG_WARNING, "session %llu (uid %d, pid %d): %s, closing%s",
		       (unsigned long long)s->id, (int)s->uid, (int)s->pid, why, more);
	s->broken = true;
	session_mark_dirty(s);
}

/* ---- the way back ---- */

static size_t unsent_limit(const struct session *s)
{
	const struct config *c = s->hall->config;

	return c->client_buffer + c->engine.max_reply;
}

/* Put @len bytes on their way to the client. */
static void emit(struct session *s, const char *bytes, size_t len)
{
	ssize_t n;

	if (s->broken)
		return;
	if (!s->out.len && len >= WRITE_THROUGH) {
		n = send(s->fd, bytes, len, MSG_NOSIGNAL);
		if (n > 0) {
			s->hall->bytes_out += (size_t)n;
			bytes += n;
			len -= (size_t)n;
		}
	}
	if (len && s->out.len > unsent_limit(s))
		break_off(s, "leaves more unread than client-buffer and max-reply allow");
	else if (buf_add(&s->out, bytes, len))
		break_off(s, "no memory for its reply");
	session_mark_dirty(s);
}

static size_t count_lines(const char *bytes, size_t len)
{
	const char *end = bytes + len;
	size_t n = 0;

	for (const char *p = bytes; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	return n + (len && end[-1] != '\n');
}

/*
 * Make the bytes of an ending. A plain one is @prefix and the bytes; the
 * caller emits both. Returns the length of the prefix.
 */
static int make_prefix(const struct session *s, enum coproc_code code, const char *bytes,
		       size_t len, char *dst, size_t size)
{
	size_t lines;

	if (code != COPROC_OK)
		return snprintf(dst, size, s->status_replies ? "-%s " : "coprocd: error: %s: ",
				coproc_code_name(code));
	if (!s->status_replies)
		return 0;
	lines = count_lines(bytes, len);
	return lines == 1 ? snprintf(dst, size, "+") : snprintf(dst, size, "*%zu\n", lines);
}

/* Whether an ending needs an LF of ours behind it. */
static bool needs_newline(const struct session *s, enum coproc_code code, const char *bytes,
			  size_t len)
{
	if (code != COPROC_OK)
		return true;
	return s->status_replies && len && bytes[len - 1] != '\n';
}

static void emit_ending(struct session *s, enum coproc_code code, const char *bytes, size_t len)
{
	char prefix[64];
	int n = make_prefix(s, code, bytes, len, prefix, sizeof(prefix));

	if (n)
		emit(s, prefix, (size_t)n);
	emit(s, bytes, len);
	if (needs_newline(s, code, bytes, len))
		emit(s, "\n", 1);
}

/* Keep an ending until it is its turn. */
static int keep_ending(struct slot *slot, enum coproc_code code, const char *bytes, size_t len)
{
	struct session *s = slot->session;
	char prefix[64];
	int n;
	char *p;

	if (code == COPROC_OK && s->out.len + s->kept + len > unsent_limit(s)) {
		code = COPROC_OVERLOADED;
		bytes = "replies behind an unfinished request are over client-buffer and max-reply";
		len = strlen(bytes);
	}
	n = make_prefix(s, code, bytes, len, prefix, sizeof(prefix));
	p = malloc((size_t)n + len + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p, prefix, (size_t)n);
	memcpy(p + n, bytes, len);
	slot->ending = p;
	slot->ending_len = (size_t)n + len;
	if (needs_newline(s, code, bytes, len))
		p[slot->ending_len++] = '\n';
	s->kept += slot->ending_len;
	return 0;
}

static void uncrowd(struct session *s)
{
	if (!s->is_crowded)
		return;
	s->is_crowded = false;
	TAILQ_REMOVE(&s->hall->crowded, s, crowded_link);
}

/* One that is small may be used again, which costs less than malloc(3). */
static void slot_free(struct slot *slot)
{
	struct hall *h = slot->session->hall;

	free(slot->ending);
	if (slot->len > SMALL_REQUEST || h->spare_count == SPARE_SLOTS) {
		free(slot);
		return;
	}
	STAILQ_INSERT_HEAD(&h->spare, slot, link);
	h->spare_count++;
}

static struct slot *slot_alloc(struct hall *h, size_t len)
{
	struct slot *slot = len > SMALL_REQUEST ? NULL : STAILQ_FIRST(&h->spare);

	if (!slot)
		return malloc(sizeof(*slot) + MAX(len, SMALL_REQUEST));
	STAILQ_REMOVE_HEAD(&h->spare, link);
	h->spare_count--;
	return slot;
}

static void remove_first(struct session *s)
{
	struct slot *slot = STAILQ_FIRST(&s->slots);

	STAILQ_REMOVE_HEAD(&s->slots, link);
	s->kept -= slot->ending_len;
	slot_free(slot);
	if (--s->unfinished)
		return;
	uncrowd(s);
}

/* A request has ended. */
static void end_slot(struct slot *slot, enum coproc_code code, const char *bytes, size_t len)
{
	struct session *s = slot->session;

	slot->pending = false;
	if (slot != STAILQ_FIRST(&s->slots)) {
		if (keep_ending(slot, code, bytes, len))
			break_off(s, "no memory for its reply");
		return;
	}
	emit_ending(s, code, bytes, len);
	remove_first(s);
	while ((slot = STAILQ_FIRST(&s->slots)) && !slot->pending) {
		/* Bounded already, by keep_ending(). */
		if (slot->ending && buf_add(&s->out, slot->ending, slot->ending_len))
			break_off(s, "no memory for its reply");
		remove_first(s);
	}
	session_mark_dirty(s); /* it may read on */
}

void slot_on_done(void *ctx, const struct coproc_reply *reply)
{
	end_slot(ctx, reply->code, reply->bytes, reply->len);
}

/* ---- the way in ---- */

struct slot *slot_new(struct session *s, const char *bytes, size_t len)
{
	struct slot *slot = slot_alloc(s->hall, len);

	if (!slot)
		return NULL;
	slot->session = s;
	slot->pending = true;
	slot->ending = NULL;
	slot->ending_len = 0;
	slot->len = len;
	memcpy(slot->bytes, bytes, len);
	STAILQ_INSERT_TAIL(&s->slots, slot, link);
	s->unfinished++;
	return slot;
}

/* Give an error as the ending of a request that never reaches the engine. */
static void refuse(struct session *s, enum coproc_code code, const char *text)
{
	struct slot *slot = slot_new(s, "", 0);

	if (slot)
		end_slot(slot, code, text, strlen(text));
	else
		break_off(s, "no memory for its request");
}

/* The `forbid` pattern that a request matches as a whole or in one of its lines. */
static const char *find_forbidden(const struct session *s, const char *bytes, size_t len)
{
	const struct config *c = s->hall->config;
	const char *pattern = c->forbid ? config_forbidden(c, bytes, len) : NULL;
	const char *end = bytes + len;

	if (s->cut.kind == CUT_LINE || !c->forbid)
		return pattern;
	for (const char *line = bytes; line < end && !pattern;) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));

		pattern = config_forbidden(c, line, (size_t)((lf ? lf : end) - line));
		line = lf ? lf + 1 : end;
	}
	return pattern;
}

/* One request, complete, without what ends it. */
static void ask(struct session *s, const char *bytes, size_t len)
{
	struct hall *h = s->hall;
	const char *pattern = find_forbidden(s, bytes, len);
	enum coproc_code code;
	struct slot *slot;
	char text[300];

	if (pattern) {
		snprintf(text, sizeof(text), "the request matches the forbidden \"%s\"", pattern);
		refuse(s, COPROC_BAD_REQUEST, text);
		return;
	}
	slot = slot_new(s, bytes, len);
	if (!slot) {
		break_off(s, "no memory for its request");
		return;
	}
	code = s->cut.kind == CUT_LINE
		   ? coproc_submit(h->engine, &slot->request, slot->bytes, len, slot_on_done, slot)
		   : coproc_submit_block(h->engine, &slot->request, slot->bytes, len, slot_on_done,
					 slot);
	if (code != COPROC_OK) {
		snprintf(text, sizeof(text), "%s", coproc_refusal(h->engine, code));
		end_slot(slot, code, text, strlen(text));
	}
}

static void wait_for_room(struct session *s)
{
	if (s->is_waiting)
		return;
	s->is_waiting = true;
	TAILQ_INSERT_TAIL(&s->hall->waiting, s, waiting_link);
}

/* Count the sessions that send, anew for each epoch. */
static void note_sender(struct session *s)
{
	struct hall *h = s->hall;
	int64_t now = clock_now_ms();

	if (now >= h->epoch_until_ms) {
		h->senders_before = now >= h->epoch_until_ms + EPOCH_MS ? 0 : h->senders;
		h->senders = 0;
		h->epoch++;
		h->epoch_until_ms = now + EPOCH_MS;
	}
	h->senders += s->epoch != h->epoch;
	s->epoch = h->epoch;
}

static bool others_send(const struct session *s)
{
	const struct hall *h = s->hall;
	unsigned self = s->epoch + 1 >= h->epoch;

	return MAX(h->senders, h->senders_before) > self;
}

/*
 * While the processes are busy and others ask too, a client holds one place in
 * the queue: so one that floods gets its turn as the polite ones do, and
 * requests still start in the order in which they entered the queue.
 */
static bool is_crowded(struct session *s)
{
	struct hall *h = s->hall;

	if (!s->is_crowded && s->unfinished && others_send(s) && !coproc_has_spare(h->engine)) {
		s->is_crowded = true;
		TAILQ_INSERT_TAIL(&h->crowded, s, crowded_link);
	}
	return s->is_crowded;
}

/* Whether others have waited for longer, so that what room there is belongs to them. */
static bool must_line_up(const struct session *s)
{
	const struct hall *h = s->hall;

	return h->served != s && !TAILQ_EMPTY(&h->waiting);
}

/* Whether the session may hand one more request in now. */
static bool may_ask(struct session *s, size_t len)
{
	const struct config *c = s->hall->config;

	if (s->broken || s->unfinished >= c->client_requests ||
	    s->out.len + s->kept >= c->client_buffer)
		return false;
	if (s->is_waiting || is_crowded(s))
		return false;
	if (s->hall->paused) {
		wait_for_room(s);
		return false;
	}
	/* What is longer is refused, which needs no room. */
	len = MIN(len, c->engine.max_request);
	if (c->overload == OVERLOAD_WAIT &&
	    (must_line_up(s) || !coproc_has_room(s->hall->engine, len))) {
		wait_for_room(s);
		return false;
	}
	return true;
}

/* Nothing more can be understood of what this client sends. */
static void refuse_rest(struct session *s, const char *why)
{
	refuse(s, COPROC_BAD_REQUEST, why);
	s->eof = true;
	session_mark_dirty(s);
}

/* Take one request off the front of @bytes. Returns whether one, or its end, was there. */
static bool take_one(struct session *s, const char *bytes, size_t len, size_t *used)
{
	size_t max = s->hall->config->engine.max_request;
	struct cut_piece piece = {0};
	struct cut before = s->cut;
	enum cut_result result;

	if (s->skipping) {
		s->skipping = !cut_skip(&s->cut, bytes, len, used);
		return !s->skipping;
	}
	result = cut_next(&s->cut, bytes, len, max, &piece);
	switch (result) {
	case CUT_READY:
		if (!may_ask(s, piece.len)) {
			s->cut = before;
			return false;
		}
		ask(s, bytes + piece.off, piece.len);
		*used = piece.used;
		return true;
	case CUT_PARTIAL:
		return false;
	case CUT_TOO_BIG:
	case CUT_BAD:
		break;
	}
	if (!may_ask(s, 0)) {
		s->cut = before;
		return false;
	}
	if (result == CUT_BAD) {
		refuse_rest(s, "a request must start with a line that is the number of its bytes");
		*used = len;
		return false;
	}
	refuse(s, COPROC_TOO_LONG, coproc_refusal(s->hall->engine, COPROC_TOO_LONG));
	s->skipping = true;
	s->cut.mid_line = false;
	*used = 0;
	return true;
}

/* The commonest cut, as far as whole lines go. */
static size_t take_lines(struct session *s, const char *bytes, size_t len)
{
	const char *at = bytes, *end = bytes + len, *lf;

	while (at < end && (lf = memchr(at, '\n', (size_t)(end - at)))) {
		size_t n = (size_t)(lf - at);

		n -= n && at[n - 1] == '\r';
		if (!may_ask(s, n))
			break;
		ask(s, at, n);
		at = lf + 1;
	}
	return (size_t)(at - bytes);
}

/*
 * Cut @bytes into requests for as long as the session may ask. Returns how many
 * bytes are done with.
 */
static size_t take_requests(struct session *s, const char *bytes, size_t len)
{
	size_t used = 0, n = 0;
	bool more = true;

	if (s->cut.kind == CUT_LINE && !s->skipping && !s->cut.scanned)
		used = take_lines(s, bytes, len);
	for (; more && used < len; used += n) {
		n = 0;
		more = take_one(s, bytes + used, len - used, &n);
	}
	return used;
}

/* Whether `in` holds a complete request. */
static bool has_request(const struct session *s)
{
	struct cut c = s->cut; /* a look changes nothing */
	struct cut_piece piece;

	return s->in.len && !s->skipping &&
	       cut_next(&c, buf_bytes(&s->in), s->in.len, s->hall->config->engine.max_request,
			&piece) != CUT_PARTIAL;
}

/* At the end of input an unterminated rest is a request too. */
static void take_last(struct session *s)
{
	struct cut_piece piece;

	if (!s->eof || s->skipping || !s->in.len || !may_ask(s, s->in.len))
		return;
	if (has_request(s)) { /* it became possible to ask only now: the whole ones come first */
		session_mark_dirty(s);
		return;
	}
	if (cut_last(&s->cut, buf_bytes(&s->in), s->in.len, &piece) == CUT_READY)
		ask(s, buf_bytes(&s->in), piece.len);
	else
		refuse_rest(s, "the request ends before the number of its bytes");
	buf_consume(&s->in, s->in.len);
}

static void take_bytes(struct session *s, const char *bytes, size_t len)
{
	size_t used = 0;

	s->hall->bytes_in += len;
	if (!s->in.len)
		used = take_requests(s, bytes, len);
	if (used == len)
		return;
	if (buf_add(&s->in, bytes + used, len - used)) {
		break_off(s, "no memory for its request");
		return;
	}
	if (s->in.len > len - used) {
		used = take_requests(s, buf_bytes(&s->in), s->in.len);
		buf_consume(&s->in, used);
		buf_release(&s->in, KEEP_BYTES);
	}
}

/* ---- the connection ---- */

static void session_close(struct session *s)
{
	struct hall *h = s->hall;
	struct slot *slot;

	while ((slot = STAILQ_FIRST(&s->slots))) {
		if (slot->pending)
			coproc_cancel(h->engine, &slot->request);
		remove_first(s);
	}
	log_at(LOG_DEBUG, "session %llu: closed", (unsigned long long)s->id);
	if (s->is_dirty)
		TAILQ_REMOVE(&h->dirty, s, dirty_link);
	if (s->is_waiting)
		TAILQ_REMOVE(&h->waiting, s, waiting_link);
	uncrowd(s);
	TAILQ_REMOVE(&h->all, s, link);
	h->count--;
	event_del(&s->io);
	fd_close(&s->fd);
	buf_finish(&s->in);
	buf_finish(&s->out);
	free(s->cut_text);
	free(s);
	if (h->on_closed)
		h->on_closed(h->ctx);
}

static void io_cb(evutil_socket_t fd, short what, void *arg);

/* Wait for what the session needs now, and for nothing else. */
static void set_interest(struct session *s)
{
	bool asks = may_ask(s, 0);
	short interest = EV_PERSIST;

	/*
	 * A session that may not ask goes on waiting for input until some comes: most
	 * catch up before that, and are spared two system calls.
	 */
	s->throttled &= !asks;
	interest |= s->eof || s->throttled ? EV_READ | EV_CLOSED | EV_ET : EV_READ;
	if (s->out.len)
		interest |= EV_WRITE;
	if (interest == s->interest)
		return;
	if (s->interest)
		event_del(&s->io);
	s->interest = interest;
	event_assign(&s->io, s->hall->base, s->fd, interest, io_cb, s);
	if (event_add(&s->io, NULL))
		break_off(s, "no memory for its event");
}

static void write_out(struct session *s)
{
	ssize_t n;

	if (!s->out.len)
		return;
	n = send(s->fd, buf_bytes(&s->out), s->out.len, MSG_NOSIGNAL);
	if (n > 0) {
		s->hall->bytes_out += (size_t)n;
		buf_consume(&s->out, (size_t)n);
		buf_release(&s->out, KEEP_BYTES);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		s->broken = true; /* the client is gone, which is no news */
	}
}

/* What a session needs at the end of a turn: write, take more, wait for the right things. */
static void settle_session(struct session *s)
{
	write_out(s);
	if (s->in.len && !s->broken) {
		size_t used = take_requests(s, buf_bytes(&s->in), s->in.len);

		buf_consume(&s->in, used);
		take_last(s);
		buf_release(&s->in, KEEP_BYTES);
	}
	if (s->broken || (s->eof && !s->unfinished && !s->out.len && !s->in.len))
		session_close(s);
	else
		set_interest(s);
}

static void read_in(struct session *s)
{
	char *area = s->hall->area;
	ssize_t n = read(s->fd, area, AREA_SIZE);

	if (n > 0) {
		note_sender(s);
		take_bytes(s, area, (size_t)n);
	} else if (n == 0) {
		s->eof = true;
		s->broken = fd_is_hung_up(s->fd);
		if (s->skipping)
			buf_consume(&s->in, s->in.len);
		take_last(s);
	} else if (errno != EAGAIN && errno != EINTR) {
		s->broken = true;
	}
}

/* Input that may not be taken yet stays in the socket, unless the client has left. */
static void read_or_throttle(struct session *s)
{
	if (may_ask(s, 0) && !has_request(s)) {
		read_in(s);
		return;
	}
	s->broken = fd_is_hung_up(s->fd);
	s->throttled = !may_ask(s, 0);
	session_mark_dirty(s);
}

static void io_cb(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	if (((what & EV_CLOSED) || s->eof) && fd_is_hung_up(fd))
		s->broken = true;
	if ((what & EV_READ) && !s->broken && !s->eof)
		read_or_throttle(s);
	if (what & EV_WRITE)
		write_out(s);
	/* Usually nothing but a wait for more follows, which needs no look at the end of turn. */
	if (s->broken || s->eof || s->in.len || s->out.len || s->throttled || (what & EV_WRITE))
		session_mark_dirty(s);
}

static void flush_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct hall *h = arg;
	struct session_list now;
	struct session *s;

	/* What becomes dirty from here on has a turn of its own, after this one. */
	h->flushing = false;
	TAILQ_INIT(&now);
	TAILQ_CONCAT(&now, &h->dirty, dirty_link);
	while ((s = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, s, dirty_link);
		s->is_dirty = false;
		settle_session(s);
	}
}

/* ---- the hall ---- */

int hall_init(struct hall *h, struct event_base *base, struct coproc *engine,
	      const struct config *config, void (*on_closed)(void *ctx), void *ctx)
{
	*h = (struct hall){
	    .base = base, .engine = engine, .config = config, .on_closed = on_closed, .ctx = ctx};
	TAILQ_INIT(&h->all);
	TAILQ_INIT(&h->dirty);
	TAILQ_INIT(&h->waiting);
	TAILQ_INIT(&h->crowded);
	STAILQ_INIT(&h->spare);
	denied_init(&h->denied, base);
	event_assign(&h->flush, base, -1, 0, flush_cb, h);
	h->area = malloc(AREA_SIZE);
	return h->area ? 0 : -ENOMEM;
}

void hall_finish(struct hall *h)
{
	struct session *s;

	h->on_closed = NULL;
	denied_finish(&h->denied);
	while ((s = TAILQ_FIRST(&h->all)))
		session_close(s);
	while (!STAILQ_EMPTY(&h->spare))
		free(slot_alloc(h, 0));
	if (event_initialized(&h->flush))
		event_del(&h->flush);
	free(h->area);
	h->area = NULL;
}

void session_enter(struct hall *h, struct session *s)
{
	s->hall = h;
	s->fd = -1;
	STAILQ_INIT(&s->slots);
	TAILQ_INSERT_TAIL(&h->all, s, link);
	h->count++;
}

int session_set_cut(struct session *s, enum cut_kind kind, const char *text, size_t len)
{
	s->cut = (struct cut){.kind = kind, .text_len = len};
	if (kind != CUT_UNTIL)
		return 0;
	s->cut_text = malloc(len + 1);
	if (!s->cut_text)
		return -ENOMEM;
	s->cut.text = memcpy(s->cut_text, text, len);
	return 0;
}

int hall_admit(struct hall *h, int fd, const struct config_listen *rules)
{
	struct session *s = calloc(1, sizeof(*s));
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof(cred);

	if (!s) {
		log_at(LOG_ERR, "no memory for a new session, closing it");
		fd_close(&fd);
		return -ENOMEM;
	}
	session_enter(h, s);
	s->fd = fd;
	s->id = ++h->last_id;
	s->status_replies = rules->replies == REPLIES_STATUS;
	if (session_set_cut(s, rules->request.kind, rules->request.text, rules->request.text_len))
		break_off(s, "no memory for it");
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		s->pid = cred.pid;
	s->uid = cred.uid;
	log_at(LOG_DEBUG, "session %llu (uid %d, pid %d): opened", (unsigned long long)s->id,
	       (int)s->uid, (int)s->pid);
	set_interest(s);
	return 0;
}

void hall_resume(struct hall *h)
{
	struct session *s;

	if (h->paused)
		return;
	while (coproc_has_spare(h->engine) && (s = TAILQ_FIRST(&h->crowded))) {
		uncrowd(s);
		session_mark_dirty(s);
	}
	/* One after the other: who wants still more then waits behind all others. */
	while ((s = TAILQ_FIRST(&h->waiting))) {
		if (!coproc_has_room(h->engine, h->config->engine.max_request))
			break;
		TAILQ_REMOVE(&h->waiting, s, waiting_link);
		s->is_waiting = false;
		h->served = s;
		if (s->throttled && !s->eof && may_ask(s, 0) && !has_request(s))
			read_in(s); /* what it waits to ask is still in the socket */
		settle_session(s);
	}
	h->served = NULL;
}

void hall_pause(struct hall *h, bool paused)
{
	h->paused = paused;
	hall_resume(h);
}

bool hall_has_unwritten(const struct hall *h)
{
	const struct session *s;

	TAILQ_FOREACH (s, &h->all, link)
		if (s->out.len)
			return true;
	return false;
}
