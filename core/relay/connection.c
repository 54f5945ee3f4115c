/*
 * core/relay/connection.c - see connection.h. What a transaction writes and reads is in transaction.c.
 */
#include "core/relay/connection.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/relay/events.h"
#include "core/relay/transaction.h"

static size_t on_data(struct transport *t, const uint8_t *data, size_t length);
static void on_end(struct transport *t, int result);
static void on_connected(struct transport *t, int result);
static void on_secured(struct transport *t);
static void on_sent(struct transport *t);
static void on_closed(struct transport *t);
static void on_timer(struct wheel_timer *timer);

static const struct transport_handlers handlers = {.on_data = on_data,
						   .on_end = on_end,
						   .on_connected = on_connected,
						   .on_secured = on_secured,
						   .on_sent = on_sent,
						   .on_closed = on_closed};

static const struct config *config_of(const struct connection *c)
{
	return c->outbound->shard->relay->config;
}

static void arm_timer(struct connection *c, uint64_t after_ns)
{
	struct shard *shard = c->outbound->shard;

	wheel_arm(&shard->wheel, &c->timer, shard->now_ns + after_ns);
}

/* One place moves the state; the timers of the set-up are per step. */
static void move(struct connection *c, enum connection_state state)
{
	assert(c->state != CONNECTION_CLOSED);
	assert(state > c->state || (state == CONNECTION_HANDSHAKE && c->state == CONNECTION_STARTTLS) ||
	       (state == CONNECTION_EHLO && c->state >= CONNECTION_HANDSHAKE && c->state < CONNECTION_READY));
	c->state = state;
	if (state < CONNECTION_READY || state == CONNECTION_QUITTING)
		arm_timer(c, config_of(c)->timeouts.connect_ns);
}

static enum stage stage_of(const struct connection *c)
{
	static const enum stage stages[] = {STAGE_CONNECT,  STAGE_TLS,     STAGE_GREETING, STAGE_EHLO,
					    STAGE_STARTTLS, STAGE_CONTENT, STAGE_QUIT,     STAGE_QUIT};

	static_assert(sizeof(stages) / sizeof(stages[0]) == CONNECTION_CLOSED + 1, "a stage for each state");
	return stages[c->state];
}

/* ---- birth and death ---------------------------------------------------------------------------------------- */

struct connection *connection_open(struct outbound *o, struct host *host, const struct ring_address *address)
{
	struct shard *shard = o->shard;
	struct connection *c = pool_acquire(&shard->connections);
	int fd;

	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	fd = ring_socket(shard->ring, address->any.sa_family);
	if (fd < 0) {
		pool_release(&shard->connections, c);
		return NULL;
	}
	c->outbound = o;
	c->host = host;
	c->address = *address;
	c->opened_ns = shard->now_ns;
	c->mode = MODE_LOCKSTEP;
	list_init(&c->link);
	list_init(&c->transactions);
	wheel_timer_init(&c->timer, on_timer);
	list_append(&o->connections, &c->link);
	o->connection_count++;
	o->connecting++;
	counter_add(&shard->counters.connections_out, 1);
	transport_init(&c->transport, &shard->transport, &handlers, &shard->output_buffers);
	arm_timer(c, config_of(c)->timeouts.connect_ns);
	transport_connect(&c->transport, fd, &c->address);
	return c;
}

/* Transactions go back to the lane: those behind the first cannot be blamed for what happened. */
static void abandon_transactions(struct connection *c, enum stage stage, const char *reason)
{
	/* Last to first, so that those put back at the head of the line end up in their old order. */
	while (!list_empty(&c->transactions)) {
		struct transaction *tx = container_of(c->transactions.prev, struct transaction, link);
		transaction_abandon(tx, stage, reason);
	}
	c->writing = NULL;
	c->unwritten_octets = 0;
}

/* The next connection to this host resumes from here. Tickets stay with the lane, so they never meet another policy or
 * another verification result (POL-01). */
static void keep_ticket(struct connection *c)
{
	struct tls_ticket *ticket;

	if (!c->transport.tls || !c->proven)
		return;
	ticket = tls_ticket_take(c->transport.tls);
	if (!ticket)
		return;
	if (c->host->ticket)
		tls_ticket_free(c->host->ticket);
	c->host->ticket = ticket;
}

void connection_kill(struct connection *c, enum stage stage, const char *reason)
{
	struct outbound *o = c->outbound;
	struct host *host = c->host;
	/* A host that takes no message is as good as one that cannot be reached: leave it alone for a while. */
	bool report = (!c->proven || (c->messages > 0 && c->answered == 0)) && !o->shard->draining;

	if (c->state == CONNECTION_CLOSED)
		return;
	event_connection(c, stage, reason);
	if (!c->proven)
		o->connecting--;
	c->state = CONNECTION_CLOSED;
	c->retiring = true;
	wheel_disarm(&o->shard->wheel, &c->timer);
	abandon_transactions(c, stage, reason);
	keep_ticket(c);
	transport_close(&c->transport);
	if (report)
		outbound_host_failed(o, host, stage, reason);
	outbound_wake(o->shard, o->index);
}

