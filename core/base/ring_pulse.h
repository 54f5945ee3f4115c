/*
 * core/base/ring_pulse.h - what a ring's thread is doing, for an observer on another thread: plain stores, no more.
 *
 * The ring writes, anybody reads. A turn is empty when nothing moved in it: no completion brought octets or a
 * connection, no doorbell rang. Some are (a timer was due, a connection closed); nothing but empty ones is a loop.
 */
#ifndef POSTRIDER_BASE_RING_PULSE_H
#define POSTRIDER_BASE_RING_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/counter.h"

enum ring_kind {
	RING_KIND_NONE,
	RING_KIND_ACCEPT,
	RING_KIND_RECV,
	RING_KIND_SEND,
	RING_KIND_CONNECT,
	RING_KIND_SHUTDOWN,
	RING_KIND_CLOSE,
	RING_KIND_CANCEL,
	RING_KIND_WRITE,
	RING_KIND_READ,
	RING_KIND_FSYNC,
	RING_KIND_DOORBELL,
	RING_KINDS,
};

struct ring_pulse {
	_Atomic(uint64_t) waits_until_ns; /* inside the kernel, until then at the latest; 0: it runs */
	_Atomic(uint8_t) kind;            /* of the completion whose callback runs */
	bool moved;                       /* in this turn; the ring's own */
	counter turns, empty_turns;
	counter moved_nothing[RING_KINDS]; /* completions */
};

static inline void ring_pulse_wait(struct ring_pulse *p, uint64_t until_ns)
{
	atomic_store_explicit(&p->waits_until_ns, until_ns, memory_order_relaxed);
}

static inline void ring_pulse_turn(struct ring_pulse *p)
{
	atomic_store_explicit(&p->waits_until_ns, 0, memory_order_relaxed);
	counter_add(&p->turns, 1);
	p->moved = false;
}

static inline void ring_pulse_callback(struct ring_pulse *p, enum ring_kind kind, bool moved)
{
	atomic_store_explicit(&p->kind, (uint8_t)kind, memory_order_relaxed);
	if (moved)
		p->moved = true;
	else
		counter_add(&p->moved_nothing[kind], 1);
}

static inline void ring_pulse_callbacks_end(struct ring_pulse *p)
{
	atomic_store_explicit(&p->kind, RING_KIND_NONE, memory_order_relaxed);
	if (!p->moved)
		counter_add(&p->empty_turns, 1);
}

static inline const char *ring_kind_name(enum ring_kind kind)
{
	static const char *const names[RING_KINDS] = {
		[RING_KIND_NONE] = "none",   [RING_KIND_ACCEPT] = "accept",   [RING_KIND_RECV] = "receive",
		[RING_KIND_SEND] = "send",   [RING_KIND_CONNECT] = "connect", [RING_KIND_SHUTDOWN] = "shutdown",
		[RING_KIND_CLOSE] = "close", [RING_KIND_CANCEL] = "cancel",   [RING_KIND_WRITE] = "write",
		[RING_KIND_READ] = "read",   [RING_KIND_FSYNC] = "fsync",     [RING_KIND_DOORBELL] = "doorbell",
	};

	return kind < RING_KINDS ? names[kind] : "unknown";
}

#endif
