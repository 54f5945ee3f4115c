/*
 * core/stream/transport.c - see transport.h.
 */
#include "core/stream/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/stream/transport_private.h"

/* A paused peer has usually sent all it will before it gets its answer. One that has sent more than one piece ahead is
 * read no further. Smaller pieces than HELD_SMALL are copied: they would keep a whole buffer. */
enum { HELD_SMALL = 4096, CANCEL_AGAIN_MS = 20 };

#define NEXT(state) STATES_BIT(TRANSPORT_##state)
#define ENDS (NEXT(BROKEN) | NEXT(STOPPING))
static const struct states_row rows[] = {
	[TRANSPORT_CONNECTING] = {"CONNECTING", NEXT(OPEN) | NEXT(STOPPING)},
	[TRANSPORT_OPEN] = {"OPEN", NEXT(FINISHING) | ENDS},
	[TRANSPORT_FINISHING] = {"FINISHING", NEXT(NOTIFYING) | NEXT(FINISHED) | ENDS},
	[TRANSPORT_NOTIFYING] = {"NOTIFYING", NEXT(FINISHED) | ENDS},
	[TRANSPORT_FINISHED] = {"FINISHED", ENDS},
	[TRANSPORT_BROKEN] = {"BROKEN", NEXT(STOPPING)},
	[TRANSPORT_STOPPING] = {"STOPPING", NEXT(CLOSING)},
	[TRANSPORT_CLOSING] = {"CLOSING", NEXT(CLOSED)},
	[TRANSPORT_CLOSED] = {"CLOSED", 0},
};
const struct states transport_states = {"transport", rows, sizeof(rows) / sizeof(rows[0])};

/* The one place that moves the state. */
static void move(struct transport *t, enum transport_state state)
{
	states_move(&transport_states, &t->state, state);
}

static void on_recv(struct ring_op *op, int result, uint32_t flags);
static void on_send(struct ring_op *op, int result, uint32_t flags);

static void on_asked_timer(struct wheel_timer *timer);

void transport_shared_init(struct transport_shared *shared, struct ring *ring, struct wheel *wheel,
			   const uint64_t *now_ns, unsigned buffers, size_t held_limit)
{
	shared->ring = ring;
	shared->wheel = wheel;
	shared->now_ns = now_ns;
	shared->held_octets = 0;
	shared->buffers_low = buffers / 2;
	pool_init(&shared->held, sizeof(struct transport_held), 64, held_limit);
	list_init(&shared->dirty);
	list_init(&shared->answers);
	list_init(&shared->starved);
	list_init(&shared->asked);
	wheel_timer_init(&shared->asked_timer, on_asked_timer);
}

void transport_shared_deinit(struct transport_shared *shared)
{
	pool_deinit(&shared->held);
}

void transport_init(struct transport *t, struct transport_shared *shared, const struct transport_handlers *handlers,
		    struct pool *buffers)
{
	memset(t, 0, sizeof(*t));
	t->shared = shared;
	t->handlers = handlers;
	t->buffers = buffers;
	t->capacity = (uint32_t)buffers->block_size;
	t->fd = -1;
	t->recv_op.fn = on_recv;
	t->send_op.fn = on_send;
	list_init(&t->dirty);
	list_init(&t->starved);
	list_init(&t->held);
}

void transport_use_buffers(struct transport *t, struct pool *buffers)
{
	assert(transport_drained(t));
	transport_release_buffer(t, &t->collecting);
	transport_release_buffer(t, &t->sending);
	transport_release_buffer(t, &t->stage);
	t->buffers = buffers;
	t->capacity = (uint32_t)buffers->block_size;
}

/* ---- teardown ----------------------------------------------------------------------------------------------- */

static void join(struct transport *t);
static void finish(struct transport *t);

static void on_fd_closed(struct ring_op *op, int result, uint32_t flags)
{
	struct transport *t = container_of(op, struct transport, control_op);

	t->fd = -1;
	join(t);
}

/* The control op's other answers: a cancel or a shutdown was carried out. Both are advisory (P12). */
static void on_cancelled(struct ring_op *op, int result, uint32_t flags)
{
	struct transport *t = container_of(op, struct transport, control_op);

	if (transport_closing(t))
		join(t);
	else
		finish(t);
}

