/* SPDX-License-Identifier: MIT */
#include "listener.h"

#include "clock.h"
#include "fd.h"
#include "log.h"
#include "session.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Accepting is tried again so long after descriptors ran out, or when a session ends. */
#define RETRY_MS 100

char *listener_name(const struct config_listen *listen)
{
	char *name;

	if (asprintf(&name, "%s%s",
		     listen->path ? "" : "fd:", listen->path ? listen->path : listen->fd_name) < 0)
		return NULL;
	return name;
}

static void pause_if_full(struct listener *l)
{
	unsigned max = l->hall->config->max_clients;

	if (l->paused || l->hall->count < max)
		return;
	l->paused = true;
	log_at(LOG_WARNING, "%s: %u clients are connected (max-clients), accepting no more",
	       l->name, max);
	evconnlistener_disable(l->ev);
}

static bool has_gid(const struct config_listen *rules, gid_t gid)
{
	for (size_t i = 0; i < rules->allow_group_count; i++)
		if (rules->allow_groups[i] == gid)
			return true;
	return false;
}

/* Whether the peer is in an allowed group, by its supplementary ones too. */
static bool is_group_allowed(const struct config_listen *rules, int fd, gid_t primary)
{
	gid_t groups[1024];
	socklen_t len = sizeof(groups);

	if (has_gid(rules, primary))
		return true;
	if (!rules->allow_group_count ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (has_gid(rules, groups[i]))
			return true;
	return false;
}

/* Whether `allow-user` and `allow-group` let the peer in; root is named like any other. */
static bool is_allowed(const struct listener *l, int fd)
{
	const struct config_listen *rules = l->rules;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!rules->allow_user_count && !rules->allow_group_count)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	for (size_t i = 0; i < rules->allow_user_count; i++)
		if (rules->allow_users[i] == cred.uid)
			return true;
	return is_group_allowed(rules, fd, cred.gid);
}

/* Tell a peer that may not ask, and close. */
static void deny(struct listener *l, int fd)
{
	const char *text = l->rules->replies == REPLIES_STATUS
			       ? "-denied this user may not ask here\n"
			       : "coprocd: error: denied: this user may not ask here\n";
	struct ucred cred = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	socklen_t len = sizeof(cred);
	char more[60];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		cred.pid = 0;
	if (log_may(&l->denials, clock_now_ms(), more, sizeof(more)))
		log_at(LOG_WARNING, "%s: uid %d, gid %d, pid %d denied (allow-user, allow-group)%s",
		       l->name, (int)cred.uid, (int)cred.gid, (int)cred.pid, more);
	/* The socket's buffer is empty: the line fits, or the peer is gone. */
	if (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		fd_close(&fd);
	else
		denied_add(&l->hall->denied, fd);
}

static void accept_cb(struct evconnlistener *ev UNUSED, evutil_socket_t fd,
		      struct sockaddr *address UNUSED, int len UNUSED, void *arg)
{
	struct listener *l = arg;

	l->starved = false;
	if (!is_allowed(l, fd)) {
		deny(l, fd);
		return;
	}
	if (!hall_admit(l->hall, fd, l->rules))
		pause_if_full(l);
}

/* Without a pause a listener that cannot accept keeps the loop busy (libevent 2.1.12, listener.c).
 */
static void error_cb(struct evconnlistener *ev, void *arg)
{
	struct timeval wait = {.tv_usec = RETRY_MS * 1000};
	struct listener *l = arg;
	int error = errno;

	if (!l->starved)
		log_at(LOG_ERR, "%s: cannot accept: %s; trying again every %d ms", l->name,
		       strerror(error), RETRY_MS);
	l->starved = true;
	evconnlistener_disable(ev);
	event_add(l->retry, &wait);
}

static void retry_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct listener *l = arg;

	if (!l->paused)
		evconnlistener_enable(l->ev);
}

void listener_resume(struct listener *l)
{
	if (l->hall->count >= l->hall->config->max_clients)
		return;
	if (l->paused)
		log_at(LOG_NOTICE, "%s: accepting again", l->name);
	else if (!l->starved)
		return;
	l->paused = false;
	evconnlistener_enable(l->ev);
}

int listener_new(struct event_base *base, struct hall *hall, struct unix_socket *socket,
		 const struct config_listen *listen, struct listener **out)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l) {
		socket_close(socket);
		return -ENOMEM;
	}
	l->socket = *socket;
	*socket = (struct unix_socket){.fd = -1};
	l->hall = hall;
	l->rules = listen;
	l->name = listener_name(listen);
	l->retry = evtimer_new(base, retry_cb, l);
	l->ev = evconnlistener_new(base, accept_cb, l, LEV_OPT_CLOSE_ON_EXEC, 0, l->socket.fd);
	if (!l->name || !l->retry || !l->ev) {
		listener_free(l);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(l->ev, error_cb);
	*out = l;
	return 0;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	if (l->ev)
		evconnlistener_free(l->ev);
	if (l->retry)
		event_free(l->retry);
	socket_close(&l->socket);
	free(l->name);
	free(l);
}
