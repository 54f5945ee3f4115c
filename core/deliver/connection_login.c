/*
 * core/deliver/connection_login.c - a connection signs in as its mailbox, and what it means where that is refused.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/connection.h"
#include "core/deliver/connection_private.h"
#include "core/deliver/hold.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

/* False: the configuration has this mailbox no more. */
static bool login_of(const struct connection *c, struct sasl_login *login)
{
	const struct mailbox_entry *entry = mailbox_find(c->outbound->mailboxes, c->mailbox);

	if (!entry)
		return false;
	*login = (struct sasl_login){
		.user = span_text(c->mailbox->user),
		.secret = entry->secret,
		.host = span_text(c->host->config->name),
		.port = c->host->config->port,
	};
	return true;
}

bool connection_sign_in(struct connection *c, struct setup_next *next)
{
	struct sasl_login login;

	if (!login_of(c, &login))
		return false;
	(void)setup_login(&c->setup, &login, next);
	return true;
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
	if (ruling->verdict != VERDICT_HOLD && fact->code < 500)
		return MAILBOX_LATER;
	if (!ruling->say)
		*ruling = verdict_judge(&(struct verdict_fact){STAGE_AUTH, 535, {NULL, 0}}, NULL);
	return MAILBOX_REFUSED;
}

bool connection_login_refused(struct connection *c)
{
	const struct verdict_fact fact = {STAGE_AUTH, c->parser.code, {c->parser.text, c->parser.text_length}};
	struct outbound *o = c->outbound;
	struct ruling ruling;
	enum mailbox_trouble trouble = trouble_of(&fact, o->destination->rules, &ruling);
	uint64_t again_ns;
	bool tell;

	/* Where nobody else can be tried it may be this host alone that cannot tell who signs in. */
	if (fact.code == 421 || (trouble == MAILBOX_LATER && o->mailboxes->count == 1))
		return false;
	again_ns = mailbox_troubled(c->mailbox, trouble, c->mailbox_probe, o->shard->now_ns, &tell);
	c->mailbox_probe = false;
	if (tell)
		tell_mailbox_held(c, trouble, &fact, &ruling, again_ns);
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

void connection_mailbox_well(struct connection *c, bool sent)
{
	struct outbound *o = c->outbound;
	bool none = mailbox_held(c->mailbox) && o->mailboxes && mailbox_all_held(o->mailboxes), told;
	uint64_t held_ns;

	if (!mailbox_well(c->mailbox, sent, o->shard->now_ns, &held_ns, &told))
		return;
	/* All its mail has waited for this. */
	if (none)
		hold_released(o);
	if (told)
		tell_mailbox_ok(c, held_ns);
	outbound_wake(o->shard, o->index);
}
