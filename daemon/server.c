/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "clock.h"
#include "config.h"
#include "control.h"
#include "coproc.h"
#include "doors.h"
#include "hold.h"
#include "handover.h"
#include "log.h"
#include "logger.h"
#include "session.h"
#include "signals.h"
#include "stats.h"
#include "supervise.h"
#include "upgrade.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* After the last request has ended, clients have so long to read their replies. */
#define LINGER_MS      1000
#define LINGER_STEP_MS 10

/* An upgrade waits so long for the processes to come to rest, looking so often. */
#define UPGRADE_PATIENCE_MS 60000
#define UPGRADE_RETRY_MS    20

struct server {
	struct config *config;  /* owned */
	struct config *pending; /* owned; in force once the replacement has taken over */
	int argc;
	char *const *argv; /* borrowed */
	struct event_base *base;
	struct coproc *engine;
	struct hall hall;
	struct doors doors;
	struct signals signals;
	struct control control;
	struct hold hold;
	struct event *upgrade_retry;
	int64_t upgrade_by_ms;
	struct event *linger;
	int64_t linger_until_ms;
	struct pid_file pid_file;
	int report_fd; /* daemonize_report(), -1 if nobody waits */
	struct stats_causes causes;
	bool was_ready;
	bool stopping;
	int exit_code;
};

static void on_session_closed(void *ctx)
{
	struct server *s = ctx;

	doors_resume(&s->doors);
}

/* ---- what the supervisor is told ---- */

/* A pause matters more than what the process does meanwhile, which the log has. */
static const char *status_text(const struct server *s, const char *text)
{
	return s->hall.paused ? HOLD_STATUS : text;
}

static void tell_ready(const struct server *s, const char *text)
{
	supervise_ready(status_text(s, text));
}

static void tell_status(const struct server *s, const char *text)
{
	supervise_status(status_text(s, text));
}

/* ---- stopping ---- */

/* Looks every LINGER_STEP_MS whether the clients have read their last replies. */
static void linger_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct timeval step = {.tv_usec = LINGER_STEP_MS * 1000};
	struct server *s = arg;

	if (!hall_has_unwritten(&s->hall) || clock_now_ms() >= s->linger_until_ms)
		event_base_loopbreak(s->base);
	else
		event_add(s->linger, &step);
}

static void stop(struct server *s, int exit_code)
{
	if (!s->stopping) {
		s->stopping = true;
		s->exit_code = exit_code;
		supervise_stopping();
		doors_close(&s->doors);
		control_outcome(&s->control, CONTROL_REPLACED, false, "the daemon is stopping");
	}
	coproc_stop(s->engine);
	hold_stop(&s->hold);
}

static void on_stop_signal(void *ctx, int sig)
{
	struct server *s = ctx;

	log_at(LOG_NOTICE,
	       s->stopping ? "signal %d again: stopping at once" : "signal %d: stopping", sig);
	stop(s, EXIT_CODE_OK);
}

static void on_engine_stopped(void *ctx)
{
	struct timeval next_turn = {0};
	struct server *s = ctx;

	/* The last replies are written at the end of this turn. */
	s->linger_until_ms = clock_now_ms() + LINGER_MS;
	event_add(s->linger, &next_turn);
}

/* ---- reloading ---- */

/* What only a restart of the daemon can change. */
static void warn_of_fixed(const struct config *old, const struct config *new)
{
	const char *a = old->pid_file ? old->pid_file : "", *b = new->pid_file ? new->pid_file : "";

	if (old->daemonize != new->daemonize || strcmp(a, b) ||
	    !old->control.path != !new->control.path ||
	    (old->control.path && strcmp(old->control.path, new->control.path)) ||
	    old->uid != new->uid || old->gid != new->gid)
		log_at(LOG_WARNING, "daemonize, pid-file, control, user, group: a change needs a "
				    "restart of coprocd");
}

static void drop_pending(struct server *s)
{
	doors_drop(&s->doors);
	config_free(s->pending);
	s->pending = NULL;
}

