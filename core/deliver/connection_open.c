/*
 * core/deliver/connection_open.c - a connection is opened, and what its socket and its timer have to say.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/connection_private.h"
#include "core/deliver/counts.h"
#include "core/deliver/sources.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

static void on_closed(struct transport *t)
{
	struct connection *c = container_of(t, struct connection, transport);

	assert(c->state == CONNECTION_CLOSED);
	c->over = true;
	c->handlers->on_closed(c);
	if (!question_out(&c->asked.question))
		connection_free(c);
	else
		question_give_up(&c->asked.question);
}

/* What kept one idle connection from being used again, a timeout or a NAT, has met those beside it too. */
static void retire_idle(struct outbound *o, const struct host *host)
{
	struct list *link, *next;

	for (link = o->connections.next; link != &o->connections; link = next) {
		struct connection *c = container_of(link, struct connection, link);
		next = link->next;
		if (c->host == host && c->state == CONNECTION_READY && c->attempt_count == 0)
			connection_retire(c);
	}
}

/* `reset`: RSET may be why, if the number of messages is not known to be. */
static void learn_number(struct connection *c, bool reset)
{
	uint64_t now_ns = c->outbound->shard->now_ns;
	struct host *host = c->host;

	session_limit_learn(&host->session_limit, c->answered, false, now_ns);
	if (session_limit_now(&host->session_limit, 0, now_ns) > 0) {
		host->reset_suspected_until_ns = 0;
	} else if (reset) {
		host->reset_suspected_until_ns = now_ns + RESET_SUSPECTED_S * CLOCK_NS_PER_S;
		connection_no_resets(c);
	}
}

/* The next hop closed with something in flight and without a word. */
static void learn_from_end(struct connection *c)
{
	const struct attempt *a = container_of(c->attempts.next, struct attempt, link);
	const struct verdict_silence silence = {
		.told = c->told,
		.stale = c->stale,
		.begun = a->exchange.expect > EXPECT_MAIL,
		.reset = a->exchange.expect == EXPECT_RSET,
		.taken = c->answered,
	};

	switch (verdict_silence(&silence)) {
	case HABIT_NONE:
		return;
	case HABIT_IDLE:
		retire_idle(c->outbound, c->host);
		return;
	case HABIT_NUMBER:
		learn_number(c, false);
		return;
	case HABIT_NO_RSET:
		learn_number(c, true);
		return;
	}
}

static void on_end(struct transport *t, int result)
{
	struct connection *c = container_of(t, struct connection, transport);
	char reason[160];

	if (c->parted) {
		connection_kill(c, STAGE_QUIT, "quit");
		return;
	}
	if (c->state == CONNECTION_QUITTING || (c->state == CONNECTION_READY && c->attempt_count == 0)) {
		connection_kill(c, STAGE_QUIT, result == 0 ? "closed by the next hop" : "connection lost");
		return;
	}
	if (result == TRANSPORT_TLS_FAILED)
		snprintf(reason, sizeof(reason), "TLS failed: %s", tls_error_text(t->tls));
	else if (result == TRANSPORT_TLS_TRUNCATED)
		snprintf(reason, sizeof(reason), "connection closed without TLS close_notify");
	else if (result == 0)
		snprintf(reason, sizeof(reason), "connection closed by the next hop");
	else
		snprintf(reason, sizeof(reason), "connection lost: %s", strerror(-result));
	if (c->state == CONNECTION_READY && result != TRANSPORT_TLS_FAILED)
		learn_from_end(c);
	connection_tls_failed(c, result == TRANSPORT_TLS_FAILED, 0, span_text(reason));
	if (c->state == CONNECTION_TALKING && result != TRANSPORT_TLS_FAILED)
		connection_hello_unanswered(c, span_text(reason));
	connection_kill(c, result == TRANSPORT_TLS_FAILED ? STAGE_TLS : connection_stage(c), reason);
}

/* Nobody else waits for it any more. */
static void become_slow(struct connection *c)
{
	struct host_address *address = addresses_find(&c->host->addresses, &c->address);

	c->slow = true;
	c->outbound->connecting--;
	if (address)
		address->slow++;
	connection_arm_until(c, c->setup_until_ns);
	outbound_wake(c->outbound->shard, c->outbound->index);
}

