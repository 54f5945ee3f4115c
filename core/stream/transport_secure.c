/*
 * core/stream/transport_secure.c - the part of a transport that TLS has: what is received passes the engine on its way
 * to the owner, what is written is staged and sealed, and the end is said.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/stream/transport_private.h"

/* To the owner; false: there is no memory for what he leaves. */
static bool give_plain(struct transport *t, size_t length)
{
	size_t used = t->handlers->on_data(t, t->shared->plaintext, length);

	return used == length || transport_closing(t) ||
	       transport_hold_plain(t, t->shared->plaintext + used, length - used);
}

/* Runs TLS over ciphertext just fed, all of it where the owner does not pause. Returns 0, or the result for on_end. */
int transport_secure_pump(struct transport *t)
{
	for (;;) {
		enum tls_status status;
		size_t length = 0;

		if (!t->secured && t->handlers->may_handshake && tls_input_left(t->tls) > 0 &&
		    !t->handlers->may_handshake(t)) {
			t->paused = true;
			return 0;
		}
		if (!t->collecting && !(t->collecting = pool_acquire(t->buffers)))
			return -ENOMEM;
		tls_lend_output(t->tls, t->collecting + t->collected, t->capacity - t->collected);
		if (!t->secured)
			status = tls_handshake(t->tls);
		else
			status = tls_read(t->tls, t->shared->plaintext, sizeof(t->shared->plaintext), &length);
		t->collected += (uint32_t)tls_output_length(t->tls);
		if (t->collected)
			transport_mark_dirty(t);
		switch (status) {
		case TLS_OK:
			if (!t->secured) {
				t->secured = true;
				t->handlers->on_secured(t);
			} else if (!give_plain(t, length)) {
				return -ENOMEM;
			}
			if (transport_closing(t) || t->paused || (length > 0 && !tls_has_more(t->tls)))
				return 0;
			break;
		case TLS_WANT_INPUT:
			return 0;
		case TLS_CLOSED:
			/* Closing TLS closes the session; no later octet is read by any layer (STL-05). */
			return 1;
		case TLS_WANT_OUTPUT:
			/* A handshake flight or alert larger than a whole buffer: only a hostile peer gets here. */
		case TLS_FAILED:
			return TRANSPORT_TLS_FAILED;
		}
	}
}

bool transport_secure(struct transport *t, struct tls_session *tls)
{
	if (!list_empty(&t->held) || t->collected) {
		tls_session_free(tls);
		return false;
	}
	assert(!t->tls);
	t->tls = tls;
	tls_feed(tls, NULL, 0);
	/* A client speaks first: its hello is made now. From inside on_data the feeding flag is already set. */
	if (t->feeding) {
		int r = transport_secure_pump(t);
		return r == 0;
	}
	t->feeding = true;
	int r = transport_secure_pump(t);
	t->feeding = false;
	/* A server has nothing to say before its client. */
	if (t->collected == 0)
		transport_release_buffer(t, &t->collecting);
	return r == 0;
}

/* Seals what is staged into records. Returns false when the collecting buffer has no room. */
bool transport_secure_seal(struct transport *t)
{
	enum tls_status status;

	if (t->staged == 0)
		return true;
	if (!t->collecting && !(t->collecting = pool_acquire(t->buffers)))
		return false;
	if (t->capacity - t->collected < t->staged + (TLS_OUTPUT_MIN - TLS_RECORD_MAX))
		return false;
	tls_lend_output(t->tls, t->collecting + t->collected, t->capacity - t->collected);
	status = tls_write(t->tls, t->stage, t->staged);
	t->collected += (uint32_t)tls_output_length(t->tls);
	if (status != TLS_OK)
		return false; /* the session is dead: its next read says so */
	t->staged = 0;
	t->marks_collected += t->marks_staged;
	t->marks_staged = 0;
	return true;
}

/* Both before anything is staged: what was staged is written, so a false that comes later would have it said twice. */
static bool take_buffers(struct transport *t)
{
	if (!t->collecting)
		t->collecting = pool_acquire(t->buffers);
	if (!t->stage)
		t->stage = pool_acquire(t->buffers);
	if (t->collecting && t->stage)
		return true;
	if (t->collected == 0)
		transport_release_buffer(t, &t->collecting);
	if (t->staged == 0)
		transport_release_buffer(t, &t->stage);
	return false;
}

bool transport_secure_write(struct transport *t, const uint8_t *data, size_t length)
{
	if (!take_buffers(t))
		return false;
	while (length > 0) {
		size_t n = TLS_RECORD_MAX - t->staged;
		if (n > length)
			n = length;
		memcpy(t->stage + t->staged, data, n);
		t->staged += (uint32_t)n;
		data += n;
		length -= n;
		if (t->staged == TLS_RECORD_MAX && !transport_secure_seal(t))
			return length == 0;
	}
	return true;
}

bool transport_secure_notify(struct transport *t)
{
	if (!t->collecting && !(t->collecting = pool_acquire(t->buffers)))
		return false;
	tls_lend_output(t->tls, t->collecting, t->capacity);
	(void)tls_close_notify(t->tls); /* A session that has failed gives nothing. */
	t->collected = (uint32_t)tls_output_length(t->tls);
	return t->collected > 0;
}

/*
 * TLS does not end in silence (RFC 8446 6): the alert of a failed handshake, or else close_notify. It is handed to the
 * kernel and not waited for: join() takes it back if the peer has no room for it. Unsent data stays unsent, since what
 * belongs to it has been told to be lost; then nothing may follow it either.
 */
void transport_secure_goodbye(struct transport *t)
{
	bool said = t->state == TRANSPORT_NOTIFYING || t->state == TRANSPORT_FINISHED;

	if (t->state == TRANSPORT_CONNECTING || said || t->fd < 0 || t->send_op.in_flight)
		return;
	if (t->secured && (t->collected > 0 || !transport_secure_notify(t)))
		return;
	if (t->collected > 0)
		ring_send(t->shared->ring, &t->send_op, t->fd, t->collecting, t->collected);
}
