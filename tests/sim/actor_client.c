/*
 * tests/sim/actor_client.c - a simulated SMTP client: sends messages of a ledger and notes what it was told.
 *
 * Invariants
 *   `expected` holds one entry for each reply that is owed, in order. A message is in `slots` from its MAIL to the
 *   reply to its end. Fate is decided once: by the final reply, by a reply that ends the message before its content,
 *   or by the end of the connection (unknown if its content had been sent whole, else it counts as refused).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/trace.h"

#include "tests/sim/actor_client.h"

enum { CLIENT_EXPECTED_MAX = 2048, CLIENT_LINE_MAX = 1024, CLIENT_SLOTS = ACTOR_CLIENT_WINDOW_MAX + 2 };

enum client_expect {
	EXPECT_GREETING,
	EXPECT_EHLO,
	EXPECT_MAIL,
	EXPECT_RCPT,
	EXPECT_DATA,
	EXPECT_CHUNK,
	EXPECT_END,
	EXPECT_RSET,
	EXPECT_QUIT,
};

struct client_slot {
	bool used, sent_whole;
	uint32_t sequence;
	unsigned rcpt_ok, rcpt_bad; /* bits */
};

struct client_reply {
	enum client_expect kind;
	uint8_t slot, recipient;
};

struct actor_client {
	struct actor_client_config config;
	struct world_connection *connection;
	struct client_reply expected[CLIENT_EXPECTED_MAX];
	unsigned expected_start, expected_count;
	struct client_slot slots[CLIENT_SLOTS];
	unsigned in_flight, begun, begun_here, accepted, errors, attempts, connections;
	bool ready, quitting, done;
	char line[CLIENT_LINE_MAX];
	size_t line_length;
};

static void client_connect(void *context);

static void client_text(struct actor_client *c, const char *text)
{
	world_send(c->connection, text, strlen(text));
}

static void client_expect(struct actor_client *c, enum client_expect kind, unsigned slot, unsigned recipient)
{
	assert(c->expected_count < CLIENT_EXPECTED_MAX);
	unsigned at = (c->expected_start + c->expected_count++) % CLIENT_EXPECTED_MAX;
	c->expected[at] = (struct client_reply){kind, (uint8_t)slot, (uint8_t)recipient};
}

static struct ledger_message *client_message(struct actor_client *c, const struct client_slot *slot)
{
	return &c->config.ledger->messages[slot->sequence];
}

/* It has signed in, where it has to. */
static bool client_may_relay(const struct actor_client *c)
{
	return !c->config.entry || c->config.entry->signed_in;
}

/* Ends a message: recipients that were accepted get `fate`, the others were refused. */
static void client_settle(struct actor_client *c, struct client_slot *slot, enum ledger_fate fate)
{
	struct ledger_message *message = client_message(c, slot);
	if (!client_may_relay(c)) {
		if (fate == LEDGER_ACCEPTED && slot->rcpt_ok)
			actor_entry_violation(c->config.entry, "a message was taken", "");
		fate = LEDGER_REFUSED;
	}
	for (unsigned i = 0; i < message->recipient_count; i++)
		message->recipients[i].fate = slot->rcpt_ok & 1u << i ? fate : LEDGER_REFUSED;
	c->accepted += fate == LEDGER_ACCEPTED && slot->rcpt_ok;
	slot->used = false;
	c->in_flight--;
}

/* The commands. */

static void client_mail(struct actor_client *c, unsigned slot)
{
	unsigned sequence = c->slots[slot].sequence, senders = c->config.senders;
	char line[256], from[64], wishes[128], hold[32] = "";
	unsigned hold_s = ledger_hold(c->config.ledger, sequence, world_now_ns());

	if (hold_s)
		snprintf(hold, sizeof(hold), " HOLDFOR=%u", hold_s);
	if (senders)
		snprintf(from, sizeof(from), "s%u@c%u.example", sequence, sequence % senders);
	else
		snprintf(from, sizeof(from), "s%u@client.example", sequence);
	ledger_wishes(c->config.ledger, sequence, LEDGER_MESSAGE, wishes);
	snprintf(line, sizeof(line), "MAIL FROM:<%s>%s%s\r\n", from, hold, wishes);
	client_text(c, line);
	client_expect(c, EXPECT_MAIL, slot, 0);
}

