/*
 * core/deliver/connection_setup.c - from the connected socket to READY: carries out what setup.h says.
 */
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/connection.h"
#include "core/deliver/connection_private.h"
#include "core/deliver/counts.h"
#include "core/deliver/hold.h"
#include "core/deliver/slow.h"
#include "core/deliver/suits.h"
#include "core/deliver/tell.h"
#include "core/deliver/tls_tally.h"
#include "core/shard/shard.h"

/* What this relay is called in EHLO, which fits the address that it comes from. */
static const char *hostname_of(const struct connection *c)
{
	return c->source && c->source->hostname ? c->source->hostname : connection_config(c)->hostname;
}

/* ---- EHLO or HELO --------------------------------------------------------------------------------------------- */

/* So long a host that could not carry what asks for REQUIRETLS is not asked again for that. */

/* So long a host that answered EHLO is not suspected of not bearing it. */
#define EHLO_BORNE_NS (24 * 3600 * CLOCK_NS_PER_S)

/* The next connection says HELO at once, and this one is not the host's failure; false: it is. */
static bool learn_helo(struct connection *c, unsigned code, struct span text)
{
	struct host *host = c->host;
	uint64_t now_ns = c->outbound->shard->now_ns;

	if (host->ehlo_until_ns > now_ns)
		return false;
	if (!lesson_in_force(&host->lessons, LESSON_HELO, now_ns)) {
		tell_fallback(c, LESSON_HELO, STAGE_EHLO, code, text);
		lesson_learn(&host->lessons, LESSON_HELO, now_ns);
	}
	c->fell_back = true;
	return true;
}

/* Nor HELO: then it is not the greeting that the host minds, and EHLO is said again. */
static void unlearn_helo(struct connection *c)
{
	lesson_forget(&c->host->lessons, LESSON_HELO);
	c->host->ehlo_until_ns = c->outbound->shard->now_ns + LESSON_NS;
}

void connection_hello_unanswered(struct connection *c, struct span reason)
{
	if (setup_helo_may_do(&c->setup))
		(void)learn_helo(c, 0, reason);
	else if (setup_said_helo(&c->setup))
		unlearn_helo(c);
}

/* ---- ready, or refused ------------------------------------------------------------------------------------------ */

/* It goes on in clear. */
static void look_for_lost_tls(struct connection *c)
{
	if (c->setup.secured || c->tls_need.level != TLS_LEVEL_OPPORTUNISTIC || !connection_tls_if_offered(c))
		return;
	connection_tls_missed(c, c->setup.tls_refused ? "STARTTLS is refused" : "STARTTLS is not offered");
}

static void become_ready(struct connection *c)
{
	struct outbound *o = c->outbound;

	connection_move(c, CONNECTION_READY);
	c->proven = true;
	look_for_lost_tls(c);
	suits_learn(c);
	if (c->mailbox)
		connection_mailbox_well(c, false);
	connection_setup_over(c);
	c->host->setup_ns = o->shard->now_ns - c->opened_ns;
	histogram_add(&o->counts->setup, c->host->setup_ns);
	if (!c->setup.helo)
		c->host->ehlo_until_ns = o->shard->now_ns + EHLO_BORNE_NS;
	c->idle_since_ns = o->shard->now_ns;
	connection_manner_choose(c);
	c->careful_until = c->host->cautious ? CONNECTION_CAREFUL : 0;
	connection_arm(c, o->destination->idle_timeout_ns);
	outbound_wake(o->shard, o->index);
}

/* Refused before MAIL, for what we are, or for how much we send. Not where others of its connections are served at this
 * time: then it is one too many, or one of several machines behind that address. */
static void hold_if_ours(struct connection *c, const struct verdict_fact *fact)
{
	unsigned lacks = c->outbound->mx ? VERDICT_LACKS_HOLD : 0;
	struct ruling ruling = verdict_judge_lacking(fact, c->outbound->destination->rules, lacks);
	const struct list *link;

	if (ruling.action == ACTION_SLOW)
		slow_down(c->outbound, c->host, c->mailbox, fact, &ruling);
	if (ruling.verdict != VERDICT_HOLD)
		return;
	for (link = c->outbound->connections.next; link != &c->outbound->connections; link = link->next) {
		const struct connection *other = container_of(link, struct connection, link);
		if (other->host == c->host && other->state == CONNECTION_READY && other->answered > 0)
			return;
	}
	(void)hold_refused(c->outbound, c->host, NULL, fact, &ruling);
}

