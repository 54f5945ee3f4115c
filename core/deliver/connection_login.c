/*
 * core/deliver/connection_login.c - a connection signs in as its mailbox, and what it means where that is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/connection.h"
#include "core/deliver/connection_private.h"
#include "core/deliver/hold.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

/* False: the configuration has this mailbox no more, or there is no token yet. */
static bool login_of(const struct connection *c, struct sasl_login *login)
{
	const struct mailbox_entry *entry = mailbox_find(c->outbound->mailboxes, c->mailbox);
	struct span secret = {NULL, 0};

	if (c->token)
		secret = (struct span){c->token->text, (uint32_t)c->token->length};
	else if (entry)
		secret = entry->secret;
	if (!secret.data)
		return false;
	*login = (struct sasl_login){
		.user = span_text(c->mailbox->user),
		.secret = secret,
		.host = span_text(c->host->config->name),
		.port = c->host->config->port,
	};
	return true;
}

static void ask(struct connection *c, struct token_identity *identity)
{
	struct shard *shard = c->outbound->shard;

	c->asked.identity = identity;
	c->asked_set = c->outbound->mailboxes;
	mailbox_set_hold(c->asked_set);
	c->asked.question.deadline_ns = shard->now_ns + TOKEN_TIMEOUT_MS * CLOCK_NS_PER_MS;
	token_ask(shard->deliverer->shared->tokens, shard->asker, &c->asked);
}

enum connection_login connection_sign_in(struct connection *c, struct setup_next *next)
{
	const struct mailbox_entry *entry = mailbox_find(c->outbound->mailboxes, c->mailbox);
	struct sasl_login login;

	if (!mailbox_may_login(c->mailbox, c->mailbox_probe, c->outbound->shard->now_ns, &c->first_ns))
		return LOGIN_NOT_NOW;
	if (entry && entry->identity && !c->token) {
		ask(c, entry->identity);
		return LOGIN_ASKED;
	}
	if (!entry || !login_of(c, &login))
		return LOGIN_GONE;
	if (!mailbox_enter(c->mailbox, c->outbound->shard->now_ns, &c->door_ns)) {
		/* A probe that is not said is one for later. */
		if (c->mailbox_probe)
			mailbox_postpone(c->mailbox, c->outbound->shard->now_ns);
		return LOGIN_NOT_NOW;
	}
	(void)setup_login(&c->setup, &login, next);
	return LOGIN_SAID;
}

void connection_forget_token(struct connection *c)
{
	if (c->token)
		token_release(c->token);
	c->token = NULL;
}

bool connection_token_known(const struct connection *c)
{
	return c->token && c->asked.doubtful && mailbox_refused_token(c->mailbox, c->token->serial);
}

/* Nothing of it is the host's fault. */
void connection_no_token(struct connection *c)
{
	const char *usual = c->asked.doubtful ? "its access token is refused, and there is no other at present"
					      : "there is no access token at present";
	const char *problem = c->asked.problem[0] ? c->asked.problem : usual;
	const struct verdict_fact fact = {STAGE_AUTH, 0, span_text(problem)};
	const struct ruling ruling = {.reason = REASON_CREDENTIALS, .say = problem};
	struct outbound *o = c->outbound;
	enum mailbox_trouble trouble = c->asked.question.result == -EACCES ? MAILBOX_WITHOUT : MAILBOX_LATER;
	uint64_t again_ns;
	bool tell;

	again_ns = mailbox_troubled(c->mailbox, trouble, c->mailbox_probe, o->shard->now_ns, &tell);
	mailbox_not_before(c->mailbox, o->shard->now_ns + c->asked.again_ns);
	c->mailbox_probe = false;
	if (tell)
		tell_mailbox_held(c, trouble, &fact, &ruling,
				  again_ns > c->asked.again_ns ? again_ns : c->asked.again_ns);
	if (trouble == MAILBOX_LATER)
		c->handlers->on_put_off(c, problem);
}

void connection_conceal(struct connection *c)
{
	struct sasl *sasl = &c->setup.sasl;
	struct sasl_login login;

	/* Without the secret nobody knows what not to say. */
	if (!login_of(c, &login)) {
		c->parser.text_length = 0;
		sasl->challenge[0] = '\0';
		return;
	}
	sasl_conceal(sasl, &login, c->parser.text, c->parser.text_length);
	sasl_conceal(sasl, &login, sasl->challenge, strlen(sasl->challenge));
}

/* By the reply that refuses it: somebody has to act, or it passes. */
static enum mailbox_trouble trouble_of(const struct verdict_fact *fact, const struct verdict_rules *rules,
				       struct ruling *ruling)
{
	*ruling = verdict_judge(fact, rules);
	if (ruling->verdict != VERDICT_HOLD && ruling->action != ACTION_SIGN_IN && fact->code < 500)
		return MAILBOX_LATER;
	if (!ruling->say) {
		enum verdict_action action = ruling->action;
		*ruling = verdict_judge(&(struct verdict_fact){STAGE_AUTH, 535, {NULL, 0}}, NULL);
		ruling->action = action;
	}
	return MAILBOX_REFUSED;
}

/* Of a pool one may be refused with any token; who was let in with this one is refused because of it. False: another
 * one was tried just before, and there is none to try. */
static bool reject_token(const struct connection *c)
{
	bool lost = mailbox_lost_token(c->mailbox, c->token->serial);

	token_rejected(c->token, lost ? TOKEN_REVOKED : TOKEN_DOUBTED);
	return lost || c->outbound->shard->now_ns >= c->token->doubt_ns;
}

