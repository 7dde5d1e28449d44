/* SPDX-License-Identifier: MIT */
#include "parse_listen.h"

#include "users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

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
	if (users_find(value, &users[l->allow_user_count], &ignored))
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
	if (users_find_group(value, &groups[l->allow_group_count]))
		return "allow-group is no group here";
	l->allow_group_count++;
	return NULL;
}

/* One ",key=value" of a listen line; NULL if good, else what is wrong. */
static const char *listen_detail(struct config_listen *l, const char *key, char *value)
{
	gid_t ignored;

	if (!strcmp(key, "replies") && !strcmp(value, "plain"))
		l->replies = REPLIES_PLAIN;
	else if (!strcmp(key, "replies") && !strcmp(value, "status"))
		l->replies = REPLIES_STATUS;
	else if (!strcmp(key, "replies"))
		return "replies is neither plain nor status";
	else if (!strcmp(key, "request"))
		return cut_parse(value, &l->request);
	else if (!strcmp(key, "allow-user"))
		return allow_user(l, value);
	else if (!strcmp(key, "allow-group"))
		return allow_group(l, value);
	else if (!l->path)
		return "fd:NAME takes no detail but replies, request, allow-user and allow-group";
	else if (!strcmp(key, "mode"))
		return parse_mode(value, &l->mode) ? "mode is not octal up to 0777" : NULL;
	else if (!strcmp(key, "owner"))
		return users_find(value, &l->owner, &ignored) ? "owner is no user here" : NULL;
	else if (!strcmp(key, "group"))
		return users_find_group(value, &l->group) ? "group is no group here" : NULL;
	else
		return "has an unknown detail (mode, owner, group, replies, request, "
		       "allow-user, allow-group)";
	return NULL;
}

/* Note that @key is given; true if it was before and may stand only once. */
static bool is_repeated(const char *key, unsigned *seen)
{
	static const char *const once[] = {"mode", "owner", "group", "replies", "request"};

	for (unsigned i = 0; i < ARRAY_SIZE(once); i++) {
		unsigned bit = 1U << i, before = *seen;

		if (strcmp(key, once[i]) != 0)
			continue;
		*seen |= bit;
		return before & bit;
	}
	return false;
}

/* The details behind the first comma; @text is cut to pieces. */
static const char *listen_details(struct config_listen *l, char *text)
{
	const char *fault = NULL;
	unsigned seen = 0;
	char *word;

	while (!fault && (word = strsep(&text, ","))) {
		char *equals = strchr(word, '=');

		if (!equals)
			return "has a detail without \"=\"";
		*equals = '\0';
		fault = is_repeated(word, &seen) ? "has a detail twice"
						 : listen_detail(l, word, equals + 1);
	}
	return fault;
}

const char *parse_listen(char *text, struct config_listen *l)
{
	char *comma = strchr(text, ',');

	if (comma)
		*comma = '\0';
	if (!strncmp(text, "fd:", 3))
		l->fd_name = text + 3;
	else
		l->path = text;
	if (!*(l->path ? l->path : l->fd_name))
		return "is empty";
	if (l->path && strlen(l->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return "is longer than the 107 bytes that a socket's path may have";
	return comma ? listen_details(l, comma + 1) : NULL;
}
