/*
 * bench/tcp_io.c - a TCP connection over the ring, plain or TLS, with collected output.
 *
 * See tcp_io.h for the contract. Every completion callback first asks whether the connection is stopping and
 * then only goes to join(); so teardown is written once. Failures of the ring itself end the program.
 */
#include "bench/tcp_io.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"

enum {
	RING_ENTRIES = 1024,
	RING_COMPLETIONS = 16384,
	/* Few enough to stay in the second-level cache, for they are used in turn. */
	RECEIVE_BUFFERS = 128,
	RECEIVE_BUFFER_SIZE = 16384,
	LISTEN_BACKLOG = 4096,
	ACCEPT_RETRY_MS = 20,
};

static void flush(struct tcp_io *io);
static void join(struct tcp_io *io);

void tcp_loop_init(struct tcp_loop *loop)
{
	struct ring_problem problem = {""};
	struct ring_config config = {.entries = RING_ENTRIES,
				     .completions = RING_COMPLETIONS,
				     .buffers = RECEIVE_BUFFERS,
				     .buffer_size = RECEIVE_BUFFER_SIZE};
	int error = ring_open(&loop->ring, &config, &problem);
	if (error < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "io_uring is not usable: %s",
			    problem.text[0] ? problem.text : strerror(-error));
	list_init(&loop->dirty);
	list_init(&loop->starved);
	loop->listener = NULL;
	loop->now_ns = clock_monotonic_ns();
}

void tcp_loop_deinit(struct tcp_loop *loop)
{
	ring_close(loop->ring);
	loop->ring = NULL;
}

static void accept_again(struct tcp_loop *loop)
{
	struct tcp_listener *listener = loop->listener;
	if (!listener || listener->stopping || listener->retry_ns == 0 || loop->now_ns < listener->retry_ns)
		return;
	listener->retry_ns = 0;
	ring_accept(loop->ring, &listener->accept_op, listener->fd);
}

void tcp_loop_turn(struct tcp_loop *loop, uint64_t deadline_ns)
{
	struct list *item;
	while ((item = list_take_first(&loop->dirty)))
		flush(container_of(item, struct tcp_io, dirty_link));
	/* Every buffer came back within its callback, so there are some now. */
	while ((item = list_take_first(&loop->starved))) {
		struct tcp_io *io = container_of(item, struct tcp_io, starved_link);
		ring_recv(loop->ring, &io->recv_op, io->fd);
	}
	accept_again(loop);
	if (loop->listener && loop->listener->retry_ns && loop->listener->retry_ns < deadline_ns)
		deadline_ns = loop->listener->retry_ns;
	int result = ring_turn(loop->ring, deadline_ns);
	loop->now_ns = clock_monotonic_ns();
	if (result < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "the ring broke: %s", strerror(-result));
}

static void on_accept(struct ring_op *op, int result, uint32_t flags)
{
	struct tcp_listener *listener = container_of(op, struct tcp_listener, accept_op);
	if (result >= 0 && listener->stopping)
		close(result);
	else if (result >= 0)
		listener->on_accept(listener, result);
	if (flags & RING_MORE)
		return;
	if (listener->stopping)
		ring_close_fd(listener->loop->ring, &listener->close_op, listener->fd);
	else
		listener->retry_ns = listener->loop->now_ns + ACCEPT_RETRY_MS * CLOCK_NS_PER_MS;
}

static void on_listener_cancelled(struct ring_op *op, int result, uint32_t flags)
{
	/* Advisory: the accept's own completion counts. */
}

static void on_listener_closed(struct ring_op *op, int result, uint32_t flags)
{
	struct tcp_listener *listener = container_of(op, struct tcp_listener, close_op);
	listener->fd = -1;
}

int tcp_listener_open(struct tcp_listener *listener, struct tcp_loop *loop, const struct ring_address *address)
{
	listener->loop = loop;
	listener->stopping = false;
	listener->retry_ns = 0;
	listener->accept_op.fn = on_accept;
	listener->cancel_op.fn = on_listener_cancelled;
	listener->close_op.fn = on_listener_closed;
	listener->fd = ring_listen(loop->ring, address, LISTEN_BACKLOG, RING_SHARED);
	if (listener->fd < 0)
		return listener->fd;
	loop->listener = listener;
	ring_accept(loop->ring, &listener->accept_op, listener->fd);
	return 0;
}

