/* SPDX-License-Identifier: MIT */
/* The option table, --help, the man pages and the sample file say the same. */
#include "config.h"

#include "macros.h"
#include "options.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct documents {
	char *help, *daemon_page, *file_page, *sample;
};

static char *read_document(const char *name)
{
	char path[4096], *text = NULL;
	size_t cap = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", getenv("SOURCE_ROOT"), name);
	f = fopen(path, "r");
	if (!f || getdelim(&text, &cap, '\0', f) <= 0)
		fail_msg("cannot read %s", path);
	fclose(f);
	return text;
}

static int set_up(void **state)
{
	char *argv[] = {(char[]){"coprocd"}, (char[]){"--help"}, NULL};
	struct config *config;
	struct documents *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->help = config_from_args(2, argv, &config).message;
	d->daemon_page = read_document("daemon/coprocd.8");
	d->file_page = read_document("daemon/coprocd.conf.5");
	d->sample = read_document("contrib/coprocd.conf.sample");
	*state = d;
	return 0;
}

static int tear_down(void **state)
{
	struct documents *d = *state;

	free(d->help);
	free(d->daemon_page);
	free(d->file_page);
	free(d->sample);
	free(d);
	return 0;
}

/* Where the next line starts, NULL behind the last one. */
static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : NULL;
}

/* The line that starts with @prefix, up to its LF; fails the test if there is none. */
static const char *find_line(const char *text, const char *prefix)
{
	for (const char *line = text; line; line = next_line(line))
		if (!strncmp(line, prefix, strlen(prefix)))
			return line;
	fail_msg("no line starts with \"%s\"", prefix);
	return NULL;
}

/* The text between @from and the next line that starts with @mark. */
static char *section(const char *from, const char *mark)
{
	char pattern[64];
	const char *end;

	snprintf(pattern, sizeof(pattern), "\n%s", mark);
	end = strstr(from, pattern);
	return end ? strndup(from, (size_t)(end - from) + 1) : strdup(from);
}

static void assert_has_line(const char *text, const char *line)
{
	char pattern[1000];

	snprintf(pattern, sizeof(pattern), "\n%s\n", line);
	if (!strstr(text, pattern))
		fail_msg("no line \"%s\" in:\n%s", line, text);
}

