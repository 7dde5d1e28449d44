/* SPDX-License-Identifier: MIT */
#include "procfs.h"

#include "fd.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int procfs_open_work(pid_t pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int procfs_open_children(pid_t pid)
{
	char path[60];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Read from the start into @text of @size bytes and end it. Returns its length, 0 without. */
static size_t look(int fd, char *text, size_t size)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, text, size - 1, 0);
	size_t len = n > 0 ? (size_t)n : 0;

	text[len] = '\0';
	return len;
}

/* "NUMBER ARGUMENT..." while it is in a system call, "running" while it is not. */
int procfs_is_reading(int work_fd)
{
	char text[64], *end;

	if (!look(work_fd, text, sizeof(text)))
		return -1;
	if (strtol(text, &end, 10) != SYS_read || end == text)
		return 0;
	return strtol(end, NULL, 16) == 0;
}

/* Whether it has ended, be it that nobody has asked for its status yet. */
static bool has_ended(pid_t pid)
{
	char path[40], text[64]; /* "17 (NAME) S ...", NAME being any 15 bytes */
	const char *paren;
	size_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = look(fd, text, sizeof(text));
	fd_close(&fd);
	paren = strrchr(text, ')');
	return !len || (paren && (!strncmp(paren, ") Z", 3) || !strncmp(paren, ") X", 3)));
}

/* "17 18 19 ", the oldest first. */
pid_t procfs_youngest(int children_fd)
{
	char text[4096];
	size_t len = look(children_fd, text, sizeof(text));

	while (len) {
		pid_t pid;

		text[--len] = '\0'; /* the space behind a number */
		while (len && text[len - 1] != ' ')
			len--;
		pid = (pid_t)strtol(text + len, NULL, 10);
		if (!has_ended(pid))
			return pid;
	}
	return 0;
}

size_t procfs_rss(pid_t pid)
{
	unsigned long pages = 0;
	char path[40];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}