void tcp_listener_stop(struct tcp_listener *listener)
{
	if (listener->stopping)
		return;
	listener->stopping = true;
	if (listener->accept_op.in_flight)
		ring_cancel(listener->loop->ring, &listener->cancel_op, &listener->accept_op);
	else
		ring_close_fd(listener->loop->ring, &listener->close_op, listener->fd);
}

static void mark_dirty(struct tcp_io *io)
{
	if (!list_linked(&io->dirty_link))
		list_append(&io->loop->dirty, &io->dirty_link);
}

static bool alive(const struct tcp_io *io)
{
	return io->state == TCP_OPEN || io->state == TCP_FINISHING;
}

/* ---- TLS ---------------------------------------------------------------------------------------------------- */

/* Room in `wire` for whatever the next call into the engine may put out. */
static void lend(struct tcp_io *io)
{
	buffer_grow(&io->wire, TLS_OUTPUT_MIN);
	tls_lend_output(io->tls, io->wire.data + io->wire.length, io->wire.capacity - io->wire.length);
}

static void collect(struct tcp_io *io)
{
	size_t length = tls_output_length(io->tls);
	if (length == 0)
		return;
	io->wire.length += length;
	assert(io->wire.length <= io->wire.capacity);
	mark_dirty(io);
}

static void tls_broke(struct tcp_io *io)
{
	if (io->error == 0) {
		io->error = -EPROTO;
		snprintf(io->error_text, sizeof(io->error_text), "%s", tls_error_text(io->tls));
	}
	io->plain.length = 0;
	/* The alert, if there is one, still goes out. */
	tcp_io_finish(io);
}

static enum tls_status handshake(struct tcp_io *io)
{
	enum tls_status status;
	do {
		lend(io);
		status = tls_handshake(io->tls);
		collect(io);
	} while (status == TLS_WANT_OUTPUT);
	if (status == TLS_OK) {
		io->handshaking = false;
		io->events->on_open(io);
	}
	return status;
}

static void seal(struct tcp_io *io)
{
	size_t done = 0;
	while (done < io->plain.length && io->wire.length < TCP_OUTPUT_MAX) {
		size_t length = io->plain.length - done;
		enum tls_status status;
		if (length > TLS_RECORD_MAX)
			length = TLS_RECORD_MAX;
		do {
			lend(io);
			status = tls_write(io->tls, io->plain.data + done, length);
			collect(io);
		} while (status == TLS_WANT_OUTPUT);
		if (status != TLS_OK) {
			tls_broke(io);
			return;
		}
		done += length;
	}
	if (done > 0 && done < io->plain.length)
		memmove(io->plain.data, io->plain.data + done, io->plain.length - done);
	io->plain.length -= done;
}

static void say_goodbye(struct tcp_io *io)
{
	enum tls_status status;
	do {
		lend(io);
		status = tls_close_notify(io->tls);
		collect(io);
	} while (status == TLS_WANT_OUTPUT);
}

static void receive_tls(struct tcp_io *io, const uint8_t *data, size_t length)
{
	enum tls_status status = TLS_OK;
	tls_feed(io->tls, data, length);
	while (io->state == TCP_OPEN && (status == TLS_OK || status == TLS_WANT_OUTPUT)) {
		size_t octets = 0;
		if (io->handshaking) {
			status = handshake(io);
			continue;
		}
		lend(io);
		status = tls_read(io->tls, io->loop->plaintext, sizeof(io->loop->plaintext), &octets);
		collect(io);
		if (status == TLS_OK)
			io->events->on_data(io, io->loop->plaintext, octets);
	}
	if (io->state != TCP_OPEN)
		return;
	if (status == TLS_FAILED)
		tls_broke(io);
	else if (status == TLS_CLOSED)
		tcp_io_finish(io);
}

void tcp_io_start_tls(struct tcp_io *io, struct tls_session *tls)
{
	assert(io->state == TCP_OPEN);
	assert(!io->tls);
	io->tls = tls;
	io->handshaking = true;
	if (handshake(io) == TLS_FAILED)
		tls_broke(io);
}

