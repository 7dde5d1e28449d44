/* SPDX-License-Identifier: MIT */
/*
 * Makes a config of what the reader has collected: the file's assignments and
 * after them the command line's, which win; a repeatable key of the command
 * line replaces all of the file's.
 */
#include "config.h"

#include "config_read.h"
#include "options.h"
#include "upgrade.h"
#include "values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether @a is overridden by what the command line says. */
static bool is_overridden(const struct reader *r, const struct assignment *a)
{
	if (!a->line)
		return false;
	if (a->row->type == OPTION_COMMAND && r->words[0])
		return true;
	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].row == a->row && !r->list[i].line)
			return true;
	return false;
}

/* In the file a key that is not repeatable may stand once. */
static int check_repeated(struct reader *r, size_t at)
{
	const struct assignment *a = &r->list[at];

	if (!a->line || a->row->doc.repeatable)
		return 0;
	for (size_t i = 0; i < at; i++)
		if (r->list[i].row == a->row && r->list[i].line)
			return reader_fail(r, EXIT_CODE_CONFIG,
					   "%s:%d: %s: stands on line %d already", r->file, a->line,
					   a->row->doc.name, r->list[i].line);
	return 0;
}

static int apply_one(struct reader *r, struct config *c, const struct assignment *a)
{
	char why[600], shown[300];
	int rc = value_set(c, a->row, a->value, why, sizeof(why));

	if (!rc)
		return 0;
	if (rc == -ENOMEM)
		return reader_fail_memory(r);
	reader_show(shown, sizeof(shown), a->value);
	if (a->line)
		return reader_fail(r, EXIT_CODE_CONFIG, "%s:%d: %s: \"%s\" %s", r->file, a->line,
				   a->row->doc.name, shown, why);
	return reader_fail(r, EXIT_CODE_USAGE, "--%s: \"%s\" %s", a->row->doc.name, shown, why);
}

/* @overridden takes the file's values that are not in force: a bad one is an error all the same. */
static int apply(struct reader *r, struct config *c, struct config *overridden)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct assignment *a = &r->list[i];

		if (a->row->type == OPTION_CHECK)
			c->check_only = true;
		if (!a->row->doc.in_file)
			continue;
		if (check_repeated(r, i) || apply_one(r, is_overridden(r, a) ? overridden : c, a))
			return -EINVAL;
	}
	if (!r->words[0])
		return 0;
	if (reader_given(r, OPTION_COMMAND))
		return reader_fail(r, EXIT_CODE_USAGE,
				   "command: is given twice, by --command and behind the options");
	return value_set_command(c, r->words) ? reader_fail_memory(r) : 0;
}

/* Without `listen` the socket is in the directory that the init system made. */
static int default_listen(struct reader *r, struct config *c)
{
	const char *dirs = getenv("RUNTIME_DIRECTORY");
	char path[4200], why[300], shown[300];

	if (c->listen_count)
		return 0;
	if (!dirs || !*dirs)
		return reader_fail(
		    r, r->file ? EXIT_CODE_CONFIG : EXIT_CODE_USAGE,
		    "listen: is required (where clients connect) unless $RUNTIME_DIRECTORY "
		    "is set");
	snprintf(path, sizeof(path), "%.*s/coprocd.sock", (int)MIN(strcspn(dirs, ":"), 4096), dirs);
	if (value_set(c, option_find("listen"), path, why, sizeof(why)))
		return reader_fail(r, EXIT_CODE_USAGE, "$RUNTIME_DIRECTORY: \"%s\" %s",
				   reader_show(shown, sizeof(shown), path), why);
	return 0;
}

