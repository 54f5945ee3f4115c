/*
 * tests/sim/actor_nexthop.c - a simulated SMTP server that takes messages and notes them in the ledger.
 *
 * Ownership
 *   Sessions are kept until actor_nexthop_free(), since delayed replies refer to them.
 *
 * Invariants
 *   Input is judged at once, replies collect and leave together when their delay is over: so the order holds. A
 *   delivery is noted when its reply is decided, as a real server's is when its queue file is safe.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/sim/actor_nexthop_private.h"

void hop_violation(struct hop_session *s, const char *what, const char *line)
{
	struct actor_nexthop_stats *stats = &s->hop->stats;
	stats->violations++;
	if (!stats->problem[0])
		snprintf(stats->problem, sizeof(stats->problem), "%s: %.100s (%llu ns)", what, line,
			 (unsigned long long)world_now_ns());
}

static bool hop_refuses_setup(struct hop_session *s, enum actor_setup_stage stage, unsigned sequence)
{
	const struct actor_nexthop_config *config = &s->hop->config;
	if (!config->setup_refused || config->setup_stage != stage)
		return false;
	if (config->setup_each && sequence % config->setup_each != 0)
		return false;
	s->hop->stats.setup_refusals++;
	return true;
}

/* Replies. */

static void hop_over(struct hop_session *s)
{
	s->over = true;
	s->hop->stats.connections_now--;
	if (s->mailbox)
		s->hop->config.logins->connections[s->mailbox - 1]--;
}

void hop_finish(struct hop_session *s, bool abort)
{
	if (s->over)
		return;
	hop_over(s);
	if (abort)
		world_abort(s->connection);
	else
		world_disconnect(s->connection);
}

static void hop_flush(void *context)
{
	struct hop_session *s = context;
	s->scheduled = false;
	if (s->over)
		return;
	world_send(s->connection, s->replies, s->replies_length);
	s->replies_length = 0;
	if (s->closing)
		hop_finish(s, false);
}

void hop_reply(struct hop_session *s, const char *text)
{
	size_t n = strlen(text);
	assert(s->replies_length + n <= sizeof(s->replies));
	memcpy(s->replies + s->replies_length, text, n);
	s->replies_length += n;
	if (s->scheduled)
		return;
	const struct actor_nexthop_config *config = &s->hop->config;
	s->scheduled = true;
	uint64_t more = s->hello_due ? config->hello_ns : s->greeted ? 0 : config->greeting_ns;
	s->hello_due = false;
	world_after(more + config->delay_min_ns + world_below(config->delay_max_ns - config->delay_min_ns + 1),
		    hop_flush, s);
}

static void hop_reply_and_close(struct hop_session *s, const char *text)
{
	hop_reply(s, text);
	s->closing = true;
}

/* Transactions. */

static void hop_reset(struct hop_session *s)
{
	s->mail = s->null_sender = s->chunking = s->chunk_refused = false;
	s->recipient_count = 0;
	s->content_length = 0;
}

static struct ledger_recipient *hop_ledger_recipient(struct hop_session *s, const struct hop_recipient *r)
{
	struct ledger *ledger = s->hop->config.ledger;
	struct ledger_recipient *known = ledger_recipient(ledger, r->sequence, r->recipient);
	if (!known)
		ledger_confused(ledger, "a recipient nobody named", r->sequence);
	return known;
}

static void hop_failed(struct hop_session *s, const struct hop_recipient *r)
{
	struct ledger_recipient *known = hop_ledger_recipient(s, r);
	if (known)
		known->failed++;
}

static void hop_take(struct hop_session *s)
{
	struct ledger *ledger = s->hop->config.ledger;
	s->hop->stats.messages++;
	s->messages++;
	if (s->null_sender) {
		ledger_notified(ledger, s->content, s->content_length);
		return;
	}
	for (unsigned i = 0; i < s->recipient_count; i++) {
		struct hop_recipient *r = &s->recipients[i];
		struct ledger_recipient *known = hop_ledger_recipient(s, r);
		s->hop->stats.recipients++;
		if (known)
			known->delivered++;
		if (r->sequence != s->recipients[0].sequence)
			ledger_confused(ledger, "recipients of two messages in one", r->sequence);
	}
	ledger_content_check(ledger, s->recipients[0].sequence, s->content, s->content_length);
	world_note("delivered", s->recipients[0].sequence, s->recipient_count);
}

