/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include "fd.h"

#include <assert.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

/* What of the staging area is kept while it is empty. */
#define STAGED_KEEP (64 << 10)

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

static void out_hangup_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct stream_out *s = arg;

	s->on_closed(s->ctx);
}

/* Wait until the pipe takes more, or no longer. */
static void set_full(struct stream_out *s, bool full)
{
	if (full == s->full)
		return;
	s->full = full;
	if (!full)
		event_del(&s->writable);
	else if (event_add(&s->writable, NULL))
		s->full = false; /* the next flush tries again */
}

/* Write what the pipe takes. Returns false if the reader is gone. */
static bool write_staged(struct stream_out *s)
{
	struct buf *b = &s->staged;
	ssize_t n = write(bufferevent_getfd(s->bev), buf_bytes(b), b->len);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		set_full(s, false);
		return false;
	}
	if (n > 0)
		buf_consume(b, (size_t)n);
	set_full(s, b->len > 0);
	buf_release(b, STAGED_KEEP);
	return true;
}

static void out_writable_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct stream_out *s = arg;

	if (!write_staged(s))
		s->on_closed(s->ctx);
}

int stream_out_open(struct stream_out *s, struct event_base *base, int fd,
		    void (*on_closed)(void *ctx), void *ctx)
{
	*s = (struct stream_out){.on_closed = on_closed, .ctx = ctx};
	s->bev = bev_take(base, fd);
	if (!s->bev)
		return -ENOMEM;
	bufferevent_disable(s->bev, EV_READ | EV_WRITE);
	event_assign(&s->writable, base, fd, EV_WRITE | EV_PERSIST, out_writable_cb, s);
	/* That the reader has closed is seen without anything to write. */
	event_assign(&s->hangup, base, fd, EV_READ, out_hangup_cb, s);
	if (event_add(&s->hangup, NULL)) {
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

void stream_out_flush(struct stream_out *s)
{
	/* Of a reader that is gone the hang-up event tells. */
	if (s->bev && s->staged.len && !s->full)
		(void)write_staged(s);
}

void stream_out_close(struct stream_out *s)
{
	if (!s->bev)
		return;
	event_del(&s->hangup);
	event_del(&s->writable);
	bev_close(&s->bev);
	buf_finish(&s->staged);
}

int stream_out_fd(const struct stream_out *s)
{
	return s->bev ? bufferevent_getfd(s->bev) : -1;
}

void stream_out_save(const struct stream_out *s, struct pack *p)
{
	pack_bytes(p, NULL, 0); /* of an older format: what a bufferevent had */
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