static void client_rcpt(struct actor_client *c, unsigned slot, unsigned recipient)
{
	char address[128], wishes[128], line[300];
	ledger_address(c->config.ledger, c->slots[slot].sequence, recipient, address);
	ledger_wishes(c->config.ledger, c->slots[slot].sequence, recipient, wishes);
	snprintf(line, sizeof(line), "RCPT TO:<%s>%s\r\n", address, wishes);
	client_text(c, line);
	client_expect(c, EXPECT_RCPT, slot, recipient);
}

static void client_data(struct actor_client *c, unsigned slot)
{
	client_text(c, "DATA\r\n");
	client_expect(c, EXPECT_DATA, slot, 0);
}

/* Content after 354, with dots stuffed; nothing but the dot when no recipient was taken (RFC 2920 3.1). */
static void client_body(struct actor_client *c, unsigned slot)
{
	size_t length;
	uint8_t *content = ledger_content(c->config.ledger, c->slots[slot].sequence, &length);
	for (size_t at = 0; at < length && c->slots[slot].rcpt_ok;) {
		const uint8_t *end = memchr(content + at, '\n', length - at);
		size_t next = end ? (size_t)(end - content) + 1 : length;
		if (content[at] == '.')
			client_text(c, ".");
		world_send(c->connection, content + at, next - at);
		at = next;
	}
	world_release(content);
	client_text(c, ".\r\n");
	c->slots[slot].sent_whole = true;
	client_expect(c, EXPECT_END, slot, 0);
}

static void client_chunks(struct actor_client *c, unsigned slot)
{
	size_t length;
	uint8_t *content = ledger_content(c->config.ledger, c->slots[slot].sequence, &length);
	bool several = world_chance(c->config.chunk_rate);
	for (size_t at = 0, n; at < length || at == 0; at += n) {
		char line[64];
		n = several && length - at > 8 ? 1 + world_below(length - at) : length - at;
		bool last = at + n == length;
		snprintf(line, sizeof(line), "BDAT %zu%s\r\n", n, last ? " LAST" : "");
		client_text(c, line);
		world_send(c->connection, content + at, n);
		client_expect(c, last ? EXPECT_END : EXPECT_CHUNK, slot, 0);
	}
	world_release(content);
	c->slots[slot].sent_whole = true;
}

/* What to send next. */

static bool client_may_begin(const struct actor_client *c)
{
	if (!c->ready || c->quitting || c->begun == c->config.messages)
		return false;
	return !c->config.messages_per_connection || c->begun_here < c->config.messages_per_connection;
}

static void client_begin(struct actor_client *c)
{
	unsigned slot = 0;
	while (c->slots[slot].used)
		slot++;
	assert(slot < CLIENT_SLOTS);
	c->slots[slot] = (struct client_slot){.used = true, .sequence = ledger_next(c->config.ledger)};
	c->begun++;
	c->begun_here++;
	c->in_flight++;
	client_mail(c, slot);
	if (c->config.mode == ACTOR_CLIENT_LOCKSTEP)
		return;
	unsigned count = client_message(c, &c->slots[slot])->recipient_count;
	for (unsigned i = 0; i < count; i++)
		client_rcpt(c, slot, i);
	if (c->config.mode == ACTOR_CLIENT_GROUPED)
		client_data(c, slot);
	else
		client_chunks(c, slot);
}

static void client_quit(struct actor_client *c)
{
	c->quitting = true;
	client_text(c, "QUIT\r\n");
	client_expect(c, EXPECT_QUIT, 0, 0);
}

static void client_advance(struct actor_client *c)
{
	unsigned window = c->config.mode == ACTOR_CLIENT_CHUNKED ? c->config.window : 1;
	while (client_may_begin(c) && c->in_flight < window)
		client_begin(c);
	if (c->ready && !c->quitting && !c->in_flight && !c->expected_count)
		client_quit(c);
}

/* A refused DATA does not end the transaction at every server: the next MAIL would be out of order. */
static void client_rset(struct actor_client *c, unsigned index)
{
	client_text(c, "RSET\r\n");
	client_expect(c, EXPECT_RSET, index, 0);
}

/* After an envelope's last reply in lockstep: its content, or the next message. */
static void client_lockstep_next(struct actor_client *c, unsigned index, unsigned recipient)
{
	struct client_slot *slot = &c->slots[index];
	if (recipient < client_message(c, slot)->recipient_count) {
		client_rcpt(c, index, recipient);
	} else if (slot->rcpt_ok) {
		client_data(c, index);
	} else {
		client_rset(c, index);
	}
}

static void client_on_data_reply(struct actor_client *c, unsigned index, unsigned code)
{
	if (code != 354) {
		client_rset(c, index);
		return;
	}
	client_body(c, index);
	/* The next group travels with the end of this message. */
	if (c->config.mode == ACTOR_CLIENT_GROUPED && client_may_begin(c))
		client_begin(c);
}

