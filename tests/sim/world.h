/*
 * tests/sim/world.h - a seeded, deterministic, single-threaded world for the engine to run in.
 *
 * Purpose
 *   The files sim_*.c implement core/base/{ring,disk,clock,random}.h on a simulated kernel: virtual time, virtual
 *   network, virtual disk. Linked in place of ring_uring.c, disk_posix.c, clock_linux.c and random_linux.c they
 *   let the engine run unchanged. One seed is one exact run; world_trace_hash() proves it.
 *
 * Use
 *     struct world_config config;
 *     world_config_random(&config, seed);            (or world_config_quiet())
 *     world_open(&config);
 *     world_engine_enter(); ... start the engine ...; world_engine_leave();
 *     world_runnable_add(shard_turn_adapter, shard); (a function that returns its next deadline)
 *     world_run(done, context, 60 * CLOCK_NS_PER_S);
 *     world_close();
 *
 *   A test without runnables calls ring_turn(ring, 0) and world_step() in turns.
 *
 * Time
 *   ring_turn() never sleeps here: it runs what has completed by now and returns. world_step() fires what is due,
 *   gives every runnable whose ring has completions or whose deadline has come one turn, in seeded order, and
 *   moves the clock to the next event when all are idle. A runnable is woken by nothing else, so a lost wake-up
 *   shows as a hang, as it would on a real machine.
 *
 * Misuse
 *   What the kernel would punish late or never stops the program at once, with seed and time: an op submitted
 *   while in flight or overwritten, a write's or send's memory changed before its completion, two sends or two
 *   receives on one socket, close with ops in flight, a stale descriptor or ring, a buffer released twice, ops
 *   in flight at ring_close() (RELIABILITY P10 to P13). Released receive buffers are poisoned for ASan.
 *
 * Starvation
 *   A kernel posts some completions as the op is submitted (cancels always), others as work that it does when it is
 *   asked for events. With `starved` the first keep the second away, as they do where a ring forgets to ask. An engine
 *   is done with what it has in hand after a few turns, and then sees the rest; one that submits something each turn,
 *   whatever came, never does: it feeds its own loop, and the world stops it.
 *
 * Crashes
 *   world_crash() ends the simulated process or machine: rings, sockets and descriptors are gone, files become
 *   what a disk may hold then. Memory the engine allocated (between world_engine_enter() and _leave(), and in
 *   runnables) is tracked by wrapping the allocator at link time, and freed by world_crash(): nothing leaks, and
 *   a late use of it is a use-after-free that ASan sees. Allocations inside shared libraries are not wrapped.
 *   Test code that runs in the engine's context allocates what must outlive a crash with world_alloc().
 *
 * Failure
 *   The world itself aborts when it has no memory. There is one world at a time and it belongs to one thread.
 */
#ifndef POSTRIDER_SIM_WORLD_H
#define POSTRIDER_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/ring.h"

/* Rates are per million decisions. */
struct world_config {
	uint64_t seed;
	uint64_t wall_ns; /* wall clock at the start */

	uint64_t op_delay_min_ns, op_delay_max_ns;           /* from submission to execution of a network op */
	uint64_t disk_delay_min_ns, disk_delay_max_ns;       /* from submission to completion of a disk op */
	uint64_t network_delay_min_ns, network_delay_max_ns; /* one way */
	uint32_t socket_buffer_min, socket_buffer_max;       /* octets between sender and receiver */
	uint32_t segment_max;                                /* octets that arrive at once, at most */

	uint32_t multishot_end;   /* a multishot op ends although nothing is wrong */
	uint32_t segment_split;   /* octets arrive at a random boundary instead of as many as there are */
	uint32_t short_send;      /* a send takes less than there was room for */
	uint32_t short_write;     /* a disk write is short */
	uint32_t reset;           /* a connection is reset when a segment arrives */
	uint32_t doorbell_lost;   /* a doorbell rings nowhere: -EOVERFLOW for its sender */
	uint32_t cancel_too_late; /* a cancel answers -EALREADY and its target goes on */
	uint32_t partial_turn;    /* ring_turn() sees only some of what has completed */
	uint32_t spurious_turn;   /* a runnable gets a turn for no reason */
	uint32_t at_once;         /* an op is carried out as it is submitted, and has completed by the next turn */
	uint32_t starved;         /* a turn that finds such a completion sees none of the others */
	unsigned descriptors;     /* most descriptors of the engine at once */
	FILE *trace;              /* one line per event, or NULL */
};

