/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The most requests that may be with one process. */
#define WINDOW_MAX 4096

#define WORKERS_MAX 256

static void words_free(char *const *words)
{
	if (!words)
		return;
	for (char *const *w = words; *w; w++)
		free(*w);
	free((void *)(size_t)words);
}

static int copy_words(char *const *words, char *const **out)
{
	size_t n = 0;
	char **copy;

	if (!words)
		return 0;
	while (words[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(words[i]);
		if (!copy[i]) {
			words_free(copy);
			return -ENOMEM;
		}
	}
	*out = copy;
	return 0;
}

static int copy_bytes(const char *bytes, size_t len, const char **out)
{
	char *copy;

	if (!bytes)
		return 0;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	*out = copy;
	return 0;
}

static int copy_text(const char *text, const char **out)
{
	return copy_bytes(text, text ? strlen(text) : 0, out);
}

static void free_text(const char *text)
{
	free((void *)(size_t)text);
}

static int copy_pointers(const struct coproc_options *from, struct coproc_options *to)
{
	if (copy_words(from->argv, &to->argv) || copy_words(from->env, &to->env) ||
	    copy_text(from->directory, &to->directory) || copy_text(from->user, &to->user) ||
	    copy_text(from->reply, &to->reply) || copy_text(from->banner, &to->banner) ||
	    copy_text(from->ready, &to->ready) ||
	    copy_bytes(from->prefix, from->prefix_len, &to->prefix) ||
	    copy_bytes(from->suffix, from->suffix_len, &to->suffix))
		return -ENOMEM;
	return 0;
}

/* The sentence about the first bad option, NULL if all are good. */
static const char *find_fault(const struct coproc_options *o)
{
	if (!o->argv || !o->argv[0] || !*o->argv[0])
		return "command: none given";
	if (o->window < 1 || o->window > WINDOW_MAX)
		return "window: allowed are 1 to 4096";
	if (o->workers < 1 || o->workers > WORKERS_MAX)
		return "workers: allowed are 1 to 256";
	if (!o->suffix_len)
		return "request-suffix: must not be empty";
	if (!o->max_request || !o->max_reply)
		return "max-request, max-reply: must not be 0";
	if (!o->queue || !o->queue_bytes)
		return "queue, queue-bytes: must not be 0";
	if (o->queue_bytes < o->max_request)
		return "queue-bytes: is less than max-request";
	if (!o->reply)
		return "reply: must not be NULL";
	if (o->restart_delay_ms > o->restart_delay_max_ms)
		return "restart-delay: is over restart-delay-max";
	return NULL;
}

static void explain_greeting(const struct coproc_options *o, int rc, char *error, size_t size)
{
	if (rc == -EINVAL)
		snprintf(error, size, "banner: \"%s\" is not allowed; allowed are %s", o->banner,
			 greeting_banner_allowed());
	else if (rc == -EDOM)
		snprintf(error, size, "ready: \"%s\" is not allowed; allowed are %s", o->ready,
			 greeting_ready_allowed());
	else
		snprintf(error, size, "out of memory");
}

int settings_new(const struct coproc_options *options, struct settings **out, char *error,
		 size_t error_size)
{
	const char *fault = find_fault(options);
	struct greeting_spec greeting;
	struct framing_spec framing;
	struct settings *s;
	int rc;

	if (fault) {
		snprintf(error, error_size, "%s", fault);
		return -EINVAL;
	}
	if (framing_spec_parse(options->reply, &framing)) {
		snprintf(error, error_size, "reply: \"%s\" is not allowed; allowed is %s",
			 options->reply, framing_allowed());
		return -EINVAL;
	}
	rc = greeting_spec_parse(options->banner, options->ready, &greeting);
	if (rc) {
		explain_greeting(options, rc, error, error_size);
		return rc == -ENOMEM ? rc : -EINVAL;
	}
	snprintf(error, error_size, "out of memory");
	s = calloc(1, sizeof(*s));
	if (!s) {
		greeting_spec_finish(&greeting);
		return -ENOMEM;
	}
	s->refs = 1;
	s->greeting = greeting;
	s->o = *options;
	s->o.argv = s->o.env = NULL;
	s->o.directory = s->o.user = s->o.banner = s->o.ready = s->o.reply = NULL;
	s->o.prefix = s->o.suffix = NULL;
	s->framing = framing;
	s->proof = framing_spec_is_proof(&framing);
	s->restart = (struct restart_policy){.delay_ms = options->restart_delay_ms,
					     .delay_max_ms = options->restart_delay_max_ms,
					     .stable_ms = options->restart_stable_ms,
					     .limit = options->restart_limit};
	if (copy_pointers(options, &s->o)) {
		settings_unref(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

struct settings *settings_ref(struct settings *s)
{
	s->refs++;
	return s;
}

void settings_unref(struct settings *s)
{
	if (!s || --s->refs)
		return;
	words_free(s->o.argv);
	words_free(s->o.env);
	free_text(s->o.directory);
	free_text(s->o.user);
	free_text(s->o.reply);
	free_text(s->o.banner);
	free_text(s->o.ready);
	greeting_spec_finish(&s->greeting);
	free_text(s->o.prefix);
	free_text(s->o.suffix);
	free(s);
}
