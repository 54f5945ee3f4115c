/*
 * core/deliver/connection.c - see connection.h. The life of a connection: its states, its attempts, its end. How it is
 * opened is in connection_open.c, its set-up in connection_setup.c, how its replies are read in connection_reply.c.
 */
#include "core/deliver/connection.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/config/site_preset.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection_private.h"
#include "core/deliver/hold.h"
#include "core/deliver/sources.h"
#include "core/deliver/tell.h"
#include "core/deliver/tls_tally.h"
#include "core/shard/shard.h"

/* So long no tickets are offered to a host where one was stumbled over. */
#define NO_TICKETS_NS (3600 * CLOCK_NS_PER_S)

const struct config *connection_config(const struct connection *c)
{
	return c->outbound->shard->config;
}

void connection_arm(struct connection *c, uint64_t after_ns)
{
	connection_arm_until(c, c->outbound->shard->now_ns + after_ns);
}

/* With each message the time moves twice: further away, and nearer. A timer that fires before it stays where it is, and
 * looks again then: of a thousand connections each of which has a message now and then none is cold for it. */
void connection_arm_until(struct connection *c, uint64_t until_ns)
{
	c->until_ns = until_ns;
	if (!wheel_fires_by(&c->timer, until_ns))
		wheel_arm(&c->outbound->shard->wheel, &c->timer, until_ns);
}

uint64_t connection_slow_ns(const struct connection *c)
{
	const uint64_t least_ns = CONNECTION_QUICK_MS * CLOCK_NS_PER_MS,
		       most_ns = CONNECTION_QUICK_MOST_MS * CLOCK_NS_PER_MS;
	const struct addresses_wish wish =
		sources_wish(&c->outbound->destination->sources, c->outbound->destination->prefer);
	uint64_t quick_ns = c->host->setup_ns < least_ns ? least_ns : c->host->setup_ns;

	if (c->state != CONNECTION_CONNECTING ||
	    !addresses_another(&c->host->addresses, &wish, &c->address, c->outbound->shard->now_ns))
		return c->opened_ns + CONNECTION_SLOW_MS * CLOCK_NS_PER_MS;
	return c->opened_ns + (quick_ns < most_ns ? quick_ns : most_ns);
}

/* RFC 5321 4.5.3.2.1: a greeting may take five minutes, which says nothing about whether the host can be reached. */
void connection_arm_setup(struct connection *c)
{
	const struct config *config = connection_config(c);
	uint64_t slow_ns = connection_slow_ns(c), timeout_ns = config->timeouts.connect_ns;

	if (c->state == CONNECTION_TALKING)
		timeout_ns = c->setup.step == SETUP_GREETING ? config->timeouts.greeting_ns : config->timeouts.reply_ns;
	c->setup_until_ns = c->outbound->shard->now_ns + timeout_ns;
	connection_arm_until(c, !c->slow && slow_ns < c->setup_until_ns ? slow_ns : c->setup_until_ns);
}

static const struct states_row states[] = {
	[CONNECTION_CONNECTING] = {"CONNECTING", STATES_BIT(CONNECTION_HANDSHAKE) | STATES_BIT(CONNECTION_TALKING) |
							 STATES_BIT(CONNECTION_CLOSED)},
	[CONNECTION_HANDSHAKE] = {"HANDSHAKE", STATES_BIT(CONNECTION_TALKING) | STATES_BIT(CONNECTION_CLOSED)},
	/* For itself with each step of the set-up. */
	[CONNECTION_TALKING] = {"TALKING", STATES_BIT(CONNECTION_TALKING) | STATES_BIT(CONNECTION_HANDSHAKE) |
						   STATES_BIT(CONNECTION_READY) | STATES_BIT(CONNECTION_QUITTING) |
						   STATES_BIT(CONNECTION_CLOSED)},
	[CONNECTION_READY] = {"READY", STATES_BIT(CONNECTION_QUITTING) | STATES_BIT(CONNECTION_CLOSED)},
	[CONNECTION_QUITTING] = {"QUITTING", STATES_BIT(CONNECTION_CLOSED)},
	[CONNECTION_CLOSED] = {"CLOSED", 0},
};
const struct states connection_states = {"connection", states, sizeof(states) / sizeof(states[0])};