/* A well-behaved world: short seeded delays, no faults; segments and completion order still vary. */
void world_config_quiet(struct world_config *config, uint64_t seed);
/* Delays and fault rates drawn from the seed: each seed is another kind of bad day. No connection resets. */
void world_config_random(struct world_config *config, uint64_t seed);

void world_open(const struct world_config *config);
void world_close(void);

/*
 * Time and turns.
 */

/* One turn of the engine's shard; returns the time it must run again at the latest (UINT64_MAX: when woken). */
typedef uint64_t world_runnable_fn(void *context);
void world_runnable_add(world_runnable_fn *fn, void *context);
void world_runnables_clear(void);

/* False when nothing will ever happen again: no event, no completion, no deadline. */
bool world_step(void);

enum world_end { WORLD_DONE, WORLD_TIME_UP, WORLD_IDLE };
/* Steps until done() (checked before each step; NULL: never), or for `limit_ns` of virtual time. */
enum world_end world_run(bool (*done)(void *context), void *context, uint64_t limit_ns);

uint64_t world_now_ns(void); /* the virtual monotonic clock */
/* Steps the wall clock; the monotonic clock does not notice (SYS-06). */
void world_wall_step(int64_t delta_ns);
/* Calls fn once, outside the engine, `delay_ns` from now. */
void world_after(uint64_t delay_ns, void (*fn)(void *context), void *context);
/* The same, and fn has the context, of world_alloc(), from then on; where the world ends before, it is released. */
void world_errand(uint64_t delay_ns, void (*fn)(void *context), void *context);

/* The test's own seeded choices. */
uint64_t world_random(void);
uint64_t world_below(uint64_t bound);
bool world_chance(uint32_t per_million);

/* Hash of everything that has happened so far. */
uint64_t world_trace_hash(void);
/* Adds a line of the test's own to trace and hash. */
void world_note(const char *what, uint64_t a, uint64_t b);

struct world_stats {
	uint64_t steps, events, turns, completions;
	uint64_t disk_writes, disk_reads, disk_syncs, disk_calls, disk_octets_written, disk_faults;
	uint64_t connections, refused, resets, segments, network_octets, buffer_shortages;
	uint64_t doorbells, doorbells_lost, crashes, torn_writes;
};
void world_stats(struct world_stats *out);

/*
 * The engine's memory and its crashes.
 */

/* Allocations between these belong to the engine. They nest. Runnables are called inside such a pair. */
void world_engine_enter(void);
void world_engine_leave(void);
/* The nth allocation of the engine from now on fails (1: the next; 0: none). */
void world_fail_allocation(uint64_t nth);
void world_fail_allocations(uint64_t nth, uint64_t count); /* and those behind it, `count` in all */
/* For as long as this is, the engine's allocations neither fail nor count. */
void world_memory_sure(bool sure);
uint64_t world_allocations(void);    /* made by the engine so far */
size_t world_allocations_live(void); /* the engine's, not freed */
/* Zeroed memory that is never the engine's. */
void *world_alloc(size_t size);
void *world_realloc(void *memory, size_t size);
void world_release(void *memory);

enum world_crash_kind {
	WORLD_KILL,      /* the process dies: the page cache survives, the kernel closes its sockets */
	WORLD_POWER_CUT, /* the machine dies: unsynced data may be lost or torn, its peers hear nothing for a while */
};
void world_crash(enum world_crash_kind kind);
/* Plans a crash in the middle of disk operation number `io` (counted by world_io_count() since world_open()). */
void world_crash_at_io(uint64_t io, enum world_crash_kind kind);
/* Runs fn(context). A planned crash leaves fn at once, wherever it is; then true is returned, the crash done. */
bool world_guard(void (*fn)(void *context), void *context);

/*
 * Disk. Paths are the directory as given to disk_directory_open(), "/", and names below it.
 */
enum {
	WORLD_IO_WRITE = 1u << 0,
	WORLD_IO_READ = 1u << 1,
	WORLD_IO_SYNC = 1u << 2,
	WORLD_IO_OTHER = 1u << 3, /* open, rename, unlink, allocate, mkdir */
	WORLD_IO_ALL = 15,
};
struct world_io_fault {
	unsigned operations; /* WORLD_IO_* */
	uint64_t nth;        /* the nth such operation from now on; 1: the next */
	uint64_t count;      /* this many of them; 0 means 1 */
	int error;           /* negative errno; a failing write may still have reached the disk, whole or torn */
	bool short_write;    /* write only a part */
	uint64_t delay_ns;   /* take so much longer */
};
void world_fault_io(const struct world_io_fault *fault);
void world_faults_clear(void);
/* Files may take up so many octets together, by their sizes; what would go beyond answers -ENOSPC. 0: no limit. */
void world_disk_capacity(uint64_t octets);
uint64_t world_io_count(void); /* disk operations so far, by ring or by call */

int64_t world_file_size(const char *path); /* negative errno: no such file */
int64_t world_file_read(const char *path, void *data, size_t length, uint64_t offset);
/* Changes what is stored, behind the engine's back. */
int64_t world_file_poke(const char *path, const void *data, size_t length, uint64_t offset);
void world_file_flip(const char *path, uint64_t bit);
void world_file_truncate(const char *path, uint64_t size);
/* Calls fn for each file there is now, by name. */
void world_files(const char *directory, void (*fn)(void *context, const char *name), void *context);

/* The engine's descriptors that are open. */
unsigned world_descriptors(void);

/*
 * Network. What a listening address does to those who connect, and to what is connected through it.
 */
enum world_reach { WORLD_OPEN, WORLD_REFUSE, WORLD_BLACK_HOLE };
/* Applies to new connections to that port (host order; 0: every port without its own setting). */
void world_reach(uint16_t port, enum world_reach reach);
/* While set, nothing arrives in either direction on connections made to that port. */
void world_partition(uint16_t port, bool on);
/* The machine does not have this address: nothing can be bound to it. NULL: it has all. */
void world_lose_source(const struct ring_address *address);
/* Resets every connection made to that port. */
void world_reset(uint16_t port);
struct ring_address world_address(uint16_t port); /* 127.0.0.1 */

/*
 * Actors: simulated clients and servers, outside the engine, as callbacks. They are never called from inside
 * their own calls into the world.
 */
struct world_connection;
struct world_actor {
	void (*on_open)(struct world_connection *connection, void *context);
	void (*on_data)(struct world_connection *connection, void *context, const uint8_t *data, size_t length);
	/* Everything given to world_send() has left. May be NULL. */
	void (*on_drained)(struct world_connection *connection, void *context);
	/* 0: the peer will send no more, sending still works, end with world_disconnect(). Negative errno: the
	 * connection is over and must not be used any more. */
	void (*on_end)(struct world_connection *connection, void *context, int error);
};
/* 0 or -EADDRINUSE. A connection starts with the listener's context; on_open may give it its own. */
int world_listen(const struct ring_address *address, const struct world_actor *actor, void *context);
void world_listen_end(const struct ring_address *address);
/* `from`: the client's address (port 0: any), NULL: 127.0.0.1. The outcome is on_open or on_end. */
struct world_connection *world_connect(const struct ring_address *address, const struct ring_address *from,
				       const struct world_actor *actor, void *context);
void world_connection_context(struct world_connection *connection, void *context);
/* Takes everything; it leaves as the peer makes room. */
void world_send(struct world_connection *connection, const void *data, size_t length);
size_t world_send_queued(const struct world_connection *connection);
void world_pause(struct world_connection *connection, bool pause); /* stop reading: back pressure */
void world_half_close(struct world_connection *connection);
/* The other end is a descriptor that is open, whatever of its end has arrived here. Before any end was heard of. */
bool world_peer_open(const struct world_connection *connection);
void world_disconnect(struct world_connection *connection); /* what is queued still leaves; no more callbacks */
void world_abort(struct world_connection *connection);      /* reset; no more callbacks */

#endif
