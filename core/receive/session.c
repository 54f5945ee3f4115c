/*
 * core/receive/session.c - an inbound session: its states, what it counts as, and its end.
 *
 * The rest of it: serve.c (its connection's events), admit.c, proxied.c and xclient.c (may it begin, and whose is it),
 * line.c (octets to lines), command.c, envelope.c and wishes.c (what commands do), content.c and chunk.c (messages as
 * they arrive), pace.c (how fast), wait.c (not being read from), memory.c (who waits for memory), reply.c (replies in
 * order, and last words), auth.c and login.c (who a client is).
 */
#include "core/receive/session.h"

#include <string.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/receive/identity.h"
#include "core/receive/login.h"
#include "core/receive/peers.h"
#include "core/receive/session_private.h"
#include "core/receive/tell.h"
#include "core/shard/load.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

/* The socket may be gone, but the text says the same. */
bool receive_address(const struct session *s, struct ring_address *out)
{
	char text[sizeof(s->peer) + 1];

	memcpy(text, s->peer, s->peer_length);
	text[s->peer_length] = '\0';
	return address_text_numeric(text, 1, out);
}

void receive_uncount_peer(struct session *s)
{
	if (s->address)
		peers_leave(s->shard->receiver->shared->peers, s->address, s->client >= 0, s->shard->now_ns);
	s->address = NULL;
}

/* It counts toward the limits no more, whatever is left of it. */
void receive_uncount(struct session *s)
{
	struct receivers *shared = s->shard->receiver->shared;

	if (!s->counted)
		return;
	s->counted = false;
	atomic_fetch_sub_explicit(&shared->connections, 1, memory_order_relaxed);
	receive_device_leave(s);
	receive_uncount_client(s);
	receive_uncount_peer(s);
}

void receive_arm_timer(struct session *s, uint64_t after_ns)
{
	wheel_arm(&s->shard->wheel, &s->timer, s->shard->now_ns + after_ns);
}

/* A command has so long, and all of the session no more than it may. */
void receive_arm_command(struct session *s)
{
	const struct config *config = s->snapshot->config;
	uint64_t after_ns = config->timeouts.command_ns, now_ns = s->shard->now_ns;

	if (config->timeouts.session_ns) {
		uint64_t end_ns = s->opened_ns + config->timeouts.session_ns;
		uint64_t left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
		after_ns = left_ns < after_ns ? left_ns : after_ns;
	}
	receive_arm_timer(s, after_ns);
}

bool receive_too_long(const struct session *s)
{
	uint64_t most_ns = s->snapshot->config->timeouts.session_ns;

	return most_ns > 0 && s->shard->now_ns - s->opened_ns >= most_ns;
}

#define NEXT(state) STATES_BIT(SESSION_##state)
/* Who is lost, is told 421 or sends its FIN may be in any of them that reads. */
#define ENDS (NEXT(FINISHING) | NEXT(ENDED) | NEXT(CLOSED))
static const struct states_row rows[] = {
	[SESSION_GREETING] = {"GREETING", NEXT(PROXY) | NEXT(COMMAND) | NEXT(HANDSHAKE) | ENDS},
	[SESSION_PROXY] = {"PROXY", NEXT(GREETING) | NEXT(CLOSED)},
	[SESSION_COMMAND] = {"COMMAND",
			     NEXT(LINE_TOO_LONG) | NEXT(CONTENT) | NEXT(CHUNK) | NEXT(SECURING) | NEXT(AUTH) | ENDS},
	[SESSION_LINE_TOO_LONG] = {"LINE_TOO_LONG", NEXT(COMMAND) | ENDS},
	[SESSION_CONTENT] = {"CONTENT", NEXT(COMMAND) | ENDS},
	[SESSION_CHUNK] = {"CHUNK", NEXT(COMMAND) | ENDS},
	[SESSION_AUTH] = {"AUTH", NEXT(COMMAND) | ENDS},
	[SESSION_SECURING] = {"SECURING", NEXT(HANDSHAKE) | ENDS},
	[SESSION_HANDSHAKE] = {"HANDSHAKE", NEXT(GREETING) | NEXT(COMMAND) | NEXT(CLOSED)},
	[SESSION_FINISHING] = {"FINISHING", NEXT(ENDED) | NEXT(LINGER) | NEXT(CLOSED)},
	[SESSION_ENDED] = {"ENDED", NEXT(CLOSED)},
	[SESSION_LINGER] = {"LINGER", NEXT(CLOSED)},
	[SESSION_CLOSED] = {"CLOSED", NEXT(GONE)},
	[SESSION_GONE] = {"GONE", 0},
};
const struct states session_states = {"session", rows, sizeof(rows) / sizeof(rows[0])};

