/*
 * core/base/ring.h - the completion ring: the one door to the network, the disk and time.
 *
 * Purpose
 *   One ring belongs to one thread (one shard). Everything that waits is a `struct ring_op` embedded
 *   in the object that needs it; when the kernel answers, the op's callback runs on the owning thread.
 *   There are two implementations behind this header, chosen by the linker: ring_uring.c (liburing,
 *   the kernel) and tests/sim (a seeded simulated kernel). No other file includes liburing.
 *
 * Ownership
 *   The caller owns every op and every buffer. From ring_*() until the final callback (the one without
 *   RING_MORE) the kernel owns both: they may not be freed, moved or reused (RELIABILITY P10). Objects
 *   count their ops in flight and are released at zero only.
 *
 * Errors
 *   Submissions cannot fail: entries that do not fit are submitted at once to make room. Results arrive in
 *   the callback as the kernel's res: >= 0 or a negative errno. A broken ring (lost completions) is fatal.
 */
#ifndef POSTRIDER_BASE_RING_H
#define POSTRIDER_BASE_RING_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct ring;
struct ring_op;
struct ring_pulse;

/* Called on the ring's thread. `flags`: RING_MORE, and for receives RING_BUFFER. */
typedef void ring_op_fn(struct ring_op *op, int result, uint32_t flags);

struct ring_op {
	ring_op_fn *fn;
	uint16_t generation; /* bumped at each submission; a completion of an older one is counted and dropped */
	bool in_flight;      /* the kernel owns the op */
	uint8_t kind;        /* enum ring_kind, of the newest submission */
};

enum {
	RING_MORE = 1u << 0,   /* a multishot op stays armed; more callbacks follow */
	RING_BUFFER = 1u << 1, /* `flags` names a provided buffer: ring_buffer(), then ring_buffer_release() */
};

/* A socket address with its length; the textual form is made by address_format(). */
struct ring_address {
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

static inline bool ring_address_same(const struct ring_address *a, const struct ring_address *b)
{
	return a->length == b->length && memcmp(&a->any, &b->any, a->length) == 0;
}

struct ring_config {
	unsigned entries;     /* submission queue entries; power of two */
	unsigned completions; /* completion queue entries; power of two, worst case incl. multishot */
	unsigned buffers;     /* provided receive buffers; power of two, at most 32768 */
	unsigned buffer_size; /* octets of each */
	uint64_t *now_ns;     /* where each turn notes the time after its wait, before callbacks run; or NULL */
};

/* Says in one sentence what the kernel lacks, with the command that mends it; "" when all is there. */
struct ring_problem {
	char text[512];
};

/* 0, or a negative errno with *problem filled in. Call on the thread that will use the ring. */
int ring_open(struct ring **ring, const struct ring_config *config, struct ring_problem *problem);
void ring_close(struct ring *ring);
/* Whether the kernel holds the ring to what this header has, and refuses it everything else. Where it cannot, which no
 * kernel since 5.10 says by itself, the ring is as good. */
bool ring_restricted(const struct ring *ring);

/* Checks kernel, sysctl, limits without keeping anything. 0 or negative errno with *problem. */
int ring_probe(struct ring_problem *problem);

/*
 * One turn: submits what is queued, waits for at least one completion or until `deadline_ns`
 * (clock_monotonic_ns() time; 0: do not wait; UINT64_MAX: no limit), runs the callbacks of everything
 * that has completed. Returns the number of callbacks run, or a negative errno that is fatal for the ring.
 */
int ring_turn(struct ring *ring, uint64_t deadline_ns);
/* Hands over what is queued now, where the next turn would be late. A system call if there is any, else nothing. */
void ring_submit(struct ring *ring);

/* Network. Descriptors are made synchronously (no blocking calls); everything that can wait is an op. */
int ring_socket(struct ring *ring, int family); /* fd or -errno */
/* It will come from this address of the machine, by a port that is found when it connects. 0 or -errno. */
int ring_bind(struct ring *ring, int fd, const struct ring_address *address);
int ring_local_address(struct ring *ring, int fd, struct ring_address *out); /* 0 or -errno */
int ring_peer_address(struct ring *ring, int fd, struct ring_address *out);  /* 0 or -errno */

enum ring_share {
	RING_ALONE,  /* -EADDRINUSE where anybody listens already, this process included */
	RING_SHARED, /* any number of sockets of this user, from any process; each gets some of the connections */
};
/* Descriptor or -errno. The first of several sockets on an address is opened alone, the others share with it: so no
 * other process is shared with, not even one that starts at the same moment. */
int ring_listen(struct ring *ring, const struct ring_address *address, int backlog, enum ring_share share);

/* Multishot: result is the accepted descriptor (close-on-exec). Ends (no RING_MORE) on EMFILE and others. */
void ring_accept(struct ring *ring, struct ring_op *op, int fd);
/* Multishot: each completion lends a provided buffer of `result` octets; 0 is end of stream; -ENOBUFS
 * means the shared buffers ran dry: not a connection error, re-arm when some came back. */
void ring_recv(struct ring *ring, struct ring_op *op, int fd);
/* At most one send in flight per socket (P13). May be short: send the rest. */
void ring_send(struct ring *ring, struct ring_op *op, int fd, const void *data, size_t length);
/* *address must stay valid until the callback. */
void ring_connect(struct ring *ring, struct ring_op *op, int fd, const struct ring_address *address);
void ring_shutdown(struct ring *ring, struct ring_op *op, int fd, int how);
/* Closes a descriptor. Nothing may be in flight on it any more (P11). */
void ring_close_fd(struct ring *ring, struct ring_op *op, int fd);
/* Closes at once a descriptor on which no op was ever submitted. */
void ring_drop_fd(struct ring *ring, int fd);
/* Asks for `target` (in flight) to end. The op's own result is advisory (P12): wait for target's callback. */
void ring_cancel(struct ring *ring, struct ring_op *op, struct ring_op *target);

/* Provided receive buffers. */
uint8_t *ring_buffer(struct ring *ring, uint32_t flags);
void ring_buffer_release(struct ring *ring, uint32_t flags);
unsigned ring_buffers_free(const struct ring *ring);

/* Disk. Descriptors come from core/base/disk.h. Writes may be short (P2). */
void ring_write(struct ring *ring, struct ring_op *op, int fd, const void *data, size_t length, uint64_t offset);
void ring_read(struct ring *ring, struct ring_op *op, int fd, void *data, size_t length, uint64_t offset);
void ring_fsync(struct ring *ring, struct ring_op *op, int fd);

/*
 * Doorbells: ring_doorbell() makes `target` run its doorbell callback soon; it carries nothing and may
 * be lost or merged, it is a hint to look at the handoff rings. `op` is the sender's and must not be in flight.
 */
void ring_on_doorbell(struct ring *ring, void (*fn)(void *context), void *context);
void ring_doorbell(struct ring *ring, struct ring_op *op, struct ring *target);

/* Figures since ring_open(). */
struct ring_stats {
	uint64_t turns, submissions, completions, stale_completions, overflows, buffer_shortages;
};
void ring_stats(const struct ring *ring, struct ring_stats *out);
/* What its thread is doing: for any thread, while the ring is open (ring_pulse.h). */
const struct ring_pulse *ring_pulse(const struct ring *ring);

#endif
