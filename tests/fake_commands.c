/* SPDX-License-Identifier: MIT */
#include "fake_commands.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void fake_sleep_ms(long ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (ms > 0 && nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

void fake_write(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

void fake_put_line(int fd, const char *bytes, size_t len)
{
	char *line = malloc(len + 1);

	if (!line)
		abort();
	memcpy(line, bytes, len);
	line[len] = '\n';
	fake_write(fd, line, len + 1);
	free(line);
}

static void reply(const char *text)
{
	fake_put_line(STDOUT_FILENO, text, strlen(text));
}

__attribute__((format(printf, 1, 2))) static void replyf(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	reply(text);
	free(text);
}

_Noreturn void fake_idle(void)
{
	for (;;)
		pause();
}

/* The number at the front of @args, which is moved behind it and one blank. */
static long take_number(const char **args)
{
	char *end;
	long n = strtol(*args, &end, 10);

	*args = *end == ' ' ? end + 1 : end;
	return n;
}

static void cmd_sleep(const char *args)
{
	fake_sleep_ms(take_number(&args));
	reply(args);
}

static void cmd_twice(const char *text)
{
	replyf("%s\n%s", text, text);
}

static void cmd_none(const char *args)
{
	(void)args;
}

static void cmd_surplus(const char *args)
{
	long ms = take_number(&args);

	reply(args);
	fake_sleep_ms(ms);
	replyf("surplus %s", args);
}

static void cmd_die(const char *args)
{
	_exit((int)take_number(&args));
}

static void cmd_kill(const char *args)
{
	raise((int)take_number(&args));
	reply("ok");
}

static void cmd_partial(const char *text)
{
	fake_write(STDOUT_FILENO, text, strlen(text));
	_exit(3);
}

static void cmd_hang(const char *args)
{
	(void)args;
	fake_idle();
}

static void cmd_spin(const char *args)
{
	volatile unsigned turns = 0;

	(void)args;
	for (;;)
		turns = turns + 1;
}

static void cmd_big(const char *args)
{
	size_t len = (size_t)take_number(&args);
	char *text = malloc(len + 1);

	if (!text)
		abort();
	memset(text, 'x', len);
	fake_put_line(STDOUT_FILENO, text, len);
	free(text);
}

static void cmd_stderr(const char *text)
{
	fake_put_line(STDERR_FILENO, text, strlen(text));
	reply("ok");
}

static void cmd_stderrflood(const char *args)
{
	long lines = take_number(&args);
	char text[64];

	for (long i = 1; i <= lines; i++)
		fake_put_line(STDERR_FILENO, text,
			      (size_t)snprintf(text, sizeof(text), "line %ld of %ld", i, lines));
	reply("ok");
}

static void cmd_closestdout(const char *text)
{
	if (*text)
		reply(text);
	close(STDOUT_FILENO);
}

static void cmd_closestdin(const char *text)
{
	close(STDIN_FILENO);
	if (*text)
		reply(text);
	fake_idle();
}

static void cmd_env(const char *name)
{
	const char *value = getenv(name);

	reply(value ? value : "(unset)");
}

static void cmd_pid(const char *args)
{
	(void)args;
	replyf("%d", (int)getpid());
}

static void cmd_cwd(const char *args)
{
	char path[4096];

	(void)args;
	reply(getcwd(path, sizeof(path)) ? path : strerror(errno));
}

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void cmd_id(const char *args)
{
	gid_t groups[256];
	int count = getgroups(256, groups);
	char list[4096] = "";
	size_t len = 0;

	(void)args;
	for (int i = 0; i < count; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%u", i ? "," : "",
					(unsigned)groups[i]);
	replyf("uid=%u gid=%u groups=%s sid=%d pgid=%d pid=%d ctty=%s stdout-tty=%s",
	       (unsigned)getuid(), (unsigned)getgid(), list, (int)getsid(0), (int)getpgid(0),
	       (int)getpid(), has_terminal() ? "yes" : "no", isatty(STDOUT_FILENO) ? "yes" : "no");
}

static void cmd_fds(const char *args)
{
	DIR *dir = opendir("/proc/self/fd");
	char list[4096] = "";
	size_t len = 0;
	unsigned count = 0;

	(void)args;
	for (struct dirent *e; dir && (e = readdir(dir));) {
		int fd = atoi(e->d_name);

		if (fd <= 2 || fd == dirfd(dir) || len > sizeof(list) - 16)
			continue;
		len += (size_t)snprintf(list + len, sizeof(list) - len, " %d", fd);
		count++;
	}
	if (dir)
		closedir(dir);
	replyf("%u%s", count, list);
}

static void put_pieces(const char *text, size_t piece, long pause_ms)
{
	size_t len = strlen(text);

	for (size_t off = 0; off < len; off += piece) {
		fake_write(STDOUT_FILENO, text + off, len - off < piece ? len - off : piece);
		fake_sleep_ms(pause_ms);
	}
	fake_write(STDOUT_FILENO, "\n", 1);
}

/* The blocked and the ignored signals, as /proc shows them. */
static void cmd_signals(const char *args)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256], blocked[32] = "?", ignored[32] = "?";

	(void)args;
	while (status && fgets(line, sizeof(line), status)) {
		sscanf(line, "SigBlk: %31s", blocked);
		sscanf(line, "SigIgn: %31s", ignored);
	}
	if (status)
		fclose(status);
	replyf("blocked=%s ignored=%s", blocked, ignored);
}

static void cmd_slowly(const char *args)
{
	long piece = take_number(&args);

	put_pieces(args, piece > 0 ? (size_t)piece : 1, 1);
}

static void cmd_split(const char *text)
{
	put_pieces(text, 1, 0);
}

static const struct {
	const char *name;
	void (*run)(const char *args);
} commands[] = {
    {"big", cmd_big},
    {"closestdin", cmd_closestdin},
    {"closestdout", cmd_closestdout},
    {"cwd", cmd_cwd},
    {"die", cmd_die},
    {"env", cmd_env},
    {"fds", cmd_fds},
    {"hang", cmd_hang},
    {"id", cmd_id},
    {"kill", cmd_kill},
    {"none", cmd_none},
    {"partial", cmd_partial},
    {"pid", cmd_pid},
    {"signals", cmd_signals},
    {"sleep", cmd_sleep},
    {"slowly", cmd_slowly},
    {"spin", cmd_spin},
    {"split", cmd_split},
    {"stderr", cmd_stderr},
    {"stderrflood", cmd_stderrflood},
    {"surplus", cmd_surplus},
    {"twice", cmd_twice},
};

void fake_command(const char *line)
{
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strlen(commands[i].name) == len && !strncmp(commands[i].name, line, len)) {
			commands[i].run(line[len] ? line + len + 1 : line + len);
			return;
		}
	}
	replyf("error: fake_coproc knows no command \"!%.200s\"", line);
}
