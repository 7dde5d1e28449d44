/* SPDX-License-Identifier: MIT */
#ifndef COPROC_H
#define COPROC_H

/*
 * libcoproc: keep an expensive program running and query it, one request one
 * reply, from inside a libevent program.
 *
 *	coproc_options_init(&options);
 *	options.argv = argv;
 *	coproc_new(&options, base, &ops, my_ctx, &engine, error, sizeof(error));
 *	coproc_start(engine);
 *	coproc_submit(engine, &my->request, "query", 5, my_done, my);
 *	event_base_dispatch(base);
 *
 * The engine is single-threaded: all calls come from the thread that runs the
 * event base. It never logs above debug level and never exits; it reports
 * through struct coproc_ops. SIGPIPE must be ignored by the program.
 *
 * Times are milliseconds, sizes bytes; a time limit of 0 means none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <sys/queue.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;
struct coproc;

/* How a request ends, and why one is refused. */
enum coproc_code {
	COPROC_OK,
	COPROC_TIMEOUT,        /* no reply in time */
	COPROC_CRASHED,        /* the process ended while it had the request */
	COPROC_OVERLOADED,     /* the queue is full */
	COPROC_UNAVAILABLE,    /* no process: it failed, or was not ready in time */
	COPROC_TOO_LONG,       /* the request is over max_request */
	COPROC_REPLY_TOO_LONG, /* the reply is over max_reply */
	COPROC_DESYNC,         /* the reply stream can no longer be trusted */
	COPROC_BAD_REQUEST,    /* bytes that must not reach the process */
	COPROC_DENIED,         /* not allowed to ask */
	COPROC_STOPPING,       /* the engine is stopping */
};

/* The code's name in the protocol: "ok", "timeout", "reply-too-long" ... */
const char *coproc_code_name(enum coproc_code code);

/* One ending. Everything is borrowed for the duration of the callback. */
struct coproc_reply {
	enum coproc_code code;
	const char *bytes; /* the reply as the framing found it, or the text of the error */
	size_t len;
	unsigned count; /* requests that end so: 1, or some of a run, the replies one by one */
};

/*
 * Called exactly once for each accepted request that is not cancelled; for a run
 * once for some of its requests after the other, until all have ended. The request is
 * the caller's again then; from here it may be freed, others may be submitted and
 * cancelled. Never called from within coproc_submit().
 */
typedef void (*coproc_done_fn)(void *ctx, const struct coproc_reply *reply);

/*
 * A request, or a run of them. The caller owns the memory (usually inside a struct
 * of its own) and leaves it alone from coproc_submit() until the callback, of a run
 * the last one, or coproc_cancel(). All members are the engine's.
 */
struct coproc_request {
	TAILQ_ENTRY(coproc_request) live;    /* coproc.live */
	TAILQ_ENTRY(coproc_request) waiting; /* coproc.queue, while `unsent` */
	struct worker *worker; /* borrowed; who has what of it was sent and has no reply, or NULL */
	const char *bytes;     /* borrowed; of a run what is unsent */
	size_t len;
	coproc_done_fn done;
	void *ctx;
	uint64_t seq; /* place in the order of arrival, of the first that has not ended */
	int64_t arrival_us;
	uint32_t flight; /* its place with the worker */
	unsigned count;  /* of a run: how many have not ended; else 1 */
	unsigned unsent; /* of them, the last ones, how many wait in the queue */
	unsigned resent; /* times it was sent again after a crash */
	bool is_run;
};

enum coproc_bytes {
	COPROC_BYTES_TEXT, /* all but NUL */
	COPROC_BYTES_UTF8, /* valid UTF-8 without NUL */
	COPROC_BYTES_ANY,
};

/*
 * Values of coproc_options.window: as many as are about a millisecond of the
 * process's work, up to 256; and the same where the framing proves which request
 * a reply is of (channel, probe with %n), else 1.
 */
#define COPROC_WINDOW_AUTO    UINT_MAX
#define COPROC_WINDOW_DEFAULT (UINT_MAX - 1)

/*
 * What to run and how. Plain data, filled with the defaults by
 * coproc_options_init(); coproc_new() and coproc_replace() copy what they need,
 * so that it may be freed after the call.
 */
struct coproc_options {
	/* The program. */
	char *const *argv;     /* NULL-terminated; argv[0] is looked up in PATH */
	char *const *env;      /* "NAME=VALUE", NULL-terminated; added to the environment */
	bool clear_env;        /* start from an empty environment */
	const char *directory; /* working directory, NULL: the daemon's */
	const char *user;      /* run as this user (needs root), NULL: as we are */
	bool no_new_privs;     /* set-user-ID programs have no effect in it */
	size_t limit_memory;   /* RLIMIT_AS, bytes; 0 for none, as the next two */
	unsigned limit_files;  /* RLIMIT_NOFILE */
	int64_t limit_cpu_ms;  /* RLIMIT_CPU, rounded up to seconds */
	bool line_buffered;    /* make C stdio flush each line, as stdbuf -oL does */
	bool pty;              /* stdout is a raw pseudo-terminal */

