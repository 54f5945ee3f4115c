/*
 * core/config/schema_verdict.c - see schema_verdict.h.
 */
#include "core/config/schema_verdict.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/schema_fields.h"

#define SET_UP (STAGE_BIT(STAGE_GREETING) | STAGE_BIT(STAGE_EHLO) | STAGE_BIT(STAGE_STARTTLS))
#define ENVELOPE (STAGE_BIT(STAGE_MAIL) | STAGE_BIT(STAGE_RCPT) | STAGE_BIT(STAGE_DATA))

enum {
	VERDICTS_MAX = 1000,
	SEVERAL_MAX = 64, /* codes or texts of one rule */
	TEXT_MAX = 400,   /* of a pattern; a reply is compared up to its 512th octet */
	SENTENCE_MAX = 500,
	DO_FEWER = ACTION_COUNT, /* DEFER, and it is only too many for one transaction */
	SLOW_BY = 2,             /* where the rule does not say */
	SLOW_S = 900,
};

/* `one` for each value of a list, or for the value that stands there alone. */
typedef bool one_fn(struct reader *r, const struct reader_value *value, struct verdict_rule *rule, size_t index);

static bool read_several(struct reader *r, const struct reader_value *value, struct verdict_rule *rule, one_fn *one)
{
	const yaml_node_t *node = value->node;
	bool ok = true;

	if (node->type != YAML_SEQUENCE_NODE)
		return one(r, value, rule, 0);
	size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (count == 0 || count > SEVERAL_MAX)
		return reader_fail(r, &node->start_mark, "%s: write 1 to %d in a list", value->name, SEVERAL_MAX);
	for (size_t i = 0; i < count; i++) {
		struct reader_value item = *value;
		item.node = yaml_document_get_node(r->document, node->data.sequence.items.start[i]);
		ok &= one(r, &item, rule, i);
	}
	return ok;
}

static size_t values(const struct reader_value *value)
{
	const yaml_node_t *node = value->node;

	return node->type != YAML_SEQUENCE_NODE
		       ? 1
		       : (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

/* ---- when ------------------------------------------------------------------------------------------------------- */

static bool read_stage(struct reader *r, const struct reader_value *value, struct verdict_rule *rule, size_t index)
{
	static const struct reader_choice words[] = {
		{"connect", STAGE_BIT(STAGE_CONNECT), false},
		{"tls", STAGE_BIT(STAGE_TLS), false},
		{"greeting", STAGE_BIT(STAGE_GREETING), false},
		{"ehlo", STAGE_BIT(STAGE_EHLO), false},
		{"starttls", STAGE_BIT(STAGE_STARTTLS), false},
		{"auth", STAGE_BIT(STAGE_AUTH), false},
		{"mail", STAGE_BIT(STAGE_MAIL), false},
		{"rcpt", STAGE_BIT(STAGE_RCPT), false},
		{"data", STAGE_BIT(STAGE_DATA), false},
		{"content", STAGE_BIT(STAGE_CONTENT), false},
		{"quit", STAGE_BIT(STAGE_QUIT), false},
		{"set_up", SET_UP, false},
		{"envelope", ENVELOPE, false},
		{"message", ENVELOPE | STAGE_BIT(STAGE_CONTENT), false},
		{NULL, 0, false},
	};
	const struct reader_field word = {.name = value->name, .detail = words};
	int bits = 0;

	if (!reader_choice_word(r, &word, value, &bits))
		return false;
	rule->stages |= (uint16_t)bits;
	return true;
}

static bool read_stages(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	return read_several(r, value, object, read_stage);
}

/* "550" or "4xx": what it begins and ends with. */
static bool parse_code(const char *text, size_t length, uint32_t *low, uint32_t *high)
{
	if (length != 3 || text[0] < '4' || text[0] > '5')
		return false;
	*low = *high = 0;
	for (size_t i = 0; i < length; i++) {
		bool any = i > 0 && (text[i] == 'x' || text[i] == 'y');
		if (!any && (text[i] < '0' || text[i] > '9'))
			return false;
		*low = *low * 10 + (any ? 0 : (uint32_t)(text[i] - '0'));
		*high = *high * 10 + (any ? 9 : (uint32_t)(text[i] - '0'));
	}
	return true;
}

/* "4.7.500". */
static bool parse_enhanced(const char *text, size_t length, uint32_t *low, uint32_t *high)
{
	char copy[16], rest;
	unsigned class, subject, detail;

	if (length >= sizeof(copy) || strspn(text, "0123456789.") < length)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (sscanf(copy, "%3u.%3u.%3u%c", &class, &subject, &detail, &rest) != 3 || class < 4 || class > 5)
		return false;
	*low = *high = VERDICT_ENHANCED(class, subject, detail);
	return true;
}

typedef bool parse_fn(const char *text, size_t length, uint32_t *low, uint32_t *high);

/* One, or two with a hyphen between. */
static bool parse_range(const char *text, parse_fn *parse, struct verdict_range *range)
{
	const char *hyphen = strchr(text, '-');
	uint32_t between;

	if (!hyphen)
		return parse(text, strlen(text), &range->low, &range->high);
	return parse(text, (size_t)(hyphen - text), &range->low, &between) &&
	       parse(hyphen + 1, strlen(hyphen + 1), &between, &range->high) && range->low <= range->high;
}

static bool read_code(struct reader *r, const struct reader_value *value, struct verdict_rule *rule, size_t index)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!parse_range(text, parse_code, (struct verdict_range *)rule->codes + index))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.40s\" is no refusal: write 550, 4xx or 450-459", value->name, text);
	return true;
}