static void client_on_greeting(struct actor_client *c, enum client_expect kind, bool good)
{
	if (!good) {
		client_quit(c);
	} else if (kind == EXPECT_GREETING) {
		client_text(c, "EHLO client.example\r\n");
		client_expect(c, EXPECT_EHLO, 0, 0);
	} else {
		c->ready = true;
		c->attempts = 0;
	}
}

/* Who has signed in may relay, and nobody else. */
static void client_judge(struct actor_client *c, bool refused, bool taken)
{
	if (!c->config.entry)
		return;
	if (refused && client_may_relay(c))
		actor_entry_violation(c->config.entry, "who has signed in may not relay", c->line);
	if (taken && !client_may_relay(c))
		actor_entry_violation(c->config.entry, "who has not signed in may relay", c->line);
}

static void client_on_envelope_reply(struct actor_client *c, const struct client_reply *r, unsigned code)
{
	bool good = code / 100 == 2;
	struct client_slot *slot = &c->slots[r->slot];
	bool lockstep = c->config.mode == ACTOR_CLIENT_LOCKSTEP;
	if (r->kind == EXPECT_MAIL) {
		client_judge(c, !good && code / 100 == 5, false);
		slot->rcpt_bad |= good ? 0 : ~0u;
		if (lockstep && good)
			client_rcpt(c, r->slot, 0);
		else if (lockstep)
			client_settle(c, slot, LEDGER_REFUSED);
		return;
	}
	client_judge(c, code / 100 == 5 && !(slot->rcpt_bad & 1u << r->recipient), good);
	if (good)
		slot->rcpt_ok |= 1u << r->recipient;
	else
		slot->rcpt_bad |= 1u << r->recipient;
	if (lockstep)
		client_lockstep_next(c, r->slot, r->recipient + 1u);
}

/* "250 2.0.0 Ok: queued as ID". */
static void client_note_id(struct actor_client *c, const struct client_slot *slot)
{
	struct ledger_message *message = client_message(c, slot);
	const char *as = memmem(c->line, c->line_length, "queued as ", 10);
	struct message_id id;

	if (!as || message_id_parse(as + 10, MESSAGE_ID_TEXT, &id) < 0)
		return;
	message->id_high = id.high;
	message->id_low = id.low;
}

static void client_on_reply(struct actor_client *c, unsigned code)
{
	bool good = code / 100 == 2;
	if (!c->expected_count) {
		/* 421 may come at any time; anything else is an answer to nothing. */
		c->errors += code != 421;
		return;
	}
	struct client_reply r = c->expected[c->expected_start];
	c->expected_start = (c->expected_start + 1) % CLIENT_EXPECTED_MAX;
	c->expected_count--;
	switch (r.kind) {
	case EXPECT_GREETING:
	case EXPECT_EHLO:
		client_on_greeting(c, r.kind, good);
		break;
	case EXPECT_MAIL:
	case EXPECT_RCPT:
		client_on_envelope_reply(c, &r, code);
		break;
	case EXPECT_DATA:
		client_on_data_reply(c, r.slot, code);
		break;
	case EXPECT_END:
		if (good)
			client_note_id(c, &c->slots[r.slot]);
		client_settle(c, &c->slots[r.slot], good ? LEDGER_ACCEPTED : LEDGER_REFUSED);
		break;
	case EXPECT_RSET:
		client_settle(c, &c->slots[r.slot], LEDGER_REFUSED);
		break;
	case EXPECT_CHUNK:
	case EXPECT_QUIT:
		break;
	}
	client_advance(c);
}

/* The connection. */

static void client_over(struct actor_client *c)
{
	for (unsigned i = 0; i < CLIENT_SLOTS; i++) {
		struct client_slot *slot = &c->slots[i];
		if (!slot->used)
			continue;
		/* A chunked message may have been taken although the replies to its envelope are still under way. */
		if (slot->sent_whole && c->config.mode == ACTOR_CLIENT_CHUNKED)
			slot->rcpt_ok = ~slot->rcpt_bad;
		client_settle(c, slot, slot->sent_whole ? LEDGER_UNKNOWN : LEDGER_REFUSED);
	}
	assert(c->in_flight == 0);
	c->connection = NULL;
	c->connections++;
	c->expected_count = 0;
	c->line_length = 0;
	c->ready = c->quitting = false;
	c->begun_here = 0;
	c->done = c->begun == c->config.messages || (c->config.attempts_max && c->attempts >= c->config.attempts_max);
	if (!c->done)
		world_after(c->config.retry_ns / 2 + world_below(c->config.retry_ns + 1), client_connect, c);
}