/* One place moves the state; the timers of the set-up are per step. */
void connection_move(struct connection *c, enum connection_state state)
{
	states_move(&connection_states, &c->state, state);
	if (state < CONNECTION_READY)
		connection_arm_setup(c);
	else if (state == CONNECTION_QUITTING)
		connection_arm(c, c->promised ? CONNECTION_HURRY_MS * CLOCK_NS_PER_MS
					      : connection_config(c)->timeouts.connect_ns);
}

enum stage connection_stage(const struct connection *c)
{
	static const enum stage stages[] = {
		[CONNECTION_CONNECTING] = STAGE_CONNECT, [CONNECTION_HANDSHAKE] = STAGE_TLS,
		[CONNECTION_TALKING] = STAGE_GREETING,   [CONNECTION_READY] = STAGE_CONTENT,
		[CONNECTION_QUITTING] = STAGE_QUIT,      [CONNECTION_CLOSED] = STAGE_QUIT,
	};

	if (c->state == CONNECTION_TALKING)
		return setup_stage(&c->setup);
	if (c->state == CONNECTION_READY && !list_empty(&c->attempts))
		return exchange_stage(&container_of(c->attempts.next, struct attempt, link)->exchange);
	return stages[c->state];
}

/* ---- birth and death ---------------------------------------------------------------------------------------- */

/* Transactions go back to the lane: those behind the first cannot be blamed for what happened. */
static void abandon_attempts(struct connection *c, enum stage stage, const char *reason)
{
	/* Last to first, so that those put back at the head of the line end up in their old order. */
	while (!list_empty(&c->attempts)) {
		struct attempt *a = container_of(c->attempts.prev, struct attempt, link);
		attempt_abandon(a, stage, reason);
	}
	c->writing = NULL;
	c->unwritten_octets = 0;
}

/* The next connection to this host resumes from here. Tickets stay with the lane and the host, with what they were
 * given for, and carry what the peer's certificate was found to be (POL-01). */
static void keep_ticket(struct connection *c)
{
	struct tls_ticket *ticket;

	if (!c->transport.tls || !c->proven || c->host->no_tickets_until_ns > c->outbound->shard->now_ns)
		return;
	ticket = tls_ticket_take(c->transport.tls);
	if (!ticket)
		return;
	if (c->host->ticket)
		tls_ticket_free(c->host->ticket);
	c->host->ticket = ticket;
	c->host->ticket_need = c->tls_need;
}

/* The next connection goes without, and it is the last that did not. */
static void forget_ticket(struct connection *c)
{
	struct host *host = c->host;

	host->no_tickets_until_ns = c->outbound->shard->now_ns + NO_TICKETS_NS;
	tls_ticket_free(host->ticket);
	host->ticket = NULL;
}

/* It ended as soon as it was ready, and mail waits. One that was opened in case of need, and was not, may end. */
static bool unused(const struct connection *c)
{
	uint64_t now_ns = c->outbound->shard->now_ns;

	return c->messages == 0 && !c->retiring && now_ns - c->idle_since_ns < CONNECTION_STALE_MS * CLOCK_NS_PER_MS &&
	       outbound_has_mail(c->outbound);
}

static struct verdict_gone facts_of(const struct connection *c, enum stage stage)
{
	return (struct verdict_gone){
		.ready = c->proven,
		.lesson = c->fell_back,
		.ours = c->ours || c->outbound->shard->draining,
		.unused = unused(c),
		.ticket = stage == STAGE_TLS && c->resuming,
		.asked = c->messages - c->taken_back,
		.taken = c->answered,
	};
}

/* Tells what became of it and gives back what it had. */
static void give_up(struct connection *c, enum stage stage, const char *reason)
{
	struct verdict_gone gone = facts_of(c, stage);
	struct verdict_blame blame;
	char told[sizeof(c->told_text) + 160];

	if (c->told) {
		snprintf(told, sizeof(told), "%.150s: %s", reason, c->told_text);
		reason = told;
	}
	tell_connection(c, stage, reason);
	if (!c->proven)
		connection_setup_over(c);
	c->retiring = true;
	abandon_attempts(c, stage, reason);
	gone.got_on = c->got_on; /* of those just now, too */
	blame = verdict_gone(&gone);
	if (blame.known)
		c->host->cautious = blame.careful;
	if (blame.ticket)
		forget_ticket(c);
	if (blame.host)
		c->handlers->on_blamed(c, stage, reason);
}

