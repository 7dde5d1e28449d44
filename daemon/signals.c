/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>

static void signal_cb(evutil_socket_t sig, short what UNUSED, void *arg)
{
	struct signals *s = arg;

	if (sig == SIGHUP)
		s->ops->on_reload(s->ctx);
	else if (sig == SIGUSR1)
		s->ops->on_stats(s->ctx);
	else if (sig == SIGUSR2)
		s->ops->on_upgrade(s->ctx);
	else
		s->ops->on_stop(s->ctx, (int)sig);
}

int signals_init(struct signals *s, struct event_base *base, const struct signals_ops *ops,
		 void *ctx)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

	*s = (struct signals){.ops = ops, .ctx = ctx};
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		s->events[i] = evsignal_new(base, numbers[i], signal_cb, s);
		if (!s->events[i] || event_add(s->events[i], NULL))
			return -ENOMEM;
	}
	return 0;
}

void signals_finish(struct signals *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->events); i++) {
		if (s->events[i])
			event_free(s->events[i]);
		s->events[i] = NULL;
	}
}
