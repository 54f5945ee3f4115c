/*
 * core/stream/transport.h - one TCP connection on the ring, plain or TLS, as a stream of octets.
 *
 * Used by both sides: receive (accepted connections) and deliver (connections to a next hop). Embedded in the
 * session that owns it.
 *
 * Output collects in a buffer and leaves once per turn, that of accepted connections first: one send in flight per
 * socket (P13), everything written meanwhile coalesces into the next. Buffers come from a pool when there is something
 * to send and go back when it has left, so an idle connection holds none. With TLS, plaintext is staged and sealed in
 * records as large as they can be.
 *
 * Input arrives through on_data. Its return value is how much was consumed; returning less pauses the transport: the
 * rest and what the kernel has received already is kept in order until transport_resume(), and what comes then stays in
 * the socket. With TLS that rest is plaintext, and what lies behind it stays sealed. How much all transports keep is in
 * shared->held_octets. One owner decides what the next octet means (BDT-05).
 *
 *     CONNECTING --> OPEN --finish--> FINISHING --> NOTIFYING --> FINISHED
 *          |          |                   |  (plain)                ^  |
 *          |          |                   +-------------------------+  |
 *          |          +-------------------+-------------+--------------+--> BROKEN (nothing is sent, nothing comes)
 *          |          |                   |             |              |      |
 *          +----------+-------------------+-------------+--------------+------+
 *                                         | transport_close()
 *                                         v
 *                                     STOPPING --> CLOSING --> CLOSED
 *
 * Finishing: what was written leaves, then TLS's close_notify (NOTIFYING), then FIN (FINISHED). Nothing more is
 * written, and input goes on until the peer's end.
 *
 * Teardown in three steps: transport_close() stops traffic and cancels (STOPPING), the transport waits until nothing is
 * in flight, closes the descriptor (CLOSING), and on_closed gives the memory back to the owner (P10, P11). What the
 * peer sends has an end of its own: its FIN comes in any state from OPEN to FINISHED and changes none of them.
 */
#ifndef POSTRIDER_STREAM_TRANSPORT_H
#define POSTRIDER_STREAM_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/base/pool.h"
#include "core/base/ring.h"
#include "core/base/states.h"
#include "core/base/wheel.h"
#include "tls/tls.h"

struct transport;

enum transport_state {
	TRANSPORT_CONNECTING,
	TRANSPORT_OPEN,
	TRANSPORT_FINISHING,
	TRANSPORT_NOTIFYING,
	TRANSPORT_FINISHED,
	TRANSPORT_BROKEN,
	TRANSPORT_STOPPING,
	TRANSPORT_CLOSING,
	TRANSPORT_CLOSED,
};
extern const struct states transport_states;

enum transport_input {
	INPUT_OPEN,
	/* Reported once what was held is consumed: */
	INPUT_FIN_HELD, /* the peer's FIN has come */
	INPUT_END_HELD, /* TLS was closed in order */
	INPUT_OVER,     /* on_end was called */
};

/* What the transports of a shard share. */
struct transport_shared {
	struct ring *ring;
	struct pool held; /* struct transport_held */
	size_t held_octets;
	unsigned buffers_low; /* with fewer receive buffers free, what is held is copied */
	struct list dirty;    /* transports with output to flush this turn: to next hops */
	struct list answers;  /* the same, of accepted connections */
	struct list starved;  /* waiting for receive buffers */
	struct list asked;    /* closing: a cancel was carried out, and what it was for has not ended */
	struct wheel *wheel;
	const uint64_t *now_ns; /* of this turn */
	struct wheel_timer asked_timer;
	uint8_t plaintext[TLS_RECORD_MAX];
};

struct transport_handlers {
	size_t (*on_data)(struct transport *t, const uint8_t *data, size_t length);
	/* The stream is over or broken: 0 end of stream, negative errno, or TRANSPORT_TLS_FAILED. Not called after
	 * transport_close(). Behind a 0 a plain connection can still be written to (RFC 9293 3.6); if that fails, a
	 * negative result follows. */
	void (*on_end)(struct transport *t, int result);
	void (*on_connected)(struct transport *t, int result); /* 0 or negative errno */
	/* Octets have come for the TLS handshake: may it go on with them now? False: it is paused until
	 * transport_resume(). NULL: always. */
	bool (*may_handshake)(struct transport *t);
	void (*on_secured)(struct transport *t); /* the TLS handshake is complete */
	void (*on_sent)(struct transport *t);    /* room for output again */
	void (*on_closed)(struct transport *t);  /* nothing is in flight any more: free it */
};