/* ---- input -------------------------------------------------------------------------------------------------- */

static void on_receive(struct ring_op *op, int result, uint32_t flags)
{
	struct tcp_io *io = container_of(op, struct tcp_io, recv_op);
	if (io->state == TCP_OPEN && result > 0) {
		const uint8_t *data = ring_buffer(io->loop->ring, flags);
		if (io->tls)
			receive_tls(io, data, (size_t)result);
		else
			io->events->on_data(io, data, (size_t)result);
	}
	if (flags & RING_BUFFER)
		ring_buffer_release(io->loop->ring, flags);
	if (io->state == TCP_STOPPING) {
		join(io);
		return;
	}
	if (flags & RING_MORE)
		return;
	if (result == 0) {
		/* End of stream, also inside TLS without close_notify: the peer has decided to go. It may have closed
		 * only its own direction, so what was written before still goes out. */
		tcp_io_finish(io);
	} else if (result < 0 && result != -ENOBUFS && result != -EINTR && result != -EAGAIN) {
		tcp_io_stop(io, result);
	} else if (!list_linked(&io->starved_link)) {
		list_append(&io->loop->starved, &io->starved_link);
	}
}

/* ---- output ------------------------------------------------------------------------------------------------- */

static void send_more(struct tcp_io *io)
{
	ring_send(io->loop->ring, &io->send_op, io->fd, io->sending.data + io->sent, io->sending.length - io->sent);
}

static void flush(struct tcp_io *io)
{
	if (!alive(io))
		return;
	if (io->tls && !io->handshaking && io->plain.length > 0)
		seal(io);
	if (io->send_op.in_flight)
		return;
	if (io->wire.length > 0) {
		struct buffer empty = io->sending;
		io->sending = io->wire;
		io->wire = empty;
		io->wire.length = 0;
		io->sent = 0;
		send_more(io);
	} else if (io->state == TCP_FINISHING) {
		tcp_io_stop(io, 0);
	}
}

static void on_sent(struct ring_op *op, int result, uint32_t flags)
{
	struct tcp_io *io = container_of(op, struct tcp_io, send_op);
	if (io->state == TCP_STOPPING) {
		join(io);
		return;
	}
	if (result < 0) {
		tcp_io_stop(io, result);
		return;
	}
	io->sent += (size_t)result;
	assert(io->sent <= io->sending.length);
	if (io->sent < io->sending.length) {
		send_more(io);
		return;
	}
	io->sending.length = 0;
	if (io->wire.length > 0 || io->plain.length > 0 || io->state == TCP_FINISHING)
		mark_dirty(io);
	if (io->state == TCP_OPEN && !io->handshaking && io->events->on_drain)
		io->events->on_drain(io);
}

uint8_t *tcp_io_reserve(struct tcp_io *io, size_t length)
{
	struct buffer *out = io->tls ? &io->plain : &io->wire;
	assert(io->state == TCP_OPEN);
	buffer_grow(out, length);
	out->length += length;
	mark_dirty(io);
	return out->data + out->length - length;
}

void tcp_io_write(struct tcp_io *io, const void *data, size_t length)
{
	if (io->state == TCP_OPEN && length > 0)
		memcpy(tcp_io_reserve(io, length), data, length);
}