static void hop_refuse_all(struct hop_session *s)
{
	for (unsigned i = 0; i < s->recipient_count && !s->null_sender; i++)
		hop_failed(s, &s->recipients[i]);
}

static bool hop_at_limit(const struct hop_session *s, enum actor_session_end end)
{
	const struct actor_nexthop_config *config = &s->hop->config;

	return config->messages_max && s->messages >= config->messages_max && config->session_end == end;
}

/* Content that does not end well. */
static bool hop_stumbles(struct hop_session *s)
{
	struct actor_nexthop_config *config = &s->hop->config;

	if (world_chance(config->close_in_content))
		return true;
	if (config->poison && s->recipient_count && s->recipients[0].sequence == config->poison)
		return true;
	if (s->messages != 2 || config->resets_in_content == 0)
		return false;
	config->resets_in_content--;
	return true;
}

/* An archive's copy that came without its sender: its content alone says of what, and nobody else is to have it so. */
static void hop_name_copy(struct hop_session *s)
{
	uint32_t sequence;

	if (!s->null_sender || s->recipient_count == 0 || s->recipients[0].recipient != LEDGER_ARCHIVE)
		return;
	if (s->recipient_count > 1 || !ledger_content_sequence(s->content, s->content_length, &sequence)) {
		ledger_confused(s->hop->config.ledger, "a copy without a sender that does not go alone", 0);
		return;
	}
	s->null_sender = false;
	s->recipients[0].sequence = sequence;
}

static void hop_meter(struct actor_meter *meter, uint64_t amount)
{
	if (meter)
		actor_meter_add(meter, amount);
}

/* The end of a message's content. */
static void hop_end(struct hop_session *s)
{
	const struct actor_nexthop_config *config = &s->hop->config;
	s->state = HOP_COMMAND;
	hop_meter(config->octets_meter, s->content_length);
	hop_name_copy(s);
	if (s->recipient_count == 0) {
		hop_reply(s, "554 5.5.1 No valid recipients\r\n");
	} else if (hop_refuses_setup(s, ACTOR_SETUP_END, s->recipients[0].sequence)) {
		hop_reply(s, config->setup_refused);
	} else if (!s->null_sender && world_chance(config->end_refused)) {
		hop_refuse_all(s);
		hop_reply(s, "554 5.6.0 Not this content\r\n");
	} else if (world_chance(config->end_deferred)) {
		hop_reply(s, "451 4.3.0 Try again later\r\n");
	} else {
		hop_take(s);
		if (world_chance(config->close_after_end)) {
			hop_finish(s, world_below(2));
			return;
		}
		hop_reply(s, "250 2.0.0 Taken\r\n");
	}
	hop_reset(s);
	if (hop_at_limit(s, ACTOR_END_TOLD))
		hop_reply_and_close(s, "421 4.7.0 Enough on one connection\r\n");
}

static void hop_content(struct hop_session *s, const void *data, size_t length)
{
	if (s->content_length + length > s->content_capacity) {
		s->content_capacity = 2 * (s->content_length + length);
		s->content = world_realloc(s->content, s->content_capacity);
	}
	memcpy(s->content + s->content_length, data, length);
	s->content_length += length;
}

/* Commands. */

static void hop_ehlo(struct hop_session *s)
{
	const struct actor_nexthop_config *config = &s->hop->config;
	char text[256];
	snprintf(text, sizeof(text), "250-next.hop.example\r\n%s%s%s%s%s%s250 ENHANCEDSTATUSCODES\r\n",
		 config->ledger->config.seven_bit ? "" : "250-8BITMIME\r\n",
		 config->tls > ACTOR_TLS_NONE && config->tls != ACTOR_TLS_GONE && !s->secured ? "250-STARTTLS\r\n"
		 : !config->logins                                                            ? ""
		 : s->secured ? config->logins->token_good ? "250-AUTH XOAUTH2\r\n" : "250-AUTH PLAIN\r\n"
			      : "250-STARTTLS\r\n",
		 config->pipelining ? "250-PIPELINING\r\n" : "", config->chunking ? "250-CHUNKING\r\n" : "",
		 config->size ? "250-SIZE 100000000\r\n" : "", config->dsn ? "250-DSN\r\n" : "");
	s->greeted = s->hello_due = true;
	hop_reset(s);
	hop_reply(s, text);
	if (config->hello_closes)
		hop_reply_and_close(s, "421 4.3.2 Not now\r\n");
}

