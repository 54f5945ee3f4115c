/*
 * core/deliver/verdict.c - see verdict.h.
 */
#include "core/deliver/verdict.h"

#include <string.h>

#include "core/smtp/enhanced.h"

_Static_assert(VERDICT_ENHANCED(5, 7, 64) == SMTP_ENHANCED(5, 7, 64), "rules and replies have one form");

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

bool verdict_text_matches(const char *pattern, struct span text)
{
	const char *star = NULL; /* behind the last star seen */
	uint32_t at = 0, from = 0;

	while (at < text.length) {
		if (*pattern == '*') {
			star = ++pattern;
			from = at;
		} else if (*pattern && verdict_fold(*pattern) == verdict_fold(text.data[at])) {
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

/* A reply as rules are asked about it. */
struct question {
	const struct verdict_fact *fact;
	uint32_t enhanced;
	uint64_t pairs; /* of its text */
};

static bool in_ranges(const struct verdict_range *ranges, size_t count, uint32_t value)
{
	for (size_t i = 0; i < count; i++) {
		if (value >= ranges[i].low && value <= ranges[i].high)
			return true;
	}
	return count == 0;
}

static bool texts_fit(const struct verdict_rule *rule, const struct question *q)
{
	for (size_t i = 0; i < rule->text_count; i++) {
		const struct verdict_pattern *pattern = &rule->texts[i];
		if ((pattern->pairs & ~q->pairs) == 0 && verdict_text_matches(pattern->text, q->fact->text))
			return true;
	}
	return rule->text_count == 0;
}

static bool rule_fits(const struct verdict_rule *rule, const struct question *q)
{
	if (rule->stages && !(rule->stages & STAGE_BIT(q->fact->stage)))
		return false;
	return in_ranges(rule->codes, rule->code_count, q->fact->code) &&
	       in_ranges(rule->enhanced, rule->enhanced_count, q->enhanced) && texts_fit(rule, q);
}

static const struct verdict_rule *find(const struct verdict_rules *rules, const struct question *q)
{
	for (; rules; rules = rules->next) {
		for (size_t i = 0; i < rules->count; i++) {
			if (rule_fits(&rules->rules[i], q))
				return &rules->rules[i];
		}
	}
	return NULL;
}

/* The first digit (RFC 5321 4.2.1): what is no code of SMTP ends nothing for good. */
static enum verdict_action by_digit(enum stage stage, unsigned code)
{
	return code >= 500 && code < 600 && stage_has_message(stage) ? ACTION_FAIL : ACTION_DEFER;
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

/* Its own words, those it refers to, those of its reason. */
static void say(const struct verdict_rule *rule, struct ruling *ruling)
{
	static const struct verdict_sentence none = {.name = NULL};
	const struct verdict_sentence *more = rule->sentence ? rule->sentence : &none;
	const struct verdict_sentence *reason = ruling->reason ? verdict_sentence(reason_name(ruling->reason)) : &none;

	reason = reason ? reason : &none;
	ruling->say = first_of(rule->own.say, more->say, reason->say);
	ruling->tell = first_of(rule->own.tell, more->tell, reason->tell);
	ruling->check = first_of(rule->own.check, more->check, reason->check);
	ruling->document = first_of(rule->own.document, more->document, reason->document);
}

/* What is to be done is not to be had here, and nobody but the operator can change that: what was refused for good
 * waits for him. */
static void make_do(struct ruling *ruling, const struct verdict_fact *fact, unsigned lacks)
{
	bool login = ruling->action == ACTION_SIGN_IN && (lacks & VERDICT_LACKS_LOGIN);
	bool path = ruling->action == ACTION_OTHER_PATH && (lacks & VERDICT_LACKS_PATH);

	if (!login && !path)
		return;
	ruling->action = fact->code >= 500 ? ACTION_HOLD : ACTION_DEFER;
	ruling->scope = login ? SCOPE_HOST : SCOPE_MESSAGE;
	if (ruling->reason == REASON_NONE)
		ruling->reason = login ? REASON_CREDENTIALS : REASON_NOT_ACCEPTED;
}

/* What a host of strangers refuses is for the sender to know, by RFC 5321 4.2.1, but where the operator's own rule says
 * otherwise. */
static void not_held(struct ruling *ruling, const struct verdict_fact *fact)
{
	if (action_verdict(ruling->action) == VERDICT_HOLD)
		ruling->action = by_digit(fact->stage, fact->code);
}

/* Apart, so that its room is not made ready for every good reply. */
__attribute__((noinline)) static struct ruling look_up(const struct verdict_fact *fact, const struct verdict_rules *own,
						       unsigned lacks)
{
	const struct verdict_rule *rule = NULL, *operators = NULL;
	struct ruling ruling = {.verdict = VERDICT_DEFER};
	struct verdict_fact flat = *fact;
	struct question question = {.fact = &flat};
	char text[FLAT_MAX];

	flat.text = flatten(fact, text);
	question.enhanced = smtp_enhanced_code(fact->code, flat.text);
	question.pairs = verdict_pairs(flat.text.data, flat.text.length, false);
	rule = operators = find(own, &question);
	if (!rule)
		rule = find(&verdict_builtin, &question);
	ruling.action = rule ? rule->action : by_digit(fact->stage, fact->code);
	ruling.scope = rule ? rule->scope : SCOPE_MESSAGE;
	ruling.reason = rule ? rule->reason : REASON_NONE;
	make_do(&ruling, fact, lacks);
	if ((lacks & VERDICT_LACKS_HOLD) && !operators)
		not_held(&ruling, fact);
	/* Before MAIL nothing speaks of a message, whatever a rule says. */
	if (ruling.action == ACTION_FAIL && !stage_has_message(fact->stage))
		ruling.action = ACTION_DEFER;
	ruling.verdict = action_verdict(ruling.action);
	if (!rule)
		return ruling;
	ruling.known = true;
	/* Before MAIL there is no message it could be about. */
	if (ruling.verdict == VERDICT_HOLD && ruling.scope == SCOPE_MESSAGE && !stage_has_message(fact->stage))
		ruling.scope = SCOPE_HOST;
	ruling.slow_by = rule->slow_by;
	ruling.slow_s = rule->slow_s;
	ruling.too_many = rule->too_many;
	say(rule, &ruling);
	return ruling;
}

/* It is never looked up: it is the way of every message. */
static bool good(const struct verdict_fact *fact)
{
	return (fact->code >= 200 && fact->code < 300) ||
	       (fact->stage == STAGE_DATA && fact->code >= 300 && fact->code < 400);
}

struct ruling verdict_judge_lacking(const struct verdict_fact *fact, const struct verdict_rules *own, unsigned lacks)
{
	return good(fact) ? (struct ruling){.verdict = VERDICT_SENT} : look_up(fact, own, lacks);
}

struct ruling verdict_judge(const struct verdict_fact *fact, const struct verdict_rules *own)
{
	return verdict_judge_lacking(fact, own, 0);
}

/* Not before MAIL, where rules go by the code alone. */
struct ruling verdict_judge_unstaged(struct verdict_fact *fact, const struct verdict_rules *own)
{
	static const enum stage order[] = {STAGE_RCPT, STAGE_MAIL, STAGE_CONTENT, STAGE_DATA, STAGE_AUTH};
	struct ruling ruling;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		fact->stage = order[i];
		ruling = verdict_judge(fact, own);
		if (ruling.known)
			return ruling;
	}
	fact->stage = order[0];
	return verdict_judge(fact, own);
}

bool verdict_stage(const char *name, enum stage *stage)
{
	for (unsigned i = 0; i < STAGE_COUNT; i++) {
		if (strcmp(stage_name((enum stage)i), name) == 0) {
			*stage = (enum stage)i;
			return true;
		}
	}
	return false;
}

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {"sent", "defer", "hold", "fail"};

	return names[verdict];
}

struct ruling verdict_reply(enum stage stage, unsigned code, struct span text)
{
	const struct verdict_fact fact = {stage, code, text};

	return verdict_judge_lacking(&fact, NULL, VERDICT_LACKS_LOGIN | VERDICT_LACKS_PATH);
}