void connection_kill(struct connection *c, enum stage stage, const char *reason)
{
	struct outbound *o = c->outbound;

	if (c->state == CONNECTION_CLOSED)
		return;
	connection_move(c, CONNECTION_CLOSED);
	wheel_disarm(&o->shard->wheel, &c->timer);
	wheel_disarm(&o->shard->wheel, &c->turn_timer);
	list_remove(&c->usable);
	if (c->mailbox)
		account_leave(&c->mailbox->account, &c->turn);
	if (!c->left)
		give_up(c, stage, reason);
	keep_ticket(c);
	transport_close(&c->transport);
	outbound_wake(o->shard, o->index);
}

void connection_free(struct connection *c)
{
	struct outbound *o = c->outbound;

	connection_forget_token(c);
	tlsa_release(c->tlsa);
	list_remove(&c->link);
	o->connection_count--;
	pool_release(&o->shard->deliverer->connections, c);
	outbound_wake(o->shard, o->index);
}

static void quit(struct connection *c)
{
	connection_move(c, CONNECTION_QUITTING);
	smtp_reply_start(&c->parser, NULL);
	connection_command(c, "QUIT\r\n", 6, false);
}

void connection_leave(struct connection *c, enum stage stage, const char *reason)
{
	assert(c->state < CONNECTION_QUITTING && !c->left);
	give_up(c, stage, reason);
	c->left = true;
	quit(c);
	outbound_wake(c->outbound->shard, c->outbound->index);
}

void connection_give_way(struct connection *c)
{
	connection_kill(c, connection_stage(c), "no answer yet, and there is another way to try");
}

void connection_setup_over(struct connection *c)
{
	struct host_address *address = addresses_find(&c->host->addresses, &c->address);

	if (c->mailbox) {
		mailbox_first_over(c->mailbox, &c->first_ns);
		mailbox_entered(c->mailbox, &c->door_ns);
	}
	if (!c->slow)
		c->outbound->connecting--;
	else if (address && address->slow > 0)
		address->slow--;
}

void connection_command(struct connection *c, const char *text, size_t length, bool secret)
{
	bool ok = secret ? transport_write_secret(&c->transport, text, length)
			 : transport_write(&c->transport, text, length);

	if (!ok) {
		connection_kill(c, connection_stage(c), "out of memory for output");
		return;
	}
	transport_mark(&c->transport);
	c->replies_due++;
}

/* ---- attempts ------------------------------------------------------------------------------------------- */

static unsigned message_limit(const struct connection *c)
{
	unsigned configured = c->outbound->destination->messages_per_connection;
	unsigned said = c->setup.extensions.messages_max;
	const struct site_preset *preset = c->outbound->preset;

	/* What the host says of itself (RFC 9422), is configured, known of its provider, or was learned: the least. */
	if (preset && (configured == 0 || preset->messages_per_connection < configured))
		configured = preset->messages_per_connection;
	if (said > 0 && (configured == 0 || said < configured))
		configured = said;
	return session_limit_now(&c->host->session_limit, configured, c->outbound->shard->now_ns);
}

bool connection_at_limit(const struct connection *c)
{
	uint64_t age_ns = c->outbound->destination->connection_age_ns;
	unsigned limit = message_limit(c);

	return (limit > 0 && c->messages >= limit) ||
	       (age_ns > 0 && c->outbound->shard->now_ns - c->opened_ns >= age_ns);
}

uint64_t connection_left(const struct connection *c, uint64_t rate, uint64_t *share)
{
	uint64_t age_ns = c->outbound->destination->connection_age_ns, left = UINT64_MAX;
	uint64_t lived_ns = c->outbound->shard->now_ns - c->opened_ns;
	uint64_t age_left_ns = lived_ns < age_ns ? age_ns - lived_ns : 0;
	unsigned limit = message_limit(c);

	*share = UINT64_MAX / 1000;
	if (limit > 0) {
		left = c->messages < limit ? limit - c->messages : 0;
		*share = limit;
	}
	/* Only the end of a long time is near enough to count. */
	if (age_ns > 0 && age_left_ns < CLOCK_NS_PER_S * 10 && rate * (age_left_ns / 1000000) / 1000 < left)
		left = rate * (age_left_ns / 1000000) / 1000;
	return left;
}

