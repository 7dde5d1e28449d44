/* SPDX-License-Identifier: MIT */
/*
 * Reads the command line and the file into a list of assignments, then applies
 * the file's and after them the command line's, which win; a repeatable key of
 * the command line replaces all of the file's.
 */
#include "config.h"

#include "options.h"
#include "upgrade.h"
#include "values.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One NAME = VALUE as it was written. */
struct assignment {
	const struct option_row *row;
	char *value; /* owned */
	int line;    /* of the file; 0: the command line */
};

struct reader {
	const char *file; /* borrowed, NULL if none */
	FILE *stream;
	char *text; /* owned; what the file holds */
	char *raw;  /* owned; the value on the present line, of any length */
	int line;   /* lines read */
	struct assignment *list;
	size_t count;
	char *const *words; /* the command of the command line */
	char *message;      /* owned; the first error */
	int exit_code;
};

static void reader_finish(struct reader *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->list[i].value);
	free(r->list);
	free(r->raw);
	free(r->text);
	free(r->message);
}

/* Note the first error. Returns -EINVAL. */
static int fail(struct reader *r, int exit_code, const char *fmt, ...) PRINTF(3, 4);

static int fail(struct reader *r, int exit_code, const char *fmt, ...)
{
	char text[900];
	va_list ap;

	if (r->exit_code)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->exit_code = exit_code;
	if (asprintf(&r->message, "coprocd: %s\n", text) < 0)
		r->message = NULL;
	return -EINVAL;
}

static int fail_memory(struct reader *r)
{
	return fail(r, EXIT_CODE_SYSTEM, "out of memory");
}

static int assign(struct reader *r, const struct option_row *row, const char *value, int line)
{
	struct assignment *list = realloc(r->list, (r->count + 1) * sizeof(*list));

	if (!list)
		return fail_memory(r);
	r->list = list;
	list[r->count] = (struct assignment){.row = row, .value = strdup(value), .line = line};
	return list[r->count++].value ? 0 : fail_memory(r);
}

/* ---- the file ---- */

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t\r\n");
	for (n = strlen(text); n && strchr(" \t\r\n", text[n - 1]); n--)
		text[n - 1] = '\0';
	return text;
}

/*
 * Hand inih one line. It limits a line to 200 bytes, cuts values at " ;" and
 * joins indented lines, none of which suits commands and patterns: so it is
 * given "key = 1" without indentation, and the value stays here.
 */
static char *next_line(char *dst, int size, void *arg)
{
	struct reader *r = arg;
	char *line = NULL, *text, *equals;
	size_t cap = 0;
	ssize_t n = getline(&line, &cap, r->stream);

	if (n < 0) {
		free(line);
		return NULL;
	}
	r->line++;
	free(r->raw);
	r->raw = NULL;
	if (strlen(line) != (size_t)n)
		fail(r, EXIT_CODE_CONFIG, "%s:%d: there is a NUL in the line", r->file, r->line);
	text = trim(line);
	equals = strchr("#;[", *text) ? NULL : strchr(text, '=');
	if (equals) {
		*equals = '\0';
		r->raw = strdup(trim(equals + 1));
		snprintf(dst, (size_t)size, "%.100s = 1\n", trim(text));
	} else {
		snprintf(dst, (size_t)size, "%.100s\n", text);
	}
	free(line);
	return dst;
}

static int on_key(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *r = arg;
	const struct option_row *row = option_find(name);
	const char *near;

	(void)value;
	if (*section)
		return !fail(r, EXIT_CODE_CONFIG,
			     "%s:%d: the file has no sections, but \"[%s]\" is above", r->file,
			     r->line, section);
	if (row && row->doc.in_file)
		return r->raw ? !assign(r, row, r->raw, r->line) : !fail_memory(r);
	near = option_resembling(name);
	return !fail(r, EXIT_CODE_CONFIG, "%s:%d: %s: %s%s%s%s", r->file, r->line, name,
		     row ? "is for the command line only" : "there is no such option",
		     !row && near ? "; did you mean \"" : "", !row && near ? near : "",
		     !row && near ? "\"?" : "");
}