static void adopt_pending(struct server *s)
{
	if (!s->pending)
		return;
	warn_of_fixed(s->config, s->pending);
	doors_switch(&s->doors, s->pending);
	config_free(s->config);
	s->config = s->pending;
	s->pending = NULL;
	s->hall.config = s->config;
	log_set_level(s->config->log_level);
	on_session_closed(s); /* max-clients may have grown */
}

/* Read the options again; all of them come into force, or none. */
static int reload(struct server *s, char *error, size_t size)
{
	struct config_result result = config_from_args(s->argc, s->argv, &s->pending);
	int rc = result.action == CONFIG_RUN ? 0 : -EINVAL;

	if (rc)
		snprintf(error, size, "%.*s", (int)strcspn(result.message, "\n"), result.message);
	free(result.message);
	if (!rc)
		rc = doors_open(&s->doors, s->pending, error, size);
	if (!rc)
		rc = coproc_replace(s->engine, &s->pending->engine, error, size);
	return rc;
}

/* Begin a reload; should it be refused @error says why. Returns 0 or -errno. */
static int begin_reload(struct server *s, char *error, size_t size)
{
	int rc;

	supervise_reloading();
	drop_pending(s); /* of a reload that this one overtakes */
	rc = reload(s, error, size);
	if (!rc)
		return 0;
	log_at(LOG_ERR, "reload refused, everything stays as it is: %s", error);
	drop_pending(s);
	tell_ready(s, "reload refused");
	return rc;
}

static void on_reload(void *ctx)
{
	struct server *s = ctx;
	char error[600];

	if (s->stopping)
		return;
	log_at(LOG_NOTICE, "SIGHUP: reading the options again and replacing the process");
	if (begin_reload(s, error, sizeof(error)))
		control_outcome(&s->control, CONTROL_REPLACED, false, error);
}

static void on_stats(void *ctx)
{
	struct server *s = ctx;
	char text[1000];

	log_at(LOG_NOTICE, "stats: %s", stats_line(s->engine, &s->hall, text, sizeof(text)));
}

/* ---- upcalls of the engine ---- */

static void on_first_ready(struct server *s)
{
	bool detached = s->report_fd >= 0;

	s->was_ready = true;
	daemonize_report(&s->report_fd, EXIT_CODE_OK, "");
	if (detached)
		logger_init(s->config->log_target, s->config->log_level, true);
	supervise_ready("ready");
}

/* With --daemonize the first failure decides, with --exit-on-failure the last. */
static void on_no_process(struct server *s, const struct coproc_event *event)
{
	bool final = event->kind == COPROC_EV_FAILED;

	if (!s->was_ready && s->report_fd >= 0) {
		daemonize_report(&s->report_fd, EXIT_CODE_UNAVAILABLE, event->text);
		stop(s, EXIT_CODE_UNAVAILABLE);
	} else if (final && s->config->exit_on_failure) {
		stop(s, EXIT_CODE_UNAVAILABLE);
	}
}

static void on_event(void *ctx, const struct coproc_event *event)
{
	struct server *s = ctx;

	log_at(event->level, "%s", event->text);
	stats_count(&s->causes, event);
	switch (event->kind) {
	case COPROC_EV_READY:
		if (!s->was_ready)
			on_first_ready(s);
		tell_status(s, event->text);
		break;
	case COPROC_EV_START_FAILED:
	case COPROC_EV_EXITED:
	case COPROC_EV_FAILED:
		on_no_process(s, event);
		tell_status(s, event->text);
		break;
	case COPROC_EV_REPLACED:
		adopt_pending(s);
		tell_ready(s, event->text);
		control_outcome(&s->control, CONTROL_REPLACED, true, event->text);
		break;
	case COPROC_EV_REPLACE_FAILED:
		drop_pending(s);
		tell_ready(s, event->text);
		control_outcome(&s->control, CONTROL_REPLACED, false, event->text);
		break;
	case COPROC_EV_STARTED:
	case COPROC_EV_DESYNC:
	case COPROC_EV_HUNG:
	case COPROC_EV_RESTARTING:
	case COPROC_EV_RECYCLING:
	case COPROC_EV_STOPPED:
	case COPROC_EV_LATE:
	case COPROC_EV_POISON:
	case COPROC_EV_SILENT:
	case COPROC_EV_ASYNC:
	case COPROC_EV_STDERR:
		break;
	}
}

