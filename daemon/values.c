/* SPDX-License-Identifier: MIT */
#include "values.h"

#include "forbid.h"
#include "framing.h"
#include "greeting.h"
#include "parse.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>

/* ---- memory ---- */

void *value_keep(struct config *c, void *p)
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
	forbid_free(c->forbid);
	parse_words_free(c->store->words);
	free(c->store->env);
	free(c->store->kept);
	free(c->store);
	for (size_t i = 0; i < c->listen_count; i++) {
		free(c->listens[i].allow_users);
		free(c->listens[i].allow_groups);
	}
	free(c->listens);
	free(c);
}

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
	*(char **)member(c, row) = value_keep(c, strdup(value));
	return *(char **)member(c, row) ? 0 : -ENOMEM;
}

static int set_framing(struct config *c, const struct option_row *row, const char *value, char *why,
		       size_t size)
{
	struct framing_spec spec;

	if (framing_spec_parse(value, &spec)) {
		snprintf(why, size, "is no framing; allowed is %s", framing_allowed());
		return -EINVAL;
	}
	return set_text(c, row, value, why, size);
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
	char *bytes = value_keep(c, malloc(strlen(value) + 1));
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
	env[s->env_count] = value_keep(c, strdup(value));
	if (!env[s->env_count])
		return -ENOMEM;
	env[++s->env_count] = NULL;
	return 0;
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
	if (!words[0]) {
		parse_words_free(words);
		return refuse(row, why, size, "is empty");
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
	text = value_keep(c, strdup(value));
	return text ? forbid_add(&c->forbid, text, why, size) : -ENOMEM;
}

const char *config_forbidden(const struct config *c, const char *bytes, size_t len)
{
	return forbid_match(c->forbid, bytes, len);
}

/* ---- users ---- */

/* *@gid is the group of a user that the machine knows, else untouched. */
static int find_user(const char *value, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw = getpwnam(value);
	uint64_t n;

	if (!pw) {
		if (parse_count(value, &n) || n >= UINT32_MAX)
			return -ENOENT;
		*uid = (uid_t)n;
		pw = getpwuid(*uid);
	}
	if (pw) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	}
	return 0;
}

static int find_group(const char *value, gid_t *gid)
{
	const struct group *gr = getgrnam(value);
	uint64_t n;

	if (gr) {
		*gid = gr->gr_gid;
		return 0;
	}
	if (parse_count(value, &n) || n >= UINT32_MAX)
		return -ENOENT;
	*gid = (gid_t)n;
	return 0;
}

static int set_user(struct config *c, const struct option_row *row, const char *value, char *why,
		    size_t size)
{
	gid_t gid = (gid_t)-1;

	if (find_user(value, &c->uid, &gid))
		return refuse(row, why, size, "is no user of this machine");
	if (!c->group)
		c->gid = gid;
	c->user = value_keep(c, strdup(value));
	return c->user ? 0 : -ENOMEM;
}

