/* SPDX-License-Identifier: MIT */
/* Where a client's request ends, however its bytes come. */
#include "cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MAX_REQUEST 10

/* What a client sends, and the requests in that, with a | behind each; # is one too long. */
static const struct sample {
	const char *request;
	const char *bytes;
	size_t len;
	const char *requests;
} samples[] = {
#define SAMPLE(request, bytes, requests)                                                           \
	{                                                                                          \
		request, bytes, sizeof(bytes) - 1, requests                                        \
	}
    SAMPLE("line", "a\n\nb c\r\n", "a||b c|"),
    SAMPLE("line", "12345678901234567890\nb\n", "#|b|"),
    SAMPLE("until:.", "a\nb\n.\n.\n..\n.\r\n", "a\nb||..|"),
    SAMPLE("until:", "a\n\n\nb\n\n", "a||b|"),
    SAMPLE("until:end", "123456\n123456\n123456\nend\na\nend\n", "#|a|"),
    SAMPLE("until:end", "12345678901234567890123\nxend\nend\na\nend\n", "#|a|"),
    SAMPLE("nul", "a\nb\r\0\0c\0", "a\nb\r||c|"),
    SAMPLE("nul", "123456789012345\0c\0", "#|c|"),
    SAMPLE("sized", "3\na\nb0\n2\r\ncd", "a\nb||cd|"),
    SAMPLE("sized", "11\n123456789011\nb", "#|b|"),
};

static void append(char *to, const char *bytes, size_t len)
{
	size_t n = strlen(to);

	snprintf(to + n, 200 - n, "%.*s|", (int)len, bytes);
}

/* Take what is there; returns how many bytes are done with. */
static size_t take(struct cut *c, bool *skipping, const char *bytes, size_t len, char *found)
{
	size_t at = 0;

	for (;;) {
		struct cut_piece piece;
		enum cut_result result;
		size_t used;

		if (*skipping) {
			*skipping = !cut_skip(c, bytes + at, len - at, &used);
			at += used;
			if (*skipping)
				return at;
		}
		result = cut_next(c, bytes + at, len - at, MAX_REQUEST, &piece);
		if (result == CUT_PARTIAL)
			return at;
		assert_int_not_equal(result, CUT_BAD);
		if (result == CUT_TOO_BIG) {
			append(found, "#", 1);
			*skipping = true;
			continue;
		}
		if (piece.len > MAX_REQUEST)
			append(found, "#", 1); /* the engine refuses it */
		else
			append(found, bytes + at + piece.off, piece.len);
		at += piece.used;
	}
}

static void test_cut_each_kind_at_every_two_splits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];

		for (size_t a = 0; a <= s->len; a++) {
			for (size_t b = a; b <= s->len; b++) {
				const size_t have[] = {a, b, s->len};
				struct cut c = {0};
				bool skipping = false;
				char found[200] = "", text[20];
				size_t at = 0;

				strcpy(text, s->request);
				assert_null(cut_parse(text, &c));
				for (size_t k = 0; k < 3; k++)
					at +=
					    take(&c, &skipping, s->bytes + at, have[k] - at, found);
				if (strcmp(found, s->requests) != 0)
					fail_msg("%s (%zu) cut at %zu and %zu: \"%s\"", s->request,
						 i, a, b, found);
			}
		}
	}
}

static void test_cut_the_rest_is_a_request_at_the_end_of_input(void **state)
{
	static const struct {
		const char *request, *bytes, *last;
	} rows[] = {{"line", "a\r", "a"},
		    {"until:.", "a\nb", "a\nb"},
		    {"until:.", "a\nb\n", "a\nb"},
		    {"until:.", "a\nb\n.", "a\nb"},
		    {"nul", "a\n", "a\n"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cut_piece piece;
		struct cut c = {0};
		char text[20];

		strcpy(text, rows[i].request);
		assert_null(cut_parse(text, &c));
		assert_int_equal(cut_next(&c, rows[i].bytes, strlen(rows[i].bytes), 10, &piece),
				 CUT_PARTIAL);
		assert_int_equal(cut_last(&c, rows[i].bytes, strlen(rows[i].bytes), &piece),
				 CUT_READY);
		assert_int_equal(piece.len, strlen(rows[i].last));
		assert_memory_equal(rows[i].bytes + piece.off, rows[i].last, piece.len);
	}
}

static void test_cut_a_size_that_is_none_is_bad(void **state)
{
	static const char *const bad[] = {"x\n", "\n", "-1\n", "1 \n", "1234567890123456789\n",
					  "3x\n"};
	struct cut c = {.kind = CUT_SIZED};
	struct cut_piece piece;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cut_next(&c, bad[i], strlen(bad[i]), 10, &piece), CUT_BAD);
	assert_int_equal(cut_last(&c, "3\na", 3, &piece), CUT_BAD);
}

static void test_cut_bad_options_are_explained(void **state)
{
	static const char *const bad[] = {"",          "lines",       "until",
					  "until:\\q", "until:a\\nb", "sized:1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cut c = {0};
		char text[20];

		strcpy(text, bad[i]);
		assert_non_null(cut_parse(text, &c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cut_each_kind_at_every_two_splits),
	    cmocka_unit_test(test_cut_the_rest_is_a_request_at_the_end_of_input),
	    cmocka_unit_test(test_cut_a_size_that_is_none_is_bad),
	    cmocka_unit_test(test_cut_bad_options_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
