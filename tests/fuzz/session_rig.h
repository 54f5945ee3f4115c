/*
 * tests/fuzz/session_rig.h - one inbound session for fuzz targets, with its connection and the owners of its messages
 * in this file in the place of the ring, the network and the spool.
 *
 *     begin(CLIENT)           it is accepted
 *     arrives(), leaves(), answer(), verify(), end(), gone()   what happens to it, one thing at a time
 *     quiet()                 all that can go on does, until nothing does
 *     finish()                it ends, and all memory has been given back
 *
 * Whatever happens, replies are whole lines, nothing is said behind FIN, and 250 for a message only when all its owners
 * have it. Included by one file of each program: what stands in for the relay's functions is defined here.
 */
#ifndef POSTRIDER_FUZZ_SESSION_RIG_H
#define POSTRIDER_FUZZ_SESSION_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/verifier.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/config/user_table.h"
#include "core/events/receiving.h"
#include "core/receive/client.h"
#include "core/receive/counts.h"
#include "core/receive/guard.h"
#include "core/receive/inbound_tls.h"
#include "core/receive/session.h"
#include "core/route/place.h"
#include "core/route/plan.h"
#include "core/route/route.h"
#include "core/shard/load.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "core/store/submission.h"

enum { CAPACITY = 4096, OUTPUT_MAX = 1 << 20, HELD_MAX = 1 << 16 };
enum { CLIENT = 1, STRANGER = 2 };

static struct config_client client = {
	.name = (char *)"client", .default_domain = (char *)"example.org", .connections_max = UINT_MAX};
/* What the client's entry says of its messages, where a target has it say anything. */
static char *removed[] = {(char *)"X-*"}, *added[] = {(char *)"X-Office: Berlin"}, *senders[] = {(char *)"*"};
static struct config_mapping mapping = {.from = (char *)"*", .to = (char *)"*@example.net"};
static const struct config_from author = {.map = &mapping, .map_count = 1, .bind = true};
static struct config_policy policy = {.from = &author,
				      .removed = removed,
				      .removed_count = 1,
				      .added = added,
				      .added_count = 1,
				      .archive = (char *)"archive@a",
				      .complete = true};
static struct config_client_terms policy_terms
	__attribute__((unused)) = {.policy = &policy, .senders = senders, .sender_count = 1};
static struct network balancers = {.family = AF_INET, .prefix = 8, .octets = {127}};
static struct network anybody = {.family = AF_INET};
static struct config_listener listener = {.name = (char *)"lan", .proxies = &balancers, .xclients = &anybody};
static struct config_destination destinations[] = {{.name = (char *)"a"}, {.name = (char *)"b"}};
static struct config config = {
	.hostname = (char *)"relay.example.org",
	.spool = {.message_size_max = 20000, .memory_max = 32 << 20},
	.limits = {.connections = 10, .recipients_per_message = 5, .errors_per_session = 4, .hops = 100},
	.timeouts = {.command_ns = 300 * CLOCK_NS_PER_S, .data_ns = 1800 * CLOCK_NS_PER_S},
	.clients = &client,
	.listeners = &listener,
	.destinations = destinations,
	.log_sessions = true,
	.log_messages = true,
};
static struct quota quota;
static struct quota *quotas[1] = {&quota};
static struct snapshot_users users[1];
static _Alignas(COUNTS_LINE) uint8_t counts_block[sizeof(struct listener_counts)];
static struct counted listener_counted = {.blocks = counts_block};
static struct counted *counted[1] = {&listener_counted};
static struct snapshot snapshot = {.config = &config, .listener_counts = counted, .quotas = quotas, .users = users};
static struct receivers receivers;
static struct lane_plan lanes[2];
static struct plan plan = {.lanes = lanes, .lane_count = 2};
static struct transport_shared shared;
static struct receiver receiver;
static uint8_t scratch[SPOOL_ENVELOPE_MAX];
static struct store store = {.scratch = scratch};
static struct shard shard = {
	.config = &config, .plan = &plan, .count = 1, .transport = &shared, .receiver = &receiver, .store = &store};

/* The one session's connection. */
static struct {
	struct transport *t; /* NULL: gone */
	bool feeding, paused, closing, ended, broken, end_waits, fin, no_buffer, handshake;
	uint8_t held[HELD_MAX];
	size_t held_length, unsent, length;
	char output[OUTPUT_MAX];
} line;
static struct list lent;
/* What is stored, where that is kept. */
static struct {
	bool kept;
	size_t length;
	uint8_t content[24 * HELD_MAX];
} stored;
static struct question *asked; /* of the verifier, the oldest first */
static unsigned verified;
static unsigned accepted;
static int peer;

