/* SPDX-License-Identifier: MIT */
/* A worker's state on its way from one program image to the next. */
#include "worker_parts.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool worker_is_calm(const struct worker *w)
{
	return w->role == WORKER_SERVING && w->state == WORKER_READY &&
	       greeting_is_over(&w->greeting) && w->closed_by_ms == CLOCK_NEVER &&
	       stream_in_is_open(&w->out) && stream_out_is_open(&w->in) &&
	       w->loose_by_ms == CLOCK_NEVER;
}

void worker_save(const struct worker *w, struct pack *p, uint64_t (*name)(const void *tag))
{
	pack_u64(p, (uint64_t)w->child.pid);
	pack_fd(p, w->child.exited);
	pack_fd(p, w->child.work);
	pack_fd(p, w->child.children);
	pack_fd(p, stream_out_fd(&w->in));
	pack_fd(p, stream_in_is_open(&w->out) ? w->out.fd : -1);
	pack_fd(p, stream_in_is_open(&w->err) ? w->err.fd : -1);
	pack_u64(p, w->id);
	pack_u64(p, (uint64_t)w->started_ms);
	pack_u64(p, (uint64_t)w->ready_ms);
	pack_u64(p, (uint64_t)w->head_since_ms);
	pack_u64(p, (uint64_t)w->settle_until_ms);
	pack_u64(p, (uint64_t)w->recycle_after_ms);
	pack_u64(p, w->sent);
	pack_u64(p, w->exclusive);
	pack_u64(p, w->has_output);
	pack_u64(p, w->reads_stdin);
	pack_u64(p, w->key);
	pack_u64(p, w->probes);
	pack_u64(p, w->asking_health);
	pack_u64(p, (uint64_t)w->health_at_ms);
	pack_bytes(p, w->errlines.line, w->errlines.len);
	pack_text(p, w->errlines.last);
	flights_save(&w->flights, p, name);
	stream_out_save(&w->in, p);
}

static void load_errlines(struct worker *w, struct unpack *u)
{
	size_t len;
	const char *line = unpack_bytes(u, &len), *last = unpack_text(u);

	w->errlines.len = MIN(len, sizeof(w->errlines.line));
	memcpy(w->errlines.line, line, w->errlines.len);
	snprintf(w->errlines.last, sizeof(w->errlines.last), "%s", last ? last : "");
}

int worker_load(struct worker *w, struct unpack *u)
{
	const struct settings *s = w->settings;
	int rc = flights_init(&w->flights, s->window, &s->framing, s->o.max_reply);

	if (rc)
		return rc;
	w->child.pid = (pid_t)unpack_u64(u);
	w->child.exited = unpack_fd(u);
	w->child.work = unpack_fd(u);
	w->child.children = unpack_fd(u);
	w->child.in = unpack_fd(u);
	w->child.out = unpack_fd(u);
	w->child.err = unpack_fd(u);
	w->id = (unsigned)unpack_u64(u);
	w->started_ms = (int64_t)unpack_u64(u);
	w->ready_ms = (int64_t)unpack_u64(u);
	w->head_since_ms = (int64_t)unpack_u64(u);
	w->settle_until_ms = (int64_t)unpack_u64(u);
	w->recycle_after_ms = (int64_t)unpack_u64(u);
	w->sent = unpack_u64(u);
	w->exclusive = unpack_u64(u) != 0;
	w->has_output = unpack_u64(u) != 0;
	w->reads_stdin = unpack_u64(u) != 0;
	w->key = unpack_u64(u);
	w->probes = unpack_u64(u);
	w->asking_health = unpack_u64(u) != 0;
	w->health_at_ms = (int64_t)unpack_u64(u);
	worker_listen(w);
	load_errlines(w, u);
	rc = flights_load(&w->flights, u);
	w->reaped = false;
	if (!rc)
		rc = worker_open_streams(w);
	if (!rc)
		rc = stream_out_load(&w->in, u);
	if (rc || u->failed)
		return rc ? rc : -EINVAL;
	w->greeting.banner_seen = w->greeting.probe_seen = true; /* calm, so it was over */
	worker_set_state(w, WORKER_READY);
	/* A reply that settles is whole; no other can be, as those were released. */
	return flights_parse(&w->flights) <= FLIGHTS_READY ? 0 : -EINVAL;
}