	/* Requests and replies. */
	const char *banner;    /* output before the first reply, NULL: none */
	const char *ready;     /* what proves the process ready, NULL: "start" */
	const char *reply;     /* framing, as the daemon's option: "line" ... */
	bool strip_end;        /* what ends a reply (a line, a prompt, a NUL) is not handed on */
	char *const *async;    /* regular expressions of lines that are no replies, as the next */
	char *const *no_reply; /* of requests without a reply; NULL-terminated, NULL: none */
	const char *cancel;    /* written when nobody waits for the running request any more */
	size_t cancel_len;
	const char *health; /* "REQUEST=>REPLY", asked when idle; NULL: none */
	int64_t health_interval_ms;
	const char *prefix; /* bytes before each request */
	size_t prefix_len;
	const char *suffix; /* bytes after each request; default LF */
	size_t suffix_len;
	enum coproc_bytes request_bytes;
	size_t max_request;
	size_t max_reply;
	unsigned window;    /* requests with one process at a time, 1 to 4096, or as follows */
	unsigned workers;   /* processes that share the queue, 1 to 256 */
	unsigned retries;   /* times to try again what was with a crashed process */
	int64_t settle_ms;  /* quiet time after a suspicious request, at window 1 */
	size_t settle_over; /* requests longer than this are suspicious */
	unsigned queue;     /* waiting requests at most */
	size_t queue_bytes; /* their bytes at most */

	/* Time limits, milliseconds. */
	int64_t request_timeout_ms; /* from arrival to ending */
	int64_t hang_timeout_ms;    /* the process is replaced when it holds a request this long */
	int64_t start_timeout_ms;   /* from exec to ready */
	int64_t stop_timeout_ms;    /* from closing stdin to SIGTERM, again to SIGKILL */
	int64_t drain_timeout_ms;   /* for what is pending at stop or replacement */

	/* Restart after failure. */
	int64_t restart_delay_ms;
	int64_t restart_delay_max_ms;
	int64_t restart_stable_ms; /* ready for this long: failures count from 0 again */
	unsigned restart_limit;    /* failures in a row, then COPROC_EV_FAILED; 0: no limit */

	/* A process is followed by another, without a gap, after so much; 0 for never. */
	unsigned max_requests;
	int64_t max_age_ms;
	size_t max_rss; /* bytes resident */

	unsigned stderr_rate; /* lines of stderr reported per second, bursts of ten times that */
};

/* Fill in every default. */
void coproc_options_init(struct coproc_options *options);

/* What happened to the processes, for the owner's log and supervision. */
enum coproc_event_kind {
	COPROC_EV_STARTED,        /* exec succeeded */
	COPROC_EV_READY,          /* takes requests */
	COPROC_EV_START_FAILED,   /* no fork, no exec, or not ready in time */
	COPROC_EV_EXITED,         /* ended without having been asked to */
	COPROC_EV_DESYNC,         /* its output cannot be trusted: being replaced */
	COPROC_EV_HUNG,           /* held a request over hang_timeout: being replaced */
	COPROC_EV_RESTARTING,     /* the next start comes in a while */
	COPROC_EV_FAILED,         /* given up after restart_limit failures */
	COPROC_EV_REPLACED,       /* coproc_replace() has succeeded */
	COPROC_EV_RECYCLING,      /* worn (max_requests, max_age, max_rss): another follows */
	COPROC_EV_REPLACE_FAILED, /* coproc_replace() was rolled back; the old one stays */
	COPROC_EV_STOPPED,        /* ended as asked */
	COPROC_EV_LATE,           /* a late reply came to its tombstone and was dropped */
	COPROC_EV_POISON,         /* a request crashed the process at each try */
	COPROC_EV_SILENT,         /* a time-out, and not one byte has ever come: buffering? */
	COPROC_EV_ASYNC,          /* a line of stdout that is no reply */
	COPROC_EV_STDERR,         /* one line of the process's stderr */
};

struct coproc_event {
	enum coproc_event_kind kind;
	int level;        /* how much it matters: LOG_ERR .. LOG_DEBUG of syslog.h */
	const char *text; /* one printable line that names the process; borrowed */
	pid_t pid;        /* 0 if there is none */
};

