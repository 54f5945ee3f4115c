/*
 * core/receive/secure.c - TLS in a session: STARTTLS (RFC 3207), TLS from the first octet (RFC 8314), and what is
 * forgotten behind it.
 *
 *     STARTTLS, nothing behind it -> SECURING: 220 is on its way, behind the replies that are owed; whatever comes now
 *                                    came before the client can have read it, and ends the session
 *     220 is with the kernel      -> HANDSHAKE: every octet from here on goes to TLS, and none to the parser
 *     the handshake is complete   -> as if the connection had just been accepted
 *
 * So no octet that was sent in clear is read as a command behind TLS, in whatever pieces it comes (STL-01, STL-02): the
 * parser stands between the line STARTTLS and the first plaintext of TLS, and knows nothing of what was said before.
 */
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/receive/inbound_tls.h"
#include "core/receive/session_private.h"
#include "core/receive/tell.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

enum {
	HANDSHAKE_S = 60,  /* in all: a slow device computes for seconds */
	TURN_NS = 1000000, /* of a turn for all of them */
	LOOK_MAX = 16,     /* sessions made small at a time */
};

static enum config_listener_tls mode_of(const struct session *s)
{
	return s->snapshot->config->listeners[s->listener].tls;
}

bool receive_implicit(const struct session *s)
{
	return mode_of(s) == CONFIG_LISTENER_TLS_IMPLICIT;
}

bool receive_offers_tls(const struct session *s)
{
	enum config_listener_tls mode = mode_of(s);

	return !s->transport.secured && (mode == CONFIG_LISTENER_TLS_OFFERED || mode == CONFIG_LISTENER_TLS_REQUIRED);
}

bool receive_wants_tls(const struct session *s, enum smtp_verb verb)
{
	if (s->transport.secured || mode_of(s) != CONFIG_LISTENER_TLS_REQUIRED)
		return false;
	/* RFC 3207 4 */
	return verb != SMTP_EHLO && verb != SMTP_STARTTLS && verb != SMTP_NOOP && verb != SMTP_QUIT;
}

/* There is room for one more handshake, or is made. */
static void make_room(struct session *s)
{
	struct handshakes *handshakes = &s->shard->receiver->handshakes;
	struct list *oldest = handshakes_full(handshakes);
	struct ring_address address = {.length = 0};

	if (oldest)
		receive_end(container_of(oldest, struct session, tls_place), "too many TLS handshakes");
	(void)receive_address(s, &address);
	s->handshake_share = handshakes_share(handshakes, &address);
}

void receive_handshake(struct session *s)
{
	struct shard *shard = s->shard;
	uint64_t most = HANDSHAKE_S * CLOCK_NS_PER_S, command = s->snapshot->config->timeouts.command_ns;
	struct tls_session *tls = tls_session_new(
		inbound_tls_context(s->snapshot->inbound, shard->index, s->listener, receive_old_tls(s)), NULL, NULL);

	make_room(s);
	receive_move(s, SESSION_HANDSHAKE);
	if (!tls) {
		receive_end(s, "out of memory");
		return;
	}
	receive_arm_timer(s, command < most ? command : most);
	transport_use_buffers(&s->transport, &shard->receiver->tls_buffers);
	if (!transport_secure(&s->transport, tls))
		receive_end(s, "out of memory");
}

/*
 * A handshake costs as much as a thousand commands, and five hundred devices come back together after a power cut: so
 * its steps are not made where their octets arrive, but at one place of the turn, as many as fit in a millisecond; at
 * least one. Others wait for that long in each turn and no longer, and a message takes some five turns.
 */
bool receive_may_handshake(struct session *s)
{
	struct receiver *receiver = s->shard->receiver;

	if (receiver->handshaking == s)
		return true;
	if (!list_linked(&s->place))
		handshakes_ready(&receiver->handshakes, s->handshake_share, &s->place, s->handshake_answered);
	return false;
}

/* What is collected leaves later in the turn. Once: whoever sends octet by octet is not new with each of them. */
static void note_answer(struct session *s)
{
	if (s->state != SESSION_HANDSHAKE || s->handshake_answered || s->transport.collected == 0)
		return;
	s->handshake_answered = true;
	handshakes_answered(&s->shard->receiver->handshakes, s->handshake_share, &s->tls_place);
}

