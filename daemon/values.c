/* SPDX-License-Identifier: MIT */
#include "values.h"

#include "framing.h"
#include "greeting.h"
#include "marker.h"
#include "parse.h"
#include "parse_listen.h"
#include "patterns.h"
#include "users.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- scalar values ---- */

static void *member(struct config *c, const struct option_row *row)
{
	return (char *)c + row->offset;
}

static int refuse(const struct option_row *row, char *why, size_t size, const char *what)
{
	snprintf(why, size, "%s; allowed are %s", what, row->doc.range);
	return -EINVAL;
}

static int set_duration(struct config *c, const struct option_row *row, const char *value,
			char *why, size_t size)
{
	int64_t ms;
	uint64_t bare;
	int rc = parse_duration_ms(value, &ms);

	if (rc == -EINVAL && parse_count(value, &bare) == 0)
		return refuse(row, why, size, "has no unit (ms, s, m, h)");
	if (rc == -EINVAL)
		return refuse(row, why, size, "is no duration");
	if (rc || ms < row->min || ms > row->max)
		return refuse(row, why, size, "is out of range");
	*(int64_t *)member(c, row) = ms;
	return 0;
}

static int set_size(struct config *c, const struct option_row *row, const char *value, char *why,
		    size_t size)
{
	size_t n;
	int rc = parse_size(value, &n);

	if (rc == -EINVAL)
		return refuse(row, why, size, "is no size (digits, then K, M or G)");
	if (rc || n < (size_t)row->min || n > (size_t)row->max)
		return refuse(row, why, size, "is out of range");
	*(size_t *)member(c, row) = n;
	return 0;
}

static int set_count(struct config *c, const struct option_row *row, const char *value, char *why,
		     size_t size)
{
	uint64_t n;
	int rc = parse_count(value, &n);

	if (rc == -EINVAL)
		return refuse(row, why, size, "is no number");
	if (rc || n < (uint64_t)row->min || n > (uint64_t)row->max)
		return refuse(row, why, size, "is out of range");
	*(unsigned *)member(c, row) = (unsigned)n;
	return 0;
}

static int set_window(struct config *c, const struct option_row *row, const char *value, char *why,
		      size_t size)
{
	if (strcmp(value, "auto") != 0)
		return set_count(c, row, value, why, size);
	*(unsigned *)member(c, row) = COPROC_WINDOW_AUTO;
	return 0;
}

static int set_bool(struct config *c, const struct option_row *row, const char *value, char *why,
		    size_t size)
{
	if (parse_bool(value, member(c, row)))
		return refuse(row, why, size, "is neither");
	return 0;
}

static int set_choice(struct config *c, const struct option_row *row, const char *value, char *why,
		      size_t size)
{
	for (int i = 0; row->choices[i]; i++) {
		if (!strcmp(value, row->choices[i])) {
			*(int *)member(c, row) = (int)row->min + i;
			return 0;
		}
	}
	return refuse(row, why, size, "is none of them");
}

static int set_text(struct config *c, const struct option_row *row, const char *value, char *why,
		    size_t size)
{
	if (!*value)
		return refuse(row, why, size, "is empty");
	*(char **)member(c, row) = config_keep(c, strdup(value));
	return *(char **)member(c, row) ? 0 : -ENOMEM;
}

static int set_framing(struct config *c, const struct option_row *row, const char *value, char *why,
		       size_t size)
{
	struct framing_spec spec;
	int rc = framing_spec_parse(value, &spec, why, size);

	if (rc)
		return rc;
	framing_spec_finish(&spec);
	return set_text(c, row, value, why, size);
}

static int set_end(struct config *c, const struct option_row *row, const char *value, char *why,
		   size_t size)
{
	bool strip = !strcmp(value, "strip");

	if (!strip && strcmp(value, "keep") != 0)
		return refuse(row, why, size, "is neither");
	*(bool *)member(c, row) = strip;
	return 0;
}

static int set_health(struct config *c, const struct option_row *row, const char *value, char *why,
		      size_t size)
{
	const char *arrow = strstr(value, "=>");
	struct marker m = {0};
	int rc;

	if (!arrow || arrow == value)
		return refuse(row, why, size, "lacks REQUEST or =>");
	rc = marker_parse(value, strlen(value), &m);
	marker_finish(&m);
	if (rc == -EINVAL)
		return refuse(row, why, size, "has an unknown escape");
	return rc ? rc : set_text(c, row, value, why, size);
}

