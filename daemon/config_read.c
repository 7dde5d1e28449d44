/* SPDX-License-Identifier: MIT */
#include "config_read.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void reader_finish(struct reader *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->list[i].value);
	free(r->list);
	free(r->raw);
	free(r->text);
	free(r->message);
}

/* @text as one line that a terminal can show, NULL without memory. It is freed. */
static char *make_message(char *text)
{
	size_t size = 4 * strlen(text) + 9;
	char *shown = malloc(size), *message = NULL;

	if (shown && asprintf(&message, "coprocd: %s\n", reader_show(shown, size, text)) < 0)
		message = NULL;
	free(shown);
	free(text);
	return message;
}

int reader_fail(struct reader *r, int exit_code, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	if (r->exit_code)
		return -EINVAL;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	r->exit_code = exit_code;
	r->message = n < 0 ? NULL : make_message(text);
	return -EINVAL;
}

int reader_fail_memory(struct reader *r)
{
	return reader_fail(r, EXIT_CODE_SYSTEM, "out of memory");
}

const char *reader_show(char *dst, size_t size, const char *value)
{
	size_t n = 0;

	for (; *value && n + 8 < size; value++) {
		unsigned char c = (unsigned char)*value;

		if (c < ' ' || c == 0x7f)
			n += (size_t)sprintf(dst + n, "\\x%02x", c);
		else
			dst[n++] = *value;
	}
	strcpy(dst + n, *value ? "..." : "");
	return dst;
}