/* Nothing may be in flight beside the next. */
static bool careful(const struct connection *c)
{
	unsigned suspected = session_limit_suspected(&c->host->session_limit, c->outbound->shard->now_ns);

	return c->answered < c->careful_until || (suspected > 0 && c->messages >= suspected) || connection_no_reset(c);
}

bool connection_stopped(const struct connection *c)
{
	bool fresh = c->messages == 0;

	return (hold_in_force(c->host->hold) && !(c->probe && fresh)) ||
	       (c->mailbox && mailbox_barred(c->mailbox) && !(c->mailbox_probe && fresh));
}

/* Many at a time, where many wait; and not for so long that what has changed meanwhile goes unseen. */
void connection_park(struct connection *c, uint64_t until_ns)
{
	const uint64_t step_ns = CONNECTION_PARK_STEP_MS * CLOCK_NS_PER_MS, now_ns = c->outbound->shard->now_ns;

	if (c->state >= CONNECTION_QUITTING)
		return;
	if (until_ns > now_ns + CONNECTION_PARK_MS * CLOCK_NS_PER_MS)
		until_ns = now_ns + CONNECTION_PARK_MS * CLOCK_NS_PER_MS;
	list_remove(&c->usable);
	wheel_arm(&c->outbound->shard->wheel, &c->turn_timer, (until_ns / step_ns + 1) * step_ns);
}

void connection_unpark(struct connection *c)
{
	if (!wheel_armed(&c->turn_timer))
		return;
	wheel_disarm(&c->outbound->shard->wheel, &c->turn_timer);
	list_append(&c->outbound->usable, &c->usable);
}

void connection_behind_others(struct connection *c)
{
	if (!list_linked(&c->usable))
		return;
	list_remove(&c->usable);
	list_append(&c->outbound->usable, &c->usable);
}

bool connection_has_room(const struct connection *c)
{
	if (connection_stopped(c))
		return false;
	if (c->attempt_count > 0 && (careful(c) || connection_manner_stale(c)))
		return false;
	return c->state == CONNECTION_READY && !c->retiring && !c->alone && c->attempt_count < c->window.limit &&
	       c->unwritten_octets < CONNECTION_BACKLOG_MAX && !connection_at_limit(c);
}

static void write_on(struct attempt *a)
{
	connection_write(a->connection);
}

void connection_add(struct connection *c, struct attempt *a)
{
	uint64_t now_ns = c->outbound->shard->now_ns;

	assert(connection_has_room(c));
	if (c->attempt_count == 0 && connection_manner_stale(c))
		connection_manner_choose(c);
	if (c->answered >= c->careful_until && careful(c) && !connection_no_reset(c))
		c->careful_until = c->answered + CONNECTION_CAREFUL;
	a->connection = c;
	a->on_part = write_on;
	list_append(&c->attempts, &a->link);
	c->attempt_count++;
	c->unwritten_octets += mail_of(a->delivery)->content_length;
	if (c->messages++ == 0)
		tls_tally_used(c, a);
	if (connection_at_limit(c))
		c->retiring = true;
	c->alone = a->delivery->broken > 0;
	if (!c->writing)
		c->writing = a;
	if (c->attempt_count > 1)
		return;
	c->stale = c->answered > 0 && now_ns - c->idle_since_ns > CONNECTION_STALE_MS * CLOCK_NS_PER_MS;
	connection_arm(c, connection_config(c)->timeouts.reply_ns);
}

/* The one after `a` is written next. */
static void written(struct connection *c, struct attempt *a)
{
	if (c->writing != a)
		return;
	c->unwritten_octets -= mail_of(a->delivery)->content_length;
	c->writing = a->link.next == &c->attempts ? NULL : container_of(a->link.next, struct attempt, link);
}

/* One less is in flight. */
static void one_less(struct connection *c)
{
	if (c->attempt_count > 0)
		return;
	c->alone = false;
	c->idle_since_ns = c->outbound->shard->now_ns;
	connection_arm(c, c->outbound->destination->idle_timeout_ns);
	if (c->retiring || connection_at_limit(c))
		connection_retire(c);
}

