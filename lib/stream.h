/* SPDX-License-Identifier: MIT */
#ifndef COPROC_STREAM_H
#define COPROC_STREAM_H

/*
 * One direction of a pipe to a process, owned as a libevent bufferevent, with
 * the bypasses that measurement asked for (2.1.12, per closed-loop request:
 * 14 system calls plain, 6 with these):
 *
 * - Output is staged and written directly, once per turn of the loop, as every
 *   write of a bufferevent costs two epoll_ctl and one epoll_wait. What the pipe
 *   does not take is written on an event of our own: a bufferevent copies it
 *   first, and of a large request writes 32 KiB at a time.
 * - Input is read into a flat buffer on an event of our own: bufferevents ask
 *   FIONREAD before each read, and never read more than 4096 bytes at once.
 */

#include "buf.h"
#include "macros.h"
#include "pack.h"

#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/types.h>

struct bufferevent;
struct event_base;

/* To a process's stdin. Zeroed memory is a closed one. */
struct stream_out {
	struct bufferevent *bev; /* owned with its descriptor; NULL when closed */
	struct buf staged;       /* not yet written */
	struct event hangup;     /* one shot: the reader has closed */
	struct event writable;   /* while the pipe is full */
	bool full;
	void (*on_closed)(void *ctx);
	void *ctx;
};

/*
 * Take over the write end @fd of a pipe (non-blocking).
 *
 * @on_closed  called when the reader has closed its end, at once and not only
 *	       at the next write; the stream may be closed from it
 *
 * The descriptor is consumed always. Returns 0 or -ENOMEM.
 */
int stream_out_open(struct stream_out *s, struct event_base *base, int fd,
		    void (*on_closed)(void *ctx), void *ctx) WARN_UNUSED;

/* Room for @n bytes that will be written together by stream_out_flush(); NULL: no memory. */
char *stream_out_stage(struct stream_out *s, size_t n);

/* Give the last @n bytes of that room back. */
void stream_out_unstage(struct stream_out *s, size_t n);

/* Write what is staged, in one write where the pipe takes it. Nothing to do if closed. */
void stream_out_flush(struct stream_out *s);

/* Bytes that the process has not taken yet. */
static inline size_t stream_out_pending(const struct stream_out *s)
{
	return s->staged.len;
}

/* Close the descriptor at once; what is pending is dropped. Accepts a closed one. */
void stream_out_close(struct stream_out *s);

/* Its descriptor, -1 if closed. */
int stream_out_fd(const struct stream_out *s);

/* Write the pending bytes, and read them back into a fresh stream (0, -EINVAL, -ENOMEM). */
void stream_out_save(const struct stream_out *s, struct pack *p);
int stream_out_load(struct stream_out *s, struct unpack *u) WARN_UNUSED;

/* From a process's stdout or stderr. Zeroed memory is a closed one. */
struct stream_in {
	struct bufferevent *bev; /* owned with its descriptor; NULL when closed */
	struct event readable;
	int fd;
	void (*on_readable)(void *ctx);
	void *ctx;
};

/*
 * Take over the read end @fd of a pipe (non-blocking).
 *
 * @on_readable  called when there is something to read, end of file included
 *
 * The descriptor is consumed always. Returns 0 or -ENOMEM.
 */
int stream_in_open(struct stream_in *s, struct event_base *base, int fd,
		   void (*on_readable)(void *ctx), void *ctx) WARN_UNUSED;

/*
 * Read once, up to @room bytes.
 *
 * Returns the count, 0 at the end of the stream, -EAGAIN if there is nothing
 * now, or another -errno (a pty whose other end is closed counts as the end).
 */
ssize_t stream_in_read(struct stream_in *s, char *dst, size_t room);

/* Close the descriptor at once. Accepts a closed one. */
void stream_in_close(struct stream_in *s);

static inline bool stream_in_is_open(const struct stream_in *s)
{
	return s->bev != NULL;
}

static inline bool stream_out_is_open(const struct stream_out *s)
{
	return s->bev != NULL;
}

#endif
