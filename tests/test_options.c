/* SPDX-License-Identifier: MIT */
/* What the option table says of each option is what its values are held to. */
#include "options.h"

#include "macros.h"
#include "parse.h"
#include "values.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Read anew for each value; freed by the fixture. */
struct rig {
	struct config *config;
	char *message;
	char why[600];
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct rig));
	return *state ? 0 : -1;
}

static void forget(struct rig *r)
{
	config_free(r->config);
	free(r->message);
	*r = (struct rig){0};
}

static int tear_down(void **state)
{
	forget(*state);
	free(*state);
	return 0;
}

static bool has_number(const struct option_row *row)
{
	return row->type <= OPTION_COUNT;
}

/* A value as one writes it; durations are in milliseconds. */
static const char *written(const struct option_row *row, int64_t n, char *dst, size_t size)
{
	snprintf(dst, size, "%lld%s", (long long)n, row->type == OPTION_DURATION ? "ms" : "");
	return dst;
}

static int64_t stored(const struct config *c, const struct option_row *row)
{
	const void *at = (const char *)c + row->offset;

	if (row->type == OPTION_DURATION)
		return *(const int64_t *)at;
	return row->type == OPTION_SIZE ? (int64_t) * (const size_t *)at : *(const unsigned *)at;
}

static int set_fresh(struct rig *r, const struct option_row *row, const char *value)
{
	forget(r);
	r->config = config_new();
	assert_non_null(r->config);
	return value_set(r->config, row, value, r->why, sizeof(r->why));
}

static int64_t read_number(const struct option_row *row, const char *text)
{
	int64_t ms = -1;
	size_t n = 0;

	if (row->type == OPTION_DURATION)
		return parse_duration_ms(text, &ms) ? -1 : ms;
	return parse_size(text, &n) ? -1 : (int64_t)n;
}

static void test_numbers_are_allowed_in_the_range_that_is_documented(void **state)
{
	const struct option_row *row;

	for (size_t i = 0; (row = option_at(i)); i++) {
		char low[40], high[40], rest;

		if (!has_number(row))
			continue;
		if (sscanf(row->doc.range, "%39s to %39s%c", low, high, &rest) != 2)
			fail_msg("%s: \"%s\" is not LOW to HIGH", row->doc.name, row->doc.range);
		assert_int_equal(read_number(row, low), row->min);
		assert_int_equal(read_number(row, high), row->max);
		assert_int_equal(set_fresh(*state, row, low), 0);
		assert_int_equal(stored(((struct rig *)*state)->config, row), row->min);
		assert_int_equal(set_fresh(*state, row, high), 0);
		assert_int_equal(stored(((struct rig *)*state)->config, row), row->max);
	}
}

static void test_numbers_beyond_their_range_change_nothing(void **state)
{
	struct rig *r = *state;
	const struct option_row *row;
	char text[40];

	for (size_t i = 0; (row = option_at(i)); i++) {
		if (!has_number(row))
			continue;
		set_fresh(r, row, row->doc.fallback);
		assert_int_equal(value_set(r->config, row,
					   written(row, row->max + 1, text, sizeof(text)), r->why,
					   sizeof(r->why)),
				 -EINVAL);
		assert_non_null(strstr(r->why, row->doc.range));
		if (row->min > 0)
			assert_int_not_equal(
			    value_set(r->config, row,
				      written(row, row->min - 1, text, sizeof(text)), r->why,
				      sizeof(r->why)),
			    0);
		assert_int_equal(stored(r->config, row), read_number(row, row->doc.fallback));
	}
}

/* The words as the range lists them: "text, utf8 or any". */
static void list_choices(const struct option_row *row, char *dst)
{
	*dst = '\0';
	for (int i = 0; row->choices[i]; i++) {
		if (i)
			strcat(dst, row->choices[i + 1] ? ", " : " or ");
		strcat(dst, row->choices[i]);
	}
}

