/*
 * core/control/desk.h - what whoever answers requests has of the process: its shards, and a thread that wakes them.
 */
#ifndef POSTRIDER_CONTROL_DESK_H
#define POSTRIDER_CONTROL_DESK_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/agents/agent_thread.h"
#include "core/base/list.h"

struct checkup;
struct config;
struct control_more;
struct control_request;
struct incident_watch;
struct passes;
struct relay;
struct scrape;

enum { DESK_HOSTNAME_SIZE = 256 };

struct desk {
	struct relay *relay;
	struct agent_thread bell;
	_Atomic(bool) *ring; /* owned, per shard */
	_Atomic(bool) stopping;
	void (*look)(struct desk *desk); /* once a second, where desk->busy says so */
	bool (*busy)(struct desk *desk);
	struct incident_watch *incidents; /* the same; NULL: nobody watches for them */
	struct scrape *scrape;            /* owned by who started this; what metrics are made of */
	struct checkup *checkup;          /* the same; the doctor, and what it found last */
	struct passes *passes;            /* the same; who is let in to the page */
	/* When the first list of control.http.client_crl is over, seconds since 1970, and that it is or soon will be:
	 * issuers_lists_end(). */
	_Atomic(int64_t) lists_end;
	_Atomic(bool) lists_ending;
	const struct control_more *more; /* handlers of rooms above, and what they have; NULL: none */
	void *more_context;
	/* Of the newest configuration. From any thread. */
	void (*hostname)(struct desk *desk, char out[DESK_HOSTNAME_SIZE]);
	/* What providers have said will be (docs/control.md, resources), of the newest configuration: a reference of
	 * the caller's, NULL without memory. From any thread. */
	json_t *(*dates)(struct desk *desk);
	pthread_mutex_t config_lock; /* of the next one, which goes no earlier than another one stands here */
	const struct config *config;
	/* The event of an act. */
	void (*tell)(const struct control_request *request, uint64_t began_ns);
	/* Inquiries that nobody waits for, and that a shard still has (inquiry.c). */
	pthread_mutex_t lock;
	struct list left;
};

/* 0 or -errno. `look` and `busy` are set. */
int desk_start(struct desk *desk, struct relay *relay);
/* Nobody is waited for any more; before the threads that wait end. */
static inline void desk_stopping(struct desk *desk)
{
	atomic_store(&desk->stopping, true);
}
static inline bool desk_stops(const struct desk *desk)
{
	return atomic_load_explicit(&desk->stopping, memory_order_relaxed);
}
/* Behind them. */
void desk_stop(struct desk *desk);
/* The newest configuration, for some milliseconds: nobody reloads until it is returned. From any thread. */
const struct config *desk_config_take(struct desk *desk);
void desk_config_return(struct desk *desk);
/* A reload was taken. */
void desk_follow(struct desk *desk, const struct config *config);
/* The shard is to look for visits. From any thread. */
void desk_ring(struct desk *desk, unsigned shard);
/* `busy` may say something else now. */
void desk_look(struct desk *desk);

#endif
