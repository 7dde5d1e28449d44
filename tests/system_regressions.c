/* SPDX-License-Identifier: MIT */
/* What went wrong once: each test failed before the daemon was mended. */
#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- unread replies ---- */

/* How much processor time the daemon uses while nothing happens. */
static long idle_cpu_ms(struct rig *r)
{
	long before = proc_cpu_ms(r->pid);

	poll(NULL, 0, 500);
	return proc_cpu_ms(r->pid) - before;
}

static void test_p5_a_client_that_has_caught_up_costs_nothing(void **state)
{
	struct rig *r = *state;
	struct client *c;

	rig_start(r, "", "");
	c = client_new(r);
	say(r, c, "!big 3000000\n");
	assert_int_equal(strlen(next_line(r, c)), 3000000);
	assert_true(idle_cpu_ms(r) < 250);
	ask(r, c, "and on", "and on");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_p5_a_client_that_has_caught_up_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