/* Those whose op was just running when it was to be cancelled, and stayed armed, would wait for the peer for ever. */
static void on_asked_timer(struct wheel_timer *timer)
{
	struct transport_shared *shared = container_of(timer, struct transport_shared, asked_timer);
	struct list again, *link;

	list_take_all(&shared->asked, &again);
	while ((link = list_take_first(&again)) != NULL) {
		struct transport *t = container_of(link, struct transport, starved);
		t->asked = NULL;
		join(t);
	}
}

/*
 * Asks an op to end. Its callback goes on with the teardown. If it does not come it is asked again, but not before a
 * while: a cancel completes at once, so one that is sent anew at each of its own completions is a loop that never ends.
 */
static void ask_to_end(struct transport *t, struct ring_op *target)
{
	struct transport_shared *shared = t->shared;

	if (t->asked != target) {
		list_remove(&t->starved);
		t->asked = target;
		t->control_op.fn = on_cancelled;
		ring_cancel(shared->ring, &t->control_op, target);
	} else if (!list_linked(&t->starved)) {
		list_append(&shared->asked, &t->starved);
		if (!wheel_armed(&shared->asked_timer))
			wheel_arm(shared->wheel, &shared->asked_timer,
				  *shared->now_ns + CANCEL_AGAIN_MS * CLOCK_NS_PER_MS);
	}
}

/* Takes the next step of the teardown that is possible now. */
static void join(struct transport *t)
{
	assert(transport_closing(t));
	if (t->control_op.in_flight || t->feeding)
		return;
	if (t->recv_op.in_flight || t->send_op.in_flight) {
		ask_to_end(t, t->recv_op.in_flight ? &t->recv_op : &t->send_op);
		return;
	}
	list_remove(&t->starved);
	if (t->fd >= 0) {
		move(t, TRANSPORT_CLOSING);
		t->control_op.fn = on_fd_closed;
		ring_close_fd(t->shared->ring, &t->control_op, t->fd);
		return;
	}
	move(t, TRANSPORT_CLOSED);
	transport_release_buffer(t, &t->collecting);
	transport_release_buffer(t, &t->sending);
	transport_release_buffer(t, &t->stage);
	t->handlers->on_closed(t);
}

void transport_close(struct transport *t)
{
	if (transport_closing(t))
		return;
	if (t->tls)
		transport_secure_goodbye(t);
	move(t, TRANSPORT_STOPPING);
	list_remove(&t->dirty);
	list_remove(&t->starved);
	transport_held_drop(t);
	if (t->tls)
		tls_session_free(t->tls);
	t->tls = NULL;
	join(t);
}

/* ---- input -------------------------------------------------------------------------------------------------- */

static void over(struct transport *t, int result)
{
	t->input = INPUT_OVER;
	if (result != 0)
		move(t, TRANSPORT_BROKEN);
	t->handlers->on_end(t, result);
}

static void end(struct transport *t, int result)
{
	if (t->state >= TRANSPORT_BROKEN || (result == 0 && t->input == INPUT_OVER))
		return;
	/* What came before the peer's orderly end is still to be consumed. A broken connection is over at once: nobody
	 * waits for an answer, and nothing may ever come that would resume it. */
	if (result == 0 && (t->paused || !list_empty(&t->held))) {
		t->input = t->tls ? INPUT_END_HELD : INPUT_FIN_HELD;
		return;
	}
	over(t, result);
}

/* FIN. Behind close_notify it is no news; and what TLS has held may end with one, or not. */
static void end_of_stream(struct transport *t)
{
	if (t->input == INPUT_OVER)
		return;
	if (!t->tls)
		end(t, 0);
	else if (!t->paused && list_empty(&t->held))
		end(t, TRANSPORT_TLS_TRUNCATED); /* FIN without close_notify */
	else if (t->input == INPUT_OPEN)
		t->input = INPUT_FIN_HELD;
}

static void arm(struct transport *t)
{
	if (t->recv_op.in_flight || transport_closing(t) || t->input != INPUT_OPEN)
		return;
	if (ring_buffers_free(t->shared->ring) == 0) {
		/* Arming on an empty buffer ring fails at once: wait until some came back (P9). */
		if (!list_linked(&t->starved))
			list_append(&t->shared->starved, &t->starved);
		return;
	}
	ring_recv(t->shared->ring, &t->recv_op, t->fd);
}

void transport_shared_rearm(struct transport_shared *shared)
{
	struct list *link;
	unsigned budget = ring_buffers_free(shared->ring);

	while (budget-- > 0 && (link = list_take_first(&shared->starved)) != NULL)
		arm(container_of(link, struct transport, starved));
}