static void need(bool condition)
{
	if (!condition)
		abort();
}

/* ---- the connection ----------------------------------------------------------------------------------------- */

void transport_init(struct transport *t, struct transport_shared *in, const struct transport_handlers *handlers,
		    struct pool *buffers)
{
	memset(t, 0, sizeof(*t));
	t->shared = in;
	t->handlers = handlers;
	t->buffers = buffers;
}

void transport_accepted(struct transport *t, int fd)
{
	line.t = t;
}

size_t transport_room(const struct transport *t)
{
	return line.closing || line.broken ? 0 : CAPACITY - line.unsent;
}

bool transport_write(struct transport *t, const void *data, size_t length)
{
	if (line.closing || line.broken || line.no_buffer || length > CAPACITY - line.unsent)
		return false;
	need(!line.fin);
	if (line.length + length <= OUTPUT_MAX)
		memcpy(line.output + line.length, data, length);
	line.length += length;
	line.unsent += length;
	return true;
}

void transport_use_buffers(struct transport *t, struct pool *buffers)
{
	need(line.unsent == 0);
	t->buffers = buffers;
}

struct tls_context *inbound_tls_context(struct inbound_tls *inbound, unsigned of_shard, unsigned of_listener, bool old)
{
	return NULL;
}

struct tls_session *tls_session_new(struct tls_context *context, const char *server_name, struct tls_ticket *ticket)
{
	static char session;

	return line.no_buffer ? NULL : (struct tls_session *)(void *)&session;
}

void tls_session_info(const struct tls_session *session, struct tls_info *info)
{
	*info = (struct tls_info){.version = "TLSv1.3", .cipher = "", .group = ""};
}

void tls_session_free(struct tls_session *session)
{
}

void tls_session_offer(const struct tls_session *session, struct tls_offer *offer)
{
	*offer = (struct tls_offer){.version = ""};
}

const struct tls_identity *tls_session_identity(const struct tls_session *session)
{
	return NULL;
}

void tls_fingerprint_text(const uint8_t fingerprint[TLS_FINGERPRINT_SIZE], char text[TLS_FINGERPRINT_TEXT])
{
	text[0] = '\0';
}

const char *tls_error_text(const struct tls_session *session)
{
	return "error";
}

bool transport_secure(struct transport *t, struct tls_session *tls)
{
	need(line.unsent == 0 && line.held_length == 0 && !t->tls);
	t->tls = tls;
	line.handshake = true;
	return true;
}

void transport_flush(struct transport *t)
{
}

bool transport_drained(const struct transport *t)
{
	return line.unsent == 0;
}

void transport_finish(struct transport *t)
{
	need(!line.closing && !line.fin && line.unsent == 0);
	line.fin = true;
}

void transport_close(struct transport *t)
{
	line.closing = true;
}

static void held_set(size_t length)
{
	line.t->held_octets = (uint32_t)length;
	shared.held_octets = line.held_length = length;
}

static void feed(const uint8_t *data, size_t length)
{
	size_t used;

	line.feeding = true;
	if (line.handshake && !line.t->handlers->may_handshake(line.t)) {
		line.feeding = false;
		line.paused = true;
		memcpy(line.held, data, length);
		held_set(length);
		return;
	}
	if (line.handshake) {
		line.handshake = false;
		line.t->secured = true;
		line.t->handlers->on_secured(line.t);
		line.feeding = false;
		return;
	}
	used = line.t->handlers->on_data(line.t, data, length);
	line.feeding = false;
	need(used <= length);
	if (line.closing)
		return;
	if (line.handshake) {
		/* TLS has begun behind what it took. */
		static uint8_t rest[HELD_MAX];
		memcpy(rest, data + used, length - used);
		if (used < length)
			feed(rest, length - used);
		return;
	}
	if (used < length)
		line.paused = true;
	memmove(line.held, data + used, length - used);
	held_set(length - used);
}

