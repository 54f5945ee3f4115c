/*
 * core/deliver/tls_level.c - see tls_level.h.
 */
#include "core/deliver/tls_level.h"

#include <stddef.h>

static void raise_to(struct tls_need *need, enum tls_level level)
{
	if (need->level < level)
		need->level = level;
}

static void prove(struct tls_need *need, uint8_t proofs)
{
	raise_to(need, TLS_LEVEL_PROVEN);
	need->proofs |= proofs;
}

static void add_mode(struct tls_need *need, const struct tls_facts *facts)
{
	switch (facts->mode) {
	case CONFIG_TLS_NONE:
		return;
	case CONFIG_TLS_OPPORTUNISTIC:
		raise_to(need, TLS_LEVEL_OPPORTUNISTIC);
		return;
	case CONFIG_TLS_REQUIRED:
		raise_to(need, TLS_LEVEL_ENCRYPTED);
		return;
	case CONFIG_TLS_VERIFY:
		prove(need, facts->pinned ? TLS_PROOF_PIN : TLS_PROOF_CHAIN);
		return;
	case CONFIG_TLS_DANE:
		prove(need, TLS_PROOF_DANE);
		return;
	}
}

static void add_dane(struct tls_need *need, const struct tls_facts *facts)
{
	switch (facts->dane) {
	case TLS_DANE_ABSENT:
		if (facts->mode == CONFIG_TLS_DANE)
			need->barred = "DANE is demanded, and the host has no TLSA record that is proven";
		return;
	case TLS_DANE_UNUSABLE:
		raise_to(need, TLS_LEVEL_ENCRYPTED);
		if (facts->mode == CONFIG_TLS_DANE)
			need->barred = "DANE is demanded, and none of the host's TLSA records can be used";
		return;
	case TLS_DANE_USABLE:
		prove(need, TLS_PROOF_DANE);
		return;
	case TLS_DANE_UNKNOWN:
		need->barred = "whether the host has TLSA records cannot be found out";
		return;
	}
}

static void add_sts(struct tls_need *need, const struct tls_facts *facts)
{
	switch (facts->sts) {
	case TLS_STS_ABSENT:
		return;
	case TLS_STS_ENFORCED:
		/* RFC 8461 2: a policy does not override what DANE says, and so asks for nothing that DANE does not. */
		if (facts->dane == TLS_DANE_USABLE)
			return;
		prove(need, TLS_PROOF_SAN);
		return;
	case TLS_STS_FOREIGN:
		need->barred = "the host is none of those that the domain's MTA-STS policy names";
		return;
	}
}

struct tls_need tls_need_of(const struct tls_facts *facts)
{
	struct tls_need need = {.level = TLS_LEVEL_CLEAR, .against = facts->against};

	add_mode(&need, facts);
	add_dane(&need, facts);
	add_sts(&need, facts);
	if (facts->no_clear)
		raise_to(&need, TLS_LEVEL_ENCRYPTED);
	return need;
}

bool tls_need_covers(const struct tls_need *made, const struct tls_need *need)
{
	return !need->barred && made->level >= need->level && (need->proofs & ~made->proofs) == 0 &&
	       (need->proofs == 0 || made->against == need->against);
}

const char *tls_need_lacks(const struct tls_need *need, const struct tls_had *had)
{
	uint8_t lacking = (uint8_t)(need->proofs & ~had->proofs);

	if (need->barred)
		return need->barred;
	if (need->level >= TLS_LEVEL_ENCRYPTED && !had->encrypted)
		return "TLS is required, and this connection has none";
	if (lacking & TLS_PROOF_PIN)
		return "the next hop's certificate has none of the configured fingerprints";
	if (lacking & TLS_PROOF_DANE)
		return "the next hop's certificate matches none of its TLSA records";
	if (lacking & (TLS_PROOF_CHAIN | TLS_PROOF_SAN))
		return "the next hop's certificate is not verified";
	return NULL;
}

/* A fingerprint and a TLSA record stand for the key itself, whatever the host is called; a chain only says that some
 * authority knows somebody by that name. */
static bool proven(const struct tls_strict *strict)
{
	if (strict->had.proofs & (TLS_PROOF_PIN | TLS_PROOF_DANE))
		return true;
	return strict->name_known && (strict->had.proofs & (TLS_PROOF_CHAIN | TLS_PROOF_SAN));
}

const char *tls_strict_lacks(const struct tls_strict *strict)
{
	if (!strict->had.encrypted)
		return "5.7.30 REQUIRETLS: the next hop is spoken to without TLS";
	if (!proven(strict))
		return "5.7.30 REQUIRETLS: the next hop's certificate is not verified";
	if (!strict->offered)
		return "5.7.30 REQUIRETLS: the next hop does not offer REQUIRETLS";
	return NULL;
}

const char *tls_proof_name(uint8_t proofs)
{
	if (proofs & TLS_PROOF_DANE)
		return "dane";
	if (proofs & TLS_PROOF_PIN)
		return "fingerprint";
	return proofs ? "chain" : "";
}

const char *tls_level_name(enum tls_level level)
{
	static const char *const names[] = {
		[TLS_LEVEL_CLEAR] = "clear",
		[TLS_LEVEL_OPPORTUNISTIC] = "opportunistic",
		[TLS_LEVEL_ENCRYPTED] = "encrypted",
		[TLS_LEVEL_PROVEN] = "proven",
	};

	return names[level];
}