#define SAY_NO_MECHANISM                                                                                               \
	"the next hop cannot be signed in at in the configured way: it may be the wrong host or port, or another "     \
	"mechanism is needed in `auth`; `postrider probe` shows what it offers"

/* Every mailbox meets the same. */
static void hold_without_mechanism(struct connection *c, const struct setup_next *next)
{
	const struct verdict_fact fact = {STAGE_AUTH, 0, span_text(next->why)};
	const struct ruling ruling = {.verdict = VERDICT_HOLD,
				      .action = ACTION_HOLD,
				      .scope = SCOPE_HOST,
				      .reason = REASON_CREDENTIALS,
				      .say = SAY_NO_MECHANISM};

	(void)hold_refused(c->outbound, c->host, NULL, &fact, &ruling);
}

static void hold(struct connection *c, enum setup_go go, const struct setup_next *next)
{
	const struct smtp_reply_parser *reply = &c->parser;

	if (next->stage == STAGE_AUTH && next->by_reply)
		c->ours = connection_login_refused(c);
	else if (next->stage == STAGE_AUTH && go == SETUP_REFUSE)
		hold_without_mechanism(c, next);
	else if (next->by_reply)
		hold_if_ours(c, &(struct verdict_fact){next->stage, reply->code, {reply->text, reply->text_length}});
	else if (go == SETUP_REFUSE)
		hold_if_ours(c, &(struct verdict_fact){next->stage, 0, span_text(next->why)});
}

/* STARTTLS is not offered, or answered with what is no yes. */
static void look_at_refused_tls(struct connection *c, const struct setup_next *next, const char *reason)
{
	connection_tls_missed(c, reason);
	if (!next->by_reply)
		tls_tally_failed(c, TLS_RESULT_NO_STARTTLS, NULL);
	else
		connection_tls_failed(c, false, c->parser.code,
				      (struct span){c->parser.text, (uint32_t)c->parser.text_length});
}

static void refused(struct connection *c, enum setup_go go, const struct setup_next *next)
{
	const struct smtp_reply_parser *reply = &c->parser;
	char reason[SMTP_REPLY_TEXT_MAX + 80];
	bool helo = next->helo && learn_helo(c, reply->code, (struct span){reply->text, reply->text_length});

	if (setup_said_helo(&c->setup))
		unlearn_helo(c);

	if (next->stage == STAGE_AUTH && c->setup.step == SETUP_AUTH)
		connection_conceal(c);
	if (next->by_reply)
		snprintf(reason, sizeof(reason), "%s: %u %.*s", next->why, reply->code, (int)reply->text_length,
			 reply->text);
	else
		snprintf(reason, sizeof(reason), "%s", next->why);
	if (next->stage == STAGE_STARTTLS && go == SETUP_REFUSE)
		look_at_refused_tls(c, next, reason);
	if (!helo && !c->fell_back)
		hold(c, go, next);
	if (go == SETUP_REFUSE)
		connection_leave(c, next->stage, reason);
	else
		connection_kill(c, next->stage, reason);
}

static void say(struct connection *c, struct setup_next *next)
{
	bool secret = c->setup.step == SETUP_AUTH;

	connection_move(c, CONNECTION_TALKING);
	smtp_reply_start(&c->parser, setup_collects(&c->setup));
	connection_command(c, next->line, next->length, secret);
	if (secret)
		explicit_bzero(next->line, next->length);
}

static void sign_in(struct connection *c, struct setup_next *next)
{
	switch (connection_sign_in(c, next)) {
	case LOGIN_SAID:
		say(c, next);
		return;
	case LOGIN_ASKED:
		return;
	case LOGIN_GONE:
		c->ours = true;
		connection_leave(c, STAGE_AUTH, "the configuration has its mailbox no more");
		return;
	case LOGIN_NOT_NOW:
		c->ours = true;
		connection_leave(c, STAGE_AUTH, "its mailbox is tried by another connection first");
		return;
	}
}