static void on_timer(struct wheel_timer *timer)
{
	struct connection *c = container_of(timer, struct connection, timer);

	if (c->outbound->shard->now_ns < c->until_ns) {
		connection_arm_until(c, c->until_ns);
		return;
	}
	if (c->state < CONNECTION_READY && c->outbound->shard->now_ns < c->setup_until_ns) {
		uint64_t slow_ns = connection_slow_ns(c);
		/* The other address, for which it was to be slow soon, is no other way by now. */
		if (slow_ns > c->outbound->shard->now_ns)
			connection_arm_until(c, slow_ns < c->setup_until_ns ? slow_ns : c->setup_until_ns);
		else
			become_slow(c);
		return;
	}
	if (c->state == CONNECTION_READY && c->attempt_count == 0) {
		connection_retire(c);
		return;
	}
	if (c->state == CONNECTION_QUITTING) {
		connection_kill(c, STAGE_QUIT, c->parted ? "quit" : "no reply to QUIT");
		return;
	}
	if (c->state == CONNECTION_READY)
		connection_unanswered(c);
	connection_tls_failed(c, false, 0, span_text("timeout"));
	connection_kill(c, connection_stage(c), "timeout");
}

static void on_sent(struct transport *t)
{
	struct connection *c = container_of(t, struct connection, transport);

	if (c->state == CONNECTION_READY) {
		/* A large message over a slow line takes its time: what was sent counts as progress. */
		if (c->attempt_count > 0)
			connection_arm(c, c->writing ? connection_config(c)->timeouts.reply_ns
						     : connection_config(c)->timeouts.data_reply_ns);
		connection_write(c);
		if (!outbound_rests(c->outbound))
			outbound_wake(c->outbound->shard, c->outbound->index);
	}
}

static const struct transport_handlers on_transport = {.on_data = connection_on_data,
						       .on_end = on_end,
						       .on_connected = connection_on_connected,
						       .on_secured = connection_on_secured,
						       .on_sent = on_sent,
						       .on_closed = on_closed};

static void on_turn(struct wheel_timer *timer)
{
	struct connection *c = container_of(timer, struct connection, turn_timer);

	list_append(&c->outbound->usable, &c->usable);
	outbound_wake(c->outbound->shard, c->outbound->index);
}

/* That comes from the address that this site is used to, where the destination has any. *source: it. Or -errno. */
static int open_socket(struct outbound *o, sa_family_t family, const struct config_source **source)
{
	struct dead_sources **dead = &o->shard->deliverer->dead_sources;
	const struct config_sources *sources = &o->destination->sources;
	uint64_t now_ns = o->shard->now_ns, never = UINT64_MAX, since_ns;
	int fd = ring_socket(o->shard->ring, family), r = -EADDRNOTAVAIL;
	bool news, known;

	*source = NULL;
	if (fd < 0 || sources->count == 0)
		return fd;
	while ((*source = sources_choose(sources, family, o->site, *dead, now_ns, &never)) != NULL) {
		r = ring_bind(o->shard->ring, fd, &(*source)->address);
		if (r == 0) {
			since_ns = sources_well(*dead, *source);
			if (since_ns)
				tell_source_ok(o, *source, since_ns);
			return fd;
		}
		known = sources_failed(dead, *source, now_ns, &news);
		if (news)
			tell_source_failed(o, *source, r);
		if (!known)
			break;
	}
	ring_drop_fd(o->shard->ring, fd);
	return r;
}

struct connection *connection_open(struct outbound *o, struct host *host, const struct ring_address *address,
				   struct mailbox *mailbox, const struct connection_handlers *handlers)
{
	struct shard *shard = o->shard;
	struct connection *c = pool_acquire(&shard->deliverer->connections);
	const struct config_source *source;
	int fd;

	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	fd = open_socket(o, address->any.sa_family, &source);
	if (fd < 0) {
		pool_release(&shard->deliverer->connections, c);
		return NULL;
	}
	c->outbound = o;
	c->handlers = handlers;
	c->host = host;
	c->mailbox = mailbox;
	c->asked.question.fn = connection_on_token;
	c->address = *address;
	c->source = source;
	c->opened_ns = shard->now_ns;
	c->mode = MODE_LOCKSTEP;
	c->tls_need = connection_tls_need(o, host);
	if (host->tls_found.dane == TLS_DANE_USABLE)
		c->tlsa = tlsa_hold(host->tlsa.found);
	list_init(&c->link);
	list_init(&c->usable);
	list_init(&c->attempts);
	wheel_timer_init(&c->timer, on_timer);
	wheel_timer_init(&c->turn_timer, on_turn);
	list_append(&o->connections, &c->link);
	list_append(&o->usable, &c->usable);
	o->connection_count++;
	o->connecting++;
	counter_add(&shard->deliverer->counters.connections_out, 1);
	counter_add(&o->counts->connections, 1);
	transport_init(&c->transport, shard->transport, &on_transport, &shard->deliverer->output_buffers);
	connection_arm_setup(c);
	transport_connect(&c->transport, fd, &c->address);
	return c;
}
