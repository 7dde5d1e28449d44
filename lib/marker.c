/* SPDX-License-Identifier: MIT */
#include "marker.h"

#include "parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a number, the bits that cannot be guessed. */
#define SECRET_BITS 30

int marker_parse(const char *text, size_t len, struct marker *out)
{
	struct marker m = {.text = malloc(len + 1)};
	char *raw = strndup(text, len);
	const char *at;
	int rc;

	rc = raw && m.text ? parse_escapes(raw, m.text, &m.len) : -ENOMEM;
	free(raw);
	if (rc) {
		marker_finish(&m);
		return rc;
	}
	at = memmem(m.text, m.len, "%n", 2);
	m.numbered = at != NULL;
	if (at && memmem(at + 2, m.len - (size_t)(at + 2 - m.text), "%n", 2)) {
		marker_finish(&m);
		return -EINVAL;
	}
	*out = m;
	return 0;
}

void marker_finish(struct marker *m)
{
	free(m->text);
	*m = (struct marker){0};
}

/* The finalizer of MurmurHash3 (public domain, A. Appleby): each bit depends on all. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdU;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53U;
	return x ^ x >> 33;
}

uint64_t marker_number(uint64_t key, uint64_t counter)
{
	return counter << SECRET_BITS | (mix(mix(counter) ^ key) & ((1U << SECRET_BITS) - 1));
}

bool marker_is_number(uint64_t key, uint64_t number)
{
	return marker_number(key, number >> SECRET_BITS) == number;
}

/* Where the number stands. */
static size_t head_len(const struct marker *m)
{
	const char *at = m->numbered ? memmem(m->text, m->len, "%n", 2) : NULL;

	return at ? (size_t)(at - m->text) : m->len;
}

size_t marker_write(const struct marker *m, uint64_t number, char *dst)
{
	size_t head = head_len(m);
	char *p = mempcpy(dst, m->text, head);

	if (!m->numbered)
		return head;
	p += snprintf(p, MARKER_DIGITS, "%llu", (unsigned long long)number);
	p = mempcpy(p, m->text + head + 2, m->len - head - 2);
	return (size_t)(p - dst);
}

bool marker_ends(const struct marker *m, uint64_t number, const char *line, size_t len,
		 size_t *before)
{
	char digits[MARKER_DIGITS];
	size_t head = head_len(m), n, tail;

	*before = 0;
	if (!m->numbered)
		return len == m->len && !memcmp(line, m->text, len);
	tail = m->len - head - 2;
	if (len <= head + tail || memcmp(line + len - tail, m->text + head + 2, tail))
		return false;
	n = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
	if (len < head + n + tail)
		return false;
	*before = len - tail - n - head;
	return !memcmp(line + *before, m->text, head) && !memcmp(line + *before + head, digits, n);
}

bool marker_is_any(const struct marker *m, uint64_t key, const char *line, size_t len)
{
	size_t head = head_len(m), tail = m->numbered ? m->len - head - 2 : 0, n;
	char digits[MARKER_DIGITS];
	uint64_t number;

	if (!m->numbered || len <= head + tail || len - head - tail >= sizeof(digits))
		return false;
	n = len - head - tail;
	if (memcmp(line, m->text, head) || memcmp(line + len - tail, m->text + head + 2, tail))
		return false;
	memcpy(digits, line + head, n);
	digits[n] = '\0';
	return !parse_count(digits, &number) && marker_is_number(key, number);
}
