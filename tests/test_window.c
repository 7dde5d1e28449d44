/* SPDX-License-Identifier: MIT */
#include "window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Let a process that takes @us for each request have what it may, @rounds times. */
static int64_t work(struct window *w, int64_t now_us, int64_t us, unsigned rounds)
{
	while (rounds--) {
		unsigned sent = w->size;

		window_begin(w, now_us);
		now_us += us * sent;
		window_answered(w, sent, now_us);
	}
	return now_us + 12345; /* idle, which does not count */
}

static void test_window_a_number_stays(void **state)
{
	struct window w;

	(void)state;
	window_init(&w, 17, false);
	assert_false(window_is_auto(&w));
	window_distrust(&w);
	assert_int_equal(w.size, 17);
}

static void test_window_auto_grows_only_after_sixteen_replies(void **state)
{
	struct window w;
	int64_t now;

	(void)state;
	window_init(&w, 256, true);
	assert_true(window_is_auto(&w));
	now = work(&w, 0, 10, 15);
	assert_int_equal(w.size, 1);
	now = work(&w, now, 10, 1);
	assert_int_equal(w.size, 2);
	work(&w, now, 10, 1);
	assert_int_equal(w.size, 4);
}

static void test_window_auto_is_a_millisecond_of_work(void **state)
{
	static const struct {
		int64_t us;
		unsigned size;
	} of[] = {{0, 256}, {1, 256}, {10, 100}, {100, 10}, {334, 2}, {501, 1}, {5000, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		struct window w;

		window_init(&w, 256, true);
		work(&w, 0, of[i].us, 1000);
		if (w.size != of[i].size)
			fail_msg("%d us: %u", (int)of[i].us, w.size);
	}
}

static void test_window_auto_never_has_two_with_a_slow_process(void **state)
{
	struct window w;
	int64_t now = 0;

	(void)state;
	window_init(&w, 256, true);
	for (unsigned i = 0; i < 10000; i++) {
		now = work(&w, now, 5000, 1);
		assert_int_equal(w.size, 1);
	}
}

static void test_window_auto_shrinks_when_the_process_becomes_slow(void **state)
{
	struct window w;
	int64_t now;
	unsigned before;

	(void)state;
	window_init(&w, 256, true);
	now = work(&w, 0, 2, 1000);
	before = w.size;
	now = work(&w, now, 5000, 1);
	assert_true(before == 256 && w.size < 4);
	now = work(&w, now, 5000, 4);
	assert_int_equal(w.size, 1);
	work(&w, now, 2, 1000); /* and is forgiven */
	assert_int_equal(w.size, 256);
}

static void test_window_auto_distrust_starts_over(void **state)
{
	struct window w;
	int64_t now;

	(void)state;
	window_init(&w, 256, true);
	now = work(&w, 0, 2, 1000);
	window_distrust(&w);
	assert_int_equal(w.size, 1);
	now = work(&w, now, 2, 15);
	assert_int_equal(w.size, 1);
	work(&w, now, 2, 1000);
	assert_int_equal(w.size, 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_window_a_number_stays),
	    cmocka_unit_test(test_window_auto_grows_only_after_sixteen_replies),
	    cmocka_unit_test(test_window_auto_is_a_millisecond_of_work),
	    cmocka_unit_test(test_window_auto_never_has_two_with_a_slow_process),
	    cmocka_unit_test(test_window_auto_shrinks_when_the_process_becomes_slow),
	    cmocka_unit_test(test_window_auto_distrust_starts_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