void receive_run_handshakes(struct shard *shard)
{
	struct receiver *receiver = shard->receiver;
	uint64_t started_ns = 0;
	struct list *link;

	if (!handshakes_waiting(&receiver->handshakes))
		return;
	started_ns = clock_monotonic_ns();
	/* What they send is answered by others, so none comes again within this. */
	while ((link = handshakes_next(&receiver->handshakes)) != NULL) {
		struct session *s = container_of(link, struct session, place);
		receiver->handshaking = s;
		transport_resume(&s->transport);
		receiver->handshaking = NULL;
		note_answer(s);
		if (clock_monotonic_ns() - started_ns >= TURN_NS)
			return;
	}
}

void receive_tell_handshake(struct session *s, const char *error)
{
	struct ring_address peer;
	uint32_t untold = 0;

	/* A look at a port where TLS begins at once. */
	if (s->transport.octets_in == 0 && error && receive_implicit(s))
		return;
	if (s->snapshot->config->log_sessions && receive_address(s, &peer) &&
	    refusals_tell(&s->shard->receiver->refusals, &peer, s->shard->now_ns, &untold))
		tell_handshake_failed(s, error, untold);
}

void receive_handshake_late(struct session *s)
{
	receive_tell_handshake(s, "it took too long");
	receive_end(s, "TLS handshake timeout");
}

void receive_starttls(struct session *s)
{
	enum config_listener_tls mode = mode_of(s);

	if (s->transport.secured) {
		receive_error(s, "503 5.5.1 TLS is active already\r\n");
		return;
	}
	if (mode == CONFIG_LISTENER_TLS_OFF) {
		receive_error(s, "502 5.5.1 STARTTLS not offered\r\n");
		return;
	}
	receive_drop_transaction(s);
	receive_move(s, SESSION_SECURING);
}

/* The line STARTTLS has been read, and so much of what came with it has not (RFC 3207 4: nothing is sent behind it;
 * CVE-2011-0411, CVE-2021-33515: what is sent must not be read). */
void receive_answer_starttls(struct session *s, size_t behind)
{
	if (behind > 0) {
		receive_finish(s, "554 5.5.1 Commands behind STARTTLS, closing connection\r\n",
			       "commands behind STARTTLS");
		return;
	}
	receive_reply_text(s, "220 2.0.0 Ready to start TLS\r\n");
}

void receive_begin_tls(struct session *s)
{
	if (s->state == SESSION_SECURING && s->pending_count == 0 && transport_drained(&s->transport))
		receive_handshake(s);
}

/*
 * Whoever is still here between one and two seconds after his handshake may stay for long: printers keep a connection
 * open all day. Some at a time, because giving pages back takes some 20 us each.
 */
void receive_look_at_lasting(struct wheel_timer *timer)
{
	struct receiver *receiver = container_of(timer, struct receiver, look);
	struct shard *shard = NULL;
	struct list *link;

	for (int i = 0; i < LOOK_MAX && (link = list_take_first(&receiver->lasting)) != NULL; i++) {
		struct session *s = container_of(link, struct session, tls_place);
		shard = s->shard;
		tls_session_trim(s->transport.tls);
	}
	if (!list_empty(&receiver->lasting)) {
		wheel_arm(&shard->wheel, timer, shard->now_ns + CLOCK_NS_PER_MS);
		return;
	}
	while ((link = list_take_first(&receiver->fresh)) != NULL) {
		list_append(&receiver->lasting, link);
		shard = container_of(link, struct session, tls_place)->shard;
	}
	if (!list_empty(&receiver->lasting))
		wheel_arm(&shard->wheel, timer, shard->now_ns + CLOCK_NS_PER_S);
}

static void may_last(struct session *s)
{
	struct receiver *receiver = s->shard->receiver;

	list_append(&receiver->fresh, &s->tls_place);
	if (!wheel_armed(&receiver->look))
		wheel_arm(&s->shard->wheel, &receiver->look, s->shard->now_ns + CLOCK_NS_PER_S);
}

void receive_secured(struct session *s)
{
	const char *refusal;

	counter_add(&receive_counts(s)->tls, 1);
	s->helo_given = false;
	s->esmtp = false;
	s->helo_length = 0;
	s->line_length = 0;
	s->user = NULL;
	/* A certificate may make it another's, who has all of his connections already. */
	refusal = receive_identify(s);
	receive_arm_command(s);
	receive_move(s, receive_implicit(s) ? SESSION_GREETING : SESSION_COMMAND);
	may_last(s);
	if (refusal)
		receive_finish(s, refusal, "too many connections");
	else if (receive_implicit(s))
		receive_greet(s);
}
