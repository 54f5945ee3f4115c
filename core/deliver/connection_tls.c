/*
 * core/deliver/connection_tls.c - what TLS a connection needs, what it has, and what becomes of it where there is none
 * (tls_level.h decides).
 */
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/connection.h"
#include "core/deliver/connection_private.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/tell.h"
#include "core/deliver/tls_tally.h"
#include "core/shard/shard.h"

struct tls_need connection_tls_need(const struct outbound *o, const struct host *host)
{
	const struct config_destination *destination = o->destination;
	/* RFC 8460 3: what reports that TLS fails must not fail by it. */
	bool free = o->mx && o->mx->free && destination->tls_mode != CONFIG_TLS_NONE;
	const struct tls_facts facts = {
		.mode = free ? CONFIG_TLS_OPPORTUNISTIC : destination->tls_mode,
		.dane = host->tls_found.dane,
		.sts = host->tls_found.sts,
		.pinned = destination->fingerprints.count > 0,
		.no_clear = destination->mailbox_count > 0 ||
			    (destination->tls_implicit && destination->tls_mode != CONFIG_TLS_NONE),
		.against = host->tls_found.against,
	};

	return tls_need_of(&facts);
}

bool connection_tls_if_offered(const struct connection *c)
{
	return c->tls_need.level == TLS_LEVEL_OPPORTUNISTIC &&
	       !lesson_in_force(&c->host->lessons, LESSON_CLEAR, c->outbound->shard->now_ns);
}

/* ---- the handshake ---------------------------------------------------------------------------------------------- */

/* Whatever the ticket was given for must do for what is needed now (POL-01). */
static struct tls_ticket *ticket_for(const struct connection *c)
{
	const struct host *host = c->host;

	return host->ticket && tls_need_covers(&host->ticket_need, &c->tls_need) ? host->ticket : NULL;
}

/* Whom to ask for: with DANE, the name under which the records are (RFC 7672 8.1). */
static const char *name_for(const struct connection *c)
{
	const struct config_destination *destination = c->outbound->destination;

	if (c->tlsa)
		return tlsa_base(c->tlsa);
	return destination->server_name ? destination->server_name : c->host->config->name;
}

void connection_start_tls(struct connection *c)
{
	const struct outbound *o = c->outbound;
	struct tls_ticket *ticket = ticket_for(c);
	/* An address is no server name (RFC 6066 3), and none is said; a certificate may be for it. */
	struct tls_session *tls = tls_session_new(o->tls, name_for(c), ticket);

	c->resuming = ticket != NULL;
	c->ticket_proofs = ticket ? c->host->ticket_need.proofs : 0;
	if (!tls) {
		connection_kill(c, STAGE_TLS, "out of memory for TLS");
		return;
	}
	/* An octet that came behind the reply to STARTTLS was never under TLS's protection (STL-06). */
	if (!transport_secure(&c->transport, tls)) {
		connection_kill(c, STAGE_TLS, "the next hop sent data behind its reply to STARTTLS");
		return;
	}
}

static bool pinned(const struct config_destination *destination, const struct tls_evidence *evidence)
{
	size_t i;

	for (i = 0; i < destination->fingerprints.count; i++) {
		if (tls_evidence_is(evidence, destination->fingerprints.list[i]))
			return true;
	}
	return false;
}

/* Held against the certificates that were shown, in a handshake that was not resumed. */
static bool matches_tlsa(struct connection *c)
{
	char text[TLS_DANE_TEXT];

	if (!c->tlsa || c->tls_resumed)
		return false;
	c->tls_dane = (uint8_t)tls_session_dane(c->transport.tls, &c->tlsa->against, text);
	if (tls_dane_matched((enum tls_dane_result)c->tls_dane))
		return true;
	snprintf(c->tls_doubt, sizeof(c->tls_doubt), "%.119s", text);
	return false;
}