/* What no single option can know. Returns the complaint, NULL if all is well. */
static const char *find_conflict(const struct config *c)
{
	const struct coproc_options *e = &c->engine;

	if (!e->argv || !*e->argv[0])
		return "command: is required: which program to run";
	if (!e->suffix_len)
		return "request-suffix: must not be empty, or requests would have no end";
	if (e->ready && !strcmp(e->ready, "banner") && !e->banner)
		return "ready: \"banner\" needs a banner";
	if (e->restart_delay_ms > e->restart_delay_max_ms)
		return "restart-delay: is over restart-delay-max";
	if (e->queue_bytes < e->max_request)
		return "queue-bytes: is less than max-request";
	if (e->user && geteuid() != 0)
		return "coprocess-user: only root may run the program as somebody else";
	if (c->uid != (uid_t)-1 && c->gid == (gid_t)-1)
		return "user: has no group that this machine knows, so group is required too";
	if ((c->uid != (uid_t)-1 || c->gid != (gid_t)-1) && geteuid() != 0 && c->uid != geteuid())
		return "user, group: only root may become somebody else";
	return NULL;
}

static int check(struct reader *r, struct config *c)
{
	const char *conflict;

	if (default_listen(r, c))
		return -EINVAL;
	conflict = find_conflict(c);
	if (!conflict)
		return 0;
	return reader_fail(r, r->file ? EXIT_CODE_CONFIG : EXIT_CODE_USAGE, "%s%s%s",
			   r->file ? r->file : "", r->file ? ": " : "", conflict);
}

static void config_cleanup(struct config **c)
{
	config_free(*c);
}

/* Make the config of what was read. */
static int build(struct reader *r, struct config **out)
{
	struct config *c CLEANUP(config_cleanup) = config_new();
	struct config *overridden CLEANUP(config_cleanup) = config_new();

	if (!c || !overridden)
		return reader_fail_memory(r);
	if (apply(r, c, overridden) || check(r, c))
		return -EINVAL;
	*out = TAKE(c);
	return 0;
}

static struct config_result printed(char *message)
{
	return (struct config_result){.action = message ? CONFIG_PRINT : CONFIG_ERROR,
				      .exit_code = EXIT_CODE_SYSTEM,
				      .message = message ? message : strdup("out of memory\n")};
}

static char *text_to_print(const char *option)
{
	char *text;

	if (!strcmp(option, "help"))
		return option_help();
	if (!strcmp(option, "version"))
		return strdup("coprocd " COPROCD_VERSION "\n");
	return asprintf(&text, "%d\n", UPGRADE_FORMAT) < 0 ? NULL : text;
}

static struct config_result failed(struct reader *r)
{
	char *message = TAKE(r->message);

	if (!message)
		message = strdup("coprocd: out of memory\n");
	return (struct config_result){
	    .action = CONFIG_ERROR, .exit_code = r->exit_code, .message = message};
}

int config_from_stream(FILE *stream, const char *name, struct config **out, char **message)
{
	struct reader r CLEANUP(reader_finish) = {0};
	char *const none[] = {NULL};

	r.words = none;
	if (reader_take_stream(&r, stream, name) || build(&r, out)) {
		*message = TAKE(r.message);
		return -EINVAL;
	}
	return 0;
}

struct config_result config_from_args_and_text(int argc, char *const *argv, const char *file_text,
					       struct config **out)
{
	struct reader r CLEANUP(reader_finish) = {0};
	struct config *c = NULL;
	const char *print;

	if (reader_take_args(&r, argc, argv))
		return failed(&r);
	print = reader_given(&r, OPTION_PRINT);
	if (print)
		return printed(text_to_print(print));
	if (reader_take_file(&r, file_text) || build(&r, &c) || !c)
		return failed(&r);
	if (r.text && !(c->file_text = config_keep(c, TAKE(r.text)))) {
		config_free(c);
		reader_fail_memory(&r);
		return failed(&r);
	}
	if (c->check_only) {
		config_free(c);
		return printed(strdup("coprocd: the options are valid\n"));
	}
	*out = c;
	return (struct config_result){.action = CONFIG_RUN};
}

struct config_result config_from_args(int argc, char *const *argv, struct config **out)
{
	return config_from_args_and_text(argc, argv, NULL, out);
}
