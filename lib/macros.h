/* SPDX-License-Identifier: MIT */
#ifndef COPROC_MACROS_H
#define COPROC_MACROS_H

/*
 * The few macros that everything else may use: attributes, clean-up on scope
 * exit, and the tail-queue loop that survives removal (Linux' sys/queue.h
 * lacks it; same meaning as in FreeBSD's queue(3)).
 */

#include <stddef.h>
#include <sys/queue.h>

#define WARN_UNUSED       __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED            __attribute__((unused))
#define CLEANUP(fn)       __attribute__((cleanup(fn)))

/* Hand a pointer over: its value, leaving NULL behind for the clean-up. */
#define TAKE(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(p) *take_from_ = &(p);                                                  \
		__typeof__(p) taken_ = *take_from_;                                                \
		*take_from_ = NULL;                                                                \
		taken_;                                                                            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, tvar)                                                 \
	for ((var) = TAILQ_FIRST(head); (var) && ((tvar) = TAILQ_NEXT(var, field), 1);             \
	     (var) = (tvar))
#endif

#endif
