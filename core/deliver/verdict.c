/*
 * core/deliver/verdict.c - see verdict.h.
 */
#include "core/deliver/verdict.h"

#include "core/smtp/enhanced.h"

enum verdict action_verdict(enum verdict_action action)
{
	switch (action) {
	case ACTION_SENT:
		return VERDICT_SENT;
	case ACTION_FAIL:
		return VERDICT_FAIL;
	case ACTION_HOLD:
		return VERDICT_HOLD;
	default:
		return VERDICT_DEFER;
	}
}

/* The sentence for a reason, where a rule has none of its own. */
static const char *reason_say(enum verdict_reason reason)
{
	static const char *const sentences[REASON_COUNT] = {
		[REASON_CLIENT] = "the next hop does not accept this relay: have its operator allow this relay's "
				  "address, or give "
				  "the destination the certificate, name or authentication it asks for",
		[REASON_BLOCKED] = "the next hop refuses this relay's address because of a block list or its "
				   "reputation: the reply "
				   "says which; have the address removed there, and find what was sent from it",
		[REASON_EHLO] =
			"the next hop does not accept the name this relay gives in EHLO: set `hostname` to a full name "
			"that the DNS knows and that leads back to this relay's address",
		[REASON_TLS] =
			"the next hop and this relay do not agree about TLS: look at `tls` of the destination, and at "
			"what the reply asks for",
		[REASON_CREDENTIALS] =
			"the next hop wants authentication, or does not accept it: look at how this destination is "
			"meant to recognise the relay (address, certificate, user and password)",
		[REASON_SENDER] =
			"the next hop does not let this relay send for this sender: allow the sender (or its domain) "
			"there, or have the client use an allowed one",
		[REASON_RELAY] =
			"the next hop does not relay to this recipient for this relay: have its operator allow it, or "
			"route the recipient's domain to another destination",
		[REASON_ACCOUNT] =
			"the next hop has suspended or limited the account this relay sends by: see to it with the "
			"provider",
		[REASON_NOT_ACCEPTED] =
			"the next hop refuses all mail from here: it may not know this relay's address, have it on a "
			"block list, or not be the host that takes this mail; ask its operator",
	};
	return sentences[reason];
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

enum { FLAT_MAX = 512 };

/* A reply of several lines as the sentence it is: many servers break it anywhere, and say the enhanced code again at
 * the head of each line. */
static struct span flatten(const struct verdict_fact *fact, char out[FLAT_MAX])
{
	struct span text = fact->text;
	uint32_t length = 0, at = 0;

	while (at < text.length && length < FLAT_MAX) {
		char c = text.data[at++];
		if (c == '\n') {
			struct span rest = {text.data + at, text.length - at};
			if (smtp_enhanced_code(fact->code, rest)) {
				while (at < text.length && text.data[at] != ' ' && text.data[at] != '\n')
					at++;
				if (at < text.length && text.data[at] == ' ')
					at++;
			}
			c = ' ';
		}
		out[length++] = c;
	}
	return (struct span){out, length};
}

static char fold(char c)
{
	if (c == '\t')
		return ' ';
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool verdict_text_matches(const char *pattern, struct span text)
{
	const char *star = NULL; /* behind the last star seen */
	uint32_t at = 0, from = 0;

	while (at < text.length) {
		if (*pattern == '*') {
			star = ++pattern;
			from = at;
		} else if (*pattern && fold(*pattern) == fold(text.data[at])) {
			pattern++;
			at++;
		} else if (star) {
			/* The star takes one octet more. */
			pattern = star;
			at = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* ---- rules ------------------------------------------------------------------------------------------------------ */

static bool rule_fits(const struct verdict_rule *rule, const struct verdict_fact *fact, uint32_t enhanced)
{
	unsigned high = rule->code_high ? rule->code_high : rule->code_low;
	uint32_t enhanced_high = rule->enhanced_high ? rule->enhanced_high : rule->enhanced;

	if (rule->stages && !(rule->stages & STAGE_BIT(fact->stage)))
		return false;
	if (rule->code_low && (fact->code < rule->code_low || fact->code > high))
		return false;
	if (rule->enhanced && (enhanced < rule->enhanced || enhanced > enhanced_high))
		return false;
	return !rule->text || verdict_text_matches(rule->text, fact->text);
}

static const struct verdict_rule *find(const struct verdict_rules *rules, const struct verdict_fact *fact)
{
	uint32_t enhanced = smtp_enhanced_code(fact->code, fact->text);
	size_t i;

	for (i = 0; i < rules->count; i++) {
		if (rule_fits(&rules->rules[i], fact, enhanced))
			return &rules->rules[i];
	}
	return NULL;
}

/* The first digit (RFC 5321 4.2.1): what is no code of SMTP ends nothing for good. */
static enum verdict_action by_digit(enum stage stage, unsigned code)
{
	return code >= 500 && code < 600 && stage_has_message(stage) ? ACTION_FAIL : ACTION_DEFER;
}

struct ruling verdict_judge(const struct verdict_fact *fact, const struct verdict_rules *own)
{
	const struct verdict_rule *rule = NULL;
	struct ruling ruling = {.verdict = VERDICT_SENT};
	struct verdict_fact flat = *fact;
	char text[FLAT_MAX];

	/* A good reply is never looked up: it is the way of every message. */
	if (fact->code >= 200 && fact->code < 300)
		return ruling;
	if (fact->stage == STAGE_DATA && fact->code >= 300 && fact->code < 400)
		return ruling;
	flat.text = flatten(fact, text);
	if (own)
		rule = find(own, &flat);
	if (!rule)
		rule = find(&verdict_builtin, &flat);
	ruling.action = rule ? rule->action : by_digit(fact->stage, fact->code);
	ruling.verdict = action_verdict(ruling.action);
	if (!rule)
		return ruling;
	ruling.scope = rule->scope;
	/* Before MAIL there is no message it could be about. */
	if (ruling.verdict == VERDICT_HOLD && ruling.scope == SCOPE_MESSAGE && !stage_has_message(fact->stage))
		ruling.scope = SCOPE_HOST;
	ruling.slow_by = rule->slow_by;
	ruling.slow_s = rule->slow_s;
	ruling.reason = rule->reason;
	ruling.too_many = rule->too_many;
	ruling.say = rule->say ? rule->say : reason_say(rule->reason);
	return ruling;
}

struct ruling verdict_reply(enum stage stage, unsigned code, struct span text)
{
	const struct verdict_fact fact = {stage, code, text};

	return verdict_judge(&fact, NULL);
}

bool verdict_expired(uint64_t age_ns, uint64_t uptime_ns, uint64_t expire_ns, unsigned attempts_seen)
{
	const uint64_t hour_ns = UINT64_C(3600) * 1000000000;

	return attempts_seen >= 2 && age_ns > expire_ns && uptime_ns >= (expire_ns < hour_ns ? expire_ns : hour_ns);
}
