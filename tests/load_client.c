/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ID_BYTES = 17, CHUNK = 65536 };

const char *const load_codes[LOAD_CODES] = {
    "timeout", "crashed",     "overloaded", "unavailable", "too-long", "reply-too-long",
    "desync",  "bad-request", "denied",     "stopping",    "other",
};

int64_t load_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t load_now_ms(const struct load *load)
{
	return (load->now_ns - load->start_ns) / 1000000;
}

/* splitmix64: small, and good enough to spread lengths and pauses. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t load_random(struct load *load, uint64_t limit)
{
	load->random += 0x9e3779b97f4a7c15u;
	return mix(load->random) % limit;
}

int load_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

static size_t request_len(const struct load_client *c, uint32_t seq)
{
	const struct load_options *o = &c->load->options;
	uint64_t h = mix(o->seed ^ ((uint64_t)c->id << 32 | seq));

	return MAX(ID_BYTES, o->min_bytes + h % (o->max_bytes - o->min_bytes + 1));
}

/* Write the request @seq of @c: its id, then letters that depend on it. */
static size_t request_text(const struct load_client *c, uint32_t seq, char *dst)
{
	size_t len = request_len(c, seq);
	uint64_t id = (uint64_t)c->id << 32 | seq, letters = mix(id);
	char text[ID_BYTES + 1];

	snprintf(text, sizeof(text), "q%016llx", (unsigned long long)id);
	memcpy(dst, text, ID_BYTES);
	for (size_t i = ID_BYTES; i < len; i++) {
		dst[i] = (char)('a' + (letters & 15));
		letters = letters >> 4 ? letters >> 4 : mix(id + i);
	}
	return len;
}

static bool parse_id(const char *line, size_t len, uint32_t *client, uint32_t *seq)
{
	char text[ID_BYTES] = "";
	char *end;
	unsigned long long id;

	if (len < ID_BYTES || line[0] != 'q')
		return false;
	memcpy(text, line + 1, ID_BYTES - 1);
	id = strtoull(text, &end, 16);
	*client = (uint32_t)(id >> 32);
	*seq = (uint32_t)id;
	return end == text + ID_BYTES - 1;
}

static void remember_sample(struct load *load, const struct load_client *c, const char *what,
			    const char *line, size_t len)
{
	if (load->sample[0])
		return;
	snprintf(load->sample, sizeof(load->sample),
		 "%s: client %u waits for %u of %u, got \"%.*s\"", what, c->id, c->done, c->next,
		 (int)MIN(len, 100), line);
}

/* Whether @line is an error, and which one. */
static bool parse_error(const struct load *load, const char *line, size_t len, size_t *code)
{
	const char *prefix = load->options.status ? "-" : "coprocd: error: ";
	size_t n = strlen(prefix);

	if (len < n || memcmp(line, prefix, n))
		return false;
	line += n;
	len -= n;
	for (*code = 0; *code < LOAD_CODES - 1; ++*code) {
		size_t name = strlen(load_codes[*code]);

		if (len > name && !memcmp(line, load_codes[*code], name) &&
		    line[name] == (load->options.status ? ' ' : ':'))
			break;
	}
	return true;
}

/* Count a line that is not what was asked for. */
static void count_wrong(struct load_client *c, const char *line, size_t len)
{
	struct load_tally *t = &c->load->tally;
	uint32_t client, seq;

	if (!parse_id(line, len, &client, &seq)) {
		t->altered++;
		remember_sample(c->load, c, "altered", line, len);
	} else if (client != c->id) {
		t->foreign++;
		remember_sample(c->load, c, "foreign", line, len);
	} else if (seq != c->done) {
		t->reordered++;
		remember_sample(c->load, c, "reordered", line, len);
	} else {
		t->altered++;
		remember_sample(c->load, c, "altered", line, len);
	}
}

static void count_latency(struct load_client *c)
{
	struct load_tally *t = &c->load->tally;
	int64_t us = (load_now_ns() - c->sent_ns[c->done % c->load->options.depth]) / 1000;
	uint64_t v = us > 0 ? (uint64_t)us : 0;
	unsigned e = v < 16 ? 0 : 60u - (unsigned)__builtin_clzll(v);

	t->latency_max_us = MAX(t->latency_max_us, us);
	t->latency[v < 16 ? v : e * 16 + (unsigned)(v >> (e - 1)) - 16]++;
}

static bool is_expected(const struct load_client *c, const char *line, size_t len)
{
	static char expected[1 << 20];

	return len == request_len(c, c->done) && request_text(c, c->done, expected) == len &&
	       !memcmp(line, expected, len);
}

static void take_line(struct load_client *c, const char *line, size_t len)
{
	struct load_tally *t = &c->load->tally;
	bool plus = c->load->options.status;
	size_t code;

	if (c->done == c->next) {
		t->unasked++;
		remember_sample(c->load, c, "unasked", line, len);
		return;
	}
	if (parse_error(c->load, line, len, &code))
		t->errors[code]++;
	else if ((!plus || (len && line[0] == '+')) && is_expected(c, line + plus, len - plus))
		t->right++;
	else
		count_wrong(c, line, len);
	count_latency(c);
	c->done++;
	if (c->done == c->next && c->load->options.burst)
		c->wake_ns = c->load->now_ns + (int64_t)load_random(c->load, 5000000);
}