static void on_closed(struct transport *t)
{
	struct connection *c = container_of(t, struct connection, transport);
	struct outbound *o = c->outbound;

	assert(c->state == CONNECTION_CLOSED);
	list_remove(&c->link);
	o->connection_count--;
	pool_release(&o->shard->connections, c);
	outbound_wake(o->shard, o->index);
}

static void on_end(struct transport *t, int result)
{
	struct connection *c = container_of(t, struct connection, transport);
	char reason[160];

	if (c->state == CONNECTION_QUITTING || (c->state == CONNECTION_READY && c->transaction_count == 0)) {
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
	connection_kill(c, result == TRANSPORT_TLS_FAILED ? STAGE_TLS : stage_of(c), reason);
}

static void on_timer(struct wheel_timer *timer)
{
	struct connection *c = container_of(timer, struct connection, timer);

	if (c->state == CONNECTION_READY && c->transaction_count == 0) {
		connection_retire(c);
		return;
	}
	if (c->state == CONNECTION_QUITTING) {
		connection_kill(c, STAGE_QUIT, "no reply to QUIT");
		return;
	}
	connection_kill(c, stage_of(c), "timeout");
}

/* ---- set-up ------------------------------------------------------------------------------------------------- */

static void command(struct connection *c, const char *text, size_t length)
{
	if (!transport_write(&c->transport, text, length)) {
		connection_kill(c, stage_of(c), "out of memory for output");
		return;
	}
	c->replies_due++;
}

static void say_hello(struct connection *c, bool helo)
{
	char line[300];
	int n = snprintf(line, sizeof(line), "%s %.255s\r\n", helo ? "HELO" : "EHLO", config_of(c)->hostname);

	c->helo = helo;
	/* What was learned before TLS is forgotten (RFC 3207 4.2). */
	memset(&c->extensions, 0, sizeof(c->extensions));
	smtp_reply_start(&c->parser, helo ? NULL : &c->extensions);
	command(c, line, (size_t)n);
}

static void start_tls(struct connection *c)
{
	struct outbound *o = c->outbound;
	const char *name = o->destination->server_name ? o->destination->server_name : c->host->config->name;
	/* An address is no server name (RFC 6066 3). */
	struct tls_session *tls = tls_session_new(
		o->tls, c->host->config->numeric && !o->destination->server_name ? NULL : name, c->host->ticket);

	if (!tls) {
		connection_kill(c, STAGE_TLS, "out of memory for TLS");
		return;
	}
	/* An octet that came behind the reply to STARTTLS was never under TLS's protection. */
	if (!transport_secure(&c->transport, tls)) {
		connection_kill(c, STAGE_TLS, "the next hop sent data behind its reply to STARTTLS");
		return;
	}
}

static void on_connected(struct transport *t, int result)
{
	struct connection *c = container_of(t, struct connection, transport);
	char reason[160];

	if (result < 0) {
		snprintf(reason, sizeof(reason), "cannot connect: %s", strerror(-result));
		connection_kill(c, STAGE_CONNECT, reason);
		return;
	}
	if (c->outbound->destination->tls_implicit && c->outbound->destination->tls_mode != CONFIG_TLS_NONE) {
		move(c, CONNECTION_HANDSHAKE);
		start_tls(c);
		return;
	}
	move(c, CONNECTION_GREETING);
	smtp_reply_start(&c->parser, NULL);
	c->replies_due = 1;
}

static void on_secured(struct transport *t)
{
	struct connection *c = container_of(t, struct connection, transport);
	struct shard *shard = c->outbound->shard;
	struct tls_info info;

	tls_session_info(t->tls, &info);
	snprintf(c->tls_version, sizeof(c->tls_version), "%s", info.version);
	snprintf(c->tls_cipher, sizeof(c->tls_cipher), "%s", info.cipher);
	c->tls_resumed = info.resumed;
	c->tls_verified = info.verified;
	counter_add(info.resumed ? &shard->counters.resumed : &shard->counters.handshakes, 1);
	if (c->outbound->destination->tls_implicit) {
		move(c, CONNECTION_GREETING);
		smtp_reply_start(&c->parser, NULL);
		c->replies_due = 1;
		return;
	}
	move(c, CONNECTION_EHLO);
	say_hello(c, false);
}

/* With DATA the next message's envelope may be under way behind the end of one, and no more. */
static unsigned in_flight_most(const struct connection *c)
{
	unsigned most = c->mode == MODE_LOCKSTEP ? 1 : c->mode == MODE_PIPELINE ? 2 : UINT_MAX;

	return most < c->outbound->destination->messages_in_flight ? most
								   : c->outbound->destination->messages_in_flight;
}

static void become_ready(struct connection *c)
{
	struct outbound *o = c->outbound;

	move(c, CONNECTION_READY);
	c->proven = true;
	o->connecting--;
	c->idle_since_ns = o->shard->now_ns;
	c->mode = MODE_LOCKSTEP;
	if (c->extensions.pipelining && !c->host->no_pipelining)
		c->mode = c->extensions.chunking ? MODE_CHUNKING : MODE_PIPELINE;
	window_init(&c->window, c->host->window, in_flight_most(c), o->shard->now_ns);
	arm_timer(c, o->destination->idle_timeout_ns);
	outbound_wake(o->shard, o->index);
}

static void after_hello(struct connection *c)
{
	bool want_tls = c->outbound->destination->tls_mode != CONFIG_TLS_NONE && !c->transport.tls;

	if (!want_tls) {
		become_ready(c);
		return;
	}
	if (!c->extensions.starttls) {
		connection_kill(c, STAGE_STARTTLS, "TLS is required, but the next hop does not offer STARTTLS");
		return;
	}
	move(c, CONNECTION_STARTTLS);
	smtp_reply_start(&c->parser, NULL);
	command(c, "STARTTLS\r\n", 10);
}

static void refuse(struct connection *c, const char *what)
{
	char reason[SMTP_REPLY_TEXT_MAX + 80];

	snprintf(reason, sizeof(reason), "%s: %u %.*s", what, c->parser.code, (int)c->parser.text_length,
		 c->parser.text);
	connection_kill(c, stage_of(c), reason);
}

/* A reply during set-up. `behind`: octets of input after it. */
static void on_setup_reply(struct connection *c, size_t behind)
{
	unsigned code = c->parser.code;

	switch (c->state) {
	case CONNECTION_GREETING:
		if (code != 220) {
			refuse(c, "refused by the next hop");
			return;
		}
		move(c, CONNECTION_EHLO);
		say_hello(c, false);
		return;
	case CONNECTION_EHLO:
		if (code == 250) {
			after_hello(c);
		} else if (!c->helo && code >= 500 && code != 521 && code != 554 &&
			   (c->outbound->destination->tls_mode == CONFIG_TLS_NONE || c->transport.tls)) {
			say_hello(c, true);
		} else {
			refuse(c, "EHLO refused by the next hop");
		}
		return;
	case CONNECTION_STARTTLS:
		if (code != 220) {
			refuse(c, "STARTTLS refused by the next hop");
		} else if (behind > 0) {
			connection_kill(c, STAGE_STARTTLS, "the next hop sent data behind its reply to STARTTLS");
		} else {
			move(c, CONNECTION_HANDSHAKE);
			start_tls(c);
		}
		return;
	case CONNECTION_QUITTING:
		connection_kill(c, STAGE_QUIT, "quit");
		return;
	default:
		connection_kill(c, stage_of(c), "a reply without a command");
		return;
	}
}

/* ---- transactions ------------------------------------------------------------------------------------------- */

bool connection_has_room(const struct connection *c)
{
	const struct config_destination *destination = c->outbound->destination;

	return c->state == CONNECTION_READY && !c->retiring && c->transaction_count < c->window.limit &&
	       c->unwritten_octets < CONNECTION_BACKLOG_MAX &&
	       (!destination->messages_per_connection || c->messages < destination->messages_per_connection);
}

void connection_add(struct connection *c, struct transaction *tx)
{
	const struct config_destination *destination = c->outbound->destination;

	assert(connection_has_room(c));
	tx->connection = c;
	list_append(&c->transactions, &tx->link);
	c->transaction_count++;
	c->unwritten_octets += tx->delivery->content_length;
	c->messages++;
	if (destination->messages_per_connection && c->messages >= destination->messages_per_connection)
		c->retiring = true;
	if (!c->writing)
		c->writing = tx;
	if (c->transaction_count == 1)
		arm_timer(c, config_of(c)->timeouts.reply_ns);
}

/* The one after `tx` is written next. */
static void written(struct connection *c, struct transaction *tx)
{
	if (c->writing != tx)
		return;
	c->unwritten_octets -= tx->delivery->content_length;
	c->writing = tx->link.next == &c->transactions ? NULL : container_of(tx->link.next, struct transaction, link);
}

static void on_transaction_over(struct connection *c, struct transaction *tx);

void connection_write(struct connection *c)
{
	while (c->writing && c->state == CONNECTION_READY) {
		struct transaction *tx = c->writing;
		if (transaction_write(tx) != WRITE_DONE)
			return;
		written(c, tx);
		/* Cut short with all its replies in. */
		if (transaction_over(tx))
			on_transaction_over(c, tx);
	}
}

void connection_retire(struct connection *c)
{
	if (c->state != CONNECTION_READY) {
		if (c->state != CONNECTION_QUITTING)
			connection_kill(c, stage_of(c), "no longer needed");
		return;
	}
	c->retiring = true;
	if (c->transaction_count > 0)
		return;
	move(c, CONNECTION_QUITTING);
	smtp_reply_start(&c->parser, NULL);
	command(c, "QUIT\r\n", 6);
}

static void on_transaction_over(struct connection *c, struct transaction *tx)
{
	struct outbound *o = c->outbound;

	written(c, tx);
	c->transaction_count--;
	window_answered(&c->window, o->shard->now_ns);
	if (c->mode == MODE_CHUNKING && c->window.state == WINDOW_STEADY)
		c->host->window = c->window.limit;
	transaction_finish(tx);
	outbound_wake(o->shard, o->index);
	if (c->transaction_count > 0)
		return;
	c->idle_since_ns = o->shard->now_ns;
	arm_timer(c, o->destination->idle_timeout_ns);
	if (c->retiring)
		connection_retire(c);
}

static void start_no_more(struct connection *c)
{
	c->retiring = true;
	while (!list_empty(&c->transactions)) {
		struct transaction *last = container_of(c->transactions.prev, struct transaction, link);
		if (last->any_written)
			return;
		c->unwritten_octets -= last->delivery->content_length;
		if (c->writing == last)
			c->writing = NULL;
		transaction_abandon(last, STAGE_CONTENT, "the next hop is closing");
	}
}

static void on_transaction_reply(struct connection *c)
{
	const struct config *config = config_of(c);
	struct transaction *tx;
	bool early;

	if (list_empty(&c->transactions)) {
		connection_kill(c, STAGE_QUIT,
				c->parser.code == 421 ? "closed by the next hop (421)" : "a reply without a command");
		return;
	}
	tx = container_of(c->transactions.next, struct transaction, link);
	/* 421: the next hop is about to close. Start nothing more, but hear what it says to what it has (RFC 5321 3.8).
	 */
	if (c->parser.code == 421)
		start_no_more(c);
	if (!transaction_reply(tx, &c->parser)) {
		char reason[80];
		snprintf(reason, sizeof(reason), "unexpected reply %u", c->parser.code);
		connection_kill(c, STAGE_CONTENT, reason);
		return;
	}
	arm_timer(c, tx->end_written ? config->timeouts.data_reply_ns : config->timeouts.reply_ns);
	if (!transaction_over(tx))
		return;
	/* A host is well again when it has dealt with a message, not when it has said hello. */
	if (c->parser.code != 421 && c->answered++ == 0)
		outbound_connected(c->outbound, c->host);
	early = tx->early;
	on_transaction_over(c, tx);
	if (early)
		connection_kill(c, STAGE_CONTENT, "refused in the middle of the content");
}

static size_t on_data(struct transport *t, const uint8_t *data, size_t length)
{
	struct connection *c = container_of(t, struct connection, transport);
	size_t at = 0;

	while (at < length && c->state != CONNECTION_CLOSED) {
		size_t consumed;
		enum smtp_reply_result result;

		if (c->replies_due == 0) {
			/* 421 may come unasked (RFC 5321 3.8); anything unasked ends the connection. */
			connection_kill(c, stage_of(c), "a reply without a command");
			return length;
		}
		result = smtp_reply_parse(&c->parser, data + at, length - at, &consumed);
		at += consumed;
		if (result == SMTP_REPLY_MORE)
			break;
		if (result == SMTP_REPLY_BAD) {
			connection_kill(c, stage_of(c), "malformed reply");
			return length;
		}
		c->replies_due--;
		if (c->state == CONNECTION_READY)
			on_transaction_reply(c);
		else
			on_setup_reply(c, length - at);
		if (c->state == CONNECTION_READY)
			smtp_reply_start(&c->parser, NULL);
	}
	if (c->state == CONNECTION_READY)
		connection_write(c);
	return length;
}

static void on_sent(struct transport *t)
{
	struct connection *c = container_of(t, struct connection, transport);

	if (c->state == CONNECTION_READY) {
		/* A large message over a slow line takes its time: what was sent counts as progress. */
		if (c->transaction_count > 0)
			arm_timer(c,
				  c->writing ? config_of(c)->timeouts.reply_ns : config_of(c)->timeouts.data_reply_ns);
		connection_write(c);
		outbound_wake(c->outbound->shard, c->outbound->index);
	}
}
