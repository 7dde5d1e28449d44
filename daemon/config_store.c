/* SPDX-License-Identifier: MIT */
#include "config_store.h"

#include "parse.h"
#include "patterns.h"

#include <stdlib.h>
#include <syslog.h>

void *config_keep(struct config *c, void *p)
{
	struct config_store *s = c->store;
	void **kept;

	if (!p)
		return NULL;
	kept = realloc(s->kept, (s->count + 1) * sizeof(*kept));
	if (!kept) {
		free(p);
		return NULL;
	}
	s->kept = kept;
	kept[s->count++] = p;
	return p;
}

struct config *config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->store = calloc(1, sizeof(*c->store));
	if (!c->store) {
		free(c);
		return NULL;
	}
	coproc_options_init(&c->engine);
	c->max_clients = 10000;
	c->client_requests = 64;
	c->client_buffer = 1 << 20;
	c->log_level = LOG_INFO;
	c->uid = (uid_t)-1;
	c->gid = (gid_t)-1;
	return c;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->store->count; i++)
		free(c->store->kept[i]);
	patterns_free(c->forbid);
	parse_words_free(c->store->words);
	free(c->store->env);
	free(c->store->async);
	free(c->store->no_reply);
	free(c->store->kept);
	free(c->store);
	for (size_t i = 0; i < c->listen_count; i++) {
		free(c->listens[i].allow_users);
		free(c->listens[i].allow_groups);
	}
	free(c->listens);
	free(c);
}
