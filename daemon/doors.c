/* SPDX-License-Identifier: MIT */
#include "doors.h"

#include "log.h"
#include "session.h"
#include "supervise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void doors_init(struct doors *d, struct event_base *base, struct hall *hall)
{
	*d = (struct doors){.base = base, .hall = hall};
	TAILQ_INIT(&d->listeners);
	TAILQ_INIT(&d->newcomers);
}

/* Open what a `listen` line says. */
static int open_socket(const struct config_listen *l, struct unix_socket *out, char *error,
		       size_t size)
{
	int fd;

	if (l->path)
		return socket_listen(l, out, error, size);
	fd = supervise_inherited_fd(l->fd_name);
	if (fd < 0) {
		snprintf(error, size, "fd:%s: no such descriptor was inherited (LISTEN_FDNAMES)",
			 l->fd_name);
		return fd;
	}
	return socket_inherit(fd, out, error, size);
}

static struct listener *find_listener(const struct doors *d, const struct config_listen *l)
{
	char *name = listener_name(l);
	struct listener *found;

	TAILQ_FOREACH (found, &d->listeners, link)
		if (name && !strcmp(found->name, name))
			break;
	free(name);
	return found;
}

static void close_listeners(struct listener_list *list)
{
	struct listener *l;

	while ((l = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, l, link);
		listener_free(l);
	}
}

int doors_open(struct doors *d, const struct config *config, char *error, size_t size)
{
	for (size_t i = 0; i < config->listen_count; i++) {
		const struct config_listen *l = &config->listens[i];
		struct unix_socket sock;
		struct listener *new;
		int rc;

		if (find_listener(d, l))
			continue;
		rc = open_socket(l, &sock, error, size);
		if (!rc)
			rc = listener_new(d->base, d->hall, &sock, l, &new);
		if (rc) {
			close_listeners(&d->newcomers);
			return rc;
		}
		TAILQ_INSERT_TAIL(&d->newcomers, new, link);
	}
	return 0;
}

void doors_switch(struct doors *d, const struct config *config)
{
	struct listener *l, *next;
	struct listener_list kept;

	TAILQ_INIT(&kept);
	for (size_t i = 0; i < config->listen_count; i++) {
		l = find_listener(d, &config->listens[i]);
		if (!l)
			continue; /* a newcomer */
		l->rules = &config->listens[i];
		TAILQ_REMOVE(&d->listeners, l, link);
		TAILQ_INSERT_TAIL(&kept, l, link);
	}
	TAILQ_FOREACH_SAFE (l, &d->listeners, link, next)
		log_at(LOG_NOTICE, "%s: listening no more", l->name);
	close_listeners(&d->listeners);
	TAILQ_CONCAT(&d->listeners, &kept, link);
	TAILQ_CONCAT(&d->listeners, &d->newcomers, link);
}

void doors_drop(struct doors *d)
{
	if (d->base)
		close_listeners(&d->newcomers);
}

void doors_close(struct doors *d)
{
	if (!d->base)
		return;
	close_listeners(&d->newcomers);
	close_listeners(&d->listeners);
}

void doors_resume(struct doors *d)
{
	struct listener *l;

	TAILQ_FOREACH (l, &d->listeners, link)
		listener_resume(l);
}

/* ---- from one program image to the next ---- */

void door_save(struct pack *p, const char *name, const struct unix_socket *socket)
{
	pack_text(p, name);
	pack_fd(p, name ? socket->fd : -1);
	pack_u64(p, socket->dev);
	pack_u64(p, socket->ino);
}

void doors_save(const struct doors *d, struct pack *p)
{
	const struct listener *l;
	uint64_t count = 0;

	TAILQ_FOREACH (l, &d->listeners, link)
		count++;
	pack_u64(p, count);
	TAILQ_FOREACH (l, &d->listeners, link)
		door_save(p, l->name, &l->socket);
}

const char *door_load(struct unpack *u, struct unix_socket *out)
{
	const char *name = unpack_text(u);

	*out = (struct unix_socket){.fd = unpack_fd(u)};
	out->dev = (dev_t)unpack_u64(u);
	out->ino = (ino_t)unpack_u64(u);
	return u->failed ? NULL : name;
}

/* Take one listening socket over, if the options still name it. */
static int load_listener(struct doors *d, const struct config *config, struct unpack *u)
{
	struct unix_socket sock;
	const char *name = door_load(u, &sock);
	struct listener *l;
	int rc;

	if (!name)
		return -EINVAL;
	for (size_t i = 0; i < config->listen_count; i++) {
		const struct config_listen *rules = &config->listens[i];
		char *own = listener_name(rules);
		bool same = own && !strcmp(own, name);

		free(own);
		if (!same)
			continue;
		sock.path = rules->path ? strdup(rules->path) : NULL;
		rc = listener_new(d->base, d->hall, &sock, rules, &l);
		if (!rc)
			TAILQ_INSERT_TAIL(&d->listeners, l, link);
		return rc;
	}
	return -EINVAL;
}

int doors_load(struct doors *d, const struct config *config, struct unpack *u)
{
	int rc = 0;

	for (uint64_t n = unpack_u64(u); n && !rc; n--)
		rc = load_listener(d, config, u);
	return rc;
}