/* Nobody is told how it would have ended. */
static void leave_login(struct session *s)
{
	struct login *login = s->login;

	s->login = NULL;
	if (login)
		login_leave(login);
}

void receive_move(struct session *s, enum session_state state)
{
	struct receiver *receiver = s->shard->receiver;

	if (s->state == SESSION_HANDSHAKE)
		handshakes_leave(&receiver->handshakes, s->handshake_share, &s->tls_place);
	states_move(&session_states, &s->state, state);
	if (s->state == SESSION_HANDSHAKE)
		handshakes_enter(&receiver->handshakes, s->handshake_share, &s->tls_place);
	if (state >= SESSION_FINISHING)
		leave_login(s);
	switch (state) {
	case SESSION_FINISHING:
	case SESSION_ENDED:
		receive_arm_timer(s, s->snapshot->config->timeouts.command_ns);
		break;
	case SESSION_LINGER:
		receive_arm_timer(s, SESSION_LINGER_MS * CLOCK_NS_PER_MS);
		break;
	case SESSION_CLOSED:
		wheel_disarm(&s->shard->wheel, &s->timer);
		break;
	default:
		break;
	}
}

/* Most names are short, and those that are not must not cost every idle session. */
static struct pool *names_of(const struct session *s, size_t room)
{
	return room > SESSION_NAME_SHORT ? &s->shard->receiver->long_names : &s->shard->receiver->names;
}

bool receive_keep_name(struct session *s, struct span name)
{
	size_t length = name.length > SESSION_NAME_MAX ? 0 : name.length;
	uint8_t room = length > SESSION_NAME_SHORT ? SESSION_NAME_MAX : SESSION_NAME_SHORT;
	char *helo = s->helo;

	if (!s->helo || length > s->helo_room) {
		helo = pool_acquire(names_of(s, room));
		if (!helo)
			return false;
		if (s->helo)
			pool_release(names_of(s, s->helo_room), s->helo);
		s->helo = helo;
		s->helo_room = room;
	}
	if (length > 0)
		memcpy(s->helo, name.data, length);
	s->helo_length = (uint8_t)length;
	return true;
}

void receive_forget_line(struct session *s)
{
	if (!s->line)
		return;
	/* It may hold a password. */
	explicit_bzero(s->line, SMTP_COMMAND_LINE_MAX);
	pool_release(&s->shard->receiver->lines, s->line);
	s->line = NULL;
}

void receive_free_when_alone(struct session *s)
{
	struct shard *shard = s->shard;

	if (s->state != SESSION_GONE || s->pending_count > 0)
		return;
	receive_uncount(s);
	shard->receiver->sessions_told_no -= s->told_no;
	load_connection_gone(shard);
	receive_forget_line(s);
	if (s->helo)
		pool_release(names_of(s, s->helo_room), s->helo);
	list_remove(&s->link);
	snapshot_release(s->snapshot, shard->index);
	pool_release(&shard->receiver->sessions, s);
}

/* It wanted nothing, and nothing was said to it that anybody should know: a look at the port, or at what EHLO says.
 * Who shows a certificate says who he is. */
static bool is_quiet(const struct session *s)
{
	if (strcmp(s->end_reason, "quit") != 0 && strncmp(s->end_reason, "closed", 6) != 0 &&
	    strcmp(s->end_reason, "connection lost") != 0)
		return false;
	switch (s->stage) {
	case SESSION_STAGE_NONE:
	case SMTP_EHLO:
	case SMTP_HELO:
	case SMTP_NOOP:
	case SMTP_HELP:
	case SMTP_STARTTLS:
		return s->messages == 0 && s->refusals == 0 && s->errors == 0 && !s->user && !identity_certificate(s);
	default:
		return false;
	}
}

/* Those who look every other second are told a few times an hour, and then how often it was. */
static bool told(const struct session *s, uint32_t *quiet)
{
	struct ring_address peer;

	*quiet = 0;
	return !is_quiet(s) || !receive_address(s, &peer) ||
	       refusals_tell(&s->shard->receiver->quiet, &peer, s->shard->now_ns, quiet);
}

void receive_end(struct session *s, const char *reason)
{
	uint32_t quiet;

	if (receive_over(s))
		return;
	receive_move(s, SESSION_CLOSED);
	if (!s->end_reason)
		s->end_reason = reason;
	if (told(s, &quiet))
		tell_session(s, quiet);
	list_remove(&s->place);
	list_remove(&s->tls_place);
	receive_drop_transaction(s);
	transport_close(&s->transport);
}

void receive_drop_transaction(struct session *s)
{
	/* Between chunks it is among those that read content. */
	if (receive_content_begun(s))
		list_remove(&s->place);
	if (s->message) {
		receive_give_back_message(s, s->message, false);
		submission_abort(s->message);
	}
	s->message = NULL;
}