static void arrives(const uint8_t *data, size_t length)
{
	if (length == 0 || line.closing || line.ended || line.broken || line.end_waits)
		return;
	if (length > HELD_MAX - line.held_length)
		length = HELD_MAX - line.held_length;
	line.t->octets_in += length;
	memcpy(line.held + line.held_length, data, length);
	held_set(line.held_length + length);
	if (line.paused || line.feeding)
		return;
	/* It may be read where it lies, and whoever reads it may be resumed meanwhile. */
	static uint8_t copy[HELD_MAX];
	length = line.held_length;
	memcpy(copy, line.held, length);
	held_set(0);
	feed(copy, length);
}

static void end(int result)
{
	if (line.closing || line.broken || (result == 0 && line.ended))
		return;
	if (result == 0 && (line.paused || line.held_length > 0)) {
		line.end_waits = true;
		return;
	}
	line.ended = true;
	line.broken = result != 0;
	line.t->handlers->on_end(line.t, result);
}

void transport_pause(struct transport *t)
{
	if (!line.closing && !line.ended)
		line.paused = true;
}

void transport_resume(struct transport *t)
{
	static uint8_t copy[HELD_MAX];

	if (line.feeding || line.closing)
		return;
	line.paused = false;
	if (line.held_length > 0) {
		size_t length = line.held_length;
		memcpy(copy, line.held, length);
		held_set(0);
		feed(copy, length);
	}
	if (!line.closing && !line.paused && line.end_waits && !line.ended) {
		line.ended = true;
		line.t->handlers->on_end(line.t, 0);
	}
}

static void leaves(size_t length)
{
	if (line.closing || line.broken || line.unsent == 0)
		return;
	line.unsent -= length < line.unsent ? length : line.unsent;
	if (line.unsent == 0)
		line.t->handlers->on_sent(line.t);
}

static void gone(void)
{
	struct transport *t = line.t;

	if (!line.closing || !t)
		return;
	line.t = NULL;
	shared.held_octets = 0;
	t->handlers->on_closed(t);
}

/* ---- what else is beside a session ---------------------------------------------------------------------------- */

int ring_peer_address(struct ring *ring, int fd, struct ring_address *out)
{
	memset(out, 0, sizeof(*out));
	out->v4.sin_family = AF_INET;
	out->v4.sin_addr.s_addr = htonl(0x7f000001);
	return 0;
}

void ring_drop_fd(struct ring *ring, int fd)
{
}

uint64_t clock_wall_ns(void)
{
	return UINT64_C(1700000000) * CLOCK_NS_PER_S;
}

uint64_t clock_monotonic_ns(void)
{
	return shard.now_ns;
}

uint64_t clock_thread_ns(void)
{
	return 0;
}

int client_find(const struct config *unused, const struct client_question *question)
{
	need(question->listener == 0);
	return peer == CLIENT ? 0 : -1;
}

const struct config_route *route_find(const struct config *unused, const struct route_question *question)
{
	static const struct config_route routes[] = {{.destination = 0}, {.destination = 1}, {.refuse = (char *)"no"}};
	const char *address = question->recipient.data, *end = address + question->recipient.length;
	const char *at = memrchr(address, '@', question->recipient.length);

	if (!at || at + 1 == end || at[1] == 'n')
		return NULL;
	return &routes[at[1] == 'a' ? 0 : at[1] == 'r' ? 2 : 1];
}

bool route_address_matches(const char *pattern, struct span address)
{
	return true;
}

void load_connection_gone(struct shard *unused)
{
}

unsigned place_choose(const struct shard *unused, unsigned destination, uint64_t hash)
{
	return destination;
}

void event_session(struct log *log, const struct event_session *s)
{
	need(s->reason && s->stage && s->peer.length > 0);
	need(s->reply.length > 0 || listener.tls == CONFIG_LISTENER_TLS_IMPLICIT || listener.proxy_count > 0);
}

void event_handshake_failed(struct log *log, const struct event_handshake *h)
{
	need(h->error[0] && h->peer.length > 0);
}

void event_proxy_header(struct log *log, const struct event_proxy *p)
{
	need(listener.proxy_count > 0 && p->problem && p->action && p->peer.length > 0 && line.length == 0);
}

/* Nobody is let in whose password was not right, now or lately. */
void event_signed_in(struct log *log, const struct event_sign_in *s)
{
	need(verified > 0 && s->user.length == 1 && (s->user.data[0] | 32) == 'u' && s->mechanism);
}