static void test_words_are_allowed_as_documented_and_no_others(void **state)
{
	struct rig *r = *state;
	const struct option_row *row;

	for (size_t i = 0; (row = option_at(i)); i++) {
		char words[300];

		if (row->type != OPTION_CHOICE)
			continue;
		list_choices(row, words);
		assert_string_equal(row->doc.range, words);
		for (int k = 0; row->choices[k]; k++) {
			assert_int_equal(set_fresh(r, row, row->choices[k]), 0);
			assert_int_equal(*(int *)((char *)r->config + row->offset), row->min + k);
		}
		snprintf(words, sizeof(words), "%s ", row->choices[0]);
		assert_int_equal(set_fresh(r, row, words), -EINVAL);
		assert_int_equal(set_fresh(r, row, ""), -EINVAL);
	}
}

/* Options for which "?" is good, and those that quote PCRE2 on what is wrong. */
static bool has_other_errors(const struct option_row *row)
{
	return row->type == OPTION_TEXT || row->type == OPTION_BYTES ||
	       row->type == OPTION_COMMAND || row->type == OPTION_LISTEN ||
	       row->type == OPTION_CONTROL || row->type == OPTION_FORBID ||
	       row->type == OPTION_ASYNC || row->type == OPTION_NO_REPLY;
}

static void assert_message(const char *message, const char *start, const char *range)
{
	if (!message || strncmp(message, start, strlen(start)) != 0 || !strstr(message, range) ||
	    strchr(message, '\n') != message + strlen(message) - 1)
		fail_msg("expected one line %s ... %s, got: %s", start, range, message);
}

static void test_a_bad_value_in_a_file_names_line_key_value_and_range(void **state)
{
	struct rig *r = *state;
	const struct option_row *row;

	for (size_t i = 0; (row = option_at(i)); i++) {
		char text[100], start[100];
		FILE *stream;
		int rc;

		if (!row->doc.in_file || has_other_errors(row))
			continue;
		snprintf(text, sizeof(text), "# one\n%s = ?\n", row->doc.name);
		snprintf(start, sizeof(start), "coprocd: f.conf:2: %s: \"?\" ", row->doc.name);
		forget(r);
		stream = fmemopen(text, strlen(text), "r");
		rc = config_from_stream(stream, "f.conf", &r->config, &r->message);
		fclose(stream);
		assert_int_equal(rc, -EINVAL);
		assert_message(r->message, start, row->doc.range);
	}
}

static void test_a_bad_value_on_the_command_line_names_option_value_and_range(void **state)
{
	struct rig *r = *state;
	const struct option_row *row;

	for (size_t i = 0; (row = option_at(i)); i++) {
		char word[100], start[100];
		char *argv[] = {(char[]){"coprocd"}, word, (char[]){"cat"}, NULL};
		struct config_result result;

		if (!row->doc.in_file || has_other_errors(row))
			continue;
		snprintf(word, sizeof(word), "--%s=?", row->doc.name);
		snprintf(start, sizeof(start), "coprocd: --%s: \"?\" ", row->doc.name);
		forget(r);
		result = config_from_args(3, argv, &r->config);
		r->message = result.message;
		assert_int_equal(result.action, CONFIG_ERROR);
		assert_int_equal(result.exit_code, EXIT_CODE_USAGE);
		assert_message(r->message, start, row->doc.range);
	}
}

static void test_only_repeatable_keys_may_stand_twice_in_a_file(void **state)
{
	struct rig *r = *state;
	const struct option_row *row;

	for (size_t i = 0; (row = option_at(i)); i++) {
		char text[300], start[100];
		FILE *stream;

		if (!row->doc.in_file || row->doc.repeatable || !row->doc.fallback)
			continue;
		snprintf(text, sizeof(text), "%s = %s\n\n%s = %s\n", row->doc.name,
			 row->doc.fallback, row->doc.name, row->doc.fallback);
		snprintf(start, sizeof(start), "coprocd: f:3: %s: ", row->doc.name);
		forget(r);
		stream = fmemopen(text, strlen(text), "r");
		assert_int_equal(config_from_stream(stream, "f", &r->config, &r->message), -EINVAL);
		fclose(stream);
		assert_message(r->message, start, "stands on line 1 already");
	}
}

static void refuse(struct rig *r, const char *name, const char *value, const char *why)
{
	assert_int_equal(value_set(r->config, option_find(name), value, r->why, sizeof(r->why)),
			 -EINVAL);
	if (!strstr(r->why, why) || !strstr(r->why, option_find(name)->doc.range))
		fail_msg("expected \"%s\" in: %s", why, r->why);
}

