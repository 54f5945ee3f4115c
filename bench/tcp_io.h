/*
 * bench/tcp_io.h - a TCP connection over the ring, plain or TLS, with collected output.
 *
 * A tcp_loop is one thread's ring with the connections on it. A tcp_io is embedded in the owner's session. What
 * is written during a turn is collected and leaves with one send per connection at the start of the next turn; at
 * most one send is in flight, what comes meanwhile collects behind it. Input is lent to on_data() and must be
 * taken whole. TLS may start on a connection at any time (STARTTLS): output written before it goes out plain, in
 * order, before the first record.
 *
 *     CLOSED --accept/connect--> CONNECTING --> OPEN --finish--> FINISHING (output drains, input is ignored)
 *                                    |           |                  |
 *                                    +-----------+--stop------------+--> STOPPING (until nothing is in flight)
 *                                                                          --> CLOSING --> CLOSED, on_closed()
 *
 * tcp_io_stop() may be called in any state and from any callback; on_closed() follows later, exactly once, from
 * the loop. Only then may the memory be used for something else.
 */
#ifndef POSTRIDER_BENCH_TCP_IO_H
#define POSTRIDER_BENCH_TCP_IO_H

#include "bench/common.h"
#include "core/base/list.h"
#include "core/base/ring.h"
#include "tls/tls.h"

/* Output waiting on a connection, beyond which a careful owner stops writing until on_drain(). */
enum { TCP_OUTPUT_MAX = 256 * 1024 };

struct tcp_io;

struct tcp_listener {
	struct ring_op accept_op, cancel_op, close_op;
	struct tcp_loop *loop;
	int fd; /* owned; -1 when closed */
	bool stopping;
	uint64_t retry_ns; /* when to accept again after a failure; 0: accepting */
	void (*on_accept)(struct tcp_listener *listener, int fd);
	void *context;
};

struct tcp_loop {
	struct ring *ring;             /* owned */
	uint64_t now_ns;               /* when the last turn's waiting ended */
	struct list dirty;             /* connections with output that no send carries yet */
	struct list starved;           /* connections whose receive found no buffer */
	struct tcp_listener *listener; /* NULL: none */
	uint8_t plaintext[TLS_RECORD_MAX];
};

struct tcp_io_events {
	void (*on_open)(struct tcp_io *io); /* connected; and once more when TLS stands */
	void (*on_data)(struct tcp_io *io, const uint8_t *data, size_t length);
	void (*on_drain)(struct tcp_io *io);  /* a send has ended and there is room again; may be NULL */
	void (*on_closed)(struct tcp_io *io); /* everything is released; io->error and io->error_text tell why */
};

enum tcp_state { TCP_CLOSED, TCP_CONNECTING, TCP_OPEN, TCP_FINISHING, TCP_STOPPING, TCP_CLOSING };

struct tcp_io {
	struct tcp_loop *loop;
	const struct tcp_io_events *events;
	enum tcp_state state;
	int fd;
	int error;            /* 0: closed by either side in order; else a negative errno (-EPROTO: TLS) */
	char error_text[160]; /* of TLS; "" when there is none */
	struct ring_op recv_op, send_op, connect_op, cancel_recv_op, cancel_out_op, close_op;
	struct tls_session *tls; /* owned; NULL while plain */
	bool handshaking;
	struct buffer plain;   /* TLS: plaintext to be sealed at the next flush */
	struct buffer wire;    /* octets to be sent next */
	struct buffer sending; /* the kernel's while send_op is in flight */
	size_t sent;           /* of `sending` */
	struct list dirty_link, starved_link;
};

/* Opens the thread's ring; a problem is told and ends the program. Call on the thread itself. */
void tcp_loop_init(struct tcp_loop *loop);
void tcp_loop_deinit(struct tcp_loop *loop);
/* Flushes output, waits for completions or until the deadline (monotonic ns), runs callbacks. */
void tcp_loop_turn(struct tcp_loop *loop, uint64_t deadline_ns);

/* 0 or a negative errno. on_accept() owns the descriptors it is given. */
int tcp_listener_open(struct tcp_listener *listener, struct tcp_loop *loop, const struct ring_address *address);
void tcp_listener_stop(struct tcp_listener *listener);

/* `io` is zeroed memory or one that was closed. */
void tcp_io_accept(struct tcp_io *io, struct tcp_loop *loop, const struct tcp_io_events *events, int fd);
/* 0 or a negative errno, then no callback follows. *address stays valid until on_open() or on_closed(). */
int tcp_io_connect(struct tcp_io *io, struct tcp_loop *loop, const struct tcp_io_events *events,
		   const struct ring_address *address);
/* Begins the handshake; the session is ours from here on. on_open() follows when it is done. */
void tcp_io_start_tls(struct tcp_io *io, struct tls_session *tls);
/* Takes a copy. Ignored once the connection is finishing. */
void tcp_io_write(struct tcp_io *io, const void *data, size_t length);
/* A place for `length` octets of output that the caller fills in at once. */
uint8_t *tcp_io_reserve(struct tcp_io *io, size_t length);
/* How much more fits below TCP_OUTPUT_MAX; a reply may exceed it. */
size_t tcp_io_room(const struct tcp_io *io);
/* Closes in order once all output has left. */
void tcp_io_finish(struct tcp_io *io);
/* Closes at once; the first error given is the one kept. */
void tcp_io_stop(struct tcp_io *io, int error);
/* Frees the buffers a closed connection keeps for its next life. */
void tcp_io_free(struct tcp_io *io);

#endif