/* Upcalls; each may be NULL. They may call every function but coproc_free(). */
struct coproc_ops {
	/* A process's life took a turn. */
	void (*on_event)(void *ctx, const struct coproc_event *event);
	/* There is room after a COPROC_OVERLOADED, or some to spare after coproc_has_spare(). */
	void (*on_room)(void *ctx);
	/* After coproc_stop(): no request is pending and no process left. */
	void (*on_stopped)(void *ctx);
};

/* A started process, as the platform hands it over. All descriptors are close-on-exec. */
struct coproc_child {
	pid_t pid;
	int exited;   /* readable when the process has ended (a pidfd), see has_exited() */
	int in;       /* writes to its stdin; non-blocking, as the next two */
	int out;      /* reads its stdout */
	int err;      /* reads its stderr */
	int work;     /* tells what it does, see is_reading(); -1 if nothing does */
	int children; /* tells what it has started, see youngest(); -1 if nothing does */
};

/*
 * Where time and processes come from. The default is the real thing; a
 * simulation puts its own in place to run the engine under a virtual clock with
 * a scripted process. All members but has_exited, is_reading, youngest and now_us are required.
 */
struct coproc_platform {
	int64_t (*now_ms)(void *ctx); /* monotonic */
	/*
	 * Start a program. Returns 0 with *child set, its descriptors the
	 * engine's, or -errno with *step set to what failed ("exec").
	 */
	int (*spawn)(void *ctx, const struct coproc_options *options, struct coproc_child *child,
		     const char **step);
	/* Bytes of memory that @child has resident, 0 if unknown. */
	size_t (*rss)(void *ctx, const struct coproc_child *child);
	/* Send @sig to the whole process group of @child. */
	void (*kill)(void *ctx, const struct coproc_child *child, int sig);
	/* Whether the process has ended, `exited` being readable. NULL: it always has then. */
	bool (*has_exited)(void *ctx, const struct coproc_child *child);
	/* Returns true with *status as waitpid() sets it once the process has been reaped. */
	bool (*reap)(void *ctx, const struct coproc_child *child, int *status);
	uint32_t (*random)(void *ctx);
	/*
	 * Whether the process waits for its stdin: 1 if it does, 0 if it does
	 * something else, -1 if that cannot be known. Before it does, more output
	 * may follow a reply. NULL: never known.
	 */
	int (*is_reading)(void *ctx, const struct coproc_child *child);
	/*
	 * The process that it started last of those that still run, 0 if there is
	 * none: it may still write to the same stdout. NULL: never known.
	 */
	pid_t (*youngest)(void *ctx, const struct coproc_child *child);
	int64_t (*now_us)(void *ctx); /* as now_ms, finer; NULL: as fine as that */
	void *ctx;
};

#define COPROC_LATENCIES 32

/* Counters since coproc_new(), and the present state. */
struct coproc_stats {
	/*
	 * How long requests that were answered took from their arrival, by a clock
	 * looked at once in a turn of the loop: latency[n] took less than 2^n
	 * microseconds and no less than half of that, the last one all that was longer.
	 */
	uint64_t latency[COPROC_LATENCIES];
	uint64_t accepted, answered, timeouts, crashed, desyncs, refused, cancelled, other_errors;
	uint64_t late; /* replies that came to a tombstone */
	uint64_t starts, failures, replacements, recycled;
	unsigned waiting, in_flight, workers, ready;
	unsigned window; /* how many requests a process may have now: the largest of all */
	size_t waiting_bytes;
	bool failed, stopping;
	int64_t ready_since_ms; /* of the oldest ready process, -1 if none */
	pid_t pid;              /* of that process, 0 if none */
	char last_failure[200]; /* "" if there was none */
};

/*
 * Make an engine. Nothing is started.
 *
 * @options  copied
 * @base     borrowed; must outlive the engine
 * @ops      borrowed; must outlive the engine
 * @out      set on success; free with coproc_free()
 * @error    of @error_size bytes; on failure set to a line that names what is wrong
 *
 * Returns 0, -EINVAL for a bad option, -ENOMEM.
 */
int coproc_new(const struct coproc_options *options, struct event_base *base,
	       const struct coproc_ops *ops, void *ctx, struct coproc **out, char *error,
	       size_t error_size) __attribute__((warn_unused_result));

/*
 * Take time and processes from @platform (copied) instead of the real ones.
 * Must be called before coproc_start(). With a virtual clock the owner calls
 * coproc_tick() after moving it.
 */
void coproc_set_platform(struct coproc *engine, const struct coproc_platform *platform);

/* Do what is due by the platform's clock; the engine's own timer calls it too. */
void coproc_tick(struct coproc *engine);

/* When something will be due, by the platform's clock; INT64_MAX for never. */
int64_t coproc_next_deadline_ms(const struct coproc *engine);