/* Gives octets to TLS; returns how many were consumed. */
static size_t deliver_sealed(struct transport *t, const uint8_t *data, size_t length)
{
	size_t used = length;
	int r;

	tls_feed(t->tls, data, length);
	r = transport_secure_pump(t);
	if (t->paused && r == 0 && !transport_closing(t))
		used -= tls_unfeed(t->tls);
	/* TLS was lent a buffer in case it had to answer. A connection that only listens keeps none. */
	if (t->collected == 0)
		transport_release_buffer(t, &t->collecting);
	if (r != 0 && !transport_closing(t))
		end(t, r == 1 ? 0 : r);
	return used;
}

/* Gives octets to the owner, `plain` or as they came; returns how many were consumed. */
static size_t deliver(struct transport *t, const uint8_t *data, size_t length, bool plain)
{
	size_t used;

	t->feeding = true;
	if (t->tls && !plain) {
		used = deliver_sealed(t, data, length);
	} else {
		used = t->handlers->on_data(t, data, length);
		/* TLS has begun behind what the owner took of it: the rest is for TLS. */
		if (!plain && t->tls && !transport_closing(t))
			used += deliver_sealed(t, data + used, length - used);
	}
	t->feeding = false;
	if (transport_closing(t)) {
		join(t);
		return SIZE_MAX; /* t may be gone */
	}
	return used;
}

static void stop_reading(struct transport *t)
{
	if (!t->recv_op.in_flight || t->control_op.in_flight || transport_closing(t))
		return;
	t->control_op.fn = on_cancelled;
	ring_cancel(t->shared->ring, &t->control_op, &t->recv_op);
}

void transport_pause(struct transport *t)
{
	if (transport_closing(t) || t->input == INPUT_OVER)
		return;
	t->paused = true;
	list_remove(&t->starved);
	stop_reading(t);
}

/* What has been received must be kept; what has not stays in the socket. */
static void hold(struct transport *t, uint32_t flags, uint32_t offset, uint32_t length)
{
	struct transport_held *held = pool_acquire(&t->shared->held);

	if (!held) {
		ring_buffer_release(t->shared->ring, flags);
		t->paused = false;
		transport_held_drop(t);
		end(t, -ENOMEM);
		return;
	}
	held->flags = flags;
	held->offset = offset;
	held->length = length;
	held->copy = NULL;
	held->plain = false;
	/* Paused sessions may not keep the buffers that everybody else receives into (P9). */
	if ((ring_buffers_free(t->shared->ring) < t->shared->buffers_low || length < HELD_SMALL) &&
	    (held->copy = malloc(length)) != NULL) {
		memcpy(held->copy, ring_buffer(t->shared->ring, flags) + offset, length);
		held->offset = 0;
		ring_buffer_release(t->shared->ring, flags);
	}
	list_init(&held->link);
	list_append(&t->held, &held->link);
	t->held_octets += length;
	t->shared->held_octets += length;
	if (t->held.next != t->held.prev)
		stop_reading(t);
}

/* Takes a filled buffer over. Returns false when the transport was closed meanwhile and may be gone. */
static bool take_buffer(struct transport *t, uint32_t flags, uint32_t length)
{
	struct ring *ring = t->shared->ring;
	size_t used;

	t->octets_in += length;
	if (transport_closing(t) || t->input == INPUT_OVER) {
		ring_buffer_release(ring, flags);
		return true;
	}
	if (t->paused || t->feeding) {
		hold(t, flags, 0, length);
		return true;
	}
	used = deliver(t, ring_buffer(ring, flags), length, false);
	if (used == SIZE_MAX || used == length) {
		ring_buffer_release(ring, flags);
		return used != SIZE_MAX;
	}
	t->paused = true;
	hold(t, flags, (uint32_t)used, length - (uint32_t)used);
	return true;
}

static void on_recv(struct ring_op *op, int result, uint32_t flags)
{
	struct transport *t = container_of(op, struct transport, recv_op);

	if (result > 0) {
		if (!take_buffer(t, flags, (uint32_t)result) || (flags & RING_MORE))
			return;
		if (transport_closing(t))
			join(t);
		else if (!t->paused)
			arm(t);
		return;
	}
	if (flags & RING_BUFFER)
		ring_buffer_release(t->shared->ring, flags);
	if (flags & RING_MORE)
		return;
	if (transport_closing(t)) {
		join(t);
		return;
	}
	if (result == -ENOBUFS || result == -EINTR || result == -EAGAIN || result == -ECANCELED) {
		/* Not the connection's fault (P9). A paused one is armed again by transport_resume(). */
		if (!t->paused)
			arm(t);
		return;
	}
	if (result == 0)
		end_of_stream(t);
	else
		end(t, result);
}

