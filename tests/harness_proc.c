/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

long proc_status(pid_t pid, const char *key)
{
	char path[64], line[256];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = atol(line + strlen(key) + 1);
	if (f)
		fclose(f);
	return value;
}

bool rig_memory_counts(const struct rig *r)
{
	return r->factor == 1 && proc_status(r->pid, "VmSize") < 1L << 30;
}

/* The fields of /proc/PID/stat behind the name. Returns false if there is no such process. */
static bool read_stat(pid_t pid, char *state, int *parent, unsigned long *ticks)
{
	char path[64], text[1024];
	unsigned long user = 0, system = 0;
	const char *rest;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest, ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", state,
			    parent, &user, &system) < 2)
		return false;
	*ticks = user + system;
	return true;
}

long proc_cpu_ms(pid_t pid)
{
	unsigned long ticks = 0;
	int parent;
	char state;

	if (!read_stat(pid, &state, &parent, &ticks))
		return -1;
	return (long)ticks * 1000 / sysconf(_SC_CLK_TCK);
}

unsigned proc_each_child(pid_t pid, char wanted, void (*fn)(pid_t child))
{
	DIR *dir = opendir("/proc");
	unsigned n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		unsigned long ticks;
		int child = atoi(e->d_name), parent;
		char state;

		if (child <= 0 || !read_stat(child, &state, &parent, &ticks) || parent != pid)
			continue;
		if (wanted && state != wanted)
			continue;
		n++;
		if (fn)
			fn(child);
	}
	if (dir)
		closedir(dir);
	return n;
}

unsigned proc_children(pid_t pid, char state)
{
	return proc_each_child(pid, state, NULL);
}

unsigned proc_fds(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));)
		n += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}