static uint8_t proofs_of(struct connection *c)
{
	const struct tls_evidence *evidence = tls_session_evidence(c->transport.tls);
	uint8_t proofs = 0;

	if (evidence->verified)
		proofs |= TLS_PROOF_CHAIN;
	if (evidence->verified && evidence->alternative)
		proofs |= TLS_PROOF_SAN;
	if (pinned(c->outbound->destination, evidence))
		proofs |= TLS_PROOF_PIN;
	if (matches_tlsa(c))
		proofs |= TLS_PROOF_DANE;
	/* Who is resumed has shown no chain: its ticket was given behind a handshake in which this held, against the
	 * same records (ticket_for()). */
	if (c->tls_resumed)
		proofs |= c->ticket_proofs & TLS_PROOF_DANE;
	return proofs;
}

/* It could be proven lately, and cannot any more. */
static void look_for_lost_proof(struct connection *c)
{
	struct host *host = c->host;

	if (c->tls_had.proofs) {
		host->proven_ns = c->outbound->shard->now_ns;
		host->proof_lost = false;
	} else if (host->proven_ns > 0 && !host->proof_lost) {
		host->proof_lost = true;
		tell_tls_lost(c, "proof", c->tls_doubt, host->proven_ns);
	}
}

bool connection_tls_done(struct connection *c, char reason[static CONNECTION_TLS_REASON])
{
	struct tls_info info;
	const char *lacks;

	tls_session_info(c->transport.tls, &info);
	snprintf(c->tls_version, sizeof(c->tls_version), "%s", info.version);
	snprintf(c->tls_cipher, sizeof(c->tls_cipher), "%s", info.cipher);
	c->tls_resumed = info.resumed;
	tls_evidence_text(c->transport.tls, c->tls_doubt, sizeof(c->tls_doubt));
	c->tls_had = (struct tls_had){.encrypted = true, .proofs = proofs_of(c)};
	c->host->tls_ns = c->outbound->shard->now_ns;
	c->host->tls_lost = false;
	look_for_lost_proof(c);
	lacks = tls_need_lacks(&c->tls_need, &c->tls_had);
	if (lacks)
		snprintf(reason, CONNECTION_TLS_REASON, "%s%s%s", lacks, c->tls_doubt[0] ? ": " : "", c->tls_doubt);
	return !lacks;
}

/* ---- where there is none ---------------------------------------------------------------------------------------- */

void connection_tls_missed(struct connection *c, const char *reason)
{
	struct host *host = c->host;

	if (host->tls_ns == 0 || host->tls_lost)
		return;
	host->tls_lost = true;
	tell_tls_lost(c, "tls", reason, host->tls_ns);
}

/* It was TLS that was being begun. */
static bool beginning(const struct connection *c, bool by_tls)
{
	if (c->state == CONNECTION_HANDSHAKE)
		return true;
	/* With TLS 1.3 a peer may find fault with our last word. */
	if (c->state == CONNECTION_TALKING && by_tls)
		return true;
	return c->state == CONNECTION_TALKING && c->setup.step == SETUP_STARTTLS;
}

void connection_tls_failed(struct connection *c, bool by_tls, unsigned code, struct span reason)
{
	struct host *host = c->host;
	uint64_t now_ns = c->outbound->shard->now_ns;
	char text[200];

	/* A ticket that is not borne is dropped first (verdict_gone()), and the next connection goes without. */
	if (!beginning(c, by_tls) || c->resuming)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)reason.length, reason.data);
	connection_tls_missed(c, text);
	tls_tally_failed(c, TLS_RESULT_VALIDATION, text);
	if (!tls_need_bears_clear(&c->tls_need))
		return;
	if (!lesson_in_force(&host->lessons, LESSON_CLEAR, now_ns)) {
		tell_fallback(c, LESSON_CLEAR, STAGE_TLS, code, reason);
		lesson_learn(&host->lessons, LESSON_CLEAR, now_ns);
	}
	c->fell_back = true;
}