static void take_lines(struct load_client *c)
{
	const char *lf;

	while (c->in.len && (lf = memchr(buf_bytes(&c->in), '\n', c->in.len))) {
		size_t len = (size_t)(lf - buf_bytes(&c->in));

		take_line(c, buf_bytes(&c->in), len);
		buf_consume(&c->in, len + 1);
	}
}

static void disconnect(struct load_client *c)
{
	c->load->tally.lost += c->next - c->done;
	c->done = c->next;
	buf_consume(&c->in, c->in.len);
	buf_consume(&c->out, c->out.len);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->want_out = false;
	c->half_closed = false;
	c->burst_left = 0;
}

static bool has_sent_all(const struct load_client *c)
{
	return c->load->options.seconds_ms ? c->load->enough : c->next == c->load->options.requests;
}

/* The other side has closed. */
static void hung_up(struct load_client *c)
{
	bool expected = c->half_closed && c->done == c->next && !c->in.len;

	if (!expected)
		c->load->tally.closed++;
	disconnect(c);
	c->finished = expected || has_sent_all(c);
	c->wake_ns = c->load->now_ns + 10000000;
}

static void receive(struct load_client *c)
{
	while (c->fd >= 0) {
		char *dst;
		ssize_t n;

		if (buf_reserve(&c->in, CHUNK, &dst) < 0)
			abort();
		n = read(c->fd, dst, CHUNK);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			hung_up(c);
			return;
		}
		buf_commit(&c->in, (size_t)n);
		take_lines(c);
		if (n < CHUNK)
			return;
	}
}

static void watch_out(struct load_client *c, bool want)
{
	struct epoll_event event = {.events = EPOLLIN | (want ? EPOLLOUT : 0), .data.ptr = c};

	if (want == c->want_out)
		return;
	c->want_out = want;
	epoll_ctl(c->load->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void flush(struct load_client *c)
{
	while (c->fd >= 0 && c->out.len) {
		size_t piece = c->out.len;
		ssize_t n;

		if (c->load->options.chop)
			piece = 1 + (size_t)load_random(c->load, piece);
		n = send(c->fd, buf_bytes(&c->out), piece, MSG_NOSIGNAL);
		if (n < 0)
			break; /* a broken connection is seen when reading */
		buf_consume(&c->out, (size_t)n);
		if (c->load->options.chop)
			break;
	}
	if (c->fd >= 0)
		watch_out(c, c->out.len > 0);
}

static bool may_send(struct load_client *c)
{
	const struct load_options *o = &c->load->options;

	if (has_sent_all(c) || c->next - c->done >= o->depth || c->out.len > CHUNK)
		return false;
	if (o->churn && c->next - c->born >= o->churn)
		return false;
	if (!o->burst)
		return true;
	if (c->next == c->done && c->load->now_ns >= c->wake_ns)
		c->burst_left = 1 + (uint32_t)load_random(c->load, o->depth);
	return c->burst_left > 0;
}

static void fill(struct load_client *c)
{
	while (may_send(c)) {
		char *dst;

		if (buf_reserve(&c->out, request_len(c, c->next) + 1, &dst) < 0)
			abort();
		size_t len = request_text(c, c->next, dst);

		dst[len] = '\n';
		buf_commit(&c->out, len + 1);
		c->sent_ns[c->next % c->load->options.depth] = load_now_ns();
		c->next++;
		c->load->tally.sent++;
		if (c->burst_left)
			c->burst_left--;
	}
}

static void connect_anew(struct load_client *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

	if (c->load->now_ns < c->wake_ns)
		return;
	c->fd = load_connect(c->load->options.path);
	if (c->fd < 0) {
		c->fd = -1;
		c->wake_ns = c->load->now_ns + 5000000;
		return;
	}
	c->born = c->done;
	c->load->tally.connects++;
	epoll_ctl(c->load->epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void advance(struct load_client *c)
{
	const struct load_options *o = &c->load->options;

	if (c->fd >= 0 && o->churn && c->done == c->next && c->done - c->born >= o->churn &&
	    !has_sent_all(c))
		disconnect(c);
	if (c->fd < 0 && !c->finished)
		connect_anew(c);
	if (c->fd < 0)
		return;
	fill(c);
	flush(c);
	if (c->fd < 0 || !has_sent_all(c) || c->out.len)
		return;
	if (!o->halfclose)
		c->finished = c->done == c->next;
	else if (!c->half_closed)
		c->half_closed = shutdown(c->fd, SHUT_WR) == 0;
}

int load_client_init(struct load_client *c, struct load *load, uint32_t id)
{
	*c = (struct load_client){.load = load, .id = id, .fd = -1};
	c->sent_ns = calloc(load->options.depth, sizeof(*c->sent_ns));
	return c->sent_ns ? 0 : -ENOMEM;
}

void load_client_finish(struct load_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->sent_ns);
	buf_finish(&c->in);
	buf_finish(&c->out);
}

void load_client_event(struct load_client *c, uint32_t events)
{
	if (c->fd >= 0 && (events & ~(uint32_t)EPOLLOUT))
		receive(c);
	advance(c);
}

void load_client_tick(struct load_client *c)
{
	if (!c->finished)
		advance(c);
}

void load_client_give_up(struct load_client *c)
{
	disconnect(c);
}