static bool read_enhanced_code(struct reader *r, const struct reader_value *value, struct verdict_rule *rule,
			       size_t index)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!parse_range(text, parse_enhanced, (struct verdict_range *)rule->enhanced + index))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.40s\" is no enhanced code: write 5.7.64 or 4.7.500-4.7.699", value->name,
				   text);
	return true;
}

/* Room for as many as are written. */
static bool read_ranges(struct reader *r, const struct reader_value *value, struct verdict_rule *rule,
			const struct verdict_range **ranges, size_t *count, one_fn *one)
{
	*ranges = calloc(values(value) + 1, sizeof(struct verdict_range));
	if (*ranges == NULL)
		return reader_fail_memory(r, &value->node->start_mark);
	*count = values(value);
	return read_several(r, value, rule, one);
}

static bool read_codes(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	struct verdict_rule *rule = object;

	return read_ranges(r, value, rule, &rule->codes, &rule->code_count, read_code);
}

static bool read_enhanced(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			  void *object)
{
	struct verdict_rule *rule = object;

	return read_ranges(r, value, rule, &rule->enhanced, &rule->enhanced_count, read_enhanced_code);
}

static bool read_pattern(struct reader *r, const struct reader_value *value, struct verdict_rule *rule, size_t index)
{
	struct verdict_pattern *pattern = (struct verdict_pattern *)rule->texts + index;
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (text[strspn(text, "*")] == '\0')
		return reader_fail(r, &value->node->start_mark, "%s: this fits every text: write some of it",
				   value->name);
	if (strlen(text) > TEXT_MAX)
		return reader_fail(r, &value->node->start_mark, "%s: write at most %d octets", value->name, TEXT_MAX);
	if (strchr(text, '*') == NULL)
		reader_warn(r, &value->node->start_mark,
			    "%s: fits a reply of exactly these words: write \"*%.80s*\" for any that has them",
			    value->name, text);
	pattern->pairs = verdict_pairs(text, strlen(text), true);
	pattern->text = strdup(text);
	return pattern->text != NULL || reader_fail_memory(r, &value->node->start_mark);
}

static bool read_texts(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	struct verdict_rule *rule = object;

	rule->texts = calloc(values(value) + 1, sizeof(*rule->texts));
	if (rule->texts == NULL)
		return reader_fail_memory(r, &value->node->start_mark);
	rule->text_count = values(value);
	return read_several(r, value, rule, read_pattern);
}

/* ---- what then -------------------------------------------------------------------------------------------------- */