static void on_room(void *ctx)
{
	struct server *s = ctx;

	hall_resume(&s->hall);
}

/* ---- the control socket ---- */

static void reply_status(struct server *s, struct control_client *client, bool json)
{
	char text[3600];

	if (json)
		stats_json(s->engine, &s->hall, &s->causes, text, sizeof(text));
	else
		stats_table(s->engine, &s->hall, &s->causes, text, sizeof(text));
	control_reply(client, text);
}

static void reply_clients(struct server *s, struct control_client *client, bool json)
{
	char *text = stats_clients(&s->hall, json);

	if (text)
		control_reply(client, text);
	else
		control_refuse(client, "overloaded", "no memory");
	free(text);
}

/* The commands that change nothing. Returns false if it is none of them. */
static bool reply_report(struct server *s, struct control_client *client, const char *command)
{
	bool json = false;
	size_t len = strcspn(command, " ");

	if (command[len]) {
		json = !strcmp(command + len, " --json");
		if (!json)
			return false;
	}
	if (!strncmp(command, "status", len) && len == strlen("status"))
		reply_status(s, client, json);
	else if (!strncmp(command, "clients", len) && len == strlen("clients"))
		reply_clients(s, client, json);
	else
		return false;
	return true;
}

static void command_restart(struct server *s, struct control_client *client)
{
	char error[300];

	log_at(LOG_NOTICE, "control: replacing the process");
	control_wait(client, CONTROL_REPLACED);
	if (coproc_replace(s->engine, NULL, error, sizeof(error)))
		control_outcome(&s->control, CONTROL_REPLACED, false, error);
}

static void command_reload(struct server *s, struct control_client *client)
{
	char error[600];

	log_at(LOG_NOTICE, "control: reading the options again and replacing the process");
	control_wait(client, CONTROL_REPLACED);
	if (begin_reload(s, error, sizeof(error)))
		control_outcome(&s->control, CONTROL_REPLACED, false, error);
}

static void on_upgrade(void *ctx);

static void on_command(void *ctx, struct control_client *client, const char *command)
{
	struct server *s = ctx;

	if (reply_report(s, client, command))
		return;
	if (s->stopping) {
		control_refuse(client, "stopping", "the daemon is stopping");
	} else if (hold_command(&s->hold, client, command)) {
		return;
	} else if (!strcmp(command, "restart")) {
		command_restart(s, client);
	} else if (!strcmp(command, "reload")) {
		command_reload(s, client);
	} else if (!strcmp(command, "upgrade")) {
		/* The connection does not outlive exec: this is all that can be said. */
		control_reply(client, "upgrading; the log says how it ends");
		on_upgrade(s);
	} else {
		control_refuse(client, "bad-request",
			       "no such command; there are status [--json], clients [--json], "
			       "pause, drain, resume, restart, reload and upgrade");
	}
}

/* The control socket of the options, from nothing. Returns 0 or -errno. */
static int open_control(struct server *s, char *error, size_t size)
{
	struct unix_socket sock;
	int rc;

	if (!s->config->control.path)
		return 0;
	rc = socket_listen(&s->config->control, &sock, error, size);
	return rc ? rc : control_init(&s->control, s->base, &sock, on_command, s);
}

/* ---- upgrading ---- */

/* What main() reads, what set_up() reads, and what the engine and the sessions do. */
static void save(const struct server *s, struct pack *p)
{
	pack_u64(p, UPGRADE_FORMAT);
	pack_text(p, s->config->file_text);
	pack_fd(p, s->pid_file.fd);
	doors_save(&s->doors, p);
	door_save(p, s->config->control.path, &s->control.socket);
	coproc_save(s->engine, p);
	hall_save(&s->hall, p);
}

static void upgrade_refused(const struct server *s, const char *why)
{
	log_at(LOG_ERR, "upgrade refused, everything goes on as it is: %s", why);
	tell_ready(s, "upgrade refused");
}