static const char *or_else(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

/* As roff wants backslashes and backquotes. */
static const char *roff(const char *text, char *dst, size_t size)
{
	size_t n = 0;

	for (; *text && n + 5 < size; text++) {
		if (*text == '\\')
			n += (size_t)sprintf(dst + n, "\\e");
		else if (*text == '`')
			n += (size_t)sprintf(dst + n, "\\(ga");
		else
			dst[n++] = *text;
	}
	dst[n] = '\0';
	return dst;
}

/* The phrase of --help as the first sentence behind the head of a list item. */
static void assert_starts_with_help(const char *item, const struct config_option *o)
{
	char help[400], line[500];

	roff(o->help, help, sizeof(help));
	snprintf(line, sizeof(line), "\n%c%s.\n", toupper((unsigned char)*help), help + 1);
	if (strncmp(strchrnul(item, '\n'), line, strlen(line)) != 0)
		fail_msg("no \"%s\" behind the head of:\n%s", line, item);
}

/* Make every run of blanks and line ends one blank: how lines were broken is no matter. */
static char *unwrap(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (!isspace((unsigned char)*from))
			*to++ = *from;
		else if (to > text && to[-1] != ' ')
			*to++ = ' ';
	*to = '\0';
	return text;
}

/* "--NAME ARGUMENT HELP [DEFAULT] RANGE", as --help is to have it but for its blanks. */
static void help_of(const struct config_option *o, char *dst, size_t size)
{
	size_t n = (size_t)snprintf(dst, size, "--%s%s%s %s%s ", o->name, o->argument ? " " : "",
				    or_else(o->argument, ""), o->help,
				    o->repeatable ? " (repeatable)" : "");

	if (o->in_file)
		snprintf(dst + n, size - n, "[%s] %s ", or_else(o->fallback, "-"), o->range);
}

static void test_help_has_each_option_with_default_and_range(void **state)
{
	const struct documents *d = *state;
	const struct config_option *o;

	for (size_t i = 0; (o = config_option_at(i)); i++) {
		char prefix[100], expected[900], *part;

		snprintf(prefix, sizeof(prefix), "  --%s%s%s ", o->name, o->argument ? " " : "",
			 or_else(o->argument, ""));
		part = unwrap(section(find_line(d->help, prefix), "  --"));
		help_of(o, expected, sizeof(expected));
		if (strncmp(part, expected, strlen(expected)) != 0)
			fail_msg("expected: %s\ngot: %s", expected, part);
		free(part);
	}
}

static void test_help_fits_100_columns(void **state)
{
	const struct documents *d = *state;
	const char *line = d->help;

	while (*line) {
		size_t n = strcspn(line, "\n");

		if (n > 100)
			fail_msg("%zu columns: %.*s", n, (int)n, line);
		line += n + 1;
	}
}

static void test_file_page_has_each_key_with_default_and_range(void **state)
{
	const struct documents *d = *state;
	const struct config_option *o;

	for (size_t i = 0; (o = config_option_at(i)); i++) {
		char prefix[100], line[500], text[400], *part;

		if (!o->in_file)
			continue;
		snprintf(prefix, sizeof(prefix), ".It Cm %s\n", o->name);
		part = section(find_line(d->file_page, prefix), ".It Cm");
		assert_starts_with_help(part, o);
		if (o->repeatable)
			assert_has_line(part, "May stand several times.");
		snprintf(line, sizeof(line), "Default: %s",
			 roff(or_else(o->fallback, "none"), text, sizeof(text)));
		assert_has_line(part, line);
		snprintf(line, sizeof(line), "Allowed: %s", roff(o->range, text, sizeof(text)));
		assert_has_line(part, line);
		free(part);
	}
}

static void test_sample_has_each_key_commented_out_with_default_and_range(void **state)
{
	const struct documents *d = *state;
	const struct config_option *o;

	for (size_t i = 0; (o = config_option_at(i)); i++) {
		char line[900];

		if (!o->in_file)
			continue;
		snprintf(line, sizeof(line), "# %s%s\n# allowed: %s\n#%s =%s%s", o->help,
			 o->repeatable ? " (repeatable)" : "", o->range, o->name,
			 o->fallback ? " " : "", or_else(o->fallback, ""));
		assert_has_line(d->sample, line);
	}
}

/* The head of an option's item, "\n" included: ".It Fl -window Ar n". */
static void item_head(const struct config_option *o, char *dst, size_t size)
{
	size_t n = (size_t)snprintf(dst, size, ".It Fl -%s%s", o->name, o->argument ? " Ar " : "");

	for (const char *p = or_else(o->argument, ""); *p && n + 2 < size; p++)
		dst[n++] = (char)tolower((unsigned char)*p);
	strcpy(dst + n, "\n");
}

static void test_daemon_page_has_each_option_with_default_and_range(void **state)
{
	const struct documents *d = *state;
	const struct config_option *o;

	for (size_t i = 0; (o = config_option_at(i)); i++) {
		char head[100], line[900], text[400], range[400], *part;

		item_head(o, head, sizeof(head));
		part = section(find_line(d->daemon_page, head), ".It Fl");
		if (o->in_file) {
			assert_starts_with_help(part, o);
			if (o->repeatable)
				assert_has_line(part, "May be given several times.");
			snprintf(line, sizeof(line), "Default: %s; allowed: %s",
				 roff(or_else(o->fallback, "none"), text, sizeof(text)),
				 roff(o->range, range, sizeof(range)));
			assert_has_line(part, line);
		}
		free(part);
	}
}

/* Every word behind @mark in front of a line names an option. */
static void assert_names_known(const char *text, const char *mark)
{
	for (const char *line = text; line; line = next_line(line)) {
		const char *name = line + strlen(mark);
		size_t n;

		if (strncmp(line, mark, strlen(mark)) != 0)
			continue;
		n = strspn(name, "abcdefghijklmnopqrstuvwxyz-");
		if (n && !option_find(strndupa(name, n)))
			fail_msg("there is no option \"%.*s\"", (int)n, name);
	}
}

/* How many lines of @text start with @head. */
static unsigned count_lines(const char *text, const char *head)
{
	unsigned n = 0;

	for (const char *line = text; line; line = next_line(line))
		n += !strncmp(line, head, strlen(head));
	return n;
}

/* A second place with another default would contradict the one that is checked. */
static void test_documents_have_each_option_once(void **state)
{
	const struct documents *d = *state;
	const struct config_option *o;

	for (size_t i = 0; (o = config_option_at(i)); i++) {
		char head[100];

		item_head(o, head, sizeof(head));
		assert_int_equal(count_lines(d->daemon_page, head), 1);
		snprintf(head, sizeof(head), ".It Cm %s\n", o->name);
		assert_int_equal(count_lines(d->file_page, head), o->in_file);
		snprintf(head, sizeof(head), "#%s =", o->name);
		assert_int_equal(count_lines(d->sample, head), o->in_file);
	}
}

static void test_no_document_names_an_option_that_does_not_exist(void **state)
{
	const struct documents *d = *state;

	assert_names_known(d->help, "  --");
	assert_names_known(d->daemon_page, ".It Fl -");
	assert_names_known(d->file_page, ".It Cm ");
	assert_names_known(d->sample, "#");
	assert_names_known(d->sample, "");
}

static void test_daemon_page_has_each_code_of_the_protocol(void **state)
{
	const struct documents *d = *state;

	for (int code = COPROC_TIMEOUT; code <= COPROC_STOPPING; code++) {
		char line[60];

		snprintf(line, sizeof(line), ".It Li %s", coproc_code_name((enum coproc_code)code));
		assert_has_line(d->daemon_page, line);
	}
}

static void test_daemon_page_has_each_exit_code(void **state)
{
	static const int codes[] = {EXIT_CODE_OK,     EXIT_CODE_USAGE,  EXIT_CODE_UNAVAILABLE,
				    EXIT_CODE_SYSTEM, EXIT_CODE_SOCKET, EXIT_CODE_CONFIG};
	const struct documents *d = *state;
	char *part = section(find_line(d->daemon_page, ".Sh EXIT STATUS\n"), ".Sh");

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		char line[20];

		snprintf(line, sizeof(line), ".It %d", codes[i]);
		assert_has_line(part, line);
	}
	free(part);
}