static int set_banner(struct config *c, const struct option_row *row, const char *value, char *why,
		      size_t size)
{
	struct greeting_spec spec;

	if (greeting_spec_parse(value, NULL, &spec))
		return refuse(row, why, size, "is no greeting");
	greeting_spec_finish(&spec);
	return set_text(c, row, value, why, size);
}

/* That `banner` needs a banner is seen when all options are known. */
static int set_ready(struct config *c, const struct option_row *row, const char *value, char *why,
		     size_t size)
{
	struct greeting_spec spec;

	if (greeting_spec_parse("lines:1", value, &spec))
		return refuse(row, why, size, "is no proof of readiness");
	greeting_spec_finish(&spec);
	return set_text(c, row, value, why, size);
}

/* The bytes, and their number in the member behind the pointer. */
static int set_bytes(struct config *c, const struct option_row *row, const char *value, char *why,
		     size_t size)
{
	char *bytes = config_keep(c, malloc(strlen(value) + 1));
	struct {
		const char *bytes;
		size_t len;
	} *to = member(c, row);
	size_t len;

	if (!bytes)
		return -ENOMEM;
	if (parse_escapes(value, bytes, &len))
		return refuse(row, why, size, "has an unknown escape");
	to->bytes = bytes;
	to->len = len;
	return 0;
}

/* ---- lists ---- */

static int add_env(struct config *c, const struct option_row *row, const char *value, char *why,
		   size_t size)
{
	struct config_store *s = c->store;
	const char *equals = strchr(value, '=');
	char **env;

	if (!equals || equals == value)
		return refuse(row, why, size, "has no name or no \"=\"");
	env = realloc(s->env, (s->env_count + 2) * sizeof(*env));
	if (!env)
		return -ENOMEM;
	s->env = env;
	c->engine.env = env;
	env[s->env_count] = config_keep(c, strdup(value));
	if (!env[s->env_count])
		return -ENOMEM;
	env[++s->env_count] = NULL;
	return 0;
}

/* Append a regular expression to a NULL-terminated list, once it is known to be one. */
static int add_checked(struct config *c, char ***list, const struct option_row *row,
		       const char *value, char *why, size_t size)
{
	struct patterns *scratch = NULL;
	size_t n = 0;
	char **longer;
	int rc;

	if (!*value)
		return refuse(row, why, size, "is empty and would match everything");
	rc = patterns_add(&scratch, value, why, size);
	patterns_free(scratch);
	while (*list && (*list)[n])
		n++;
	longer = rc ? NULL : realloc(*list, (n + 2) * sizeof(*longer));
	if (!longer)
		return rc ? rc : -ENOMEM;
	*list = longer;
	longer[n + 1] = NULL;
	longer[n] = config_keep(c, strdup(value));
	*(char *const **)member(c, row) = longer;
	return longer[n] ? 0 : -ENOMEM;
}

static int add_async(struct config *c, const struct option_row *row, const char *value, char *why,
		     size_t size)
{
	return add_checked(c, &c->store->async, row, value, why, size);
}

static int add_no_reply(struct config *c, const struct option_row *row, const char *value,
			char *why, size_t size)
{
	return add_checked(c, &c->store->no_reply, row, value, why, size);
}

static int set_words(struct config *c, char **words)
{
	parse_words_free(c->store->words);
	c->store->words = words;
	c->engine.argv = words;
	return 0;
}

static int set_command(struct config *c, const struct option_row *row, const char *value, char *why,
		       size_t size)
{
	char **words;
	int rc = parse_words(value, &words);

	if (rc == -EINVAL)
		return refuse(row, why, size, "has an open quote or a backslash at its end");
	if (rc)
		return rc;
	if (!words[0] || !*words[0]) {
		rc = refuse(row, why, size, words[0] ? "names no program" : "is empty");
		parse_words_free(words);
		return rc;
	}
	return set_words(c, words);
}