/* It offers nothing. */
static void hop_helo(struct hop_session *s)
{
	s->greeted = s->hello_due = s->helo = true;
	hop_reset(s);
	hop_reply(s, "250 next.hop.example\r\n");
}

/* The recipients are not known yet, but the sender names the message: all it has may count as refused. */
static void hop_refuse_sender(struct hop_session *s, const char *line)
{
	struct ledger *ledger = s->hop->config.ledger;
	unsigned sequence;

	if (sscanf(line + 10, "<s%u@", &sequence) != 1 || sequence >= ledger->count)
		return;
	for (unsigned i = 0; i < ledger->messages[sequence].recipient_count; i++)
		ledger->messages[sequence].recipients[i].failed++;
	ledger->messages[sequence].archive.failed++;
}

/* What is asked for reaches who offers DSN as it was said, and nobody else. */
static void hop_check_wishes(struct hop_session *s, const char *line, uint32_t sequence, unsigned recipient)
{
	const struct actor_nexthop_config *config = &s->hop->config;
	static const char *const keywords[] = {" RET=", " ENVID=", " NOTIFY=", " ORCPT="};
	size_t length = strlen(line), wished;
	char wishes[128] = "";
	bool any = false;

	if (config->dsn && !s->helo)
		ledger_wishes(config->ledger, sequence, recipient, wishes);
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		any |= strstr(line, keywords[i]) != NULL;
	wished = strlen(wishes);
	if (any != (wished > 0) || length < wished || strcmp(line + length - wished, wishes) != 0)
		hop_violation(s, "other reports are asked for", line);
}

static void hop_mail_by(struct actor_logins *logins, unsigned mailbox, const char *line)
{
	unsigned sequence, sender;

	actor_meter_add(&logins->messages[mailbox], 1);
	if (logins->senders && sscanf(line + 10, "<s%u@c%u.example>", &sequence, &sender) == 2)
		logins->foreign += !(logins->may[mailbox] >> sender & 1);
}

static void hop_mail(struct hop_session *s, const char *line)
{
	const struct actor_nexthop_config *config = &s->hop->config;
	unsigned sequence = 0;
	if (sscanf(line + 10, "<s%u@", &sequence) == 1 && strstr(line, "@client.example>")) {
		hop_check_wishes(s, line, sequence, LEDGER_MESSAGE);
		ledger_begins(config->ledger, sequence, world_now_ns());
	}
	if (world_now_ns() >= config->still_from_ns && world_now_ns() < config->still_until_ns)
		ledger_confused(config->ledger, "sent to a destination that is suspended", sequence);
	s->sequence = sequence;
	s->null_said = strncasecmp(line, "MAIL FROM:<>", 12) == 0;
	hop_meter(config->messages_meter, 1);
	hop_meter(config->hour_meter, 1);
	if (s->mailbox)
		hop_mail_by(config->logins, s->mailbox - 1, line);
	s->hop->stats.in_clear += config->tls != ACTOR_TLS_NONE && !s->secured;
	s->hop->stats.secured += config->tls != ACTOR_TLS_NONE && s->secured;
	if (config->logins && !s->mailbox) {
		hop_violation(s, "MAIL from nobody", line);
		hop_reply(s, "530 5.7.0 Authentication required\r\n");
	} else if (!s->greeted || s->mail) {
		/* Where RSET is refused that is the only way to learn of it. */
		if (!config->rset_refused)
			hop_violation(s, "MAIL out of order", line);
		hop_reply(s, "503 5.5.1 Bad sequence\r\n");
	} else if (hop_refuses_setup(s, ACTOR_SETUP_MAIL, sequence)) {
		hop_reply(s, config->setup_refused);
	} else if (hop_at_limit(s, ACTOR_END_AT_MAIL)) {
		hop_reply_and_close(s, "421 4.4.2 Maximum message count per session reached\r\n");
	} else if (hop_at_limit(s, ACTOR_END_REFUSE)) {
		hop_reply(s, "452 4.5.3 Too many messages sent\r\n");
	} else if (!s->null_said && world_chance(config->mail_refused)) {
		hop_refuse_sender(s, line);
		hop_reply(s, "550 5.7.1 Not from there\r\n");
	} else if (world_chance(config->mail_deferred)) {
		hop_reply(s, "451 4.3.0 Try again later\r\n");
	} else {
		hop_reset(s);
		s->mail = true;
		s->null_sender = s->null_said;
		hop_reply(s, "250 2.1.0 Sender ok\r\n");
	}
}