static int read_stream(struct reader *r, FILE *stream, const char *name)
{
	int line;

	r->file = name;
	r->stream = stream;
	line = ini_parse_stream(next_line, r, on_key, r);
	if (line > 0)
		fail(r, EXIT_CODE_CONFIG, "%s:%d: this is not NAME = VALUE", name, line);
	else if (line < 0)
		fail_memory(r);
	else if (ferror(stream))
		fail(r, EXIT_CODE_CONFIG, "%s: cannot be read: %s", name, strerror(errno));
	return r->exit_code ? -EINVAL : 0;
}

/* All of the file, NUL-terminated; it is kept for config.file_text. */
static char *slurp(struct reader *r, const char *name)
{
	FILE *stream = fopen(name, "re");
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!stream) {
		fail(r, EXIT_CODE_CONFIG, "%s: cannot be opened: %s", name, strerror(errno));
		return NULL;
	}
	errno = 0;
	n = getdelim(&text, &cap, '\0', stream);
	if (n < 0 && ferror(stream))
		fail(r, EXIT_CODE_CONFIG, "%s: cannot be read: %s", name, strerror(errno));
	else if (n < 0)
		text = strcpy(text ? text : malloc(1), "");
	else if (!text[n - 1])
		fail(r, EXIT_CODE_CONFIG, "%s: there is a NUL in the file", name);
	fclose(stream);
	return text;
}

static int read_text(struct reader *r, const char *text, const char *name)
{
	FILE *stream;
	int rc;

	r->file = name;
	if (!*text)
		return 0; /* fmemopen() takes no empty one */
	stream = fmemopen((void *)(size_t)text, strlen(text), "r");
	if (!stream)
		return fail_memory(r);
	rc = read_stream(r, stream, name);
	fclose(stream);
	return rc;
}

/* ---- the command line ---- */

#define MAX_OPTIONS 64

static void make_long_options(struct option *out)
{
	const struct option_row *row;
	size_t i;

	for (i = 0; (row = option_at(i)) && i < MAX_OPTIONS - 1; i++)
		out[i] = (struct option){.name = row->doc.name,
					 .has_arg = row->type == OPTION_BOOL ? optional_argument
						    : row->doc.argument      ? required_argument
									     : no_argument};
	out[i] = (struct option){0};
}

/* getopt_long() found something wrong with the word before optind. */
static int fail_word(struct reader *r, int found, char *const *argv)
{
	const char *word = argv[optind - 1], *near;
	char name[64];

	if (found == ':')
		return fail(r, EXIT_CODE_USAGE, "%s: needs a value; see coprocd --help", word);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
		 word + strspn(word, "-"));
	if (option_find(name))
		return fail(r, EXIT_CODE_USAGE, "%s: takes no value", word);
	near = option_resembling(name);
	return fail(r, EXIT_CODE_USAGE, "%s: there is no such option%s%s%s; see coprocd --help",
		    word, near ? "; did you mean \"--" : "", near ? near : "", near ? "\"?" : "");
}

static int read_args(struct reader *r, int argc, char *const *argv)
{
	struct option names[MAX_OPTIONS];
	int found, at;

	make_long_options(names);
	optind = 0; /* the command line is read again at each reload */
	opterr = 0;
	while ((found = getopt_long(argc, argv, "+:", names, &at)) != -1) {
		if (found)
			return fail_word(r, found, argv);
		if (assign(r, option_at((size_t)at), optarg ? optarg : "yes", 0))
			return -EINVAL;
	}
	r->words = argv + optind;
	return 0;
}

/* The value of a command-line option of this type, NULL if it was not given. */
static const char *given(const struct reader *r, enum option_type type)
{
	for (size_t i = r->count; i-- > 0;)
		if (r->list[i].row->type == type)
			return r->list[i].row->type == OPTION_PRINT ? r->list[i].row->doc.name
								    : r->list[i].value;
	return NULL;
}

/* ---- both together ---- */

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
			return fail(r, EXIT_CODE_CONFIG, "%s:%d: %s: stands on line %d already",
				    r->file, a->line, a->row->doc.name, r->list[i].line);
	return 0;
}

