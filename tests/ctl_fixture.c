/* SPDX-License-Identifier: MIT */
#include "ctl_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGS = 16, PATIENCE_SECONDS = 60 };

/* ---- the server ---- */

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 16))
		fail_msg("no listening socket");
	return fd;
}

/* Read until @lines newlines or, with 0, the end of the input. */
static void swallow(int fd, unsigned lines)
{
	unsigned seen = 0;
	char byte;

	while ((!lines || seen < lines) && read(fd, &byte, 1) == 1)
		seen += byte == '\n';
}

static void say(int fd, const char *text, size_t piece)
{
	size_t len = strlen(text);

	for (size_t off = 0; off < len; off += piece) {
		if (write(fd, text + off, len - off < piece ? len - off : piece) < 0)
			return;
	}
}

void ctl_serve(struct ctl_fixture *f, unsigned lines, const char *text, size_t piece, bool stay)
{
	int listener = listen_at(f->path);

	f->server = fork();
	if (f->server == 0) {
		int fd = accept(listener, NULL, NULL);

		alarm(PATIENCE_SECONDS);
		swallow(fd, lines);
		say(fd, text, piece);
		while (stay)
			pause();
		_exit(0);
	}
	close(listener);
}

void ctl_serve_echo(struct ctl_fixture *f)
{
	int listener = listen_at(f->path);

	f->server = fork();
	if (f->server == 0) {
		int fd = accept(listener, NULL, NULL);
		char bytes[1000];
		ssize_t n;

		alarm(PATIENCE_SECONDS);
		while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
			for (ssize_t off = 0; off < n;)
				off += write(fd, bytes + off, (size_t)(n - off));
		}
		_exit(0);
	}
	close(listener);
}

static bool is_listening(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool good;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	good = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
	close(fd);
	return good;
}

static void ctl_start_daemon(struct ctl_fixture *f)
{
	char listen_status[128];

	snprintf(listen_status, sizeof(listen_status), "%s,replies=status", f->status);
	f->server = fork();
	if (f->server == 0) {
		alarm(PATIENCE_SECONDS);
		execl(getenv("COPROCD"), "coprocd", "--listen", f->path, "--listen", listen_status,
		      "--request-timeout", "300ms", "--max-request", "1000", "--log-level", "err",
		      "--restart-limit", "1", "--", getenv("FAKE_COPROC"), NULL);
		_exit(127);
	}
	for (int i = 0; i < 2000 && !(is_listening(f->path) && is_listening(f->status)); i++)
		poll(NULL, 0, 5);
}

/* ---- the client ---- */

static void redirect(const struct ctl_fixture *f, const char *name, int fd, int flags)
{
	char path[128];
	int file;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = open(path, flags, 0600);
	dup2(file, fd);
	close(file);
}

void ctl_write_file(const struct ctl_fixture *f, const char *name, const char *bytes, size_t len)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static void read_file(const struct ctl_fixture *f, const char *name, char *dst)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "re");
	assert_non_null(file);
	dst[fread(dst, 1, CTL_TEXT_MAX - 1, file)] = '\0';
	fclose(file);
}

int ctl_run(struct ctl_fixture *f, ...)
{
	char *argv[MAX_ARGS] = {(char[]){"coprocctl"}};
	int argc = 1, status;
	va_list args;
	pid_t pid;

	va_start(args, f);
	while ((argv[argc] = va_arg(args, char *)))
		argc++;
	va_end(args);
	pid = fork();
	if (pid == 0) {
		alarm(PATIENCE_SECONDS);
		redirect(f, "in", 0, O_RDONLY | O_CREAT);
		redirect(f, "out", 1, O_WRONLY | O_CREAT | O_TRUNC);
		redirect(f, "err", 2, O_WRONLY | O_CREAT | O_TRUNC);
		execv(getenv("COPROCCTL"), argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_file(f, "out", f->out);
	read_file(f, "err", f->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int ctl_setup(void **state)
{
	struct ctl_fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/system_coprocctl.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	snprintf(f->status, sizeof(f->status), "%s/status", f->dir);
	setenv("COPROCD_SOCKET", f->path, 1);
	*state = f;
	return 0;
}

int ctl_setup_daemon(void **state)
{
	if (ctl_setup(state))
		return -1;
	ctl_start_daemon(*state);
	return 0;
}

int ctl_teardown(void **state)
{
	static const char *const names[] = {"in",     "out",         "err",        "socket",
					    "status", "socket.lock", "status.lock"};
	struct ctl_fixture *f = *state;
	char path[128];

	if (f->server) {
		kill(f->server, SIGTERM);
		waitpid(f->server, NULL, 0);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}
