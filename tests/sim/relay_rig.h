/*
 * tests/sim/relay_rig.h - the whole relay in the simulated world: clients, its shards, next hops, and the oracle.
 *
 * Purpose
 *   Starts the relay as core/main.c does (configuration, recovery, shards, listeners), but with the turns of its shards
 *   as runnables of the world. A process life ends with rig_stop() (SIGTERM), or with rig_crash() (the process is
 * killed or the machine loses power); rig_start() begins the next one on the same disk. Clients, next hops and the
 * ledger live outside and go on.
 *
 *     rig_open(&rig, &options);
 *     rig_begin(&rig, 2);
 *     rig_clients(&rig);
 *     rig_run(&rig, rig_clients_done, 60 * CLOCK_NS_PER_S);
 *     rig_finish(&rig);    everything heals; all mail must end delivered or failed; drain; audit
 *     rig_close(&rig);
 *
 * The audit
 *   After a clean stop the spools are read as recovery reads them: which recipients are queued, which recorded as
 * failed. Together with the ledger that is RELIABILITY's I1 to I4: every accepted recipient is delivered, failed or
 * queued, no refused one is delivered or queued, nothing is altered, and second copies are bounded by what was in
 * flight at a crash and by what the relay itself counted as possible.
 *
 * Failure
 *   rig_fail() prints scenario, seed and what is wrong, once per run, and counts it.
 */
#ifndef POSTRIDER_SIM_RELAY_RIG_H
#define POSTRIDER_SIM_RELAY_RIG_H

#include "core/config/config.h"
#include "core/relay/recover.h"
#include "core/shard/shard.h"
#include "tests/sim/actor_client.h"
#include "tests/sim/actor_idler.h"
#include "tests/sim/actor_ledger.h"
#include "tests/sim/actor_nexthop.h"
#include "tests/sim/world.h"

enum {
	RIG_SHARDS_MAX = 4,
	RIG_CLIENTS_MAX = 8,
	RIG_IDLERS_MAX = 8,
	RIG_HOPS = 2,
	RIG_PORT = 2525,
	RIG_SECOND_PORT = 2526,
	RIG_HOP_PORT = 3001,
};

struct rig_options {
	const char *scenario;
	uint64_t seed;
	bool quiet;
	void (*adjust)(struct world_config *config); /* or NULL */
	unsigned clients, messages;                  /* messages of each client */
	unsigned messages_per_connection;
	unsigned idlers;
	unsigned deaf;        /* of these, how many read nothing */
	bool second_listener; /* clients with odd numbers come there, where it is when they begin */
	bool taken_port;      /* and a third one, where somebody listens already */
	uint32_t abort_rate;
	size_t content_min, content_max;
	unsigned recipients_max;
	unsigned connections, in_flight; /* limits of each destination */
	const char *limits, *pacing;     /* of the first destination, more of them: YAML, or NULL */
	unsigned each;                   /* recipients that one transaction takes; 0: 100 */
	const char *retry;               /* YAML, or NULL */
	/* In place of the rig's listeners and clients, and more keys: YAML. */
	const char *listeners, *relaying, *more;
	/* What those clients say, for the ledger. */
	const char *archive, *author;
	const char *all_limits; /* more of what clients may do: YAML, or NULL */
	bool gone;              /* the second destination, and what leads there */
	unsigned name;          /* the second destination has another, of so many; 0: "two" */
	bool all_names;         /* and all those before are there, too */
	const char *hosts;      /* of the first destination: YAML, or NULL */
	bool exchangers;        /* it is a domain, whose exchangers they are (mx_of) */
	bool sites;             /* both send to the MX of their recipients' domains (mx: true) */
	unsigned sites_room;    /* lanes of sites that a shard may have; 0: as many as ever */
	unsigned memory_mib;    /* spool.memory_max, 0: 32 */
	unsigned size_mib;      /* spool.size_max, 0: 128 */
	unsigned people;        /* recipients are of so many, who get more than one message; 0: of nobody */
	bool plain;             /* no message asks for reports */
	bool may_expire;        /* recipients may fail without a next hop's word */
	const char *signing_in; /* of the first destination, in place of `tls: { mode: none }`: YAML, or NULL */
	struct actor_nexthop_config hop; /* but for address and ledger */
};

struct rig_shard {
	struct rig *rig;
	struct worker *worker;
	struct shard *shard; /* the worker's */
	struct log *log;
	int result; /* of the last turn: 1 drained, negative: fatal */
};

