/* SPDX-License-Identifier: MIT */
#include "users.h"

#include "parse.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

int users_find(const char *value, uid_t *uid, gid_t *gid)
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

int users_find_group(const char *value, gid_t *gid)
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