static void hop_rcpt(struct hop_session *s, const char *line)
{
	const struct actor_nexthop_config *config = &s->hop->config;
	struct hop_recipient r = {0};
	const char *address = strchr(line, '<');
	if (config->one_at_a_time && s->replies_length > 0) {
		hop_reply(s, "503 5.5.1 One command at a time\r\n");
		return;
	}
	if (!s->mail) {
		/* Pipelined behind a MAIL that was refused. */
		hop_reply(s, "503 5.5.1 Need MAIL\r\n");
		return;
	}
	if (address && config->still_domain && world_now_ns() >= config->domain_from_ns &&
	    strstr(address, config->still_domain))
		ledger_confused(config->ledger, "sent to a domain that is suspended", s->sequence);
	hop_meter(config->recipients_meter, 1);
	if (s->mailbox)
		actor_meter_add(&config->logins->recipients[s->mailbox - 1], 1);
	bool ours = address && ledger_address_parse(address + 1, strlen(address + 1), &r.sequence, &r.recipient);
	if (address && ledger_is_archive(config->ledger, address + 1, strcspn(address + 1, ">")))
		r = (struct hop_recipient){.sequence = s->sequence, .recipient = LEDGER_ARCHIVE};
	else if (ours)
		hop_check_wishes(s, line, r.sequence, r.recipient);
	else if (!s->null_said)
		ledger_confused(config->ledger, "a recipient nobody named", 0);
	if (hop_refuses_setup(s, ACTOR_SETUP_RCPT, r.sequence)) {
		hop_reply(s, config->setup_refused);
	} else if (ours && ledger_nobody(config->ledger, r.sequence, r.recipient, world_now_ns())) {
		hop_failed(s, &r);
		hop_reply(s, "550 5.1.1 No such user\r\n");
	} else if (!s->null_sender && world_chance(config->rcpt_refused)) {
		hop_failed(s, &r);
		hop_reply(s, "550 5.1.1 Nobody here by that name\r\n");
	} else if (world_chance(config->rcpt_deferred) || s->recipient_count == HOP_RECIPIENTS_MAX) {
		hop_reply(s, "451 4.2.1 Mailbox busy\r\n");
	} else {
		s->recipients[s->recipient_count++] = r;
		hop_reply(s, "250 2.1.5 Recipient ok\r\n");
	}
}

static void hop_data(struct hop_session *s, const char *line)
{
	if (!s->mail || s->recipient_count == 0) {
		hop_reply(s, "554 5.5.1 No valid recipients\r\n");
	} else if (s->chunking) {
		hop_violation(s, "DATA after BDAT", line);
		hop_reply(s, "503 5.5.1 Bad sequence\r\n");
	} else if (world_chance(s->hop->config.data_deferred)) {
		hop_reply(s, "451 4.3.0 Try again later\r\n");
		hop_reset(s);
	} else {
		s->state = HOP_DATA;
		s->line_length = 0;
		hop_reply(s, "354 Go on\r\n");
	}
}

static void hop_chunk_end(struct hop_session *s)
{
	s->state = HOP_COMMAND;
	if (s->chunk_refused) {
		hop_reply(s,
			  s->recipient_count ? "451 4.3.0 Try again later\r\n" : "554 5.5.1 No valid recipients\r\n");
		if (s->chunk_last)
			hop_reset(s);
	} else if (s->chunk_last) {
		hop_end(s);
	} else {
		hop_reply(s, "250 2.0.0 Chunk ok\r\n");
	}
}

static void hop_bdat(struct hop_session *s, const char *line)
{
	unsigned long long octets = 0;
	char last[8] = "";
	if (!s->hop->config.chunking)
		hop_violation(s, "BDAT was not offered", line);
	if (sscanf(line + 4, " %llu %7s", &octets, last) < 1) {
		hop_violation(s, "BDAT syntax", line);
		hop_reply_and_close(s, "501 5.5.4 Syntax\r\n");
		return;
	}
	/* Once a chunk was refused, so are the rest of its message; they are swallowed all the same (BDT-03). */
	if (!s->chunking && (!s->mail || !s->recipient_count || world_chance(s->hop->config.data_deferred)))
		s->chunk_refused = true;
	s->chunking = true;
	s->chunk_left = octets;
	s->chunk_last = strncasecmp(last, "LAST", 4) == 0;
	s->state = HOP_CHUNK;
	if (octets == 0)
		hop_chunk_end(s);
}