static void test_the_mode_of_a_socket_is_octal_digits_alone(void **state)
{
	static const char *const bad[] = {"",     "888",  "1000", "0x1",
					  "+600", "-600", "-1",   "-18446744073709551200"};
	struct rig *r = *state;

	assert_int_equal(set_fresh(r, option_find("listen"), "/a,mode=0777"), 0);
	assert_int_equal(r->config->listens[0].mode, 0777);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[60];

		snprintf(text, sizeof(text), "/%zu,mode=%s", i, bad[i]);
		refuse(r, "listen", text, "mode is not octal");
	}
}

static void test_a_socket_has_no_empty_details(void **state)
{
	struct rig *r = *state;

	set_fresh(r, option_find("listen"), "/a");
	refuse(r, "listen", "/b,", "a detail without \"=\"");
	refuse(r, "listen", "/c,,mode=0600", "a detail without \"=\"");
	refuse(r, "listen", "/d,mode=0600,", "a detail without \"=\"");
	refuse(r, "listen", ",mode=0600", "is empty");
	refuse(r, "listen", "", "is empty");
}

static void test_a_detail_of_a_socket_stands_once_but_for_who_is_allowed(void **state)
{
	struct rig *r = *state;

	set_fresh(r, option_find("listen"), "/a");
	refuse(r, "listen", "/b,mode=0600,mode=0666", "has a detail twice");
	refuse(r, "listen", "/c,owner=0,mode=0600,owner=0", "has a detail twice");
	refuse(r, "listen", "/d,group=0,group=1", "has a detail twice");
	refuse(r, "listen", "fd:e,replies=status,replies=plain", "has a detail twice");
	refuse(r, "control", "/f,mode=0600,mode=0666", "has a detail twice");
	assert_int_equal(set_fresh(r, option_find("listen"),
				   "/a,mode=0600,owner=0,group=0,replies=status,allow-user=1,"
				   "allow-user=2,allow-group=1,allow-group=2"),
			 0);
}

static void test_the_control_socket_is_none_for_requests(void **state)
{
	struct rig *r = *state;

	set_fresh(r, option_find("listen"), "/a");
	refuse(r, "control", "/a", "is given twice");
	refuse(r, "control", "fd:x", "more than a path");
	refuse(r, "control", "/c,replies=status", "more than a path");
	set_fresh(r, option_find("control"), "/a,mode=0640");
	assert_int_equal(r->config->control.mode, 0640);
	refuse(r, "listen", "/a", "is the control socket");
}

/* Texts that a fresh config leaves NULL stand for their default. */
static void test_documented_defaults_of_texts_are_those_in_force(void **state)
{
	struct rig *r = *state;
	struct config *fresh;

	set_fresh(r, option_find("request-suffix"), option_find("request-suffix")->doc.fallback);
	fresh = r->config;
	r->config = config_new();
	assert_int_equal(r->config->engine.suffix_len, fresh->engine.suffix_len);
	assert_memory_equal(r->config->engine.suffix, fresh->engine.suffix,
			    fresh->engine.suffix_len);
	config_free(fresh);
	assert_int_equal(r->config->engine.prefix_len, 0);
	assert_string_equal(r->config->engine.reply, option_find("reply")->doc.fallback);
	assert_null(r->config->engine.ready);
	assert_string_equal(option_find("ready")->doc.fallback, "start");
	assert_null(r->config->engine.banner);
	assert_null(option_find("banner")->doc.fallback);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_numbers_are_allowed_in_the_range_that_is_documented),
	    TEST(test_numbers_beyond_their_range_change_nothing),
	    TEST(test_words_are_allowed_as_documented_and_no_others),
	    TEST(test_a_bad_value_in_a_file_names_line_key_value_and_range),
	    TEST(test_a_bad_value_on_the_command_line_names_option_value_and_range),
	    TEST(test_only_repeatable_keys_may_stand_twice_in_a_file),
	    TEST(test_the_mode_of_a_socket_is_octal_digits_alone),
	    TEST(test_a_socket_has_no_empty_details),
	    TEST(test_a_detail_of_a_socket_stands_once_but_for_who_is_allowed),
	    TEST(test_the_control_socket_is_none_for_requests),
	    TEST(test_documented_defaults_of_texts_are_those_in_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
