/* SPDX-License-Identifier: MIT */
/* The sessions' state on its way from one program image to the next. */
#include "session_parts.h"

#include "handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The requests of a slot, one by one: those that have ended, in one piece, and the others. */
static void slot_save(const struct slot *slot, struct pack *p)
{
	const char *bytes = slot_first_pending(slot), *end = slot->bytes + slot->len;

	for (unsigned n = slot->pending; n < slot->count; n++) {
		bool is_last = n + 1 == slot->count;

		pack_bytes(p, "", 0);
		pack_u64(p, false);
		pack_bytes(p, buf_bytes(&slot->ending), is_last ? slot->ending.len : 0);
	}
	for (unsigned n = 0; n < slot->pending; n++) {
		const char *lf = slot->request.is_run ? rawmemchr(bytes, '\n') : end;

		pack_bytes(p, bytes, (size_t)(lf - bytes));
		pack_u64(p, true);
		coproc_request_save(&slot->request, n, p);
		bytes = lf + 1;
	}
}

static void session_save(const struct session *s, struct pack *p)
{
	const struct slot *slot;

	pack_fd(p, s->fd);
	pack_u64(p, s->id);
	pack_u64(p, s->uid);
	pack_u64(p, (uint64_t)s->pid);
	pack_u64(p, s->cut.kind);
	pack_bytes(p, s->cut.text, s->cut.text_len);
	pack_u64(p, s->cut.mid_line);
	pack_u64(p, s->cut.left);
	pack_u64(p, s->status_replies);
	pack_u64(p, s->skipping);
	pack_u64(p, s->eof);
	pack_bytes(p, s->in.len ? buf_bytes(&s->in) : NULL, s->in.len);
	pack_bytes(p, s->out.len ? buf_bytes(&s->out) : NULL, s->out.len);
	pack_u64(p, s->unfinished);
	STAILQ_FOREACH (slot, &s->slots, link)
		slot_save(slot, p);
}

void hall_save(const struct hall *h, struct pack *p)
{
	const struct session *s;
	uint64_t count = 0;

	pack_u64(p, h->last_id);
	pack_u64(p, h->bytes_in);
	pack_u64(p, h->bytes_out);
	pack_u64(p, h->paused);
	TAILQ_FOREACH (s, &h->all, link)
		count += !s->broken;
	pack_u64(p, count);
	TAILQ_FOREACH (s, &h->all, link)
		if (!s->broken)
			session_save(s, p);
}

static int slot_load(struct session *s, struct unpack *u)
{
	size_t len;
	const char *bytes = unpack_bytes(u, &len);
	struct slot *slot = slot_new(s, bytes, len, 1);

	if (!slot)
		return -ENOMEM;
	slot->pending = unpack_u64(u) != 0;
	if (slot->pending) {
		coproc_request_load(&slot->request, u);
		return 0;
	}
	bytes = unpack_bytes(u, &len);
	s->kept += len;
	return buf_add(&slot->ending, bytes, len);
}

static int load_buf(struct buf *b, struct unpack *u)
{
	size_t len;
	const char *bytes = unpack_bytes(u, &len);

	return buf_add(b, bytes, len);
}

/* The bytes that were looked at already are looked at once more. */
static int load_cut(struct session *s, struct unpack *u)
{
	uint64_t kind = unpack_u64(u);
	size_t len;
	const char *text = unpack_bytes(u, &len);
	bool is_bad = kind > CUT_SIZED || len > CUT_TEXT_MAX;
	int rc = is_bad ? -EINVAL : session_set_cut(s, (enum cut_kind)kind, text, len);

	s->cut.mid_line = unpack_u64(u) != 0;
	s->cut.left = unpack_u64(u);
	return rc;
}

static int session_load(struct hall *h, struct unpack *u)
{
	struct session *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	session_enter(h, s);
	s->fd = unpack_fd(u);
	s->id = unpack_u64(u);
	s->uid = (uid_t)unpack_u64(u);
	s->pid = (pid_t)unpack_u64(u);
	rc = load_cut(s, u);
	s->status_replies = unpack_u64(u) != 0;
	s->skipping = unpack_u64(u) != 0;
	s->eof = unpack_u64(u) != 0;
	if (!rc)
		rc = load_buf(&s->in, u);
	if (!rc)
		rc = load_buf(&s->out, u);
	for (uint64_t n = unpack_u64(u); n && !rc && !u->failed; n--)
		rc = slot_load(s, u);
	if (!rc && (u->failed || s->fd < 0))
		rc = -EINVAL;
	if (!rc)
		session_mark_dirty(s);
	return rc;
}

static int by_seq(const void *a, const void *b)
{
	const struct slot *const *x = a, *const *y = b;

	return ((*x)->request.seq > (*y)->request.seq) - ((*x)->request.seq < (*y)->request.seq);
}

/* Hand all pending requests in again, in the order in which they came. */
static int adopt_all(struct hall *h)
{
	struct slot **list, *slot;
	struct session *s;
	size_t n = 0;

	TAILQ_FOREACH (s, &h->all, link)
		n += s->unfinished;
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = 0;
	TAILQ_FOREACH (s, &h->all, link)
		STAILQ_FOREACH (slot, &s->slots, link)
			if (slot->pending)
				list[n++] = slot;
	qsort(list, n, sizeof(*list), by_seq);
	for (size_t i = 0; i < n; i++)
		coproc_adopt(h->engine, &list[i]->request, list[i]->bytes, list[i]->len,
			     slot_on_done, list[i]);
	free(list);
	return 0;
}

int hall_load(struct hall *h, struct unpack *u)
{
	int rc = 0;

	h->last_id = unpack_u64(u);
	h->bytes_in = unpack_u64(u);
	h->bytes_out = unpack_u64(u);
	h->paused = unpack_u64(u) != 0;
	for (uint64_t n = unpack_u64(u); n && !rc && !u->failed; n--)
		rc = session_load(h, u);
	if (!rc && u->failed)
		rc = -EINVAL;
	return rc ? rc : adopt_all(h);
}