/* The host hears nothing of it, so it is none of those that it has had. */
static void turn_away(struct connection *c, struct attempt *a)
{
	written(c, a);
	c->attempt_count--;
	c->messages--;
	attempt_turn_away(a);
	outbound_wake(c->outbound->shard, c->outbound->index);
	one_less(c);
}

void connection_write(struct connection *c)
{
	while (c->writing && c->state == CONNECTION_READY) {
		struct attempt *a = c->writing;
		enum attempt_wrote wrote = attempt_write(a);
		if (wrote == ATTEMPT_WAITS)
			return;
		if (wrote == ATTEMPT_TURNED_AWAY) {
			turn_away(c, a);
			continue;
		}
		if (wrote == ATTEMPT_DAMAGED) {
			c->ours = true;
			connection_kill(c, STAGE_CONTENT, a->damage);
			return;
		}
		written(c, a);
		/* Cut short with all its replies in. */
		if (exchange_over(&a->exchange)) {
			if (!a->damage)
				connection_dealt_with(c, a);
			connection_attempt_over(c, a);
		}
	}
}

void connection_retire(struct connection *c)
{
	if (c->state != CONNECTION_READY) {
		if (c->state != CONNECTION_QUITTING)
			connection_kill(c, connection_stage(c), "no longer needed");
		return;
	}
	c->retiring = true;
	if (c->attempt_count > 0)
		return;
	quit(c);
}

void connection_dealt_with(struct connection *c, const struct attempt *a)
{
	if (c->mailbox && (mailbox_barred(c->mailbox) || mailbox_in_doubt(c->mailbox)) &&
	    exchange_any_sent(&a->exchange))
		connection_mailbox_well(c, true);
	if (!a->exchange.passed && c->answered++ == 0 && !a->host_held)
		c->handlers->on_well(c);
}

void connection_attempt_over(struct connection *c, struct attempt *a)
{
	struct outbound *o = c->outbound;

	written(c, a);
	c->attempt_count--;
	window_answered(&c->window, o->shard->now_ns);
	/* While it tries more, what it had before has proven itself: a connection may have had its share by then. */
	if (c->mode == MODE_CHUNKING)
		c->host->window = c->window.state == WINDOW_STEADY ? c->window.limit : c->window.before;
	if (c->host->session_limit.messages > 0)
		session_limit_passed(&c->host->session_limit, c->answered, o->shard->now_ns);
	attempt_finish(a);
	if (!outbound_rests(o))
		outbound_wake(o->shard, o->index);
	/* What was refused cannot be cleared away here. */
	if (c->reset_next && connection_no_reset(c))
		c->retiring = true;
	one_less(c);
}

void connection_no_resets(struct connection *c)
{
	struct list *link, *next;

	for (link = c->outbound->connections.next; link != &c->outbound->connections; link = next) {
		struct connection *other = container_of(link, struct connection, link);
		next = link->next;
		if (other == c || other->host != c->host || other->state != CONNECTION_READY || !other->reset_next)
			continue;
		connection_start_no_more(other);
		if (other->attempt_count == 0)
			connection_retire(other);
	}
}

void connection_told(struct connection *c, const struct smtp_reply_parser *reply)
{
	if (!c->told)
		snprintf(c->told_text, sizeof(c->told_text), "%u %.*s", reply->code, (int)reply->text_length,
			 reply->text);
	c->told = true;
	connection_start_no_more(c);
}

void connection_start_no_more(struct connection *c)
{
	c->retiring = true;
	while (!list_empty(&c->attempts)) {
		struct attempt *last = container_of(c->attempts.prev, struct attempt, link);
		if (last->exchange.any_written)
			return;
		c->unwritten_octets -= mail_of(last->delivery)->content_length;
		if (c->writing == last)
			c->writing = NULL;
		attempt_abandon(last, STAGE_CONTENT, "the next hop is closing");
	}
}

void connection_withdraw(struct connection *c)
{
	assert(c->state <= CONNECTION_READY);
	if (c->state == CONNECTION_READY)
		connection_start_no_more(c);
	else
		c->ours = true;
	connection_retire(c);
}
