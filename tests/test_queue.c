/* SPDX-License-Identifier: MIT */
/* The waiting requests: order, count and bytes. */
#include "queue.h"

#include "macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct queue q;
	struct coproc_request r[8];
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	queue_init(&f.q);
	for (size_t i = 0; i < ARRAY_SIZE(f.r); i++) {
		f.r[i].seq = i + 1;
		f.r[i].len = 10 + i;
		f.r[i].count = f.r[i].unsent = 1;
	}
	*state = &f;
	return 0;
}

/* The waiting numbers, as text. */
static const char *order(const struct queue *q)
{
	static char text[64];
	const struct coproc_request *r;
	size_t n = 0;

	text[0] = '\0';
	TAILQ_FOREACH (r, &q->list, waiting)
		text[n++] = (char)('0' + r->seq);
	text[n] = '\0';
	return text;
}

/* As one that was with a process. */
static void put_back(struct fixture *f, struct coproc_request *r)
{
	r->unsent = 1;
	queue_put_back(&f->q, r);
}

static void test_queue_keeps_the_order_of_arrival(void **state)
{
	struct fixture *f = *state;

	assert_null(queue_first(&f->q));
	for (int i = 0; i < 4; i++)
		queue_push(&f->q, &f->r[i]);
	assert_string_equal(order(&f->q), "1234");
	assert_ptr_equal(queue_first(&f->q), &f->r[0]);
}

static void test_queue_counts_requests_and_bytes(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		queue_push(&f->q, &f->r[i]);
	assert_int_equal(f->q.count, 3);
	assert_int_equal(f->q.bytes, 10 + 11 + 12);
	queue_remove(&f->q, &f->r[1]);
	assert_int_equal(f->q.count, 2);
	assert_int_equal(f->q.bytes, 10 + 12);
	put_back(f, &f->r[1]);
	assert_int_equal(f->q.bytes, 10 + 11 + 12);
}

static void test_queue_put_back_restores_the_order_of_arrival(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 6; i++)
		queue_push(&f->q, &f->r[i]);
	queue_remove(&f->q, &f->r[0]);
	queue_remove(&f->q, &f->r[1]);
	queue_remove(&f->q, &f->r[2]);
	put_back(f, &f->r[1]);
	put_back(f, &f->r[2]);
	put_back(f, &f->r[0]);
	assert_string_equal(order(&f->q), "123456");
}

static void test_queue_put_back_into_an_empty_queue(void **state)
{
	struct fixture *f = *state;

	put_back(f, &f->r[3]);
	put_back(f, &f->r[5]);
	assert_string_equal(order(&f->q), "46");
	assert_int_equal(f->q.count, 2);
}

static void test_queue_a_run_goes_bit_by_bit(void **state)
{
	static const char lines[] = "a\nbb\nccc\n";
	struct fixture *f = *state;
	struct coproc_request *run = &f->r[1];

	*run = (struct coproc_request){
	    .seq = 2, .bytes = lines, .len = 9, .count = 3, .unsent = 3, .is_run = true};
	queue_push(&f->q, &f->r[0]);
	queue_push(&f->q, run);
	assert_int_equal(f->q.count, 4);
	assert_int_equal(f->q.bytes, 10 + 9);
	queue_take(&f->q, run, 2, 5);
	assert_int_equal(f->q.count, 2);
	assert_int_equal(f->q.bytes, 10 + 4);
	assert_string_equal(run->bytes, "ccc\n");
	assert_string_equal(order(&f->q), "12");
	queue_take(&f->q, run, 1, 4);
	assert_string_equal(order(&f->q), "1");
	assert_int_equal(f->q.count, 1);
	assert_int_equal(run->unsent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_queue_keeps_the_order_of_arrival, setup),
	    cmocka_unit_test_setup(test_queue_counts_requests_and_bytes, setup),
	    cmocka_unit_test_setup(test_queue_put_back_restores_the_order_of_arrival, setup),
	    cmocka_unit_test_setup(test_queue_put_back_into_an_empty_queue, setup),
	    cmocka_unit_test_setup(test_queue_a_run_goes_bit_by_bit, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