void event_sign_in_refused(struct log *log, const struct event_sign_in *s, const char *reason)
{
	need(reason && s->mechanism && s->reply.length > 3);
	need(memcmp(s->reply.data, "535", 3) == 0 || memcmp(s->reply.data, "454", 3) == 0);
}

enum guard_answer guard_ask(struct guard *guard, const struct guard_attempt *attempt)
{
	if (attempt->user_length > 0 && attempt->user[0] == 'l')
		return GUARD_REFUSE_ADDRESS;
	return attempt->user_length > 0 && attempt->user[0] == 'u' ? GUARD_VERIFY_KNOWN : GUARD_VERIFY;
}

unsigned guard_done(struct guard *guard, const struct guard_attempt *attempt, enum guard_answer answer,
		    enum guard_result result)
{
	return 1000;
}

void verifier_ask(struct verifiers *verifiers, struct asker *asker, struct verifier_question *question, bool known)
{
	struct question **end = &asked;

	need(!question_out(&question->question) && strlen(question->password) > 0 && question->hash[0] == '$');
	while (*end)
		end = &(*end)->next;
	question->question.next = NULL;
	atomic_store(&question->question.state, QUESTION_ASKED);
	*end = &question->question;
}

void agent_bell(struct agent *agent)
{
}

void agent_asker_bell(struct agent *agent, struct asker *asker)
{
}

/* The oldest question comes back; with 0 if the password is "p", where it is not one of these results. */
static void verify(int result)
{
	struct question *question = asked;

	if (!question)
		return;
	if (result == 0)
		result =
			strcmp(container_of(question, struct verifier_question, question)->password, "p") ? -EACCES : 0;
	asked = question->next;
	verified += result == 0;
	question->result = result;
	atomic_store(&question->state, QUESTION_IDLE);
	question->fn(question);
}

void event_accepted(struct log *log, const struct event_message *m, struct span recipient, const char *destination,
		    struct span message_id, uint64_t ms)
{
	need(m->recipients > 0 && recipient.length > 0 && destination);
	accepted++;
}

void event_archive_left_out(struct log *log, const struct event_archive *a)
{
	need(client.terms && a->problem && a->archive.length > 0);
}

void event_not_stored(struct log *log, const struct event_message *m, const char *error)
{
	need(m->recipients > 0 && error);
}

void event_refused(struct log *log, const struct event_refused *r)
{
	need(r->reply.length > 3 && (r->reply.data[0] == '4' || r->reply.data[0] == '5') && r->stage);
}

static void look_at(const struct block *block)
{
	for (; block; block = block->next) {
		need(block->length <= BLOCK_DATA);
		need(!memchr(block->data, 0, block->length));
		if (!stored.kept)
			continue;
		need(block->length <= sizeof(stored.content) - stored.length);
		memcpy(stored.content + stored.length, block->data, block->length);
		stored.length += block->length;
	}
}

void intake_take(struct shard *unused, struct post *post)
{
}

void post_send(struct shard *unused, struct post *post)
{
	struct loan *loan = container_of(post, struct loan, post);

	if (loan->kind == LOAN_PART)
		look_at(container_of(loan, struct part, loan)->blocks);
	if (loan->kind == LOAN_MESSAGE)
		look_at(container_of(loan, struct transfer, loan)->letter->first);
	list_append(&lent, &post->link);
}

static void answer(int result)
{
	struct list *link = list_take_first(&lent);

	if (!link)
		return;
	struct post *post = container_of(link, struct post, link);
	struct loan *loan = container_of(post, struct loan, post);
	loan->result = loan->kind == LOAN_RELEASE || loan->kind == LOAN_ABORT ? 0 : result;
	loan->answered(&shard, post);
}

/* ---- a run -------------------------------------------------------------------------------------------------- */

static void begin(int from)
{
	memset(&line, 0, offsetof(__typeof__(line), held));
	line.held_length = line.unsent = line.length = 0;
	list_init(&lent);
	accepted = verified = 0;
	asked = NULL;
	peer = from;
	if (!config.users) {
		config.users = user_table_new();
		need(config.users && user_table_add(config.users, "u", 1, "$y$hash", 7) == 0);
		snapshot.verifiers = (struct verifiers *)&snapshot;
	}
	memset(&receiver, 0, sizeof(receiver));
	receiver.shared = &receivers;
	receiver.snapshot = &snapshot;
	users[0].count = 1; /* the receiver's own */
	list_init(&receiver.session_list);
	list_init(&receiver.content_readers);
	list_init(&receiver.memory_waiters);
	list_init(&receiver.reply_waiters);
	list_init(&receiver.login_waiters);
	handshakes_init(&receiver.handshakes, 1);
	list_init(&receiver.fresh);
	list_init(&receiver.lasting);
	pool_init(&receiver.sessions, sizeof(struct session), 1, 4);
	pool_init(&receiver.lines, SMTP_COMMAND_LINE_MAX, 1, 4);
	pool_init(&receiver.names, 256, 1, 4);
	pool_init(&receiver.reply_buffers, CAPACITY, 1, 4);
	refusals_init(&receiver.refusals, 1);
	refusals_init_quiet(&receiver.quiet, 1);
	logins_init(&receiver.logins, 4);
	pool_init(&store.submissions, sizeof(struct submission), 4, 100);
	pool_init(&store.transfers, sizeof(struct transfer), 4, 100);
	pool_init(&store.parts, sizeof(struct part), 4, 100);
	pool_init(&store.blocks, sizeof(struct block), 4, 100);
	message_id_source_init(&store.ids, 0, 0);
	shard.now_ns = CLOCK_NS_PER_S;
	shard.draining = false;
	wheel_init(&shard.wheel, shard.now_ns);
	receive_accepted(&shard, 0, 3);
}

/* Whole lines, each a reply's. */
static void look_at_output(void)
{
	size_t length = line.length < OUTPUT_MAX ? line.length : OUTPUT_MAX, at = 0;
	unsigned queued = 0;

	while (at < length) {
		const char *begin = line.output + at;
		const char *lf = memchr(begin, '\n', length - at);
		need(lf || length == OUTPUT_MAX);
		if (!lf)
			return;
		size_t n = (size_t)(lf - begin) + 1;
		need(n >= 6 && n <= 512 && lf[-1] == '\r' && !memchr(begin, 0, n) && !memchr(begin, '\r', n - 2));
		need(begin[0] >= '2' && begin[0] <= '5' && (begin[3] == ' ' || begin[3] == '-'));
		queued += n > 24 && memcmp(begin, "250 2.0.0 Ok: queued as ", 24) == 0;
		at += n;
	}
	need(queued <= accepted);
}

static void finish(void)
{
	shard.draining = true;
	receive_drain(&shard, true);
	gone();
	while (!list_empty(&lent))
		answer(0);
	while (asked)
		verify(0);
	need(!line.t && receive_idle(&shard));
	look_at_output();
	need(receiver.handshakes.count == 0 && !handshakes_next(&receiver.handshakes));
	need(receiver.sessions.in_use == 0 && receiver.lines.in_use == 0 && receiver.names.in_use == 0);
	need(receiver.logins.pool.in_use == 0 && receiver.logins.free_count == LOGIN_SECRETS);
	need(store.submissions.in_use == 0 && store.transfers.in_use == 0 && store.parts.in_use == 0);
	need(store.blocks.in_use == 0 && receiver.sessions_told_no == 0 && receivers.connections == 0);
	need(users[0].count == 1 && quota.connections == 0);
	need(wheel_next_ns(&shard.wheel) == UINT64_MAX);
	pool_deinit(&receiver.sessions);
	pool_deinit(&receiver.lines);
	pool_deinit(&receiver.names);
	pool_deinit(&receiver.reply_buffers);
	logins_deinit(&receiver.logins);
	pool_deinit(&store.submissions);
	pool_deinit(&store.transfers);
	pool_deinit(&store.parts);
	pool_deinit(&store.blocks);
}

/* A wrong password's answer is waited for. */
static void wait_for_answer(void)
{
	struct session *s = container_of(receiver.session_list.next, struct session, link);

	while (asked)
		verify(0);
	if (!line.t || list_empty(&receiver.session_list) || s->wait != WAIT_LOGIN)
		return;
	shard.now_ns += 2 * CLOCK_NS_PER_S;
	wheel_advance(&shard.wheel, shard.now_ns);
}

/* All that can go on does, until nothing does. */
static void quiet(void)
{
	bool more = true;

	while (more && line.t) {
		more = line.unsent > 0 || !list_empty(&lent) || asked;
		leaves(SIZE_MAX);
		while (!list_empty(&lent))
			answer(0);
		wait_for_answer();
		more |= line.unsent > 0;
		receive_run(&shard);
		receive_run_handshakes(&shard);
		gone();
	}
}

#endif
