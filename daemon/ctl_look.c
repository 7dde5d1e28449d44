/* SPDX-License-Identifier: MIT */
#include "ctl_look.h"

#include "clock.h"
#include "ctl_common.h"

#include <errno.h>
#include <string.h>

static int take(struct coproc_client *client, const char *command, json_t **out)
{
	struct coproc_answer answer;
	int rc = ctl_ask_one(client, command, &answer);

	if (rc)
		return rc;
	*out = answer.code == COPROC_OK ? json_loadb(answer.bytes, answer.len, 0, NULL) : NULL;
	return json_is_object(*out) ? 0 : -EPROTO;
}

int look_take(struct coproc_client *client, struct look *out)
{
	struct look look = {0};
	int rc = take(client, "status --json", &look.status);

	if (!rc)
		rc = take(client, "clients --json", &look.clients);
	if (rc) {
		look_finish(&look);
		return rc;
	}
	look.at_ms = clock_now_ms();
	*out = look;
	return 0;
}

void look_finish(struct look *look)
{
	json_decref(look->status);
	json_decref(look->clients);
	*look = (struct look){0};
}

int64_t look_number(const struct look *look, const char *key)
{
	const char *dot = strchr(key, '.');

	if (dot && !strncmp(key, "causes", (size_t)(dot - key)))
		return json_integer_value(
		    json_object_get(json_object_get(look->status, "causes"), dot + 1));
	return json_integer_value(json_object_get(look->status, key));
}

static uint64_t latency(const struct look *look, size_t n)
{
	const json_t *list = json_object_get(look->status, "latency_log2_us");

	return (uint64_t)json_integer_value(json_array_get(list, n));
}

void look_latencies(const struct look *before, const struct look *now,
		    uint64_t counts[LATENCY_COUNTS])
{
	for (size_t n = 0; n < LATENCY_COUNTS; n++) {
		uint64_t old = latency(before, n), all = latency(now, n);

		counts[n] = all > old ? all - old : 0; /* it may have been started anew */
	}
}

const char *look_text(const struct look *look, const char *key)
{
	const char *text = json_string_value(json_object_get(look->status, key));

	return text ? text : "";
}

double look_rate(const struct look *before, const struct look *now, const char *key)
{
	int64_t grown = look_number(now, key) - look_number(before, key);
	int64_t ms = now->at_ms - before->at_ms;

	return before->status && grown > 0 && ms > 0 ? (double)grown * 1000 / (double)ms : 0;
}