static void assert_valid(char *text)
{
	struct config *config = NULL;
	char *message = NULL;
	FILE *f = fmemopen(text, strlen(text), "r");

	assert_non_null(f);
	if (config_from_stream(f, "sample", &config, &message))
		fail_msg("%s", message);
	config_free(config);
	fclose(f);
}

/* Take the comment marks off the keys: the sample is still a valid file. */
static void test_sample_is_valid_as_it_is_and_with_all_defaults_in_force(void **state)
{
	const struct documents *d = *state;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_valid(d->sample);
	assert_non_null(f);
	for (const char *line = d->sample; line; line = next_line(line)) {
		size_t n = strcspn(line, "\n");
		bool is_default = *line == '#' && islower((unsigned char)line[1]) &&
				  line[n - 1] != '=' && strncmp(line, "#listen", 7) != 0;

		fprintf(f, "%.*s\n", (int)(n - is_default), line + is_default);
	}
	fclose(f);
	assert_valid(text);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_help_has_each_option_with_default_and_range),
	    cmocka_unit_test(test_help_fits_100_columns),
	    cmocka_unit_test(test_file_page_has_each_key_with_default_and_range),
	    cmocka_unit_test(test_sample_has_each_key_commented_out_with_default_and_range),
	    cmocka_unit_test(test_daemon_page_has_each_option_with_default_and_range),
	    cmocka_unit_test(test_documents_have_each_option_once),
	    cmocka_unit_test(test_no_document_names_an_option_that_does_not_exist),
	    cmocka_unit_test(test_daemon_page_has_each_code_of_the_protocol),
	    cmocka_unit_test(test_daemon_page_has_each_exit_code),
	    cmocka_unit_test(test_sample_is_valid_as_it_is_and_with_all_defaults_in_force),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