size_t tcp_io_room(const struct tcp_io *io)
{
	size_t waiting = io->plain.length + io->wire.length;
	return waiting < TCP_OUTPUT_MAX ? TCP_OUTPUT_MAX - waiting : 0;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static void on_connected(struct ring_op *op, int result, uint32_t flags);
static void on_descriptor_closed(struct ring_op *op, int result, uint32_t flags);

static void begin(struct tcp_io *io, struct tcp_loop *loop, const struct tcp_io_events *events, int fd)
{
	assert(io->state == TCP_CLOSED);
	io->loop = loop;
	io->events = events;
	io->fd = fd;
	io->error = 0;
	io->error_text[0] = '\0';
	io->handshaking = false;
	io->plain.length = io->wire.length = io->sending.length = io->sent = 0;
	io->recv_op.fn = on_receive;
	io->send_op.fn = on_sent;
	io->connect_op.fn = on_connected;
	io->close_op.fn = on_descriptor_closed;
	list_init(&io->dirty_link);
	list_init(&io->starved_link);
}

static void on_cancel_recv(struct ring_op *op, int result, uint32_t flags)
{
	join(container_of(op, struct tcp_io, cancel_recv_op));
}

static void on_cancel_out(struct ring_op *op, int result, uint32_t flags)
{
	join(container_of(op, struct tcp_io, cancel_out_op));
}

void tcp_io_accept(struct tcp_io *io, struct tcp_loop *loop, const struct tcp_io_events *events, int fd)
{
	begin(io, loop, events, fd);
	io->state = TCP_OPEN;
	ring_recv(loop->ring, &io->recv_op, fd);
}

int tcp_io_connect(struct tcp_io *io, struct tcp_loop *loop, const struct tcp_io_events *events,
		   const struct ring_address *address)
{
	int fd = ring_socket(loop->ring, address->any.sa_family);
	if (fd < 0)
		return fd;
	begin(io, loop, events, fd);
	io->state = TCP_CONNECTING;
	ring_connect(loop->ring, &io->connect_op, fd, address);
	return 0;
}

static void on_connected(struct ring_op *op, int result, uint32_t flags)
{
	struct tcp_io *io = container_of(op, struct tcp_io, connect_op);
	if (io->state == TCP_STOPPING) {
		join(io);
		return;
	}
	assert(io->state == TCP_CONNECTING);
	if (result < 0) {
		tcp_io_stop(io, result);
		return;
	}
	io->state = TCP_OPEN;
	ring_recv(io->loop->ring, &io->recv_op, io->fd);
	io->events->on_open(io);
}

void tcp_io_finish(struct tcp_io *io)
{
	if (io->state == TCP_CONNECTING)
		tcp_io_stop(io, 0);
	if (io->state != TCP_OPEN)
		return;
	io->state = TCP_FINISHING;
	if (io->tls && !io->handshaking && io->error == 0) {
		seal(io);
		if (io->plain.length == 0)
			say_goodbye(io);
	}
	mark_dirty(io);
}

void tcp_io_stop(struct tcp_io *io, int error)
{
	if (io->state == TCP_CLOSED || io->state >= TCP_STOPPING)
		return;
	if (io->error == 0)
		io->error = error;
	io->state = TCP_STOPPING;
	list_remove(&io->dirty_link);
	list_remove(&io->starved_link);
	io->cancel_recv_op.fn = on_cancel_recv;
	io->cancel_out_op.fn = on_cancel_out;
	if (io->recv_op.in_flight)
		ring_cancel(io->loop->ring, &io->cancel_recv_op, &io->recv_op);
	if (io->send_op.in_flight)
		ring_cancel(io->loop->ring, &io->cancel_out_op, &io->send_op);
	else if (io->connect_op.in_flight)
		ring_cancel(io->loop->ring, &io->cancel_out_op, &io->connect_op);
	join(io);
}

/* The second step of teardown: closes once nothing is in flight. */
static void join(struct tcp_io *io)
{
	assert(io->state >= TCP_STOPPING);
	if (io->state == TCP_CLOSING || io->recv_op.in_flight || io->send_op.in_flight || io->connect_op.in_flight ||
	    io->cancel_recv_op.in_flight || io->cancel_out_op.in_flight)
		return;
	io->state = TCP_CLOSING;
	ring_close_fd(io->loop->ring, &io->close_op, io->fd);
}

static void on_descriptor_closed(struct ring_op *op, int result, uint32_t flags)
{
	struct tcp_io *io = container_of(op, struct tcp_io, close_op);
	assert(io->state == TCP_CLOSING);
	tls_session_free(io->tls);
	io->tls = NULL;
	io->fd = -1;
	io->state = TCP_CLOSED;
	io->events->on_closed(io);
}

void tcp_io_free(struct tcp_io *io)
{
	assert(io->state == TCP_CLOSED);
	buffer_free(&io->plain);
	buffer_free(&io->wire);
	buffer_free(&io->sending);
}