static int assign(struct reader *r, const struct option_row *row, const char *value, int line)
{
	struct assignment *list = realloc(r->list, (r->count + 1) * sizeof(*list));

	if (!list)
		return reader_fail_memory(r);
	r->list = list;
	list[r->count] = (struct assignment){.row = row, .value = strdup(value), .line = line};
	return list[r->count++].value ? 0 : reader_fail_memory(r);
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

static int fail_line(struct reader *r, const char *what)
{
	return reader_fail(r, EXIT_CODE_CONFIG, "%s:%d: %s", r->file, r->line, what);
}

/*
 * Look at one line, which is cut to pieces: keep its value and return its key,
 * "" if there is none. An error is noted.
 */
static const char *split_line(struct reader *r, char *line)
{
	/* A byte order mark is allowed where the file starts. */
	char *text = trim(r->line == 1 && !strncmp(line, "\xef\xbb\xbf", 3) ? line + 3 : line);
	char *equals = strchr(text, '='), shown[100];

	if (!*text || *text == '#' || *text == ';')
		return "";
	if (*text == '[') {
		reader_fail(r, EXIT_CODE_CONFIG, "%s:%d: %s: there are no sections in this file",
			    r->file, r->line, reader_show(shown, sizeof(shown), text));
		return "";
	}
	if (equals)
		*equals = '\0';
	trim(text);
	if (!equals || !*text || strpbrk(text, ":;#[]")) {
		fail_line(r, "this is not NAME = VALUE");
		return "";
	}
	r->raw = strdup(trim(equals + 1));
	if (!r->raw)
		reader_fail_memory(r);
	return text;
}

/*
 * Hand inih one line. It limits a line to 200 bytes, cuts values at " ;", takes
 * a colon for an equals sign and joins indented lines, none of which suits
 * commands and patterns: so it is given "key = 1", and the value stays here.
 */
static char *next_line(char *dst, int size, void *arg)
{
	struct reader *r = arg;
	char *line = NULL;
	const char *key;
	size_t cap = 0;
	ssize_t n = getline(&line, &cap, r->stream);

	if (n < 0) {
		if (!feof(r->stream) && !ferror(r->stream))
			reader_fail_memory(r);
		free(line);
		return NULL;
	}
	r->line++;
	free(r->raw);
	r->raw = NULL;
	if (strlen(line) != (size_t)n)
		fail_line(r, "there is a NUL in the line");
	key = split_line(r, line);
	snprintf(dst, (size_t)size, *key ? "%.100s = 1\n" : "\n", key);
	free(line);
	return dst;
}

static int on_key(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *r = arg;
	const struct option_row *row = option_find(name);
	const char *near;
	char shown[200];

	(void)section;
	(void)value;
	if (r->exit_code)
		return 0;
	if (row && row->doc.in_file)
		return !assign(r, row, r->raw, r->line);
	reader_show(shown, sizeof(shown), name);
	near = row ? NULL : option_resembling(name);
	return !reader_fail(r, EXIT_CODE_CONFIG, "%s:%d: %s: %s%s%s%s", r->file, r->line, shown,
			    row ? "is for the command line only" : "there is no such option",
			    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

int reader_take_stream(struct reader *r, FILE *stream, const char *name)
{
	int line;

	r->file = name;
	r->stream = stream;
	line = ini_parse_stream(next_line, r, on_key, r);
	if (ferror(stream))
		reader_fail(r, EXIT_CODE_CONFIG, "%s: cannot be read: %s", name, strerror(errno));
	else if (line > 0)
		reader_fail(r, EXIT_CODE_CONFIG, "%s:%d: this is not NAME = VALUE", name, line);
	else if (line < 0)
		reader_fail_memory(r);
	return r->exit_code ? -EINVAL : 0;
}

/* The line on which the first NUL of @text is. */
static int count_lines(const char *text)
{
	int n = 1;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

/* All of the file, NUL-terminated; NULL with the error noted. */
static char *slurp(struct reader *r, const char *name)
{
	FILE *stream = fopen(name, "re");
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!stream) {
		reader_fail(r, EXIT_CODE_CONFIG, "%s: cannot be opened: %s", name, strerror(errno));
		return NULL;
	}
	n = getdelim(&text, &cap, '\0', stream);
	if (ferror(stream))
		reader_fail(r, EXIT_CODE_CONFIG, "%s: cannot be read: %s", name, strerror(errno));
	else if (n < 0 && !feof(stream))
		reader_fail_memory(r);
	else if (n > 0 && !text[n - 1])
		reader_fail(r, EXIT_CODE_CONFIG, "%s:%d: there is a NUL in the line", name,
			    count_lines(text));
	fclose(stream);
	if (n < 0 || r->exit_code) {
		free(text);
		return r->exit_code ? NULL : strdup("");
	}
	return text;
}

static int take_text(struct reader *r, const char *text, const char *name)
{
	FILE *stream;
	int rc;

	r->file = name;
	if (!*text)
		return 0; /* fmemopen() takes no empty one */
	stream = fmemopen((void *)(size_t)text, strlen(text), "r");
	if (!stream)
		return reader_fail_memory(r);
	rc = reader_take_stream(r, stream, name);
	fclose(stream);
	return rc;
}

int reader_take_file(struct reader *r, const char *file_text)
{
	const char *name = reader_given(r, OPTION_FILE);

	if (!name)
		return 0;
	r->text = file_text ? strdup(file_text) : slurp(r, name);
	if (!r->text)
		return reader_fail_memory(r);
	return take_text(r, r->text, name);
}

/* ---- the command line ---- */

#define MAX_OPTIONS 80

/* What getopt_long() returns for row 0: above every character. */
#define FIRST_ROW 256

static void make_long_options(struct option *out)
{
	const struct option_row *row;
	size_t i;

	for (i = 0; (row = option_at(i)); i++) {
		assert(i < MAX_OPTIONS - 1);
		/* Were the values alike, an ambiguous abbreviation would count as clear. */
		out[i] = (struct option){.name = row->doc.name,
					 .has_arg = row->type == OPTION_BOOL ? optional_argument
						    : row->doc.argument      ? required_argument
									     : no_argument,
					 .val = FIRST_ROW + (int)i};
	}
	out[i] = (struct option){0};
}

/* Whether several options start with @name. */
static bool is_ambiguous(const char *name)
{
	const struct option_row *row;
	unsigned n = 0;

	for (size_t i = 0; (row = option_at(i)); i++)
		n += !strncmp(row->doc.name, name, strlen(name));
	return n > 1;
}

/* getopt_long() found something wrong with the word before optind. */
static int fail_word(struct reader *r, int found, char *const *argv)
{
	const char *word = argv[optind - 1], *near;
	char name[64], shown[200];

	if (optopt && optopt < FIRST_ROW)
		return reader_fail(r, EXIT_CODE_USAGE,
				   "-%c: options have two dashes; see coprocd --help", optopt);
	reader_show(shown, sizeof(shown), word);
	if (found == ':')
		return reader_fail(r, EXIT_CODE_USAGE, "%s: needs a value; see coprocd --help",
				   shown);
	if (optopt)
		return reader_fail(r, EXIT_CODE_USAGE, "%s: takes no value", shown);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
		 word + strspn(word, "-"));
	if (is_ambiguous(name))
		return reader_fail(r, EXIT_CODE_USAGE,
				   "%s: may stand for several options; see coprocd --help", shown);
	near = option_resembling(name);
	return reader_fail(r, EXIT_CODE_USAGE,
			   "%s: there is no such option%s%s%s; see coprocd --help", shown,
			   near ? "; did you mean \"--" : "", near ? near : "", near ? "\"?" : "");
}

int reader_take_args(struct reader *r, int argc, char *const *argv)
{
	struct option names[MAX_OPTIONS];
	int found;

	make_long_options(names);
	optind = 0; /* the command line is read again at each reload */
	opterr = 0;
	while ((found = getopt_long(argc, argv, "+:", names, NULL)) != -1) {
		if (found < FIRST_ROW)
			return fail_word(r, found, argv);
		if (assign(r, option_at((size_t)(found - FIRST_ROW)), optarg ? optarg : "yes", 0))
			return -EINVAL;
	}
	r->words = argv + optind;
	return 0;
}

const char *reader_given(const struct reader *r, enum option_type type)
{
	for (size_t i = r->count; i-- > 0;) {
		const struct assignment *a = &r->list[i];

		if (!a->line && a->row->type == type)
			return type == OPTION_PRINT ? a->row->doc.name : a->value;
	}
	return NULL;
}