void connection_on_token(struct question *question)
{
	struct connection *c = container_of(question, struct connection, asked.question);
	struct setup_next next;

	mailbox_set_release(c->asked_set);
	c->asked_set = NULL;
	if (question->result == 0)
		c->token = c->asked.token;
	if (c->over) {
		connection_free(c);
	} else if (c->state != CONNECTION_TALKING) {
		/* It has ended meanwhile, or says goodbye. */
		connection_forget_token(c);
	} else if (c->token && !connection_token_known(c)) {
		sign_in(c, &next);
	} else {
		c->ours = true;
		connection_forget_token(c);
		connection_no_token(c);
		connection_leave(c, STAGE_AUTH, "there is no access token to sign in with");
	}
}

/* What comes next, but for what a reply refused. */
static void carry_on(struct connection *c, enum setup_go go, struct setup_next *next)
{
	switch (go) {
	case SETUP_SAY:
		say(c, next);
		return;
	case SETUP_LOGIN:
		sign_in(c, next);
		return;
	case SETUP_LISTEN:
		connection_move(c, CONNECTION_TALKING);
		smtp_reply_start(&c->parser, NULL);
		c->replies_due = 1;
		return;
	case SETUP_SECURE:
		connection_move(c, CONNECTION_HANDSHAKE);
		connection_start_tls(c);
		return;
	case SETUP_DONE:
		become_ready(c);
		return;
	default:
		refused(c, go, next);
		return;
	}
}

void connection_on_connected(struct transport *t, int result)
{
	struct connection *c = container_of(t, struct connection, transport);
	const struct config_destination *destination = c->outbound->destination;
	struct setup_terms terms = {
		.hostname = hostname_of(c),
		.tls = !tls_need_bears_clear(&c->tls_need),
		.tls_if_offered = connection_tls_if_offered(c),
		.implicit = destination->tls_mode != CONFIG_TLS_NONE && destination->tls_implicit,
		.ignored = destination->ignored_extensions,
		.helo = lesson_in_force(&c->host->lessons, LESSON_HELO, c->outbound->shard->now_ns),
	};
	const struct mailbox_entry *entry;
	char reason[160];

	if (result < 0) {
		snprintf(reason, sizeof(reason), "cannot connect: %s", strerror(-result));
		connection_kill(c, STAGE_CONNECT, reason);
		return;
	}
	entry = c->mailbox ? mailbox_find(c->outbound->mailboxes, c->mailbox) : NULL;
	if (entry)
		terms.mechanism_count = mailbox_mechanisms(entry, destination, terms.mechanisms);
	if (c->mailbox && terms.mechanism_count == 0) {
		c->ours = true;
		connection_kill(c, STAGE_AUTH, "the configuration has its mailbox no more");
		return;
	}
	carry_on(c, setup_begin(&c->setup, &terms), NULL);
}

void connection_on_secured(struct transport *t)
{
	struct connection *c = container_of(t, struct connection, transport);
	struct destination_counts *counts = c->outbound->counts;
	struct shard *shard = c->outbound->shard;
	char reason[CONNECTION_TLS_REASON];
	struct setup_next next;
	enum setup_go go;

	if (!connection_tls_done(c, reason)) {
		tls_tally_failed(c, TLS_RESULT_OK, reason);
		connection_kill(c, STAGE_TLS, reason);
		return;
	}
	counter_add(c->tls_resumed ? &shard->deliverer->counters.resumed : &shard->deliverer->counters.handshakes, 1);
	counter_add(c->tls_resumed ? &counts->resumed : &counts->handshakes, 1);
	go = setup_secured(&c->setup, &next);
	carry_on(c, go, &next);
}

/* A reply outside READY. */
void connection_on_setup_reply(struct connection *c, size_t behind)
{
	struct setup_next next;
	enum setup_go go;

	/* The next hop closes now, and has one connection less then: only after that another one may be opened. */
	if (c->state == CONNECTION_QUITTING && !c->parted) {
		c->parted = true;
		connection_arm(c, CONNECTION_END_MS * CLOCK_NS_PER_MS);
		return;
	}
	if (c->state == CONNECTION_QUITTING) {
		connection_kill(c, STAGE_QUIT, "quit");
		return;
	}
	go = setup_reply(&c->setup, &c->parser, behind, &next);
	carry_on(c, go, &next);
}
