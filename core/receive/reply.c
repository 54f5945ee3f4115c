/*
 * core/receive/reply.c - replies in the order of their commands, those of messages when they are answered, and
 * last words.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/line.h"
#include "core/config/config.h"
#include "core/receive/session_private.h"
#include "core/receive/tell.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

static struct submission *last_pending(struct session *s)
{
	return container_of(s->pending.prev, struct submission, link);
}

/* May another command be taken, whose reply may need REPLY_ROOM octets? */
bool receive_can_reply(struct session *s)
{
	if (s->pending_count > 0)
		return s->pending_count < SESSION_PENDING_MAX && REPLY_MAX - last_pending(s)->tail_length >= REPLY_ROOM;
	return transport_room(&s->transport) >= REPLY_ROOM;
}

void receive_reply(struct session *s, const char *text, size_t length)
{
	if (receive_over(s))
		return;
	if (s->pending_count > 0) {
		struct submission *m = last_pending(s);
		assert(m->tail_length + length <= REPLY_MAX);
		memcpy(m->tail + m->tail_length, text, length);
		m->tail_length += (uint32_t)length;
		return;
	}
	if (!transport_write(&s->transport, text, length))
		receive_end(s, "out of memory");
}

/* A refusal, told before anything is done about it. */
static void tell_refusal(struct session *s, const char *reply)
{
	struct shard *shard = s->shard;
	struct smtp_command command = {.verb = SMTP_UNKNOWN};
	struct ring_address peer;
	uint32_t untold = 0;

	s->refusals++;
	if (!shard->config->log_messages)
		return;
	if (shard->receiver->asked.length > 0)
		(void)smtp_command_parse(shard->receiver->asked.data, shard->receiver->asked.length,
					 SMTP_SYNTAX_TOLERANT, &command);
	/* What comes next may be the password, also where this line was refused before it was read as a command. */
	if (command.verb == SMTP_AUTH)
		s->stage = SMTP_AUTH;
	if (!receive_address(s, &peer) || !refusals_tell(&shard->receiver->refusals, &peer, shard->now_ns, &untold)) {
		s->untold++;
		return;
	}
	tell_refused(s, &command, reply, untold);
}

void receive_reply_text(struct session *s, const char *text)
{
	if (receive_over(s))
		return;
	s->last_reply = text;
	if (text[0] >= '4') {
		receive_seen_refused(s, text);
		tell_refusal(s, text);
	}
	receive_reply(s, text, strlen(text));
}

void receive_greet(struct session *s)
{
	char greeting[REPLY_ROOM];
	int n = snprintf(greeting, sizeof(greeting), "220 %.200s ESMTP postrider\r\n", s->snapshot->config->hostname);

	s->last_reply = "220";
	receive_reply(s, greeting, (size_t)n);
}

void receive_error(struct session *s, const char *reply)
{
	if (receive_count_error(s)) {
		receive_finish(s, "421 4.7.0 Too many errors, closing connection\r\n", "too many errors");
		return;
	}
	receive_reply_text(s, reply);
}

/* Once all that is owed is with the kernel: FIN, and where the client's has not come yet, read on for a while. */
void receive_say_fin(struct session *s)
{
	if (s->pending_count > 0 || !transport_drained(&s->transport))
		return;
	if (s->state == SESSION_ENDED)
		receive_end(s, "closed");
	if (s->state != SESSION_FINISHING)
		return;
	receive_move(s, SESSION_LINGER);
	transport_finish(&s->transport);
}

