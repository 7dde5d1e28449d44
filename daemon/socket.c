/* SPDX-License-Identifier: MIT */
#include "socket.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

/* How long another start in the same directory may hold the lock. */
#define LOCK_TRIES   40
#define LOCK_WAIT_US 50000

static void text_free(char **text)
{
	free(*text);
}

static int fail(char *error, size_t size, const char *path, const char *what, int rc)
{
	snprintf(error, size, "%s: %s: %s", path, what, strerror(-rc));
	return rc;
}

/* Lock the directory of @path against other starts. Returns the descriptor or -errno. */
static int lock_directory(const char *path)
{
	char *copy CLEANUP(text_free) = strdup(path);
	int fd;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
			fd_close(&fd);
			return -errno;
		}
		usleep(LOCK_WAIT_US);
	}
	return fd;
}

static void fill_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	strncpy(a->sun_path, path, sizeof(a->sun_path) - 1);
}

/* 0 if @path may be bound (nothing there, or a stale socket now removed), else -errno. */
static int clear_path(const char *path)
{
	struct sockaddr_un a;
	struct stat st;
	int fd CLEANUP(fd_close) = -1;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	fill_address(&a, path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_with_mode(int fd, const char *path, mode_t mode)
{
	struct sockaddr_un a;
	mode_t old;
	int rc;

	fill_address(&a, path);
	old = umask(0777 & ~mode);
	rc = bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	umask(old);
	return rc;
}

/* Nobody can connect before listen(), so owner and mode are final by then. */
static int bind_and_listen(const struct config_listen *l, struct unix_socket *s)
{
	struct stat st;
	int rc = bind_with_mode(s->fd, l->path, l->mode);

	if (rc)
		return rc;
	if (lstat(l->path, &st) < 0)
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	if ((l->owner != (uid_t)-1 || l->group != (gid_t)-1) &&
	    (lchown(l->path, l->owner, l->group) < 0 || chmod(l->path, l->mode) < 0))
		return -errno;
	return listen(s->fd, BACKLOG) < 0 ? -errno : 0;
}

int socket_listen(const struct config_listen *l, struct unix_socket *out, char *error, size_t size)
{
	struct unix_socket s CLEANUP(socket_close) = {.fd = -1};
	int lock CLEANUP(fd_close) = lock_directory(l->path);
	int rc;

	if (lock < 0)
		return fail(error, size, l->path, "cannot lock its directory", lock);
	rc = clear_path(l->path);
	if (rc == -EADDRINUSE)
		return fail(error, size, l->path, "a live daemon listens there", rc);
	if (rc == -EEXIST)
		return fail(error, size, l->path, "is there and is not a socket", rc);
	if (rc)
		return fail(error, size, l->path, "cannot tell whether the socket there is live",
			    rc);
	s.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	s.path = strdup(l->path);
	if (s.fd < 0 || !s.path)
		return fail(error, size, l->path, "cannot make a socket",
			    s.path ? -errno : -ENOMEM);
	rc = bind_and_listen(l, &s);
	if (rc)
		return fail(error, size, l->path, "cannot listen", rc);
	*out = s;
	s = (struct unix_socket){.fd = -1};
	return 0;
}

int socket_inherit(int fd, struct unix_socket *out, char *error, size_t size)
{
	int domain = 0, type = 0, listening = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0) {
		snprintf(error, size, "descriptor %d: not a socket: %s", fd, strerror(errno));
		return -ENOTSOCK;
	}
	if (domain != AF_UNIX || type != SOCK_STREAM || !listening) {
		snprintf(error, size, "descriptor %d: not a listening Unix stream socket", fd);
		return -EINVAL;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fd_set_nonblock(fd)) {
		snprintf(error, size, "descriptor %d: %s", fd, strerror(errno));
		return -EINVAL;
	}
	*out = (struct unix_socket){.fd = fd};
	return 0;
}

void socket_close(struct unix_socket *s)
{
	struct stat st;

	if (s->path && s->ino && lstat(s->path, &st) == 0 && st.st_dev == s->dev &&
	    st.st_ino == s->ino)
		unlink(s->path);
	fd_close(&s->fd);
	free(s->path);
	*s = (struct unix_socket){.fd = -1};
}