struct rig_counts {
	uint64_t accepted, delivered, deferred, failed, attempts, maybe_duplicates, connections_out, refused;
	uint64_t worked; /* bit per shard that accepted or delivered something */
	uint64_t handoffs, spool_failures, compacted;
};

struct rig {
	struct rig_options options;
	struct ledger ledger;
	struct actor_client *clients[RIG_CLIENTS_MAX];
	struct actor_idler *idlers[RIG_IDLERS_MAX];
	struct actor_nexthop *hops[RIG_HOPS];
	/* This life of the process. */
	bool alive;
	unsigned shard_count;
	struct config *config;
	struct relay relay;
	struct recovery recovery;
	struct log *log, *keeper_log;
	struct rig_shard shards[RIG_SHARDS_MAX];
	/* Over all lives. */
	struct rig_counts counts;
	uint64_t window; /* recipients that were in flight at the crashes */
	unsigned lives, failures;
	unsigned stalls;   /* left to come */
	unsigned stuck;    /* the most shards that the watchdog found so at a time */
	bool may_spin;     /* that is no failure */
	bool spin;         /* each turn wakes a lane that has nothing to do */
	bool spool_failed; /* in the life that was stopped last */
	uint64_t hash;     /* of the whole run, after rig_close() */
};

extern unsigned rig_failures;   /* of all runs */
extern bool rig_trace, rig_log; /* print the world's events, the relay's log */

/* What a process of the options reads, with so many shards. */
struct config *rig_config(const struct rig *rig, unsigned shards);
void rig_open(struct rig *rig, const struct rig_options *options);
/* Starts a process with so many shards. 0, or what main() would have ended with; then nothing of it is left. */
int rig_start(struct rig *rig, unsigned shards);
/* The same where nothing stands against it; false, and a failure, if it does not start. */
bool rig_begin(struct rig *rig, unsigned shards);
/* SIGHUP, with the options as they are now. False: refused, or the last one is still under way. */
bool rig_reload(struct rig *rig);
/* All shards make a turn. */
void rig_wake(struct rig *rig);
/* All shards have taken the last one. */
bool rig_taken(void *rig);
/* How many configurations are in use, after those that are not were freed. */
unsigned rig_snapshots(struct rig *rig);
void rig_clients(struct rig *rig);
void rig_clients_free(struct rig *rig); /* when they are done */
bool rig_clients_done(void *rig);
/* No mail is queued that could still be delivered, and all clients are done. */
bool rig_quiet(void *rig);
/* Runs until done(), a shard ends, or the time is up. */
enum world_end rig_run(struct rig *rig, bool (*done)(void *rig), uint64_t limit_ns);
/* A shard ended with an error: the process would stop. */
bool rig_broken(const struct rig *rig);
/* SIGTERM, and waits for the end; false (and a failure) if it does not come. */
bool rig_stop(struct rig *rig);
/* The most recipients that may be in flight at a time, by the limits of the destinations. */
uint64_t rig_window_max(const struct rig *rig);
/* Notes what was in flight. Call before world_crash(), or where a guard has not done it yet. */
void rig_note_window(struct rig *rig);
void rig_crash(struct rig *rig, enum world_crash_kind kind);
/* After world_guard() has returned true: the process is gone. */
void rig_crashed(struct rig *rig);
/* All next hops, from now on. */
void rig_reach(enum world_reach reach);
/* A relay of so many shards whose next hops are away, and all clients' mail: more than there is room for. */
void rig_fill(struct rig *rig, unsigned shards);
/* Next hops and disk behave from now on. */
void rig_heal(struct rig *rig);
/* Heals (starting the relay if it is down), runs until all mail has ended, stops, audits. */
void rig_finish(struct rig *rig, unsigned shards);
/* Reads the spools of a stopped relay and compares. `ended`: nothing may be queued any more. */
void rig_audit(struct rig *rig, bool ended);
/* Recipients that more than one record on the disk would deliver to, were each spool read by itself. */
unsigned rig_twice(struct rig *rig);
void rig_close(struct rig *rig);
void rig_fail(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A failure if more came than the meter allows. */
void rig_meter(struct rig *rig, const char *what, const struct actor_meter *meter);
/* Recipients of deliveries that are queued and not failed. */
uint64_t rig_queued(const struct rig *rig);
/* Mail of which a report is to be made, or is being made. */
uint64_t rig_owed(const struct rig *rig);
/* A choice that belongs to the seed and not to the world's course. */
uint64_t rig_pick(uint64_t seed, unsigned what, uint64_t bound);

#endif