static void client_end(struct actor_client *c, bool abort)
{
	if (abort)
		world_abort(c->connection);
	else
		world_disconnect(c->connection);
	client_over(c);
}

struct client_cut {
	struct actor_client *client;
	unsigned connections;
};

static void client_cut(void *context)
{
	struct client_cut *cut = context;

	if (cut->client->connection && cut->client->connections == cut->connections)
		client_end(cut->client, world_below(2));
	world_release(cut);
}

/* False: its connection has ended. */
static bool client_enter(struct actor_client *c, enum actor_entry_go go)
{
	enum { MOMENT_NS = 3000000000 };
	struct client_cut *cut;

	switch (go) {
	case ENTRY_LATER:
		cut = world_alloc(sizeof(*cut));
		*cut = (struct client_cut){c, c->connections};
		world_after(world_below(world_below(2) ? MOMENT_NS : MOMENT_NS / 1000), client_cut, cut);
		break;
	case ENTRY_CUT:
	case ENTRY_LEAVE:
		client_end(c, world_below(2));
		return false;
	case ENTRY_IN:
		c->ready = true;
		client_advance(c);
		break;
	case ENTRY_WAIT:
		break;
	}
	return true;
}

static void client_on_open(struct world_connection *connection, void *context)
{
	struct actor_client *c = context;

	if (c->config.entry)
		(void)client_enter(c, actor_entry_begin(c->config.entry, connection));
	else
		client_expect(c, EXPECT_GREETING, 0, 0);
}

/* A reply is complete with the line that has no hyphen after its code. */
static void client_line(struct actor_client *c)
{
	bool digits = c->line_length >= 3;
	for (int i = 0; i < 3 && digits; i++)
		digits = c->line[i] >= '0' && c->line[i] <= '9';
	if (!digits) {
		c->errors++;
		return;
	}
	if (c->line_length == 3 || c->line[3] != '-')
		client_on_reply(c, (unsigned)atoi((char[]){c->line[0], c->line[1], c->line[2], 0}));
}

static void client_on_data(struct world_connection *connection, void *context, const uint8_t *data, size_t length)
{
	struct actor_client *c = context;
	for (size_t i = 0; i < length; i++) {
		if (c->line_length < CLIENT_LINE_MAX - 1)
			c->line[c->line_length++] = (char)data[i];
		if (data[i] != '\n')
			continue;
		if (c->config.entry && !c->ready) {
			c->line[c->line_length] = '\0';
			c->line_length = 0;
			if (!client_enter(c, actor_entry_line(c->config.entry, connection, c->line)))
				return;
			continue;
		}
		bool quit = c->quitting;
		client_line(c);
		c->line_length = 0;
		if ((quit && !c->expected_count) || world_chance(c->config.abort_rate)) {
			if (quit)
				world_disconnect(connection);
			else
				world_abort(connection);
			client_over(c);
			return;
		}
	}
}

static void client_on_end(struct world_connection *connection, void *context, int error)
{
	if (!error)
		world_disconnect(connection);
	client_over(context);
}

static const struct world_actor client_actor = {
	.on_open = client_on_open,
	.on_data = client_on_data,
	.on_end = client_on_end,
};

static void client_connect(void *context)
{
	struct actor_client *c = context;
	c->attempts++;
	if (c->config.entry)
		actor_entry_connect(c->config.entry);
	c->connection = world_connect(&c->config.address, c->config.entry ? &c->config.entry->from : c->config.from,
				      &client_actor, c);
}

struct actor_client *actor_client_start(const struct actor_client_config *config)
{
	struct actor_client *c = world_alloc(sizeof(*c));
	c->config = *config;
	if (c->config.window == 0 || c->config.window > ACTOR_CLIENT_WINDOW_MAX)
		c->config.window = ACTOR_CLIENT_WINDOW_MAX;
	client_connect(c);
	return c;
}

bool actor_client_done(const struct actor_client *client)
{
	return client->done;
}

unsigned actor_client_sent(const struct actor_client *client)
{
	return client->begun;
}

unsigned actor_client_accepted(const struct actor_client *client)
{
	return client->accepted;
}

unsigned actor_client_protocol_errors(const struct actor_client *client)
{
	return client->errors;
}

void actor_client_free(struct actor_client *client)
{
	world_release(client);
}