void receive_finish(struct session *s, const char *reply, const char *reason)
{
	if (s->state >= SESSION_FINISHING)
		return;
	/* In clear nothing may be said any more, and behind TLS not yet; behind a 220 on its way neither. A load
	 * balancer that has not said whose the connection is hears nothing. */
	if (s->state == SESSION_HANDSHAKE || s->state == SESSION_PROXY) {
		receive_end(s, reason);
		return;
	}
	if (s->state == SESSION_SECURING && reply && reply[0] != '5')
		reply = NULL;
	s->end_reason = reason;
	list_remove(&s->place);
	/* A timeout can come while the replies' room is used up: then nobody reads them anyway. 221 says what the
	 * reason says: the session's event keeps what was said before. */
	if (reply && (receive_can_reply(s) || s->pending_count == 0)) {
		if (reply[0] == '2')
			receive_reply(s, reply, strlen(reply));
		else
			receive_reply_text(s, reply);
	}
	if (receive_over(s))
		return;
	receive_drop_transaction(s);
	receive_move(s, SESSION_FINISHING);
	if (s->wait != WAIT_NONE) {
		s->wait = WAIT_NONE;
		transport_resume(&s->transport);
	}
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

static const char *not_stored_reply(const struct submission *m)
{
	if (m->result == -ENOSPC)
		return "452 4.3.1 Insufficient storage, try again later\r\n";
	return "451 4.3.0 Message not stored, try again later\r\n";
}

static void message_reply(const struct submission *m, struct line *reply)
{
	char id[MESSAGE_ID_TEXT];

	if (m->result != 0) {
		line_text(reply, not_stored_reply(m));
		return;
	}
	message_id_text(m->letter.id, id);
	line_text(reply, "250 2.0.0 Ok: queued as ");
	line_put(reply, id, sizeof(id));
	line_text(reply, "\r\n");
}

static void answer_one(struct session *s, struct submission *m)
{
	struct listener_counts *counts = receive_counts(s);
	struct shard *shard = s->shard;
	char text[80];
	struct line reply = {.data = text, .size = sizeof(text)};

	message_reply(m, &reply);
	/* Replies to what came behind it are later ones. */
	if (m->tail_length == 0 && m->result != SUBMISSION_UNDECIDED)
		s->last_reply = m->result == 0 ? "250 2.0.0 Ok: queued" : not_stored_reply(m);
	if (m->result == 0) {
		counter_add(&shard->receiver->counters.accepted, 1);
		counter_add(&shard->receiver->counters.recipients, m->recipients);
		counter_add(&shard->receiver->counters.accepted_octets, m->letter.content_length);
		counter_add(&counts->messages, 1);
		counter_add(&counts->recipients, m->recipients);
		counter_add(&counts->octets, m->letter.content_length);
		s->messages++;
		receive_seen_mail(s, m->letter.content_length);
		tell_accepted(s, m);
	} else {
		counter_add(&shard->receiver->counters.refused, 1);
		counter_add(&counts->refused, 1);
		s->refusals += m->result != SUBMISSION_UNDECIDED;
		receive_give_back_message(s, m, true);
		tell_not_stored(s, m);
	}
	list_remove(&m->link);
	s->pending_count--;
	if (m->result == SUBMISSION_UNDECIDED) {
		/* The client learns nothing and tries again, which may repeat what the failed disk kept; but it should
		 * learn of the messages before. */
		transport_flush(&s->transport);
		submission_free(m);
		receive_end(s, "the disk failed, and a message may be stored or not");
		return;
	}
	/* The client may have vanished: the record stays valid all the same (P15). */
	if (!receive_over(s)) {
		if (!transport_write(&s->transport, reply.data, reply.length) ||
		    (m->tail_length > 0 && !transport_write(&s->transport, m->tail, m->tail_length))) {
			submission_free(m);
			receive_end(s, "out of memory");
			return;
		}
	}
	submission_free(m);
}

void receive_replies_left(struct session *s)
{
	if (s->wait == WAIT_REPLIES && receive_can_reply(s))
		receive_go_on(s, WAIT_REPLIES);
}

void receive_message_answered(struct session *s)
{
	unsigned before = s->pending_count;

	while (!list_empty(&s->pending)) {
		struct submission *m = container_of(s->pending.next, struct submission, link);
		if (m->state != SUBMISSION_ANSWERED)
			break;
		/* Not enough room: on_sent() comes back here. */
		if (!receive_over(s) && transport_room(&s->transport) < 80 + m->tail_length)
			break;
		answer_one(s, m);
	}
	if (receive_over(s)) {
		receive_free_when_alone(s);
		return;
	}
	/* From this reply on the client may take its time for the next command, or to read. */
	if (s->pending_count < before && !receive_paced(s))
		receive_arm_command(s);
	if (s->state < SESSION_FINISHING)
		receive_replies_left(s);
}
