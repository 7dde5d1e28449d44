/* SPDX-License-Identifier: MIT */
#ifndef COPROC_PROCFS_H
#define COPROC_PROCFS_H

/*
 * What /proc tells of another process, see proc(5). The descriptors are kept
 * open, so that a look costs one system call; they may be -1, where the kernel or
 * its permissions hide the file, and then nothing is known.
 */

#include "macros.h"

#include <sys/types.h>

/* Returns a close-on-exec descriptor for procfs_is_reading(), -1 without. */
int procfs_open_work(pid_t pid) WARN_UNUSED;

/* Returns a close-on-exec descriptor for procfs_youngest(), -1 without. */
int procfs_open_children(pid_t pid) WARN_UNUSED;

/* Whether the main thread is in read(2) on its stdin: 1 or 0; -1 if that cannot be known. */
int procfs_is_reading(int work_fd);

/* What the main thread has started last and has not ended; 0 if there is none or none known. */
pid_t procfs_youngest(int children_fd);

/* Bytes of memory that are resident, 0 if unknown. */
size_t procfs_rss(pid_t pid);

#endif