/* Go as soon as no process is starting, draining or dying. */
static void upgrade_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct timeval wait = {.tv_usec = UPGRADE_RETRY_MS * 1000};
	struct server *s = arg;
	struct pack p = {0};

	if (s->stopping)
		return;
	if (!coproc_is_calm(s->engine) || s->pending) {
		if (clock_now_ms() < s->upgrade_by_ms)
			event_add(s->upgrade_retry, &wait);
		else
			upgrade_refused(s,
					"a process was starting, draining or dying all the time");
		return;
	}
	save(s, &p);
	log_at(LOG_NOTICE, "upgrade: executing the program on disk with %u clients", s->hall.count);
	upgrade_refused(s, strerror(-upgrade_exec(s->argv, &p)));
	pack_finish(&p);
}

static void on_upgrade_checked(void *ctx, const char *fault)
{
	struct timeval now = {0};
	struct server *s = ctx;

	if (fault) {
		upgrade_refused(s, fault);
		return;
	}
	s->upgrade_by_ms = clock_now_ms() + UPGRADE_PATIENCE_MS;
	event_add(s->upgrade_retry, &now);
}

static void on_upgrade(void *ctx)
{
	struct server *s = ctx;

	if (s->stopping)
		return;
	log_at(LOG_NOTICE, "upgrade: asking the program on disk");
	supervise_reloading();
	upgrade_check(s->base, on_upgrade_checked, s);
}

static int load_control(struct server *s, struct unpack *u)
{
	struct unix_socket sock;
	const char *name = door_load(u, &sock);

	if (!name)
		return u->failed ? -EINVAL : 0;
	sock.path = strdup(name);
	return control_init(&s->control, s->base, &sock, on_command, s);
}

/* Everything that save() wrote behind the options. Returns 0 or -errno. */
static int load(struct server *s, struct unpack *u)
{
	int rc;

	s->pid_file.fd = unpack_fd(u);
	if (s->config->pid_file)
		s->pid_file.path = strdup(s->config->pid_file);
	rc = doors_load(&s->doors, s->config, u);
	if (!rc)
		rc = load_control(s, u);
	if (!rc)
		rc = coproc_load(s->engine, u);
	if (!rc)
		rc = hall_load(&s->hall, u);
	return rc;
}

static const struct coproc_ops engine_ops = {
    .on_event = on_event, .on_room = on_room, .on_stopped = on_engine_stopped};

static const struct signals_ops signal_ops = {.on_stop = on_stop_signal,
					      .on_reload = on_reload,
					      .on_stats = on_stats,
					      .on_upgrade = on_upgrade};

/* ---- life ---- */

/* As many descriptors as max-clients needs, as far as we may. */
static void raise_descriptor_limit(const struct config *config)
{
	rlim_t want = config->max_clients + 64;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want)
		return;
	r.rlim_cur = MIN(want, r.rlim_max);
	if (r.rlim_max < want && geteuid() == 0)
		r.rlim_cur = r.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < want)
		log_at(LOG_WARNING,
		       "the limit of %llu descriptors allows fewer clients than max-clients (%u)",
		       (unsigned long long)r.rlim_cur, config->max_clients);
}

static struct event_base *new_base(void)
{
	struct event_config *c = event_config_new();
	struct event_base *base;

	if (!c)
		return NULL;
	/* Neither threads nor EVENT_* in the environment are to change the behaviour. */
	event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	base = event_base_new_with_config(c);
	event_config_free(c);
	return base;
}

/* Say on stderr, or to the waiting parent, why there is no daemon. Returns @exit_code. */
static int give_up(struct server *s, int exit_code, const char *reason)
{
	if (s->report_fd >= 0)
		daemonize_report(&s->report_fd, exit_code, reason);
	else
		fprintf(stderr, "coprocd: %s\n", reason);
	return exit_code;
}

