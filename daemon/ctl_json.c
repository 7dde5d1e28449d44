/* SPDX-License-Identifier: MIT */
#include "ctl_json.h"

#include "coproc_client.h"
#include "macros.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define REPLACEMENT "\xef\xbf\xbd"

static void json_freep(json_t **json)
{
	json_decref(*json);
}

/* How many bytes from the start are UTF-8. */
static size_t utf8_run(const char *bytes, size_t len)
{
	size_t run = 0;

	while (run < len) {
		utf8proc_int32_t code;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)bytes + run,
						      (utf8proc_ssize_t)(len - run), &code);

		if (n <= 0)
			break;
		run += (size_t)n;
	}
	return run;
}

/* Append what of @bytes is UTF-8, the rest replaced. */
static int add_utf8(struct buf *out, const char *bytes, size_t len, bool *clean)
{
	for (;;) {
		size_t run = utf8_run(bytes, len);

		if (buf_add(out, bytes, run) < 0)
			return -ENOMEM;
		if (run == len)
			return 0;
		*clean = false;
		if (buf_add(out, REPLACEMENT, strlen(REPLACEMENT)) < 0)
			return -ENOMEM;
		bytes += run + 1;
		len -= run + 1;
	}
}

/* A JSON string; NULL if there is no memory. @clean is made false if it is not UTF-8. */
static json_t *text_of(const char *bytes, size_t len, bool *clean)
{
	struct buf utf8 = {0};
	json_t *text = NULL;

	if (add_utf8(&utf8, bytes, len, clean) == 0)
		text = json_stringn(utf8.len ? buf_bytes(&utf8) : "", utf8.len);
	buf_finish(&utf8);
	return text;
}

static json_t *base64_of(const char *bytes, size_t len)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc((len + 2) / 3 * 4 + 1), *p = text;
	json_t *json;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		const unsigned char *b = (const unsigned char *)bytes + i;
		size_t n = MIN(len - i, 3);
		unsigned bits = (unsigned)b[0] << 16 | (n > 1 ? b[1] << 8 : 0) | (n > 2 ? b[2] : 0);

		for (size_t d = 0; d < 4; d++)
			*p++ = d <= n ? digits[bits >> (18 - 6 * d) & 63] : '=';
	}
	json = json_stringn(text, (size_t)(p - text));
	free(text);
	return json;
}

/* The lines, without their newlines. */
static json_t *lines_of(const char *bytes, size_t len, bool *clean)
{
	json_t *lines = json_array();

	while (len && lines) {
		const char *lf = memchr(bytes, '\n', len);
		size_t n = lf ? (size_t)(lf - bytes) : len;

		if (json_array_append_new(lines, text_of(bytes, n, clean))) {
			json_decref(lines);
			return NULL;
		}
		n += lf != NULL;
		bytes += n;
		len -= n;
	}
	return lines;
}

static int add_reply(json_t *object, const struct coproc_answer *a)
{
	bool clean = true;

	if (a->code != COPROC_OK)
		return json_object_set_new(object, "text", text_of(a->bytes, a->len, &clean));
	if (json_object_set_new(object, "reply", lines_of(a->bytes, a->len, &clean)))
		return -1;
	return clean ? 0 : json_object_set_new(object, "base64", base64_of(a->bytes, a->len));
}

static int dump_cb(const char *bytes, size_t len, void *out)
{
	return buf_add(out, bytes, len);
}

int json_answer(const struct coproc_answer *a, struct buf *out)
{
	CLEANUP(json_freep) json_t *object = json_object();
	bool clean = true;

	if (!object ||
	    json_object_set_new(object, "request", json_integer((json_int_t)a->number)) ||
	    json_object_set_new(object, "code", text_of(a->name, strlen(a->name), &clean)) ||
	    add_reply(object, a) || json_dump_callback(object, dump_cb, out, JSON_COMPACT))
		return -ENOMEM;
	return buf_add(out, "\n", 1);
}
