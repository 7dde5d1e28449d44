/* SPDX-License-Identifier: MIT */
/*
 * The connection, and the hall. The path of a request: io_cb() reads, session_ask.c
 * cuts and submits; session_slots.c gives the ending back; flush_cb(), once at the
 * end of each turn of the loop, writes.
 *
 * A client that we do not read from is watched for closing, edge-triggered, as
 * a level-triggered EV_CLOSED spins (libevent 2.1.12). EV_READ is part of that:
 * one that leaves replies unread is an error, which libevent reports as EV_READ.
 */
#include "session_parts.h"

#include "clock.h"
#include "fd.h"
#include "log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AREA_SIZE (64 << 10)

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

void session_break_off(struct session *s, const char *why)
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

static void session_close(struct session *s)
{
	struct hall *h = s->hall;
	struct slot *slot;

	while ((slot = STAILQ_FIRST(&s->slots))) {
		if (slot->pending)
			coproc_cancel(h->engine, &slot->request);
		session_remove_first(s);
	}
	log_at(LOG_DEBUG, "session %llu: closed", (unsigned long long)s->id);
	if (s->is_dirty)
		TAILQ_REMOVE(&h->dirty, s, dirty_link);
	if (s->is_waiting)
		TAILQ_REMOVE(&h->waiting, s, held_link);
	session_uncrowd(s);
	TAILQ_REMOVE(&h->all, s, link);
	h->count--;
	event_del(&s->io);
	fd_close(&s->fd);
	buf_finish(&s->in);
	buf_finish(&s->out);
	free((void *)(size_t)s->cut.text);
	free(s);
	if (h->on_closed)
		h->on_closed(h->ctx);
}

static void io_cb(evutil_socket_t fd, short what, void *arg);

/* Wait for what the session needs now, and for nothing else. */
static void set_interest(struct session *s)
{
	bool asks = session_may_ask(s, 0);
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
		session_break_off(s, "no memory for its event");
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
		buf_release(&s->out, 0);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		s->broken = true; /* the client is gone, which is no news */
	}
}

/* What a session needs at the end of a turn: write, take more, wait for the right things. */
static void settle_session(struct session *s)
{
	write_out(s);
	if (s->in.len && !s->broken) {
		size_t used = session_take_requests(s, buf_bytes(&s->in), s->in.len);

		buf_consume(&s->in, used);
		session_take_last(s);
		buf_release(&s->in, 0);
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
		session_note_sender(s);
		memory_used(&s->hall->memory);
		session_take_bytes(s, area, (size_t)n);
	} else if (n == 0) {
		s->eof = true;
		s->broken = fd_is_hung_up(s->fd);
		if (s->skipping)
			buf_consume(&s->in, s->in.len);
		session_take_last(s);
	} else if (errno != EAGAIN && errno != EINTR) {
		s->broken = true;
	}
}

/* Input that may not be taken yet stays in the socket, unless the client has left. */
static void read_or_throttle(struct session *s)
{
	if (session_may_ask(s, 0) && !session_has_request(s)) {
		read_in(s);
		return;
	}
	s->broken = fd_is_hung_up(s->fd);
	s->throttled = !session_may_ask(s, 0);
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
	memory_init(&h->memory, base);
	event_assign(&h->flush, base, -1, 0, flush_cb, h);
	h->area = malloc(AREA_SIZE);
	return h->area ? 0 : -ENOMEM;
}

void hall_finish(struct hall *h)
{
	struct session *s;

	h->on_closed = NULL;
	denied_finish(&h->denied);
	memory_finish(&h->memory);
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
	char *copy;

	s->cut = (struct cut){.kind = kind, .text_len = (uint8_t)len};
	if (kind != CUT_UNTIL)
		return 0;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	s->cut.text = copy;
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
		session_break_off(s, "no memory for it");
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
		session_uncrowd(s);
		session_mark_dirty(s);
	}
	/* One after the other: who wants still more then waits behind all others. */
	while ((s = TAILQ_FIRST(&h->waiting))) {
		if (!coproc_has_room(h->engine, h->config->engine.max_request))
			break;
		TAILQ_REMOVE(&h->waiting, s, held_link);
		s->is_waiting = false;
		h->served = s;
		if (s->throttled && !s->eof && session_may_ask(s, 0) && !session_has_request(s))
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
