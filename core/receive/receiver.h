/*
 * core/receive/receiver.h - what a shard has for its clients: listening sockets, sessions and where they wait.
 *
 * It belongs to the shard it stands on (shard->receiver) and to no other thread, but for the counters, which any may
 * read.
 */
#ifndef POSTRIDER_RECEIVE_RECEIVER_H
#define POSTRIDER_RECEIVE_RECEIVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/counter.h"
#include "core/base/list.h"
#include "core/base/pool.h"
#include "core/base/span.h"
#include "core/base/wheel.h"
#include "core/receive/handshakes.h"
#include "core/receive/login.h"
#include "core/receive/refusals.h"
#include "core/shard/counts.h"
#include "core/shard/quota.h"

enum { REPLY_BUFFER_SIZE = 4096 }; /* output block of a session */

struct config;
struct listener;  /* listen.h */
struct listening; /* listeners.h */
struct handed;
struct listeners_store;
struct guard;
struct peers;
struct shard;
struct snapshot;

/* What the receivers of all shards share; the atomics are written by all, the rest is set up before they run. */
struct receivers {
	struct listening *listening; /* owned, LISTENER_PLACES */
	int *fds;                    /* owned, what those point to */
	uint32_t listening_serial;   /* the last one given; of who reloads */
	unsigned shard_count;
	struct handed *handed;                   /* of whoever starts the shards, until all have; NULL: nothing was */
	const struct listeners_store *store;     /* listeners.h; NULL: nobody keeps sockets */
	bool not_kept;                           /* some that the last reload opened: the store did not take them */
	struct peers *peers;                     /* owned */
	struct guard *guard;                     /* owned */
	_Atomic(struct device_keeper *) devices; /* owned; NULL as long as there is no inventory */
	struct suppression *suppression;         /* the same; NULL as long as there is no list */
	struct verifiers *verifiers;             /* of who starts agents; NULL as long as nobody may sign in */
	struct counts counts;                    /* of listeners (core/receive/counts.h) */
	uint64_t salt;
	_Atomic(unsigned) connections; /* inbound, whole process */
	struct quota all;              /* what limits itself says of a second or minute */
	struct quota_taken all_kinds;
	struct allowance all_taken[QUOTA_KINDS];
};

struct receiver_counters {
	counter connections_in, sessions_refused, accepted, accepted_octets, recipients, refused;
};

struct receiver {
	struct receivers *shared;
	struct snapshot *snapshot; /* what new sessions go by */
	struct receiver_counters counters;
	struct pool sessions, lines, reply_buffers, tls_buffers;
	struct pool names, long_names; /* of clients: SESSION_NAME_SHORT octets, or SESSION_NAME_MAX */
	struct listener *listeners;    /* owned, LISTENER_PLACES */
	struct list more_listeners;    /* owned; second ones of an address (listen.h) */
	struct list session_list;      /* every session */
	unsigned sessions_told_no;     /* of session_list: over a limit, being told so */
	struct list content_readers;   /* sessions that read content */
	struct list memory_waiters;    /* sessions that wait for content memory, in the order they came */
	uint64_t dry_since_ns;         /* content memory, or 0 */
	struct list reply_waiters;     /* sessions whose client must read before more is read from it, oldest first */
	struct list login_waiters;     /* sessions that have asked to sign in and have no answer yet, oldest first */
	struct logins logins;
	struct list fresh,
		lasting;         /* sessions over TLS that have not been made small yet; since the last look, longer */
	struct wheel_timer look; /* armed while there are some */
	struct session *handshaking;  /* the one of them whose turn it is, or NULL */
	struct handshakes handshakes; /* of sessions whose TLS handshake has begun and is not complete */
	struct refusals refusals;
	struct refusals quiet;    /* sessions that wanted nothing */
	uint64_t archive_next_ns; /* a copy that was left out is not told before */
	uint64_t archives_untold; /* since the last that was */
	struct span asked;        /* the command line that is dealt with just now, or empty */
};

/* 0 or -ENOMEM. */
int receivers_init(struct receivers *shared, const struct config *config, unsigned shard_count);
void receivers_deinit(struct receivers *shared);
/* Memory only, for so many sessions. 0 or -ENOMEM. */
int receiver_init(struct shard *shard, struct receivers *shared, size_t sessions);
/* Sessions that come from now on go by this one. */
void receiver_take(struct shard *shard, struct snapshot *snapshot);
void receiver_deinit(struct shard *shard);

#endif
