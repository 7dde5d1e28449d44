/* SPDX-License-Identifier: MIT */
#include "sim_model.h"

#include <stdio.h>
#include <string.h>

void model_init(struct model *m, unsigned retries)
{
	*m = (struct model){.retries = retries, .last_expired = -1};
	for (unsigned i = 0; i < MODEL_PROCESSES; i++)
		m->last_received[i] = m->last_answered[i] = -1;
}

void model_accept(struct model *m, unsigned id, size_t len)
{
	m->request[id] = (struct model_request){.accepted = true, .len = len};
	m->count = id + 1;
	m->pending++;
}

void model_cancel(struct model *m, unsigned id, bool waited)
{
	m->request[id].cancelled = true;
	m->request[id].never = waited;
	m->pending--;
}

const char *model_received(struct model *m, unsigned process, unsigned id)
{
	struct model_request *r = &m->request[id];

	if (id >= m->count || !r->accepted)
		return "P3: a process received a request that was never accepted";
	if (r->never)
		return "P3: a process received a request that was cancelled while it waited";
	if (++r->received > m->retries + 1)
		return "P3: a request was sent more often than retries allow";
	if ((int)id <= m->last_received[process] && !m->shuffled)
		return "P3: a process received requests out of the order of arrival";
	m->last_received[process] = (int)id;
	return NULL;
}

static const char *check_reply(struct model *m, unsigned id, const struct coproc_reply *reply)
{
	unsigned in_reply, process;

	if (m->misled)
		return NULL;
	if (sscanf(reply->bytes, "%u.%u", &in_reply, &process) != 2 || in_reply != id)
		return "P1: a request got the reply of another";
	if (process >= MODEL_PROCESSES)
		return "P1: a reply of no process";
	if ((int)id <= m->last_answered[process] && !m->shuffled)
		return "P3: replies of one process out of order";
	m->last_answered[process] = (int)id;
	return NULL;
}

const char *model_ended(struct model *m, unsigned id, const struct coproc_reply *reply)
{
	struct model_request *r = &m->request[id];

	if (id >= m->count || !r->accepted)
		return "P2: the ending of a request that was never accepted";
	if (r->cancelled)
		return "P2: an ending after a cancel";
	if (r->ended)
		return "P2: a second ending";
	r->ended = true;
	m->pending--;
	if (reply->code == COPROC_OK)
		return check_reply(m, id, reply);
	if (reply->code == COPROC_TIMEOUT && memmem(reply->bytes, reply->len, "no reply", 8)) {
		if ((int)id < m->last_expired)
			return "P3: time-outs out of order";
		m->last_expired = (int)id;
	}
	return NULL;
}

const char *model_check(const struct model *m, const struct coproc_stats *s,
			const struct coproc_options *o, unsigned processes, struct model_back back)
{
	if (s->waiting + s->in_flight != m->pending)
		return "P2: waiting and in flight are not what is pending";
	if (s->waiting > o->queue + back.count)
		return "P4: the queue is longer than allowed";
	if (s->waiting_bytes > o->queue_bytes + back.bytes)
		return "P4: the queue holds more bytes than allowed";
	if (s->in_flight > o->window * processes)
		return "P4: more is in flight than the window allows";
	if (s->accepted != s->answered + s->timeouts + s->crashed + s->desyncs + s->other_errors +
			       s->cancelled + m->pending)
		return "P2: the counters of endings do not add up";
	return NULL;
}

const char *model_finish(const struct model *m)
{
	if (m->pending)
		return "P2: a request is pending after the end";
	for (unsigned i = 0; i < m->count; i++)
		if (m->request[i].accepted && !m->request[i].ended && !m->request[i].cancelled)
			return "P2: a request without an ending";
	if (m->stopped > 1)
		return "P2: stopped was reported twice";
	return NULL;
}