static int apply_one(struct reader *r, struct config *c, const struct assignment *a)
{
	char why[600];

	if (!value_set(c, a->row, a->value, why, sizeof(why)))
		return 0;
	if (a->line)
		return fail(r, EXIT_CODE_CONFIG, "%s:%d: %s: \"%s\" %s", r->file, a->line,
			    a->row->doc.name, a->value, why);
	return fail(r, EXIT_CODE_USAGE, "--%s: \"%s\" %s", a->row->doc.name, a->value, why);
}

static int apply(struct reader *r, struct config *c)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct assignment *a = &r->list[i];

		if (a->row->type == OPTION_CHECK)
			c->check_only = true;
		if (!a->row->doc.in_file || is_overridden(r, a))
			continue;
		if (check_repeated(r, i) || apply_one(r, c, a))
			return -EINVAL;
	}
	if (r->words && r->words[0] && value_set_command(c, r->words))
		return fail_memory(r);
	return 0;
}

/* Without `listen` the socket is in the directory that the init system made. */
static int default_listen(struct reader *r, struct config *c)
{
	const char *dirs = getenv("RUNTIME_DIRECTORY");
	char path[4200], why[300];

	if (c->listen_count)
		return 0;
	if (!dirs || !*dirs)
		return fail(r, r->file ? EXIT_CODE_CONFIG : EXIT_CODE_USAGE,
			    "listen: is required (where clients connect) unless $RUNTIME_DIRECTORY "
			    "is set");
	snprintf(path, sizeof(path), "%.*s/coprocd.sock", (int)MIN(strcspn(dirs, ":"), 4096), dirs);
	if (value_set(c, option_find("listen"), path, why, sizeof(why)))
		return fail(r, EXIT_CODE_USAGE, "$RUNTIME_DIRECTORY: \"%s\" %s", path, why);
	return 0;
}

/* What no single option can know. Returns the complaint, NULL if all is well. */
static const char *find_conflict(const struct config *c)
{
	const struct coproc_options *e = &c->engine;

	if (!e->argv)
		return "command: is required: which program to run";
	if (!e->suffix_len)
		return "request-suffix: must not be empty, or requests would have no end";
	if (e->restart_delay_ms > e->restart_delay_max_ms)
		return "restart-delay: is over restart-delay-max";
	if (e->queue_bytes < e->max_request)
		return "queue-bytes: is less than max-request";
	if (e->user && geteuid() != 0)
		return "coprocess-user: only root may run the program as somebody else";
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
	return fail(r, r->file ? EXIT_CODE_CONFIG : EXIT_CODE_USAGE, "%s%s%s",
		    r->file ? r->file : "", r->file ? ": " : "", conflict);
}

/* Make the config of what was read. */
static int build(struct reader *r, struct config **out)
{
	struct config *c = config_new();

	if (!c)
		return fail_memory(r);
	if (apply(r, c) || check(r, c)) {
		config_free(c);
		return -EINVAL;
	}
	*out = c;
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
	if (read_stream(&r, stream, name) || build(&r, out)) {
		*message = TAKE(r.message);
		return -EINVAL;
	}
	return 0;
}

/* Everything that --config asks for. */
static int read_config_file(struct reader *r, const char *file_text)
{
	const char *name = given(r, OPTION_FILE);

	if (!name)
		return 0;
	r->text = file_text ? strdup(file_text) : slurp(r, name);
	if (!r->text)
		return fail_memory(r);
	return r->exit_code ? -EINVAL : read_text(r, r->text, name);
}

struct config_result config_from_args_and_text(int argc, char *const *argv, const char *file_text,
					       struct config **out)
{
	struct reader r CLEANUP(reader_finish) = {0};
	struct config *c = NULL;
	const char *print;

	if (read_args(&r, argc, argv))
		return failed(&r);
	print = given(&r, OPTION_PRINT);
	if (print)
		return printed(text_to_print(print));
	if (read_config_file(&r, file_text) || build(&r, &c) || !c)
		return failed(&r);
	if (r.text && !(c->file_text = value_keep(c, TAKE(r.text)))) {
		config_free(c);
		fail_memory(&r);
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
