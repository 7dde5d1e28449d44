/* SPDX-License-Identifier: MIT */
#include "probe_look.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The line of /proc/PID/stat behind the name, which may hold anything; "" if there is none. */
static const char *read_stat(const char *pid, char *dst, size_t size)
{
	char path[300];
	const char *name_end;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return "";
	n = fread(dst, 1, size - 1, file);
	fclose(file);
	dst[n] = '\0';
	name_end = strrchr(dst, ')');
	return name_end ? name_end + 1 : "";
}

static void add_process(struct probe_look *look, const char *stat, pid_t wanted)
{
	unsigned long user, system;
	char state;
	int session;
	long pages;

	if (sscanf(stat,
		   " %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
		   "%*d %*d %*u %*u %ld",
		   &state, &session, &user, &system, &pages) != 5 ||
	    session != (int)wanted || state == 'Z')
		return;
	look->processes++;
	look->cpu_ticks += user + system;
	look->rss += (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
	look->working |= state == 'R' || state == 'D';
}

struct probe_look probe_look(pid_t session)
{
	struct probe_look look = {0};
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char stat[1024];

	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			add_process(&look, read_stat(entry->d_name, stat, sizeof(stat)), session);
	if (proc)
		closedir(proc);
	return look;
}