static bool read_do(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	static const struct reader_choice words[] = {
		{"sent", ACTION_SENT, false},
		{"defer", ACTION_DEFER, false},
		{"fail", ACTION_FAIL, false},
		{"hold", ACTION_HOLD, false},
		{"slow", ACTION_SLOW, false},
		{"sign_in", ACTION_SIGN_IN, false},
		{"leave_mailbox", ACTION_LEAVE_MAILBOX, false},
		{"other_path", ACTION_OTHER_PATH, false},
		{"fewer_recipients", DO_FEWER, false},
		{NULL, 0, false},
	};
	const struct reader_field word = {.name = value->name, .detail = words};
	struct verdict_rule *rule = object;
	int action = 0;

	if (!reader_choice_word(r, &word, value, &action))
		return false;
	rule->too_many = action == DO_FEWER;
	rule->action = rule->too_many ? ACTION_DEFER : (enum verdict_action)action;
	return true;
}

static bool read_seconds(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const struct reader_field duration = {.name = field->name, .least = SECONDS, .most = 7 * DAYS};
	struct verdict_rule *rule = object;
	uint64_t ns = 0;

	if (!reader_duration(r, &duration, value, &ns))
		return false;
	rule->slow_s = (uint32_t)(ns / SECONDS);
	return true;
}

static bool read_by(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const struct reader_field number = {.name = field->name, .least = 2, .most = 1000};
	struct verdict_rule *rule = object;
	unsigned by = 0;

	if (!reader_number(r, &number, value, &by))
		return false;
	rule->slow_by = (uint16_t)by;
	return true;
}

static bool read_sentence(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			  void *object)
{
	struct verdict_rule *rule = object;
	const char *text = reader_text(r, value);
	struct reader_hint hint;

	if (text == NULL)
		return false;
	rule->sentence = verdict_sentence(text);
	if (rule->sentence != NULL)
		return true;
	reader_hint_init(&hint);
	for (size_t i = 0; i < verdict_sentence_count; i++)
		reader_hint_offer(&hint, text, verdict_sentences[i].name);
	return reader_fail(r, &value->node->start_mark, "%s: there is no sentence \"%.80s\"%s", value->name, text,
			   hint.text);
}

/* Words for people: what goes to events and reports. */
static bool read_words(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (strlen(text) > SENTENCE_MAX)
		return reader_fail(r, &value->node->start_mark, "%s: write at most %d octets", value->name,
				   SENTENCE_MAX);
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return reader_fail(r, &value->node->start_mark, "%s: write one line", value->name);
	}
	return reader_keep(r, field, value, object, text);
}

static const struct reader_choice scopes[] = {
	{"message", SCOPE_MESSAGE, false},
	{"host", SCOPE_HOST, false},
	{"mailbox", SCOPE_MAILBOX, false},
	{"destination", SCOPE_DESTINATION, false},
	{NULL, 0, false},
};
static const struct reader_choice causes[] = {
	{"client", REASON_CLIENT, false},
	{"blocked", REASON_BLOCKED, false},
	{"ehlo", REASON_EHLO, false},
	{"tls", REASON_TLS, false},
	{"credentials", REASON_CREDENTIALS, false},
	{"sender", REASON_SENDER, false},
	{"relay", REASON_RELAY, false},
	{"account", REASON_ACCOUNT, false},
	{"not_accepted", REASON_NOT_ACCEPTED, false},
	{NULL, 0, false},
};

#define RULE(member) offsetof(struct verdict_rule, member)
static const struct reader_field rule_fields[] = {
	FIELD("stage", read_stages, 0),
	FIELD("code", read_codes, 0),
	FIELD("enhanced", read_enhanced, 0),
	FIELD("text", read_texts, 0),
	FIELD_REQUIRED("do", read_do, 0, "do: defer"),
	FIELD_CHOICE("of", RULE(scope), scopes),
	FIELD_CHOICE("cause", RULE(reason), causes),
	FIELD("by", read_by, 0),
	FIELD("for", read_seconds, 0),
	FIELD("sentence", read_sentence, 0),
	FIELD("say", read_words, RULE(own.say)),
	FIELD("tell", read_words, RULE(own.tell)),
	FIELD("check", read_words, RULE(own.check)),
	FIELD("document", read_words, RULE(own.document)),
	FIELDS_END,
};

/* A key that would do nothing beside this action. */
static bool without_effect(struct reader *r, const yaml_node_t *node, const char *key, const char *needs)
{
	const yaml_node_t *value = reader_find(r, node, key);

	return value == NULL || reader_fail(r, &value->start_mark, "%s: without effect here: it is for %s", key, needs);
}