/* Without a word, and what is on its way is lost. */
static bool hop_breaks(struct hop_session *s, const char *line)
{
	const struct actor_nexthop_config *config = &s->hop->config;
	uint64_t before = s->heard_ns;

	s->heard_ns = world_now_ns();
	if (config->idle_death_ns && s->messages > 0 && before + config->idle_death_ns < s->heard_ns)
		return true;
	return hop_at_limit(s, ACTOR_END_RESET);
}

static void hop_command(struct hop_session *s, const char *line)
{
	s->hop->stats.commands++;
	s->hop->stats.helos += strncasecmp(line, "HELO ", 5) == 0;
	s->hop->stats.pipelined += s->replies_length > 0;
	if (s->replies_length > 0 && !s->hop->config.pipelining)
		hop_violation(s, "pipelined although that was not offered", line);
	if (world_chance(s->hop->config.close_rate)) {
		hop_finish(s, world_below(2));
		return;
	}
	if (hop_breaks(s, line)) {
		hop_finish(s, true);
		return;
	}
	if (hop_at_limit(s, ACTOR_END_CLOSE) || (s->hop->config.rset_closes && strncasecmp(line, "RSET", 4) == 0)) {
		/* What was answered still leaves. */
		s->closing = true;
		if (!s->scheduled)
			hop_finish(s, false);
		return;
	}
	if (strncasecmp(line, "EHLO ", 5) == 0 && s->hop->config.ehlo_refused) {
		hop_reply_and_close(s, s->hop->config.ehlo_refused);
	} else if ((strncasecmp(line, "EHLO ", 5) == 0 || strncasecmp(line, "HELO ", 5) == 0) &&
		   hop_refuses_setup(s, ACTOR_SETUP_EHLO, 0)) {
		hop_reply(s, s->hop->config.setup_refused);
	} else if (strncasecmp(line, "EHLO ", 5) == 0) {
		hop_ehlo(s);
	} else if (strncasecmp(line, "HELO ", 5) == 0) {
		hop_helo(s);
	} else if (!s->hop->config.logins && hop_starttls(s, line)) {
		return;
	} else if (s->hop->config.logins && hop_sign_in(s, line)) {
		return;
	} else if (strncasecmp(line, "MAIL FROM:", 10) == 0) {
		hop_mail(s, line);
	} else if (strncasecmp(line, "RCPT TO:", 8) == 0) {
		hop_rcpt(s, line);
	} else if (strncasecmp(line, "DATA", 4) == 0) {
		hop_data(s, line);
	} else if (strncasecmp(line, "BDAT", 4) == 0) {
		hop_bdat(s, line);
	} else if (strncasecmp(line, "RSET", 4) == 0) {
		if (!s->hop->config.rset_refused)
			hop_reset(s);
		hop_reply(s, s->hop->config.rset_refused ? "503 5.5.0 Not available\r\n" : "250 2.0.0 Forgotten\r\n");
	} else if (strncasecmp(line, "NOOP", 4) == 0) {
		hop_reply(s, "250 2.0.0 Done\r\n");
	} else if (strncasecmp(line, "QUIT", 4) == 0) {
		hop_reply_and_close(s, "221 2.0.0 Bye\r\n");
	} else {
		hop_violation(s, "unknown command", line);
		hop_reply(s, "500 5.5.2 What?\r\n");
	}
}

/* Input. */

static void hop_line(struct hop_session *s)
{
	if (s->line_length < 2 || s->line[s->line_length - 2] != '\r')
		hop_violation(s, "a bare LF", "");
	if (s->state == HOP_COMMAND) {
		s->line[s->line_length - (s->line_length >= 2 ? 2 : 1)] = '\0';
		hop_command(s, s->line);
		return;
	}
	bool dot = s->line[0] == '.';
	if (dot && s->line_length == 3)
		hop_end(s);
	else
		hop_content(s, s->line + dot, s->line_length - dot);
}

