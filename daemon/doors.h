/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_DOORS_H
#define DAEMON_DOORS_H

/*
 * All listening sockets together: those in service, and while a reload is under
 * way the newcomers that it adds.
 */

#include "listener.h"
#include "pack.h"

struct hall;

TAILQ_HEAD(listener_list, listener);

struct doors {
	struct event_base *base;        /* borrowed */
	struct hall *hall;              /* borrowed */
	struct listener_list listeners; /* owned */
	struct listener_list newcomers; /* owned */
};

void doors_init(struct doors *d, struct event_base *base, struct hall *hall);

/*
 * Open every `listen` of @config that is not open yet, as newcomers; all or none.
 *
 * @error  of @error_size bytes; set on failure
 *
 * Returns 0 or -errno.
 */
int doors_open(struct doors *d, const struct config *config, char *error,
	       size_t error_size) WARN_UNUSED;

/* Put the newcomers in service and close what @config (borrowed) does not name any more. */
void doors_switch(struct doors *d, const struct config *config);

/* Close the newcomers. */
void doors_drop(struct doors *d);

/* Close all; accepts zeroed memory. */
void doors_close(struct doors *d);

/* A session has ended, or max-clients was changed. */
void doors_resume(struct doors *d);

/* Write the sockets in service; read them back as those of @config. 0, -EINVAL or -ENOMEM. */
void doors_save(const struct doors *d, struct pack *p);
int doors_load(struct doors *d, const struct config *config, struct unpack *u) WARN_UNUSED;

/* One socket under a name, which may be NULL for none. */
void door_save(struct pack *p, const char *name, const struct unix_socket *socket);

/* Returns the name it was saved under, NULL for none; the socket has no path yet. */
const char *door_load(struct unpack *u, struct unix_socket *out);

#endif