/* It may have been revoked, or ended early: a fresh one, once. */
static bool again(const struct connection *c, const struct ruling *ruling)
{
	bool better = !c->token || reject_token(c);

	mailbox_turned_away(c->mailbox, false, c->outbound->shard->now_ns);
	return mailbox_login_again(c->mailbox, c->token ? c->token->serial : 0,
				   better || ruling->action == ACTION_SIGN_IN, c->mailbox_probe,
				   c->outbound->shard->now_ns);
}

static void put_off(struct connection *c, const struct verdict_fact *fact)
{
	char said[160];

	snprintf(said, sizeof(said), "%u %.*s", fact->code, (int)fact->text.length, fact->text.data);
	c->handlers->on_put_off(c, said);
}

bool connection_login_refused(struct connection *c)
{
	const struct verdict_fact fact = {STAGE_AUTH, c->parser.code, {c->parser.text, c->parser.text_length}};
	struct outbound *o = c->outbound;
	struct ruling ruling;
	enum mailbox_trouble trouble = trouble_of(&fact, o->destination->rules, &ruling);
	uint64_t again_ns;
	bool tell;

	if ((ruling.action == ACTION_SIGN_IN || (trouble == MAILBOX_REFUSED && c->token)) && again(c, &ruling))
		return true;
	/* Where nobody else can be tried it may be this host alone that cannot tell who signs in. */
	if (fact.code == 421 || (trouble == MAILBOX_LATER && o->mailboxes->count == 1))
		return false;
	/* "Too many login attempts" is a 454. */
	mailbox_turned_away(c->mailbox, true, o->shard->now_ns);
	again_ns = mailbox_troubled(c->mailbox, trouble, c->mailbox_probe, o->shard->now_ns, &tell);
	if (ruling.action == ACTION_LEAVE_MAILBOX) {
		mailbox_not_before(c->mailbox, o->shard->now_ns + ruling.slow_s * CLOCK_NS_PER_S);
		again_ns = again_ns > ruling.slow_s * CLOCK_NS_PER_S ? again_ns : ruling.slow_s * CLOCK_NS_PER_S;
	}
	c->mailbox_probe = false;
	if (tell)
		tell_mailbox_held(c, trouble, &fact, &ruling, again_ns);
	if (trouble == MAILBOX_LATER)
		put_off(c, &fact);
	return true;
}

bool connection_mailbox_barred(struct connection *c, const struct delivery *d, const struct verdict_fact *fact,
			       const struct ruling *ruling)
{
	bool ours = ruling->scope == SCOPE_MAILBOX ||
		    (ruling->scope == SCOPE_HOST &&
		     (ruling->reason == REASON_CREDENTIALS || ruling->reason == REASON_ACCOUNT));
	struct outbound *o = c->outbound;
	uint64_t again_ns;
	bool tell;

	/* Others got through here since this message was refused elsewhere: it is the message after all. */
	if (!c->mailbox || !ours || (d && d->holds > 0 && c->answered > 0 && !mailbox_barred(c->mailbox)))
		return false;
	again_ns = mailbox_troubled(c->mailbox, MAILBOX_BARRED, c->mailbox_probe, o->shard->now_ns, &tell);
	c->mailbox_probe = false;
	if (tell)
		tell_mailbox_held(c, MAILBOX_BARRED, fact, ruling, again_ns);
	return true;
}

void connection_mailbox_leave(struct connection *c, const struct verdict_fact *fact, const struct ruling *ruling)
{
	uint64_t now_ns = c->outbound->shard->now_ns, left_ns = ruling->slow_s * CLOCK_NS_PER_S, again_ns;
	struct ruling told = *ruling;
	bool tell;

	if (!told.say)
		told.say = "a rule of the configuration leaves this mailbox alone for a while (do: leave_mailbox)";
	if (told.reason == REASON_NONE)
		told.reason = REASON_ACCOUNT;

	again_ns = mailbox_troubled(c->mailbox, MAILBOX_BARRED, c->mailbox_probe, now_ns, &tell);
	mailbox_not_before(c->mailbox, now_ns + left_ns);
	c->mailbox_probe = false;
	if (tell)
		tell_mailbox_held(c, MAILBOX_BARRED, fact, &told, again_ns > left_ns ? again_ns : left_ns);
}

void connection_sign_in_anew(struct connection *c, const struct verdict_fact *fact, const struct ruling *ruling)
{
	uint64_t now_ns = c->outbound->shard->now_ns, again_ns;
	struct ruling told = *ruling;
	bool tell;

	if (c->signed_out)
		return;
	c->signed_out = true;
	if (c->token)
		token_rejected(c->token, TOKEN_DOUBTED);
	if (mailbox_anew(c->mailbox, c->opened_ns, now_ns))
		return;
	if (!told.say)
		told.say =
			"the next hop wants this mailbox to sign in anew, and then does not let it send all the same";
	if (told.reason == REASON_NONE)
		told.reason = REASON_CREDENTIALS;
	again_ns = mailbox_troubled(c->mailbox, MAILBOX_BARRED, c->mailbox_probe, now_ns, &tell);
	c->mailbox_probe = false;
	if (tell)
		tell_mailbox_held(c, MAILBOX_BARRED, fact, &told, again_ns);
}

void connection_mailbox_well(struct connection *c, bool sent)
{
	struct outbound *o = c->outbound;
	bool none = mailbox_held(c->mailbox) && o->mailboxes && mailbox_use(o->mailboxes, NULL) == MAILBOXES_STOPPED;
	bool told;
	uint64_t held_ns;

	if (c->token && !sent) {
		mailbox_token_accepted(c->mailbox, c->token->serial);
		token_accepted(c->token);
	}
	if (!mailbox_well(c->mailbox, sent, o->shard->now_ns, &held_ns, &told))
		return;
	/* All its mail has waited for this. */
	if (none)
		hold_released(o);
	if (told)
		tell_mailbox_ok(c, held_ns);
	outbound_wake(o->shard, o->index);
}