enum { TRANSPORT_TLS_FAILED = -100000, TRANSPORT_TLS_TRUNCATED = -100001 };

struct transport {
	struct transport_shared *shared;
	const struct transport_handlers *handlers;
	struct pool *buffers; /* of output blocks */
	struct tls_session *tls;
	uint8_t *collecting; /* next to be sent: octets for the wire */
	uint8_t *sending;
	uint8_t *stage; /* TLS: plaintext not yet sealed */
	uint32_t collected, send_offset, send_length, staged;
	uint32_t marks_staged, marks_collected;
	uint64_t marks_handed; /* see transport_mark() */
	uint32_t capacity;
	int fd;
	struct ring_op recv_op, send_op, control_op;
	struct list dirty, starved; /* starved: in shared->starved, and when closing in shared->asked */
	struct list held;           /* struct transport_held, in order of arrival */
	uint32_t held_octets;
	uint8_t state;         /* enum transport_state */
	uint8_t input;         /* enum transport_input */
	bool accepted;         /* which side opened it */
	bool secured;          /* the TLS handshake is complete */
	bool paused;           /* the owner takes nothing now */
	bool feeding;          /* inside on_data */
	bool send_failed;      /* nothing more is sent; what the peer said before may still come */
	struct ring_op *asked; /* STOPPING: which op was cancelled last, lately */
	uint64_t octets_in, octets_out;
};

void transport_shared_init(struct transport_shared *shared, struct ring *ring, struct wheel *wheel,
			   const uint64_t *now_ns, unsigned buffers, size_t held_limit);
void transport_shared_deinit(struct transport_shared *shared);
/* Gives receive buffers to those that ran dry; call once per turn. */
void transport_shared_rearm(struct transport_shared *shared);
/* Sends what accepted connections have written: their clients wait for it, and go on while the turn does. */
void transport_shared_answer(struct transport_shared *shared);
/* Sends what all have written. */
void transport_shared_flush(struct transport_shared *shared);

/* `buffers`: a pool of output blocks of at least TLS_OUTPUT_MIN octets where TLS is used. */
void transport_init(struct transport *t, struct transport_shared *shared, const struct transport_handlers *handlers,
		    struct pool *buffers);
void transport_accepted(struct transport *t, int fd);
void transport_connect(struct transport *t, int fd, const struct ring_address *address);
/* Other output blocks from now on, such as TLS needs. Nothing may be unsent or being sent. */
void transport_use_buffers(struct transport *t, struct pool *buffers);
/* Takes the session over (and frees it). Nothing may be held or unsent: plaintext before TLS is never mixed with what
 * comes after (STL-01, STL-02). Returns false if there is: close the connection. From inside on_data: what on_data then
 * does not take goes to TLS. */
bool transport_secure(struct transport *t, struct tls_session *tls);

/* Room for output now: so many octets can be written without refusal. */
size_t transport_room(const struct transport *t);
/* All or nothing: false when it does not fit (or no buffer is to be had); on_sent says when to try again. */
bool transport_write(struct transport *t, const void *data, size_t length);
/* The same for a secret, over TLS: it is encrypted at once, and nothing readable of it stays behind. */
bool transport_write_secret(struct transport *t, const void *data, size_t length);
/* Marks the end of what was written so far. `marks_handed` counts the marks before which every octet was handed to the
 * kernel: what the peer says before that it cannot say in answer. */
void transport_mark(struct transport *t);
void transport_flush(struct transport *t);
/* Nothing unsent. */
bool transport_drained(const struct transport *t);

/* Reads no more until transport_resume(). */
void transport_pause(struct transport *t);
void transport_resume(struct transport *t);
/* Sends what was written, then close_notify where there is TLS, then FIN. Input goes on until the peer's end. */
void transport_finish(struct transport *t);
/* Teardown. TLS says goodbye first where it can at once: an alert or close_notify. */
void transport_close(struct transport *t);

#endif
