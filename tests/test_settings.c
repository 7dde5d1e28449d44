/* SPDX-License-Identifier: MIT */
/* The checked copy of the options. */
#include "settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char program[] = "prog", argument[] = "arg";
static char *const argv[] = {program, argument, NULL};

static struct coproc_options good(void)
{
	struct coproc_options o;

	coproc_options_init(&o);
	o.argv = argv;
	return o;
}

static void test_settings_copies_all_that_the_options_point_to(void **state)
{
	char word[] = "cmd", variable[] = "A=1", dir[] = "/tmp", prefix[] = "a\0b";
	char *args[] = {word, NULL}, *env[] = {variable, NULL};
	struct coproc_options o = good();
	struct settings *s;
	char error[100];

	(void)state;
	o.argv = args;
	o.env = env;
	o.directory = dir;
	o.prefix = prefix;
	o.prefix_len = 3;
	assert_int_equal(settings_new(&o, &s, error, sizeof(error)), 0);
	word[0] = variable[0] = dir[0] = prefix[0] = '!';
	assert_string_equal(s->o.argv[0], "cmd");
	assert_null(s->o.argv[1]);
	assert_string_equal(s->o.env[0], "A=1");
	assert_string_equal(s->o.directory, "/tmp");
	assert_memory_equal(s->o.prefix, "a\0b", 3);
	assert_null(s->o.user);
	settings_unref(s);
}

static void test_settings_live_as_long_as_somebody_holds_them(void **state)
{
	struct coproc_options o = good();
	struct settings *s;
	char error[100];

	(void)state;
	assert_int_equal(settings_new(&o, &s, error, sizeof(error)), 0);
	assert_ptr_equal(settings_ref(s), s);
	settings_unref(s);
	assert_string_equal(s->o.argv[0], "prog");
	settings_unref(s);
	settings_unref(NULL);
}

static void refuse(struct coproc_options o, const char *named)
{
	struct settings *s = NULL;
	char error[200] = "";

	assert_int_equal(settings_new(&o, &s, error, sizeof(error)), -EINVAL);
	assert_null(s);
	if (!strstr(error, named))
		fail_msg("\"%s\" does not name \"%s\"", error, named);
}

#define REFUSE(member, value, named)                                                               \
	do {                                                                                       \
		struct coproc_options bad = good();                                                \
		bad.member = (value);                                                              \
		refuse(bad, named);                                                                \
	} while (0)

static void test_settings_name_the_option_that_is_bad(void **state)
{
	char empty[] = "";
	char *const none[] = {NULL}, *const nothing[] = {empty, NULL};

	(void)state;
	REFUSE(argv, NULL, "command");
	REFUSE(argv, none, "command");
	REFUSE(argv, nothing, "command");
	REFUSE(window, 0, "window");
	REFUSE(window, 4097, "window");
	REFUSE(workers, 0, "workers");
	REFUSE(workers, 257, "workers");
	REFUSE(suffix_len, 0, "request-suffix");
	REFUSE(max_request, 0, "max-request");
	REFUSE(max_reply, 0, "max-reply");
	REFUSE(queue, 0, "queue");
	REFUSE(queue_bytes, 0, "queue-bytes");
	REFUSE(queue_bytes, 10, "queue-bytes");
	REFUSE(restart_delay_ms, 40000, "restart-delay");
	REFUSE(reply, "lines:0x", "reply: \"lines:0x\"");
	REFUSE(reply, NULL, "reply");
}

static void test_settings_take_the_largest_window(void **state)
{
	struct coproc_options o = good();
	struct settings *s;
	char error[100];

	(void)state;
	o.window = 4096;
	assert_int_equal(settings_new(&o, &s, error, sizeof(error)), 0);
	assert_false(s->proof);
	settings_unref(s);
}

static bool allow_runs(const struct coproc_options *o)
{
	struct settings *s;
	char error[100];
	bool runs;

	assert_int_equal(settings_new(o, &s, error, sizeof(error)), 0);
	runs = s->runs;
	settings_unref(s);
	return runs;
}

/* allow_runs() with one member set otherwise. */
#define WITH(member, value) (o = good(), o.window = 8, o.member = (value), allow_runs(&o))

static void test_settings_allow_runs_where_nothing_is_done_for_each_line(void **state)
{
	static char a[] = "a";
	static char *const list[] = {a, NULL};
	struct coproc_options o;

	(void)state;
	assert_true(WITH(window, 2));
	assert_true(WITH(window, COPROC_WINDOW_AUTO));
	assert_false(WITH(window, 1));
	assert_false(WITH(window, COPROC_WINDOW_DEFAULT));
	assert_false(WITH(reply, "lines:1"));
	assert_false(WITH(reply, "channel"));
	assert_false(WITH(async, list));
	assert_false(WITH(no_reply, list));
	assert_false((o = good(), o.window = 8, o.cancel = a, o.cancel_len = 1, allow_runs(&o)));
	assert_false((o = good(), o.window = 8, o.prefix = a, o.prefix_len = 1, allow_runs(&o)));
	assert_false(WITH(suffix, ";"));
	assert_false(WITH(retries, 1));
	assert_false(WITH(workers, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_settings_copies_all_that_the_options_point_to),
	    cmocka_unit_test(test_settings_live_as_long_as_somebody_holds_them),
	    cmocka_unit_test(test_settings_name_the_option_that_is_bad),
	    cmocka_unit_test(test_settings_take_the_largest_window),
	    cmocka_unit_test(test_settings_allow_runs_where_nothing_is_done_for_each_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