int value_set_command(struct config *c, char *const *words)
{
	size_t n = 0;
	char **copy;

	while (words[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(words[i]);
		if (!copy[i]) {
			parse_words_free(copy);
			return -ENOMEM;
		}
	}
	return set_words(c, copy);
}

static int add_pattern(struct config *c, const struct option_row *row, const char *value, char *why,
		       size_t size)
{
	char *text;

	if (!*value)
		return refuse(row, why, size, "is empty and would match everything");
	text = config_keep(c, strdup(value));
	return text ? patterns_add(&c->forbid, text, why, size) : -ENOMEM;
}

const char *config_forbidden(const struct config *c, const char *bytes, size_t len)
{
	return patterns_match(c->forbid, bytes, len);
}

/* ---- users ---- */

static int set_user(struct config *c, const struct option_row *row, const char *value, char *why,
		    size_t size)
{
	gid_t gid = (gid_t)-1;

	if (users_find(value, &c->uid, &gid))
		return refuse(row, why, size, "is no user of this machine");
	if (!c->group)
		c->gid = gid;
	c->user = config_keep(c, strdup(value));
	return c->user ? 0 : -ENOMEM;
}

static int set_group(struct config *c, const struct option_row *row, const char *value, char *why,
		     size_t size)
{
	if (users_find_group(value, &c->gid))
		return refuse(row, why, size, "is no group of this machine");
	c->group = config_keep(c, strdup(value));
	return c->group ? 0 : -ENOMEM;
}

static int set_coprocess_user(struct config *c, const struct option_row *row, const char *value,
			      char *why, size_t size)
{
	if (!getpwnam(value))
		return refuse(row, why, size, "is no user of this machine");
	return set_text(c, row, value, why, size);
}

/* ---- listen ---- */

/* Returns what is wrong, NULL if the socket is not named yet. */
static const char *find_twin(const struct config *c, const struct config_listen *l)
{
	for (size_t i = 0; i < c->listen_count; i++) {
		const struct config_listen *other = &c->listens[i];
		const char *a = l->path ? l->path : l->fd_name;
		const char *b = l->path ? other->path : other->fd_name;

		if (b && !strcmp(a, b))
			return "is given twice";
	}
	if (l->path && c->control.path && !strcmp(c->control.path, l->path))
		return "is the control socket";
	return NULL;
}

/* *@l is to be freed by its owner also after a fault. */
static int read_listen(struct config *c, const struct option_row *row, const char *value,
		       struct config_listen *l, char *why, size_t size)
{
	char *text = config_keep(c, strdup(value));
	const char *fault;

	if (!text)
		return -ENOMEM;
	fault = parse_listen(text, l);
	if (!fault)
		fault = find_twin(c, l);
	return fault ? refuse(row, why, size, fault) : 0;
}

static int add_listen(struct config *c, const struct option_row *row, const char *value, char *why,
		      size_t size)
{
	struct config_listen l = {.mode = 0660, .owner = (uid_t)-1, .group = (gid_t)-1};
	struct config_listen *list = realloc(c->listens, (c->listen_count + 1) * sizeof(*list));
	int rc;

	if (!list)
		return -ENOMEM;
	c->listens = list;
	rc = read_listen(c, row, value, &l, why, size);
	list[c->listen_count++] = l; /* also a bad one, which config_free() is to free */
	return rc;
}

static int set_control(struct config *c, const struct option_row *row, const char *value, char *why,
		       size_t size)
{
	struct config_listen l = {.mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1};
	int rc = read_listen(c, row, value, &l, why, size);

	if (!rc && (!l.path || l.allow_users || l.allow_groups || l.replies != REPLIES_PLAIN ||
		    l.request.kind != CUT_LINE))
		rc = refuse(row, why, size, "has more than a path, mode, owner and group");
	free(l.allow_users);
	free(l.allow_groups);
	l.allow_users = NULL;
	l.allow_groups = NULL;
	c->control = l;
	return rc;
}

int value_set(struct config *c, const struct option_row *row, const char *value, char *why,
	      size_t size)
{
	typedef int (*setter)(struct config *, const struct option_row *, const char *, char *,
			      size_t);
	static const setter setters[] = {
	    [OPTION_DURATION] = set_duration,
	    [OPTION_SIZE] = set_size,
	    [OPTION_COUNT] = set_count,
	    [OPTION_WINDOW] = set_window,
	    [OPTION_BOOL] = set_bool,
	    [OPTION_CHOICE] = set_choice,
	    [OPTION_TEXT] = set_text,
	    [OPTION_BANNER] = set_banner,
	    [OPTION_READY] = set_ready,
	    [OPTION_FRAMING] = set_framing,
	    [OPTION_BYTES] = set_bytes,
	    [OPTION_ENV] = add_env,
	    [OPTION_COMMAND] = set_command,
	    [OPTION_LISTEN] = add_listen,
	    [OPTION_CONTROL] = set_control,
	    [OPTION_ASYNC] = add_async,
	    [OPTION_NO_REPLY] = add_no_reply,
	    [OPTION_END] = set_end,
	    [OPTION_HEALTH] = set_health,
	    [OPTION_FORBID] = add_pattern,
	    [OPTION_USER] = set_user,
	    [OPTION_GROUP] = set_group,
	    [OPTION_COPROCESS_USER] = set_coprocess_user,
	};
	int rc = setters[row->type](c, row, value, why, size);

	if (rc == -ENOMEM)
		snprintf(why, size, "out of memory");
	return rc;
}
