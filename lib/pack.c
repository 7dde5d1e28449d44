/* SPDX-License-Identifier: MIT */
#include "pack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static void put(struct pack *p, const void *bytes, size_t len)
{
	if (buf_add(&p->bytes, bytes, len))
		p->failed = true;
}

void pack_u64(struct pack *p, uint64_t value)
{
	put(p, &value, sizeof(value));
}

void pack_bytes(struct pack *p, const void *bytes, size_t len)
{
	pack_u64(p, len);
	put(p, bytes, len);
}

void pack_text(struct pack *p, const char *text)
{
	/* With its NUL, so that it can be read where it lies. */
	pack_bytes(p, text, text ? strlen(text) + 1 : 0);
}

void pack_fd(struct pack *p, int fd)
{
	int *fds;

	pack_u64(p, (uint64_t)(int64_t)fd);
	if (fd < 0)
		return;
	/* Doubled whenever it is full: ten thousand clients are usual. */
	if (!(p->fd_count & (p->fd_count - 1))) {
		fds = realloc(p->fds, (p->fd_count ? p->fd_count * 2 : 1) * sizeof(*fds));
		if (!fds) {
			p->failed = true;
			return;
		}
		p->fds = fds;
	}
	p->fds[p->fd_count++] = fd;
}

void pack_finish(struct pack *p)
{
	buf_finish(&p->bytes);
	free(p->fds);
	*p = (struct pack){0};
}

uint64_t unpack_u64(struct unpack *u)
{
	uint64_t value;

	if (u->failed || (size_t)(u->end - u->at) < sizeof(value)) {
		u->failed = true;
		return 0;
	}
	memcpy(&value, u->at, sizeof(value));
	u->at += sizeof(value);
	return value;
}

const char *unpack_bytes(struct unpack *u, size_t *len)
{
	uint64_t n = unpack_u64(u);
	const char *bytes = u->at;

	*len = 0;
	if (u->failed || n > (size_t)(u->end - u->at)) {
		u->failed = true;
		return "";
	}
	u->at += n;
	*len = (size_t)n;
	return bytes;
}

const char *unpack_text(struct unpack *u)
{
	size_t len;
	const char *text = unpack_bytes(u, &len);

	if (!len)
		return NULL;
	if (text[len - 1]) {
		u->failed = true;
		return NULL;
	}
	return text;
}

int unpack_fd(struct unpack *u)
{
	int fd = (int)(int64_t)unpack_u64(u);

	if (u->failed || fd < 0)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		u->failed = true;
		return -1;
	}
	return fd;
}
