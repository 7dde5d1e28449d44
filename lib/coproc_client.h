/* SPDX-License-Identifier: MIT */
#ifndef COPROC_CLIENT_H
#define COPROC_CLIENT_H

/*
 * A client of coprocd: ask the program behind a daemon's socket.
 *
 *	struct coproc_client *client;
 *	struct coproc_answer answer;
 *
 *	if (coproc_client_open("/run/coprocd/coprocd.sock", NULL, &client) == 0 &&
 *	    coproc_client_ask(client, "query", 5, 1000, &answer) == 0 && !answer.code)
 *		fputs(answer.bytes, stdout);
 *	coproc_client_free(client);
 *
 * One connection, three ways to use it, which may be mixed: blocking, one
 * request at a time or many of them pipelined; driven by libevent; or turned by
 * the caller's own poll(). Answers come in the order of the requests.
 *
 * The listener should have replies=status. On a plain listener each line is
 * one reply, unless it starts with "coprocd: error: ": fit only for programs
 * that answer each request with exactly one line.
 *
 * A client belongs to one thread at a time. Nothing here raises SIGPIPE. Times
 * are milliseconds, sizes bytes; a time limit of 0 means none.
 */

#include "coproc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct coproc_client;

/* The code of an error that this version of the library has no name for. */
enum { COPROC_CODE_UNKNOWN = -1 };

/*
 * How a request ended. Exactly one of the three is the case: `error` is not 0
 * and nothing came; `code` is not COPROC_OK and the daemon tells why there is
 * no reply; or `bytes` is the reply.
 */
struct coproc_answer {
	uint64_t number; /* of the request; the first of a connection is 1 */
	/*
	 * 0, or -errno, also of what follows on the connection unless said
	 * otherwise: -ETIMEDOUT (silence), -ECONNRESET (the daemon has closed
	 * it), -EACCES (it does not serve this user), -EPROTO (what it sends is
	 * not the form that was expected), -EMSGSIZE (a reply over max_reply),
	 * -ENOMEM, -ECANCELED (the client is being freed).
	 */
	int error;
	int code;         /* an enum coproc_code, or COPROC_CODE_UNKNOWN */
	const char *name; /* of the code as the daemon sent it, "ok" for a reply */
	/*
	 * The reply with the LF of each of its lines, "" if it has none; or the
	 * text of the error. A NUL stands behind it that is not counted.
	 */
	const char *bytes;
	size_t len;
};

/*
 * A request has ended. The answer is borrowed for the duration of the call.
 * From here others may be submitted or cancelled, and the client may be freed;
 * the blocking functions must not be called.
 */
typedef void (*coproc_answer_fn)(void *ctx, const struct coproc_answer *answer);

struct coproc_client_options {
	bool plain;         /* the listener has not replies=status */
	int64_t timeout_ms; /* to connect, and of silence while a request is unanswered; 60000 */
	size_t max_reply;   /* 64 MiB; 0 for no limit */
	/*
	 * NULL, or who gets replies in the pieces they come in, newlines
	 * included; answers are then without bytes, and a reply of any length
	 * needs no memory. Lines of a plain listener that nobody asked for come
	 * here too, otherwise they are a -EPROTO.
	 */
	void (*on_piece)(void *ctx, const char *bytes, size_t len);
	void *ctx;
};

/* Fill in every default. */
void coproc_client_options_init(struct coproc_client_options *options);

/*
 * Connect to a daemon.
 *
 * @path     of its socket
 * @options  copied; NULL for the defaults
 * @out      set on success; free with coproc_client_free()
 *
 * Waits up to timeout_ms while too many others wait to be accepted.
 * Returns 0, -ETIMEDOUT, -ENAMETOOLONG, -ENOMEM, or -errno from socket() or
 * connect() (-ENOENT, -ECONNREFUSED: no daemon; -EACCES).
 */
int coproc_client_open(const char *path, const struct coproc_client_options *options,
		       struct coproc_client **out) __attribute__((warn_unused_result));

/*
 * The same for a stream socket that is connected already.
 *
 * @fd  the client's on success only; made non-blocking
 *
 * Returns 0, -ENOMEM, or -errno from fcntl().
 */
int coproc_client_adopt(int fd, const struct coproc_client_options *options,
			struct coproc_client **out) __attribute__((warn_unused_result));

/*
 * Close the connection and free the client. Requests still unanswered end in
 * -ECANCELED before this returns. Accepts NULL. May be called from every
 * upcall.
 */
void coproc_client_free(struct coproc_client *client);

/* Why the connection is no more, in words that fit behind "PATH: "; NULL while it stands. */
const char *coproc_client_failure(const struct coproc_client *client);

