/*
 * tests/sim/sim.h - what the files of the simulated kernel share. Nothing else includes it; tests use world.h.
 *
 * A ring op becomes a `struct sim_op` at submission. Its life:
 *
 *     submitted --event--> executed --> [waiting on a socket] --> posted (0..n times, the last one without
 *     RING_MORE) --ring_turn()--> callback; freed before the last callback.
 *
 * Disk ops have their effect when they are executed; until then a crash may apply any part of them.
 */
#ifndef POSTRIDER_SIM_SIM_H
#define POSTRIDER_SIM_SIM_H

#include <setjmp.h>

#include "core/base/clock.h"
#include "core/base/disk.h"
#include "core/base/list.h"
#include "core/base/ring.h"
#include "core/base/ring_pulse.h"
#include "tests/sim/world.h"

enum {
	SIM_FD_FIRST = 1000,
	SIM_FDS = 65536,
	SIM_RUNNABLES = 64,
	SIM_FAULTS = 16,
	SIM_SECTOR = 512,
	SIM_STARVED_MAX = 10000
};

/* The same as the ring's, one lower. */
enum sim_kind {
	SIM_ACCEPT,
	SIM_RECV,
	SIM_SEND,
	SIM_CONNECT,
	SIM_SHUTDOWN,
	SIM_CLOSE,
	SIM_CANCEL,
	SIM_WRITE,
	SIM_READ,
	SIM_FSYNC,
	SIM_DOORBELL,
};

struct sim_completion {
	struct sim_completion *next;
	int result;
	uint32_t flags;
	bool at_once; /* posted as its op was submitted */
};

/* What an fsync covers: the file's content when it was submitted (P1). */
struct sim_snapshot {
	uint64_t size;
	size_t count;
	struct sim_snapshot_block {
		size_t index;
		uint8_t data[DISK_BLOCK];
	} blocks[];
};

struct sim_op {
	struct list link; /* in ring->ops until its last callback */
	struct ring *ring;
	struct ring_op *op;
	uint16_t generation;
	enum sim_kind kind;
	int fd;        /* -1: none */
	bool event;    /* an event will execute it: the memory must stay */
	bool executed; /* the kernel has begun */
	bool finished; /* the final completion is posted */
	bool queued;   /* in ring->ready */
	bool dead;     /* its ring crashed */
	struct sim_completion *first, **last;

	const void *data; /* write, send */
	void *out;        /* read */
	size_t length;
	uint64_t offset;
	uint64_t hash; /* of data at submission */
	int how;
	const struct ring_address *address;
	struct ring_op *target;
	uint16_t target_generation;
	struct ring *target_ring;

	uint64_t io;  /* number of the disk operation */
	int io_error; /* decided at submission */
	bool io_short;
	struct sim_snapshot *snapshot;
};

struct ring {
	struct list link; /* in world->rings */
	bool dead;        /* closed or crashed; the memory stays to notice late calls */
	bool turning;
	bool left; /* its thread has ended, or is inside a turn */
	struct ring_config config;
	struct list ops;
	size_t ops_count;
	struct sim_op **ready;
	size_t ready_count, ready_capacity, completions, at_once; /* completions: of these, posted at the submission */
	unsigned starved;                                         /* turns, one after the other */
	uint8_t *buffers;
	uint16_t *buffers_free; /* stack of free ids */
	bool *buffer_lent;
	unsigned buffers_free_count;
	void (*doorbell)(void *context);
	void *doorbell_context;
	bool doorbell_rung;
	struct ring_stats stats;
	struct ring_pulse pulse;
};

enum sim_fd_kind { SIM_FD_NONE, SIM_FD_FILE, SIM_FD_DIRECTORY, SIM_FD_LOCK, SIM_FD_SOCKET, SIM_FD_LISTENER };

struct sim_fd {
	enum sim_fd_kind kind;
	unsigned in_flight; /* ops whose last callback has not run */
	bool closing;
	unsigned flags; /* DISK_* */
	void *object;   /* inode, end or listener */
};

struct sim_event {
	uint64_t at, sequence;
	void (*fn)(void *context, uint64_t argument);
	void *context;
	uint64_t argument;
};

struct sim_runnable {
	world_runnable_fn *fn;
	void *context;
	uint64_t deadline;
	struct ring *ring; /* the one it turned last */
};

struct sim_world {
	struct world_config config;
	struct world_stats stats;
	uint64_t now;
	int64_t wall_offset;
	uint64_t random, engine_random;
	uint64_t thread_ns; /* clock_thread_ns() */
	uint64_t hash;

	struct sim_event *events; /* binary heap by (at, sequence) */
	size_t events_count, events_capacity;
	uint64_t events_sequence;

	struct sim_runnable runnables[SIM_RUNNABLES];
	unsigned runnables_count;
	struct sim_runnable *running;

	struct list rings;
	struct sim_fd *fds;
	int fd_base; /* moves at a crash, so that a descriptor of an earlier life is noticed */
	unsigned fds_open;

	struct world_io_fault faults[SIM_FAULTS];
	uint64_t io_count;
	uint64_t crash_io; /* 0: none planned */
	enum world_crash_kind crash_kind;
	jmp_buf *guard;
};

extern struct sim_world *sim;

/* world.c */
void sim_bug(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void sim_trace(const char *what, uint64_t a, uint64_t b, uint64_t c);
void sim_schedule(uint64_t delay_ns, void (*fn)(void *context, uint64_t argument), void *context, uint64_t argument);
uint64_t sim_between(uint64_t low, uint64_t high); /* seeded, inclusive */
uint64_t sim_hash(const void *data, size_t length);
uint64_t sim_mix(uint64_t *state);

/* sim_memory.c */
int sim_memory_depth(void);
void sim_memory_reset(int depth);
void sim_memory_crash(void);
void sim_memory_end(void);

/* sim_ring.c */
int sim_fd_new(enum sim_fd_kind kind, void *object, unsigned flags); /* -EMFILE */
struct sim_fd *sim_fd_get(int fd);                                   /* bug if it is not open */
void sim_fd_free(int fd);
/* Detaches the object from its descriptor: what close does. */
void sim_fd_release(int fd);
void sim_post(struct sim_op *op, int result, uint32_t flags);
bool sim_ring_buffer_take(struct ring *ring, uint8_t **data, uint32_t *flags);
void sim_rings_crash(void);
void sim_rings_end(void);
/* An event that will not fire any more. */
void sim_ring_event_drop(const struct sim_event *event);
void sim_check_unchanged(const struct sim_op *op);

/* sim_disk.c */
void sim_disk_open(void);
void sim_disk_end(void);
/* Decides faults, returns the delay until sim_disk_execute(). */
uint64_t sim_disk_submit(struct sim_op *op);
void sim_disk_execute(struct sim_op *op);
/* An operation that will not be executed any more: applies what a crash may leave of it. */
void sim_disk_interrupt(struct sim_op *op, enum world_crash_kind kind);
void sim_disk_crash(enum world_crash_kind kind);
void sim_disk_fd_closed(struct sim_fd *fd);

/* sim_network.c */
void sim_network_open(void);
void sim_network_end(void);
void sim_network_execute(struct sim_op *op);
/* Ends a waiting op; false if it does not wait on the network. */
bool sim_network_cancel(struct sim_op *op);
void sim_network_fd_closed(struct sim_fd *fd);
void sim_network_crash(enum world_crash_kind kind);

#endif
