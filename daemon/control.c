/* SPDX-License-Identifier: MIT */
#include "control.h"

#include "clock.h"
#include "fd.h"
#include "log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

/* Connections at one time, and of each the bytes of a command, unread and unsent. */
#define MAX_CLIENTS 32
#define MAX_COMMAND 256
#define MAX_UNREAD  1024
#define MAX_UNSENT  (256 << 10)

struct control_client {
	TAILQ_ENTRY(control_client) link; /* control.clients */
	struct control *control;          /* borrowed */
	struct bufferevent *bev;          /* owned with its descriptor */
	enum control_wait waits;          /* for control_outcome() */
	bool eof;                         /* it sends no more */
};

static void client_free(struct control_client *c)
{
	TAILQ_REMOVE(&c->control->clients, c, link);
	c->control->count--;
	bufferevent_free(c->bev);
	free(c);
}

static void free_if_done(struct control_client *c)
{
	if (c->eof && !c->waits && !evbuffer_get_length(bufferevent_get_output(c->bev)))
		client_free(c);
}

void control_reply(struct control_client *c, const char *text)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	size_t lines = 1;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	if (lines > 1)
		evbuffer_add_printf(out, "*%zu\n%s\n", lines, text);
	else
		evbuffer_add_printf(out, "+%s\n", text);
}

void control_refuse(struct control_client *c, const char *code, const char *text)
{
	evbuffer_add_printf(bufferevent_get_output(c->bev), "-%s %s\n", code, text);
}

void control_wait(struct control_client *c, enum control_wait what)
{
	c->waits = what;
}

void control_outcome(struct control *control, enum control_wait what, bool success,
		     const char *text)
{
	struct control_client *c;

	TAILQ_FOREACH (c, &control->clients, link) {
		if (c->waits != what)
			continue;
		c->waits = CONTROL_NOTHING;
		if (success)
			control_reply(c, text);
		else
			control_refuse(c, "unavailable", text);
	}
}

/* Who does not read the answers gets no more of them. */
static bool may_command(const struct control_client *c)
{
	return !c->waits && evbuffer_get_length(bufferevent_get_output(c->bev)) < MAX_UNSENT;
}

static void read_cb(struct bufferevent *bev, void *arg)
{
	struct control_client *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	char *line;

	while (may_command(c) && (line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF))) {
		c->control->on_command(c->control->ctx, c, line);
		free(line);
	}
	if (may_command(c) && evbuffer_get_length(in) > MAX_COMMAND) {
		control_refuse(c, "too-long", "a command has at most 256 bytes");
		bufferevent_disable(bev, EV_READ);
		c->eof = true;
	}
	free_if_done(c);
}

static void write_cb(struct bufferevent *bev, void *arg)
{
	struct control_client *c = arg;

	if (!c->waits && evbuffer_get_length(bufferevent_get_input(bev)))
		read_cb(bev, c); /* commands that came while it waited */
	else
		free_if_done(c);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct control_client *c = arg;

	c->eof = true;
	/* Who has left altogether waits for no outcome, and makes room. */
	if ((what & BEV_EVENT_ERROR) || fd_is_hung_up(bufferevent_getfd(bev)))
		client_free(c);
	else
		free_if_done(c);
}

static void accept_cb(struct evconnlistener *ev, evutil_socket_t fd,
		      struct sockaddr *address UNUSED, int len UNUSED, void *arg)
{
	struct control *control = arg;
	struct control_client *c = NULL;
	char more[60];

	if (control->count < MAX_CLIENTS)
		c = calloc(1, sizeof(*c));
	if (c)
		c->bev =
		    bufferevent_socket_new(evconnlistener_get_base(ev), fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->bev) {
		if (log_may(&control->refusals, clock_now_ms(), more, sizeof(more)))
			log_at(LOG_WARNING,
			       "control: too many connections, or no memory: closing one%s", more);
		evutil_closesocket(fd);
		free(c);
		return;
	}
	c->control = control;
	TAILQ_INSERT_TAIL(&control->clients, c, link);
	control->count++;
	bufferevent_setcb(c->bev, read_cb, write_cb, event_cb, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, MAX_UNREAD);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

int control_init(struct control *c, struct event_base *base, struct unix_socket *socket,
		 void (*on_command)(void *ctx, struct control_client *client, const char *command),
		 void *ctx)
{
	*c = (struct control){.socket = *socket, .on_command = on_command, .ctx = ctx};
	*socket = (struct unix_socket){.fd = -1};
	TAILQ_INIT(&c->clients);
	c->ev = evconnlistener_new(base, accept_cb, c, LEV_OPT_CLOSE_ON_EXEC, 0, c->socket.fd);
	if (c->ev)
		return 0;
	socket_close(&c->socket);
	return -ENOMEM;
}

void control_finish(struct control *c)
{
	if (!c->ev)
		return;
	while (TAILQ_FIRST(&c->clients))
		client_free(TAILQ_FIRST(&c->clients));
	evconnlistener_free(c->ev);
	c->ev = NULL;
	socket_close(&c->socket);
}
