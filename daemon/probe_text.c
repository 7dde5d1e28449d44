/* SPDX-License-Identifier: MIT */
#include "probe_text.h"

#include <ctype.h>
#include <string.h>

enum { TEXT_MAX = 100 };

/* Append @len bytes of @text to @out as they stand in a regular expression. */
static void add_quoted(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] && strchr("\\^$.[]|()?*+{}", text[i]))
			putc('\\', out);
		putc(text[i], out);
	}
}

/* The same, but any number in place of each number. */
void text_put_numbered(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t digits = 0;

		while (i + digits < len && isdigit((unsigned char)text[i + digits]))
			digits++;
		if (digits)
			fputs("\\d+", out);
		else
			add_quoted(out, text + i, 1);
		i += digits ? digits : 1;
	}
}

bool text_is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return len <= TEXT_MAX;
}

/* "until:TEXT", or where blanks at the end would not survive in a file, "until-match:^TEXT$". */
char *text_until(const char *text, size_t len)
{
	char *option = NULL;
	size_t size;
	FILE *out;

	if (!len || (text[len - 1] != ' ' && !memchr(text, '\\', len)))
		return asprintf(&option, "until:%.*s", (int)len, text) < 0 ? NULL : option;
	out = open_memstream(&option, &size);
	if (!out)
		return NULL;
	fputs("until-match:^", out);
	add_quoted(out, text, len);
	putc('$', out);
	return fclose(out) ? NULL : option;
}

/* "prompt:TEXT", with what would not survive in a file as escapes. */
char *text_prompt(const char *text, size_t len)
{
	char *option = NULL;
	size_t size;
	FILE *out = open_memstream(&option, &size);

	if (!out)
		return NULL;
	fputs("prompt:", out);
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\\' || (text[i] == ' ' && (!i || i + 1 == len)))
			fprintf(out, "\\x%02x", (unsigned char)text[i]);
		else
			putc(text[i], out);
	return fclose(out) ? NULL : option;
}
