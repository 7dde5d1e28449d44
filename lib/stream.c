/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include "fd.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

/* What the bufferevent may write in one turn; its default of 16 KiB costs turns. */
#define WRITE_AT_ONCE (1 << 20)

/* What of the staging area is kept while it is empty. */
#define STAGED_KEEP (64 << 10)

/* From so many bytes on the bufferevent is given the memory instead of a copy. */
#define HAND_OVER_FROM (256 << 10)

static struct bufferevent *bev_take(struct event_base *base, int fd)
{
	struct bufferevent *bev = bufferevent_socket_new(base, fd, 0);

	if (!bev)
		fd_close(&fd);
	return bev;
}

/*
 * The descriptor is closed now and not in a later turn as with
 * BEV_OPT_CLOSE_ON_FREE: the process is to see the end of file.
 */
static void bev_close(struct bufferevent **bev)
{
	int fd = bufferevent_getfd(*bev);

	bufferevent_disable(*bev, EV_READ | EV_WRITE);
	bufferevent_free(*bev);
	*bev = NULL;
	fd_close(&fd);
}

static void out_event_cb(struct bufferevent *bev UNUSED, short what UNUSED, void *arg)
{
	struct stream_out *s = arg;

	s->on_closed(s->ctx);
}

static void out_hangup_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct stream_out *s = arg;

	s->on_closed(s->ctx);
}

int stream_out_open(struct stream_out *s, struct event_base *base, int fd,
		    void (*on_closed)(void *ctx), void *ctx)
{
	*s = (struct stream_out){.on_closed = on_closed, .ctx = ctx};
	s->bev = bev_take(base, fd);
	if (!s->bev)
		return -ENOMEM;
	bufferevent_setcb(s->bev, NULL, NULL, out_event_cb, s);
	bufferevent_set_max_single_write(s->bev, WRITE_AT_ONCE);
	/* A bufferevent with nothing to write does not notice that the reader has closed. */
	event_assign(&s->hangup, base, fd, EV_READ, out_hangup_cb, s);
	if (bufferevent_enable(s->bev, EV_WRITE) || event_add(&s->hangup, NULL)) {
		stream_out_close(s);
		return -ENOMEM;
	}
	return 0;
}

char *stream_out_stage(struct stream_out *s, size_t n)
{
	char *at;

	if (buf_reserve(&s->staged, n, &at))
		return NULL;
	buf_commit(&s->staged, n);
	return at;
}

void stream_out_unstage(struct stream_out *s, size_t n)
{
	assert(n <= s->staged.len);
	s->staged.len -= n;
}

static void free_memory(const void *bytes UNUSED, size_t len UNUSED, void *mem)
{
	free(mem);
}

/* The bufferevent is to write what is staged: much of it without a copy. */
static void hand_over(struct stream_out *s, struct evbuffer *out)
{
	struct buf *b = &s->staged;

	if (b->len >= HAND_OVER_FROM &&
	    !evbuffer_add_reference(out, buf_bytes(b), b->len, free_memory, b->mem))
		*b = (struct buf){0};
	else if (b->len && !bufferevent_write(s->bev, buf_bytes(b), b->len))
		buf_consume(b, b->len);
}

void stream_out_flush(struct stream_out *s)
{
	struct buf *b = &s->staged;

	if (!s->bev || !b->len)
		return;
	if (!evbuffer_get_length(bufferevent_get_output(s->bev))) {
		ssize_t n = write(bufferevent_getfd(s->bev), buf_bytes(b), b->len);

		if (n > 0)
			buf_consume(b, (size_t)n);
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return; /* the reader is gone: the hang-up event says so */
	}
	hand_over(s, bufferevent_get_output(s->bev));
	buf_release(b, STAGED_KEEP);
}

size_t stream_out_pending(const struct stream_out *s)
{
	if (!s->bev)
		return 0;
	return s->staged.len + evbuffer_get_length(bufferevent_get_output(s->bev));
}

void stream_out_close(struct stream_out *s)
{
	if (!s->bev)
		return;
	event_del(&s->hangup);
	bev_close(&s->bev);
	buf_finish(&s->staged);
}

int stream_out_fd(const struct stream_out *s)
{
	return s->bev ? bufferevent_getfd(s->bev) : -1;
}

void stream_out_save(const struct stream_out *s, struct pack *p)
{
	struct evbuffer *out = bufferevent_get_output(s->bev);
	size_t len = evbuffer_get_length(out);
	char *copy = malloc(len + 1);

	/* A bufferevent keeps the front of its output frozen, against copying too. */
	evbuffer_unfreeze(out, 1);
	if (!copy || evbuffer_copyout(out, copy, len) != (ev_ssize_t)len)
		p->failed = true;
	else
		pack_bytes(p, copy, len);
	evbuffer_freeze(out, 1);
	free(copy);
	pack_bytes(p, s->staged.len ? buf_bytes(&s->staged) : NULL, s->staged.len);
}

int stream_out_load(struct stream_out *s, struct unpack *u)
{
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		size_t len;
		const char *bytes = unpack_bytes(u, &len);

		rc = u->failed ? -EINVAL : buf_add(&s->staged, bytes, len);
	}
	return rc;
}

static void in_readable_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct stream_in *s = arg;

	s->on_readable(s->ctx);
}

int stream_in_open(struct stream_in *s, struct event_base *base, int fd,
		   void (*on_readable)(void *ctx), void *ctx)
{
	*s = (struct stream_in){.on_readable = on_readable, .ctx = ctx, .fd = fd};
	s->bev = bev_take(base, fd);
	if (!s->bev)
		return -ENOMEM;
	bufferevent_disable(s->bev, EV_READ | EV_WRITE);
	event_assign(&s->readable, base, fd, EV_READ | EV_PERSIST, in_readable_cb, s);
	if (event_add(&s->readable, NULL)) {
		stream_in_close(s);
		return -ENOMEM;
	}
	return 0;
}

ssize_t stream_in_read(struct stream_in *s, char *dst, size_t room)
{
	ssize_t n;

	do
		n = read(s->fd, dst, room);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EIO ? 0 : -errno;
}

void stream_in_close(struct stream_in *s)
{
	if (!s->bev)
		return;
	event_del(&s->readable);
	bev_close(&s->bev);
}
