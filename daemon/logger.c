/* SPDX-License-Identifier: MIT */
#include "logger.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void to_stderr(int level, const char *line)
{
	static const char *const names[] = {"emergency", "alert",  "critical", "error",
					    "warning",   "notice", "info",     "debug"};
	struct timespec now;
	struct tm tm;
	char stamp[32];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(stderr, "%s.%03ld coprocd %s: %s\n", stamp, now.tv_nsec / 1000000, names[level & 7],
		line);
}

static void to_journal(int level, const char *line)
{
	fprintf(stderr, "<%d>%s\n", level & 7, line);
}

static void to_syslog(int level, const char *line)
{
	syslog(level, "%s", line);
}

/* Whether stderr is the very stream that systemd says leads to the journal. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void logger_init(enum config_log_target target, int level, bool detached)
{
	log_set_level(level);
	if (target == LOG_TARGET_AUTO)
		target = detached              ? LOG_TARGET_SYSLOG
			 : stderr_is_journal() ? LOG_TARGET_JOURNAL
					       : LOG_TARGET_STDERR;
	switch (target) {
	case LOG_TARGET_SYSLOG:
		openlog("coprocd", LOG_PID, LOG_DAEMON);
		log_set_handler(to_syslog);
		break;
	case LOG_TARGET_JOURNAL:
		log_set_handler(to_journal);
		break;
	case LOG_TARGET_STDERR:
	case LOG_TARGET_AUTO:
		log_set_handler(to_stderr);
		break;
	}
}