/* ---- blocking ---- */

/*
 * Ask and wait for the answer.
 *
 * @request     borrowed; without LF at its end
 * @timeout_ms  for the whole answer; 0: as the client's option
 * @answer      set on success; its bytes are valid until the next call
 *
 * Returns 0 also if the daemon's answer is an error (answer->code tells);
 * -ETIMEDOUT past @timeout_ms: the client can be used on, and a late answer is
 * dropped; -EINVAL if the request holds a LF; otherwise what a struct
 * coproc_answer has as error, -ENOTCONN if the connection was lost before, or
 * -ENOBUFS as coproc_client_submit().
 * Not to be called from an upcall, nor once the client is watched (asserted).
 */
int coproc_client_ask(struct coproc_client *client, const char *request, size_t len,
		      int64_t timeout_ms, struct coproc_answer *answer)
    __attribute__((warn_unused_result));

/*
 * Ask any number of requests, sending some while the answers of others come.
 *
 * @next  hands out the next request, borrowed until its next call: returns 1,
 *        0 if there are no more, or -errno to stop
 * @done  called once for each request, in their order
 * @ctx   for both
 *
 * What has come is taken in before more is sent, so that neither side waits
 * for the other for ever; what is kept here does not grow with the number of
 * requests.
 * Returns 0 once all are answered, by the daemon's errors too; what @next
 * returned, after the answers of all before; -EINVAL if a request holds a LF;
 * or the error that the connection, and with it each request unanswered, ended
 * with. Not to be called from an upcall, nor once it is watched (asserted).
 */
int coproc_client_batch(struct coproc_client *client,
			int (*next)(void *ctx, const char **request, size_t *len),
			coproc_answer_fn done, void *ctx) __attribute__((warn_unused_result));

/* ---- submitted ---- */

/*
 * Hand a request in: it is sent by coproc_client_turn(), or by libevent once
 * the client is watched.
 *
 * @request  copied
 * @done     called once with @ctx, never before this returns; NULL to drop it
 * @number   NULL, or set on success to what coproc_client_cancel() takes
 *
 * Returns 0; -EINVAL if the request holds a LF; -ENOTCONN if the connection is
 * lost or ending; -ENOBUFS if 64 MiB wait to be sent already; -ENOMEM.
 */
int coproc_client_submit(struct coproc_client *client, const char *request, size_t len,
			 coproc_answer_fn done, void *ctx, uint64_t *number)
    __attribute__((warn_unused_result));

/*
 * Forget about an unanswered request: its callback is not called, its answer is
 * dropped. The daemon is not told. Numbers of answered requests do nothing.
 */
void coproc_client_cancel(struct coproc_client *client, uint64_t number);

/* Send no more requests: the daemon answers what it has and then closes. */
void coproc_client_end(struct coproc_client *client);

/* Requests without an answer, those included whose answer is to be dropped. */
size_t coproc_client_pending(const struct coproc_client *client);

/* Bytes that wait to be sent. */
size_t coproc_client_unsent(const struct coproc_client *client);

/* ---- driven by libevent ---- */

/*
 * Let an event base send and receive from now on.
 *
 * @base       borrowed; must outlive the client
 * @on_closed  NULL, or called once when the connection is lost, after the
 *             callbacks of what was unanswered. @error is 0 if nothing was and
 *             the daemon has closed it, else that of the answers. Not called by
 *             coproc_client_free(). To connect again is the owner's: free this
 *             client, here or later, and open another.
 *
 * Silence for timeout_ms while something is unanswered ends the connection.
 * Returns 0, -ENOMEM, -EALREADY if it is watched, -ENOTCONN if it is lost.
 */
int coproc_client_watch(struct coproc_client *client, struct event_base *base,
			void (*on_closed)(void *ctx, int error), void *ctx)
    __attribute__((warn_unused_result));

/* ---- driven by the caller's poll() ---- */

/* The connection, for poll(); -1 once it is lost. */
int coproc_client_fd(const struct coproc_client *client);

/* What to poll for: POLLIN, with POLLOUT while something waits to be sent. */
short coproc_client_events(const struct coproc_client *client);

/*
 * Do what can be done without waiting.
 *
 * @revents  from poll(); nothing is done for 0
 *
 * Upcalls: on_piece, and the callbacks of what has ended.
 * Returns how many bytes have come (0: none), or -errno once the connection is
 * lost and all that was unanswered has ended: as in struct coproc_answer, or
 * -ENOTCONN if the daemon has closed it and nothing was unanswered. Time limits
 * are the caller's. Not to be called from an upcall (asserted).
 */
long coproc_client_turn(struct coproc_client *client, short revents)
    __attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif
