/* SPDX-License-Identifier: MIT */
#include "filter.h"

#include <string.h>
#include <utf8proc.h>

/* Whether every byte is printable ASCII or TAB; the usual case, without a branch per byte. */
static bool is_plain(const char *bytes, size_t len)
{
	unsigned odd = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		odd |= (unsigned)(c < 0x20 && c != '\t') | (unsigned)(c >= 0x7f);
	}
	return !odd;
}

static bool has_control(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static bool is_utf8(const char *bytes, size_t len)
{
	const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)bytes, *end = p + len;

	while (p < end) {
		utf8proc_int32_t cp;
		utf8proc_ssize_t n = utf8proc_iterate(p, end - p, &cp);

		if (n <= 0)
			return false;
		p += n;
	}
	return true;
}

/* Whether the suffix occurs in @bytes, or earlier than at its place when it is put behind them. */
static bool ends_early(const char *bytes, size_t len, const char *suffix, size_t suffix_len)
{
	if (suffix_len == 1)
		return memchr(bytes, *suffix, len);
	if (suffix_len && memmem(bytes, len, suffix, suffix_len))
		return true;
	for (size_t i = 1; i < suffix_len && i <= len; i++)
		if (!memcmp(bytes + len - i, suffix, i) &&
		    !memcmp(suffix, suffix + i, suffix_len - i))
			return true;
	return false;
}

/* What may be wrong with any byte. */
static enum filter_verdict check_bytes(const struct coproc_options *options, const char *bytes,
				       size_t len)
{
	if (options->request_bytes != COPROC_BYTES_ANY && memchr(bytes, '\0', len))
		return FILTER_NUL;
	if (options->request_bytes == COPROC_BYTES_UTF8 && !is_utf8(bytes, len))
		return FILTER_UTF8;
	return FILTER_OK;
}

enum filter_verdict filter_check(const struct coproc_options *options, const char *bytes,
				 size_t len)
{
	enum filter_verdict verdict;

	if (len > options->max_request)
		return FILTER_TOO_LONG;
	verdict = check_bytes(options, bytes, len);
	if (verdict == FILTER_OK && ends_early(bytes, len, options->suffix, options->suffix_len))
		return FILTER_SUFFIX;
	return verdict;
}

unsigned filter_lines(const struct coproc_options *options, const char *bytes, size_t *len,
		      unsigned most)
{
	const char *at = bytes, *end = bytes + *len, *lf;
	unsigned n = 0;

	while (n < most && at < end && (lf = memchr(at, '\n', (size_t)(end - at)))) {
		if ((size_t)(lf - at) > options->max_request)
			break;
		at = lf + 1;
		n++;
	}
	*len = (size_t)(at - bytes);
	/* No character of UTF-8 holds an LF, so that the lines are good if the whole is. */
	return check_bytes(options, bytes, *len) == FILTER_OK ? n : 0;
}

bool filter_is_suspicious(const char *bytes, size_t len, size_t over)
{
	if (len > over)
		return true;
	return !is_plain(bytes, len) && (has_control(bytes, len) || !is_utf8(bytes, len));
}