static void hop_octet(struct hop_session *s, uint8_t octet)
{
	if (s->line_length == HOP_LINE_MAX - 1) {
		hop_violation(s, "line too long", "");
		hop_finish(s, true);
		return;
	}
	s->line[s->line_length++] = (char)octet;
	if (octet == '\n') {
		hop_line(s);
		s->line_length = 0;
	}
}

static void hop_on_data(struct world_connection *connection, void *context, const uint8_t *data, size_t length)
{
	struct hop_session *s = context;
	if (s->state != HOP_COMMAND && hop_stumbles(s)) {
		hop_finish(s, true);
		return;
	}
	for (size_t at = 0; at < length && !s->over && !s->closing;) {
		if (s->state != HOP_CHUNK) {
			hop_octet(s, data[at++]);
			continue;
		}
		size_t n = length - at < s->chunk_left ? length - at : (size_t)s->chunk_left;
		if (!s->chunk_refused)
			hop_content(s, data + at, n);
		at += n;
		s->chunk_left -= n;
		if (s->chunk_left == 0)
			hop_chunk_end(s);
	}
}

static void hop_on_end(struct world_connection *connection, void *context, int error)
{
	struct hop_session *s = context;
	if (!error) {
		hop_finish(s, false);
		return;
	}
	hop_over(s);
}

/* As the client has them: one that it has closed is its no more, though its end is still on its way. */
static void hop_count_open(struct hop_session *s)
{
	unsigned open = 0;
	char text[64];
	for (struct list *at = s->hop->sessions.next; at != &s->hop->sessions; at = at->next) {
		struct hop_session *other = container_of(at, struct hop_session, link);
		open += !other->over && world_peer_open(other->connection);
	}
	if (open > s->hop->stats.connections_held)
		s->hop->stats.connections_held = open;
	snprintf(text, sizeof(text), "%u where %u are allowed", open, s->hop->config.connections_most);
	if (s->hop->config.connections_most && open > s->hop->config.connections_most)
		hop_violation(s, "connections", text);
}

static void hop_on_open(struct world_connection *connection, void *context)
{
	struct actor_nexthop *hop = context;
	struct hop_session *s = world_alloc(sizeof(*s));
	s->hop = hop;
	s->connection = connection;
	list_append(&hop->sessions, &s->link);
	world_connection_context(connection, s);
	hop->stats.connections++;
	hop_count_open(s);
	if (++hop->stats.connections_now > hop->stats.connections_peak)
		hop->stats.connections_peak = hop->stats.connections_now;
	if (hop->config.connections_max && hop->stats.connections_now > hop->config.connections_max)
		hop_reply_and_close(s, "421 4.7.0 Too many connections\r\n");
	else if (hop_refuses_setup(s, ACTOR_SETUP_GREETING, 0))
		hop_reply_and_close(s, hop->config.setup_refused);
	else if (world_chance(hop->config.greeting_refused))
		hop_reply_and_close(s, world_below(2) ? "421 4.3.2 Not now\r\n" : "554 5.3.2 No service\r\n");
	else
		hop_reply(s, "220 next.hop.example ESMTP\r\n");
}

static const struct world_actor hop_actor = {
	.on_open = hop_on_open,
	.on_data = hop_on_data,
	.on_end = hop_on_end,
};

struct actor_nexthop *actor_nexthop_start(const struct actor_nexthop_config *config)
{
	struct actor_nexthop *hop = world_alloc(sizeof(*hop));
	hop->config = *config;
	list_init(&hop->sessions);
	int error = world_listen(&config->address, &hop_actor, hop);
	assert(error == 0);
	return hop;
}

struct actor_nexthop_config *actor_nexthop_config(struct actor_nexthop *nexthop)
{
	return &nexthop->config;
}

void actor_nexthop_stop(struct actor_nexthop *nexthop)
{
	world_listen_end(&nexthop->config.address);
}

void actor_nexthop_stats(const struct actor_nexthop *nexthop, struct actor_nexthop_stats *out)
{
	*out = nexthop->stats;
}

void actor_nexthop_free(struct actor_nexthop *nexthop)
{
	for (struct list *at = list_take_first(&nexthop->sessions); at; at = list_take_first(&nexthop->sessions)) {
		struct hop_session *s = container_of(at, struct hop_session, link);
		world_release(s->content);
		world_release(s);
	}
	world_release(nexthop);
}