/*
 * Free the engine. Processes still there are killed (SIGKILL to the group) and
 * reaped; requests still pending end in COPROC_STOPPING before this returns.
 * Accepts NULL. Must not be called from an upcall.
 */
void coproc_free(struct coproc *engine);

/*
 * Start the program.
 *
 * Returns 0 once exec has succeeded, or -errno from fork or exec (-ENOENT: no
 * such program); the engine then goes on trying as after any failure, unless
 * it is stopped. Reported by COPROC_EV_STARTED or COPROC_EV_START_FAILED too.
 */
int coproc_start(struct coproc *engine);

/*
 * Hand a request in.
 *
 * @request  the caller's memory, see struct coproc_request
 * @bytes    borrowed until the request ends; without the suffix
 * @done     called once at its end with @ctx, never before this returns
 *
 * Returns COPROC_OK if accepted. Otherwise the reason, the request is untouched
 * and @done is never called: COPROC_TOO_LONG, COPROC_BAD_REQUEST (see
 * coproc_refusal()), COPROC_OVERLOADED, COPROC_UNAVAILABLE (the process has
 * failed for good), COPROC_STOPPING.
 */
enum coproc_code coproc_submit(struct coproc *engine, struct coproc_request *request,
			       const char *bytes, size_t len, coproc_done_fn done, void *ctx)
    __attribute__((warn_unused_result));

/*
 * The same for a request of several lines: it may hold the suffix, and the
 * process is relied on to take it as one.
 */
enum coproc_code coproc_submit_block(struct coproc *engine, struct coproc_request *request,
				     const char *bytes, size_t len, coproc_done_fn done, void *ctx)
    __attribute__((warn_unused_result));

/*
 * Requests that come together may be handed in together, as a run: it costs little
 * more than one of them, and they end as they would have one by one. A run is whole
 * lines in one piece, LF included.
 *
 * Which of @bytes, from its beginning on, can be one now, at most @most requests: there
 * are runs only of requests of one line, each with a reply of one line, to one process
 * that takes several at a time; of those that would be accepted; and with retries = 0.
 *
 * @len  the number of bytes; set to those of the run
 *
 * Returns the number of requests, 0 where there is nothing to be gained.
 */
unsigned coproc_measure_run(struct coproc *engine, const char *bytes, size_t *len, unsigned most);

/*
 * Hand a run in, as coproc_submit() a request.
 *
 * @bytes, @len, @count  as coproc_measure_run() measured them, without another request
 *			 handed in since; may be a copy
 */
void coproc_submit_run(struct coproc *engine, struct coproc_request *request, const char *bytes,
		       size_t len, unsigned count, coproc_done_fn done, void *ctx);

/*
 * Whether coproc_submit() would find room in the queue for @len more bytes.
 * After false, on_room is called when it has become true.
 */
bool coproc_has_room(struct coproc *engine, size_t len);

/*
 * Whether a request handed in now would be answered soon: a process that
 * is at most some milliseconds behind has room for it at the end of this turn of
 * the loop. After false, on_room is called when it
 * has become true.
 */
bool coproc_has_spare(struct coproc *engine);

/* How many could be so. */
unsigned coproc_spare(const struct coproc *engine);

/*
 * The sentence for a code that coproc_submit() returned, with the numbers that
 * matter and "retry after N ms" where waiting makes sense. Borrowed until the
 * next call.
 */
const char *coproc_refusal(struct coproc *engine, enum coproc_code code);

/*
 * Take a pending request back, or all of a run that have not ended: its callback is
 * not called and its memory is the caller's again. If it waited it is gone; if it is
 * with the process, its place there stays and swallows the reply.
 */
void coproc_cancel(struct coproc *engine, struct coproc_request *request);

/*
 * Start the program anew, with @options if not NULL, beside the present
 * process; when the new one is ready it takes over and the old one is drained.
 * If the new one fails the old one and the old options stay. Revives a failed
 * engine. Limits that concern no process (time-outs, queue) hold at once.
 *
 * Returns 0 if begun (the outcome is reported as an event), -EINVAL with
 * @error set, -ENOMEM, -EBUSY while stopping.
 */
int coproc_replace(struct coproc *engine, const struct coproc_options *options, char *error,
		   size_t error_size) __attribute__((warn_unused_result));

/*
 * Accept nothing more, let what is pending end within drain_timeout, then stop
 * the processes (stdin closed, SIGTERM, SIGKILL, to the process group) and
 * call on_stopped. A second call gives up on what is pending at once and kills.
 */
void coproc_stop(struct coproc *engine);

/* Fill in @out. */
void coproc_get_stats(struct coproc *engine, struct coproc_stats *out);

#ifdef __cplusplus
}
#endif

#endif