/* False: it was paused again, or closed and may be gone. */
static bool deliver_held(struct transport *t)
{
	while (!list_empty(&t->held)) {
		struct transport_held *held = container_of(t->held.next, struct transport_held, link);
		struct ring *ring = t->shared->ring;
		const uint8_t *octets = held->copy ? held->copy : ring_buffer(ring, held->flags);
		size_t used = deliver(t, octets + held->offset, held->length, held->plain);

		if (used == SIZE_MAX)
			return false; /* closed meanwhile: everything held was released */
		if (used < held->length) {
			held->offset += (uint32_t)used;
			held->length -= (uint32_t)used;
			t->held_octets -= (uint32_t)used;
			t->shared->held_octets -= used;
			t->paused = true;
			return false;
		}
		list_remove(&held->link);
		transport_held_free(t, held);
		/* Whoever consumed the last piece may have paused behind it. */
		if (t->paused)
			return false;
	}
	return true;
}

void transport_resume(struct transport *t)
{
	bool was = t->paused;

	if (t->feeding || transport_closing(t))
		return;
	t->paused = false;
	if (!deliver_held(t))
		return;
	/* TLS may have octets that no completion will ever announce (P14). */
	if (t->tls && was && t->input != INPUT_OVER && (deliver(t, NULL, 0, false) == SIZE_MAX || t->paused))
		return;
	if (t->input == INPUT_FIN_HELD)
		over(t, t->tls ? TRANSPORT_TLS_TRUNCATED : 0);
	else if (t->input == INPUT_END_HELD)
		over(t, 0);
	else
		arm(t);
}

/* ---- start -------------------------------------------------------------------------------------------------- */

void transport_accepted(struct transport *t, int fd)
{
	t->fd = fd;
	t->accepted = true;
	move(t, TRANSPORT_OPEN);
	arm(t);
}

static void on_connect(struct ring_op *op, int result, uint32_t flags)
{
	struct transport *t = container_of(op, struct transport, send_op);

	t->send_op.fn = on_send;
	if (transport_closing(t)) {
		join(t);
		return;
	}
	if (result == 0) {
		move(t, TRANSPORT_OPEN);
		arm(t);
	}
	t->handlers->on_connected(t, result);
}

void transport_connect(struct transport *t, int fd, const struct ring_address *address)
{
	t->fd = fd;
	t->send_op.fn = on_connect;
	ring_connect(t->shared->ring, &t->send_op, fd, address);
}

/* ---- output ------------------------------------------------------------------------------------------------- */

/* The peer's FIN ends what it sends, not what it reads. Closing TLS ends both (STL-05). */
static bool output_over(const struct transport *t)
{
	return t->state >= TRANSPORT_FINISHING || (t->input == INPUT_OVER && t->tls);
}

size_t transport_room(const struct transport *t)
{
	size_t room;

	if (output_over(t))
		return 0;
	if (!t->tls)
		return t->capacity - t->collected;
	room = t->capacity - t->collected;
	/* Every record costs its overhead; keep space for one alert or key update. */
	room = room > TLS_OUTPUT_MIN ? room - TLS_OUTPUT_MIN : 0;
	room -= room / 64;
	return room + (TLS_RECORD_MAX - t->staged);
}

static bool write_plain(struct transport *t, const void *data, size_t length)
{
	if (length > t->capacity - t->collected)
		return false;
	if (!t->collecting && !(t->collecting = pool_acquire(t->buffers)))
		return false;
	memcpy(t->collecting + t->collected, data, length);
	t->collected += (uint32_t)length;
	return true;
}

bool transport_write(struct transport *t, const void *data, size_t length)
{
	bool ok;

	if (output_over(t))
		return false;
	ok = t->tls ? length <= transport_room(t) && transport_secure_write(t, data, length)
		    : write_plain(t, data, length);
	if (ok)
		transport_mark_dirty(t);
	return ok;
}

bool transport_write_secret(struct transport *t, const void *data, size_t length)
{
	bool ok;

	assert(t->tls && t->secured);
	ok = transport_write(t, data, length) && transport_secure_seal(t);
	if (t->stage)
		explicit_bzero(t->stage, TLS_RECORD_MAX);
	return ok;
}