/* What an upgraded daemon needs as well. Returns 0 or an exit code. */
static int set_up_core(struct server *s)
{
	struct config *c = s->config;
	char error[600] = "out of memory";

	s->base = new_base();
	if (!s->base || signals_init(&s->signals, s->base, &signal_ops, s))
		return give_up(s, EXIT_CODE_SYSTEM, error);
	s->linger = evtimer_new(s->base, linger_cb, s);
	s->upgrade_retry = evtimer_new(s->base, upgrade_cb, s);
	if (!s->linger || !s->upgrade_retry)
		return give_up(s, EXIT_CODE_SYSTEM, error);
	if (coproc_new(&c->engine, s->base, &engine_ops, s, &s->engine, error, sizeof(error)))
		return give_up(s, EXIT_CODE_CONFIG, error);
	doors_init(&s->doors, s->base, &s->hall);
	if (hall_init(&s->hall, s->base, s->engine, c, on_session_closed, s))
		return give_up(s, EXIT_CODE_SYSTEM, error);
	hold_init(&s->hold, s->base, &s->hall, s->engine, &s->control);
	return 0;
}

/* Everything from nothing to the start of the process. Returns 0 or an exit code. */
static int set_up(struct server *s)
{
	struct config *c = s->config;
	char error[600];
	int code, rc;

	if (c->pid_file && pid_file_create(c->pid_file, &s->pid_file, error, sizeof(error)))
		return give_up(s, EXIT_CODE_SYSTEM, error);
	raise_descriptor_limit(c);
	code = set_up_core(s);
	if (code)
		return code;
	if (doors_open(&s->doors, c, error, sizeof(error)) || open_control(s, error, sizeof(error)))
		return give_up(s, EXIT_CODE_SOCKET, error);
	doors_switch(&s->doors, c);
	rc = drop_privileges(c->user, c->uid, c->gid, c->engine.user);
	if (rc) {
		snprintf(error, sizeof(error), "cannot become user %s, group %s: %s",
			 c->user ? c->user : "-", c->group ? c->group : "-", strerror(-rc));
		return give_up(s, EXIT_CODE_SYSTEM, error);
	}
	coproc_start(s->engine); /* the outcome comes as an event */
	return 0;
}

/* The same from the state of the image before this one. */
static int take_up(struct server *s, struct unpack *state)
{
	int code = set_up_core(s), rc;
	sigset_t none;

	if (code)
		return code;
	s->was_ready = true;
	rc = load(s, state);
	if (rc) {
		log_at(LOG_ERR, "upgrade: the state cannot be taken up: %s", strerror(-rc));
		return EXIT_CODE_SYSTEM;
	}
	/* Blocked by upgrade_exec() until there were handlers. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	log_at(LOG_NOTICE, "upgrade: coprocd %s goes on with %u clients", COPROCD_VERSION,
	       s->hall.count);
	tell_ready(s, "upgraded");
	return 0;
}

static void tear_down(struct server *s)
{
	doors_close(&s->doors);
	hold_finish(&s->hold);
	control_finish(&s->control);
	if (s->hall.base)
		hall_finish(&s->hall);
	coproc_free(s->engine);
	if (s->linger)
		event_free(s->linger);
	if (s->upgrade_retry)
		event_free(s->upgrade_retry);
	signals_finish(&s->signals);
	if (s->base)
		event_base_free(s->base);
	pid_file_remove(&s->pid_file);
	config_free(s->pending);
	config_free(s->config);
}

int server_run(struct config *config, int argc, char *const *argv, struct unpack *state)
{
	struct server s = {
	    .config = config, .argc = argc, .argv = argv, .pid_file = {.fd = -1}, .report_fd = -1};
	int code;

	if (!state && config->daemonize && daemonize(&s.report_fd)) {
		fprintf(stderr, "coprocd: cannot go to the background: %s\n", strerror(errno));
		config_free(config);
		return EXIT_CODE_SYSTEM;
	}
	logger_init(config->log_target, config->log_level, state && config->daemonize);
	code = state ? take_up(&s, state) : set_up(&s);
	if (!code) {
		event_base_loop(s.base, EVLOOP_NO_EXIT_ON_EMPTY);
		code = s.exit_code;
	}
	tear_down(&s);
	return code;
}