static bool check_rule(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	struct verdict_rule *rule = (struct verdict_rule *)items + index;
	bool slow = rule->action == ACTION_SLOW, hold = rule->action == ACTION_HOLD;

	rule->line = (unsigned)node->start_mark.line + 1;
	rule->preset = node->start_mark.index >= READER_PRESET;
	if (rule->code_count + rule->enhanced_count + rule->text_count == 0)
		return reader_fail(r, &node->start_mark, "this rule fits every refusal: write code, enhanced or text");
	/* Whatever else is refused, the message is not there yet. */
	if (rule->action == ACTION_SENT && rule->stages != STAGE_BIT(STAGE_CONTENT))
		return reader_fail(r, &reader_find(r, node, "do")->start_mark,
				   "do: a refusal can only mean that the message was sent at the end of its content: "
				   "write stage: content");
	if (rule->too_many && rule->stages != STAGE_BIT(STAGE_RCPT))
		return reader_fail(r, &reader_find(r, node, "do")->start_mark,
				   "do: recipients can only be too many where one is refused: write stage: rcpt");
	if ((!slow && !without_effect(r, node, "by", "slow")) ||
	    (!slow && rule->action != ACTION_LEAVE_MAILBOX &&
	     !without_effect(r, node, "for", "slow and leave_mailbox")) ||
	    (!slow && !hold && !without_effect(r, node, "of", "hold and slow")))
		return false;
	if (slow) {
		rule->scope = reader_find(r, node, "of") ? rule->scope : SCOPE_MAILBOX;
		rule->slow_by = rule->slow_by ? rule->slow_by : SLOW_BY;
		rule->slow_s = rule->slow_s ? rule->slow_s : SLOW_S;
	}
	if (hold && rule->reason == REASON_NONE)
		rule->reason = REASON_NOT_ACCEPTED;
	return true;
}

static const struct reader_list list = {
	.size = sizeof(struct verdict_rule),
	.count_offset = offsetof(struct config_verdicts, count),
	.item = {.name = "verdicts",
		 .read = reader_section,
		 .detail = rule_fields,
		 .example = "{ stage: mail, code: 550, text: \"*not today*\", do: defer }"},
	.check = check_rule,
};

bool schema_verdicts(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	static const struct reader_field items =
		FIELD_LIST("verdicts", offsetof(struct config_verdicts, rules), VERDICTS_MAX, &list,
			   "[{ code: 550, text: \"*not today*\", do: defer }]");

	return reader_items(r, &items, value, (char *)object + field->offset);
}

void schema_verdicts_free(struct config_verdicts *verdicts)
{
	for (size_t i = 0; i < verdicts->count; i++) {
		struct verdict_rule *rule = &verdicts->rules[i];
		for (size_t j = 0; j < rule->text_count; j++)
			free((char *)rule->texts[j].text);
		free((void *)rule->texts);
		free((void *)rule->codes);
		free((void *)rule->enhanced);
		free((char *)rule->own.say);
		free((char *)rule->own.tell);
		free((char *)rule->own.check);
		free((char *)rule->own.document);
	}
	free(verdicts->rules);
}

/* Those of a preset stand behind the destination's own, and are asked behind those of the whole file. */
static bool order(const struct config *config, struct config_destination *destination)
{
	const struct config_verdicts *all = &destination->verdicts;
	struct verdict_rules *rules = calloc(3, sizeof(*rules));
	size_t own = 0;

	if (rules == NULL)
		return false;
	while (own < all->count && !all->rules[own].preset)
		own++;
	rules[0] = (struct verdict_rules){all->rules, own, &rules[1]};
	rules[1] = (struct verdict_rules){config->verdicts.rules, config->verdicts.count, &rules[2]};
	rules[2] = (struct verdict_rules){all->count > own ? all->rules + own : NULL, all->count - own, NULL};
	destination->rules = rules;
	return true;
}

bool schema_verdicts_finish(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->document);

	for (size_t i = 0; i < r->config->destination_count; i++) {
		if (!order(r->config, &r->config->destinations[i]))
			return reader_fail_memory(r, &root->start_mark);
	}
	return true;
}