void transport_mark(struct transport *t)
{
	if (t->staged > 0)
		t->marks_staged++;
	else
		t->marks_collected++;
}

void transport_flush(struct transport *t)
{
	list_remove(&t->dirty);
	if (transport_closing(t) || t->send_failed || t->state == TRANSPORT_CONNECTING)
		return;
	if (t->tls && t->secured)
		(void)transport_secure_seal(t);
	/* The next one that writes finds it in the processor's cache. */
	if (t->staged == 0)
		transport_release_buffer(t, &t->stage);
	if (t->send_op.in_flight || t->collected == 0)
		return;
	assert(t->send_length == 0);
	if (t->sending) {
		/* Swap: what was collected is sent, the buffer just sent collects. */
		uint8_t *spare = t->sending;
		t->sending = t->collecting;
		t->collecting = spare;
	} else {
		t->sending = t->collecting;
		t->collecting = NULL;
	}
	t->send_offset = 0;
	t->send_length = t->collected;
	t->collected = 0;
	t->marks_handed += t->marks_collected;
	t->marks_collected = 0;
	ring_send(t->shared->ring, &t->send_op, t->fd, t->sending, t->send_length);
}

static void flush_list(struct list *transports)
{
	struct list *link;

	while ((link = list_take_first(transports)) != NULL)
		transport_flush(container_of(link, struct transport, dirty));
}

void transport_shared_answer(struct transport_shared *shared)
{
	flush_list(&shared->answers);
}

void transport_shared_flush(struct transport_shared *shared)
{
	flush_list(&shared->answers);
	flush_list(&shared->dirty);
}

/* Only who was called has words that count: a client that is gone waits for nothing, and may be paused. */
static bool last_words_due(const struct transport *t, int result)
{
	return !t->accepted && (result == -EPIPE || result == -ECONNRESET) && t->recv_op.in_flight && !t->paused &&
	       t->input == INPUT_OPEN && list_empty(&t->held);
}

static void on_send(struct ring_op *op, int result, uint32_t flags)
{
	struct transport *t = container_of(op, struct transport, send_op);

	if (transport_closing(t)) {
		join(t);
		return;
	}
	if (result < 0 && result != -EINTR && result != -EAGAIN) {
		t->send_length = 0;
		t->send_failed = true;
		/* What the peer said before it closed may be there, and is why: it is taken first. The receive ends
		 * with it, since the connection is gone. */
		if (!last_words_due(t, result))
			end(t, result);
		return;
	}
	if (result > 0) {
		t->octets_out += (uint32_t)result;
		t->send_offset += (uint32_t)result;
		t->send_length -= (uint32_t)result;
	}
	if (t->send_length > 0) {
		/* Short: exactly the remaining octets come next (P13). */
		ring_send(t->shared->ring, &t->send_op, t->fd, t->sending + t->send_offset, t->send_length);
		return;
	}
	if (t->collected > 0 || t->staged > 0) {
		transport_mark_dirty(t);
	} else {
		transport_release_buffer(t, &t->sending);
		transport_release_buffer(t, &t->collecting);
		transport_release_buffer(t, &t->stage);
		finish(t);
	}
	if (t->handlers->on_sent)
		t->handlers->on_sent(t);
}

bool transport_drained(const struct transport *t)
{
	return !t->send_op.in_flight && t->collected == 0 && t->staged == 0;
}

/* The next step to FIN that is possible now: on_send() and on_cancelled() come back here, since the control op may be
 * cancelling what was armed for input. */
static void finish(struct transport *t)
{
	bool finishing = t->state == TRANSPORT_FINISHING || t->state == TRANSPORT_NOTIFYING;

	if (!finishing || t->control_op.in_flight || !transport_drained(t))
		return;
	if (t->state == TRANSPORT_FINISHING && t->tls && t->secured && transport_secure_notify(t)) {
		move(t, TRANSPORT_NOTIFYING);
		transport_mark_dirty(t);
		return;
	}
	move(t, TRANSPORT_FINISHED);
	t->control_op.fn = on_cancelled;
	ring_shutdown(t->shared->ring, &t->control_op, t->fd, SHUT_WR);
}

void transport_finish(struct transport *t)
{
	if (t->state != TRANSPORT_OPEN)
		return;
	move(t, TRANSPORT_FINISHING);
	finish(t);
}
