/*
 * core/deliver/site.h - what the lanes of all shards share that send to the same MX hosts for one destination.
 *
 * However many domains there are whose mail those take: connections, limits, slowness and holds are the site's. A shard
 * has a lane of it while it has mail for it (outbound_site.h), and each lane one use of the site. Looked up under a
 * lock, when a lane comes or goes; all else that shards touch is atomic.
 */
#ifndef POSTRIDER_DELIVER_SITE_H
#define POSTRIDER_DELIVER_SITE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config/config.h"
#include "core/deliver/account.h"
#include "core/deliver/hold.h"
#include "core/deliver/slots.h"

struct site {
	struct site *next; /* in its row of the table */
	char *key;         /* owned: mx.h */
	uint64_t hash;
	size_t place;     /* of the destination */
	unsigned users;   /* lanes */
	uint64_t idle_ns; /* since when there is none */
	struct slots slots;
	struct account account;
	struct hold_destination hold;
	_Atomic(uint32_t) lanes[CONFIG_SHARDS_MAX]; /* by shard: the number of its lane, from 1; 0: it has none */
};

struct sites {
	pthread_mutex_t lock;
	struct site **rows; /* owned; a power of two */
	size_t row_count, count;
	const struct config *config; /* the newest */
	/* Owned: limits that sites_prepare() was told last, by destination. What is made before they are in force has
	 * memory for them as well. */
	struct config_limits *coming;
	size_t coming_count;
};

/* 0 or -ENOMEM. */
int sites_init(struct sites *sites, const struct config *config);
void sites_deinit(struct sites *sites);
/* One more use of the site, which is made if there is none. NULL: no memory. */
struct site *site_take(struct sites *sites, size_t place, const char *key, uint64_t now_ns);
/* The last use leaves it there for as long as what was sent counts toward its limits. */
void site_give_back(struct sites *sites, struct site *site, uint64_t now_ns);
/* Memory for what these limits count, and then that they are in force (account.h). 0 or -ENOMEM. */
int sites_prepare(struct sites *sites, const struct config *config);
void sites_follow(struct sites *sites, const struct config *config, uint64_t now_ns);
/* So many there are, used or not. */
size_t sites_count(struct sites *sites);

#endif