static int set_group(struct config *c, const struct option_row *row, const char *value, char *why,
		     size_t size)
{
	if (find_group(value, &c->gid))
		return refuse(row, why, size, "is no group of this machine");
	c->group = value_keep(c, strdup(value));
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

static int parse_mode(const char *text, mode_t *out)
{
	size_t digits = strspn(text, "01234567");
	unsigned long n = strtoul(text, NULL, 8);

	if (!digits || text[digits] || n > 0777)
		return -EINVAL;
	*out = (mode_t)n;
	return 0;
}

static const char *allow_user(struct config_listen *l, const char *value)
{
	uid_t *users = realloc(l->allow_users, (l->allow_user_count + 1) * sizeof(*users));
	gid_t ignored;

	if (!users)
		return "is too much for the memory";
	l->allow_users = users;
	if (find_user(value, &users[l->allow_user_count], &ignored))
		return "allow-user is no user here";
	l->allow_user_count++;
	return NULL;
}

static const char *allow_group(struct config_listen *l, const char *value)
{
	gid_t *groups = realloc(l->allow_groups, (l->allow_group_count + 1) * sizeof(*groups));

	if (!groups)
		return "is too much for the memory";
	l->allow_groups = groups;
	if (find_group(value, &groups[l->allow_group_count]))
		return "allow-group is no group here";
	l->allow_group_count++;
	return NULL;
}

/* One ",key=value" of a listen line; NULL if good, else what is wrong. */
static const char *listen_detail(struct config_listen *l, const char *key, const char *value)
{
	gid_t ignored;

	if (!strcmp(key, "replies") && !strcmp(value, "plain"))
		l->replies = REPLIES_PLAIN;
	else if (!strcmp(key, "replies") && !strcmp(value, "status"))
		l->replies = REPLIES_STATUS;
	else if (!strcmp(key, "replies"))
		return "replies is neither plain nor status";
	else if (!strcmp(key, "allow-user"))
		return allow_user(l, value);
	else if (!strcmp(key, "allow-group"))
		return allow_group(l, value);
	else if (!l->path)
		return "fd:NAME takes no detail but replies, allow-user and allow-group";
	else if (!strcmp(key, "mode"))
		return parse_mode(value, &l->mode) ? "mode is not octal up to 0777" : NULL;
	else if (!strcmp(key, "owner"))
		return find_user(value, &l->owner, &ignored) ? "owner is no user here" : NULL;
	else if (!strcmp(key, "group"))
		return find_group(value, &l->group) ? "group is no group here" : NULL;
	else
		return "has an unknown detail (mode, owner, group, replies, allow-user, "
		       "allow-group)";
	return NULL;
}

/* The details behind the first comma; @text is cut to pieces. */
static const char *listen_details(struct config_listen *l, char *text)
{
	const char *fault = NULL;
	char *word;

	while (!fault && (word = strsep(&text, ","))) {
		char *equals = strchr(word, '=');

		if (!equals)
			return "has a detail without \"=\"";
		*equals = '\0';
		fault = listen_detail(l, word, equals + 1);
	}
	return fault;
}

static const char *listen_fault(const struct config *c, const struct config_listen *l)
{
	const char *name = l->path ? l->path : l->fd_name;

	if (!*name)
		return "is empty";
	if (l->path && strlen(l->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return "is longer than the 107 bytes that a socket's path may have";
	for (size_t i = 0; i < c->listen_count; i++) {
		const struct config_listen *other = &c->listens[i];
		const char *taken = l->path ? other->path : other->fd_name;

		if (taken && !strcmp(taken, name))
			return "is given twice";
	}
	if (l->path && c->control.path && !strcmp(c->control.path, l->path))
		return "is the control socket";
	return NULL;
}

/* PATH or fd:NAME and details; *@l is to be freed by its owner also after a fault. */
static int parse_listen(struct config *c, const struct option_row *row, const char *value,
			struct config_listen *l, char *why, size_t size)
{
	char *text = value_keep(c, strdup(value)), *comma;
	const char *fault;

	if (!text)
		return -ENOMEM;
	comma = strchr(text, ',');
	if (comma)
		*comma = '\0';
	if (!strncmp(text, "fd:", 3))
		l->fd_name = text + 3;
	else
		l->path = text;
	fault = listen_fault(c, l);
	if (!fault && comma)
		fault = listen_details(l, comma + 1);
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
	rc = parse_listen(c, row, value, &l, why, size);
	list[c->listen_count++] = l; /* also a bad one, which config_free() is to free */
	return rc;
}

static int set_control(struct config *c, const struct option_row *row, const char *value, char *why,
		       size_t size)
{
	struct config_listen l = {.mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1};
	int rc = parse_listen(c, row, value, &l, why, size);

	if (!rc && (!l.path || l.allow_users || l.allow_groups || l.replies != REPLIES_PLAIN))
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
	    [OPTION_DURATION] = set_duration, [OPTION_SIZE] = set_size,
	    [OPTION_COUNT] = set_count,       [OPTION_BOOL] = set_bool,
	    [OPTION_CHOICE] = set_choice,     [OPTION_TEXT] = set_text,
	    [OPTION_BANNER] = set_banner,     [OPTION_READY] = set_ready,
	    [OPTION_FRAMING] = set_framing,   [OPTION_BYTES] = set_bytes,
	    [OPTION_ENV] = add_env,           [OPTION_COMMAND] = set_command,
	    [OPTION_LISTEN] = add_listen,     [OPTION_CONTROL] = set_control,
	    [OPTION_FORBID] = add_pattern,    [OPTION_USER] = set_user,
	    [OPTION_GROUP] = set_group,       [OPTION_COPROCESS_USER] = set_coprocess_user,
	};
	int rc = setters[row->type](c, row, value, why, size);

	if (rc == -ENOMEM)
		snprintf(why, size, "out of memory");
	return rc;
}
