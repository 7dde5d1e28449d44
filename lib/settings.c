/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The most requests that may be with one process. */
#define WINDOW_MAX      4096
#define WINDOW_AUTO_MAX 256

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
	    copy_text(from->ready, &to->ready) || copy_words(from->async, &to->async) ||
	    copy_words(from->no_reply, &to->no_reply) || copy_text(from->health, &to->health) ||
	    copy_bytes(from->cancel, from->cancel_len, &to->cancel) ||
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
	if (!o->window || (o->window > WINDOW_MAX && o->window < COPROC_WINDOW_DEFAULT))
		return "window: allowed are 1 to 4096 and auto";
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

static int add_patterns(struct patterns **set, char *const *list, const char *option, char *error,
			size_t size)
{
	char why[200] = "out of memory";
	int rc = 0;

	for (; list && *list && !rc; list++) {
		rc = **list ? patterns_add(set, *list, why, sizeof(why)) : -EINVAL;
		if (rc)
			snprintf(error, size, "%s: \"%s\" %s", option, *list,
				 **list ? why : "is empty and would match everything");
	}
	return rc;
}

static int parse_health(struct settings *s, char *error, size_t size)
{
	const char *text = s->o.health, *arrow = text ? strstr(text, "=>") : NULL;
	int rc = arrow && arrow > text ? 0 : -EINVAL;

	if (!text)
		return 0;
	if (!rc)
		rc = marker_parse(text, (size_t)(arrow - text), &s->health_request);
	if (!rc)
		rc = marker_parse(arrow + 2, strlen(arrow + 2), &s->health_reply);
	if (rc)
		snprintf(error, size, "health: \"%s\" is not allowed; allowed is REQUEST=>REPLY",
			 text);
	return rc;
}

static void choose_window(struct settings *s)
{
	s->window_auto =
	    s->o.window == COPROC_WINDOW_AUTO || (s->o.window == COPROC_WINDOW_DEFAULT && s->proof);
	if (s->window_auto)
		s->window = WINDOW_AUTO_MAX;
	else
		s->window = s->o.window == COPROC_WINDOW_DEFAULT ? 1 : s->o.window;
}

/* What has to be looked at line by line, or sent again one by one, cannot be in a run. */
static bool allows_runs(const struct settings *s)
{
	const struct coproc_options *o = &s->o;

	return s->framing.kind == FRAMING_LINE && !s->async && !s->no_reply && !o->cancel_len &&
	       !o->prefix_len && o->suffix_len == 1 && *o->suffix == '\n' && !o->retries &&
	       o->workers == 1 && s->window > 1;
}

/* Read what is more than plain data; an error is explained. */
static int parse_texts(struct settings *s, char *error, size_t size)
{
	const struct coproc_options *o = &s->o;
	char why[400];
	int rc = framing_spec_parse(o->reply, &s->framing, why, sizeof(why));

	if (rc) {
		snprintf(error, size, "reply: \"%s\" %s", o->reply, why);
		return rc;
	}
	rc = greeting_spec_parse(o->banner, o->ready, &s->greeting);
	if (rc) {
		explain_greeting(o, rc, error, size);
		return rc == -ENOMEM ? rc : -EINVAL;
	}
	rc = add_patterns(&s->async, o->async, "async", error, size);
	if (!rc)
		rc = add_patterns(&s->no_reply, o->no_reply, "no-reply", error, size);
	if (!rc)
		rc = parse_health(s, error, size);
	s->framing.strip = o->strip_end;
	s->framing.async = s->async;
	s->proof = framing_spec_is_proof(&s->framing);
	choose_window(s);
	s->runs = allows_runs(s);
	return rc;
}

int settings_new(const struct coproc_options *options, struct settings **out, char *error,
		 size_t error_size)
{
	const char *fault = find_fault(options);
	struct settings *s;
	int rc;

	snprintf(error, error_size, "%s", fault ? fault : "out of memory");
	if (fault)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->refs = 1;
	s->o = *options;
	s->o.argv = s->o.env = s->o.async = s->o.no_reply = NULL;
	s->o.directory = s->o.user = s->o.banner = s->o.ready = s->o.reply = NULL;
	s->o.prefix = s->o.suffix = s->o.cancel = s->o.health = NULL;
	s->restart = (struct restart_policy){.delay_ms = options->restart_delay_ms,
					     .delay_max_ms = options->restart_delay_max_ms,
					     .stable_ms = options->restart_stable_ms,
					     .limit = options->restart_limit};
	rc = copy_pointers(options, &s->o);
	if (!rc)
		rc = parse_texts(s, error, error_size);
	if (rc) {
		settings_unref(s);
		return rc;
	}
	*out = s;
	return 0;
}

const char *settings_silence_hint(const struct settings *s)
{
	if (s->o.pty)
		return "";
	/* It reaches what uses C stdio alone. */
	return s->o.line_buffered ? " (stdout may still be block-buffered: try pty = yes)"
				  : " (stdout may be block-buffered: try line-buffered = yes)";
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
	words_free(s->o.async);
	words_free(s->o.no_reply);
	free_text(s->o.cancel);
	free_text(s->o.health);
	framing_spec_finish(&s->framing);
	patterns_free(s->async);
	patterns_free(s->no_reply);
	marker_finish(&s->health_request);
	marker_finish(&s->health_reply);
	greeting_spec_finish(&s->greeting);
	free_text(s->o.prefix);
	free_text(s->o.suffix);
	free(s);
}
