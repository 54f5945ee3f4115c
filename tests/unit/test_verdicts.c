/* tests/unit/test_verdicts.c - rules about replies as a file has them: the built-in ones, mistakes, and their order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/verdict.h"
#include "tests/unit/check.h"

static const char head[] = "hostname: relay.example.org\n"
			   "listeners: [{ name: a, address: \"127.0.0.1:25\" }]\n"
			   "clients: [{ name: c, networks: [127.0.0.0/8] }]\n"
			   "routes: [{ destination: d }]\n"
			   "destinations: [{ name: d, hosts: [\"mail.example.org:25\"]%s }]\n%s";

static struct config *parse(const char *own, const char *rest, struct config_problems *problems)
{
	size_t size = strlen(head) + strlen(own) + strlen(rest) + 1;
	char *text = malloc(size);
	struct config *config;

	snprintf(text, size, head, own, rest);
	config = config_parse("t.yaml", text, strlen(text), problems);
	free(text);
	return config;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_ranges(const struct verdict_range *a, size_t a_count, const struct verdict_range *b, size_t b_count)
{
	return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * sizeof(*a)) == 0);
}

static bool same(const struct verdict_rule *a, const struct verdict_rule *b)
{
	bool texts = a->text_count == b->text_count;

	for (size_t i = 0; texts && i < a->text_count; i++)
		texts = same_text(a->texts[i].text, b->texts[i].text) && a->texts[i].pairs == b->texts[i].pairs;
	return texts && a->stages == b->stages && a->slow_by == b->slow_by && a->slow_s == b->slow_s &&
	       same_ranges(a->codes, a->code_count, b->codes, b->code_count) &&
	       same_ranges(a->enhanced, a->enhanced_count, b->enhanced, b->enhanced_count) && a->action == b->action &&
	       a->scope == b->scope && a->reason == b->reason && a->too_many == b->too_many &&
	       a->sentence == b->sentence && same_text(a->own.say, b->own.say) && same_text(a->own.tell, b->own.tell) &&
	       same_text(a->own.check, b->own.check) && same_text(a->own.document, b->own.document);
}

/* The table in the program is what its file says, read as a configuration's rules are. */
static void test_builtin(void)
{
	struct config_problems problems;
	FILE *file = fopen(getenv("POSTRIDER_VERDICTS"), "r");
	static char text[200000];
	const char *rules;
	struct config *config;

	CHECK(file != NULL);
	if (!file)
		return;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	rules = strstr(text, "\nverdicts:\n");
	CHECK(rules != NULL);
	config = parse("", rules ? rules : "", &problems);
	CHECK_STR(config || problems.errors == 0 ? "" : config_problems_first(&problems), "");
	if (!config)
		return;
	CHECK_EQ(config->verdicts.count, verdict_builtin.count);
	for (size_t i = 0; i < config->verdicts.count && i < verdict_builtin.count; i++) {
		if (!same(&config->verdicts.rules[i], &verdict_builtin.rules[i]))
			fprintf(stderr, "line %u\n", verdict_builtin.rules[i].line);
		CHECK(same(&config->verdicts.rules[i], &verdict_builtin.rules[i]));
	}
	config_free(config);
}

static const struct {
	const char *rule, *problem;
} mistakes[] = {
	{"{ code: 550 }", "t.yaml:6:12: the key \"do\" is missing: write do: defer"},
	{"{ do: defer }", "t.yaml:6:12: this rule fits every refusal: write code, enhanced or text"},
	{"{ code: 250, do: defer }", "t.yaml:6:20: code: \"250\" is no refusal: write 550, 4xx or 450-459"},
	{"{ code: 5x, do: defer }", "t.yaml:6:20: code: \"5x\" is no refusal: write 550, 4xx or 450-459"},
	{"{ code: 559-550, do: defer }", "t.yaml:6:20: code: \"559-550\" is no refusal: write 550, 4xx or 450-459"},
	{"{ code: [], do: defer }", "t.yaml:6:20: code: write 1 to 64 in a list"},
	{"{ enhanced: 2.0.0, do: defer }",
	 "t.yaml:6:24: enhanced: \"2.0.0\" is no enhanced code: write 5.7.64 or 4.7.500-4.7.699"},
	{"{ enhanced: 5.7, do: defer }",
	 "t.yaml:6:24: enhanced: \"5.7\" is no enhanced code: write 5.7.64 or 4.7.500-4.7.699"},
	{"{ text: \"**\", do: defer }", "t.yaml:6:20: text: this fits every text: write some of it"},
	{"{ code: 550, do: differ }", "t.yaml:6:29: do: unknown value \"differ\"; did you mean \"defer\"?"},
	{"{ code: 550, stage: recipient, do: defer }",
	 "t.yaml:6:32: stage: unknown value \"recipient\": write one of connect, tls, greeting, ehlo, starttls, auth, "
	 "mail, rcpt, data, content, quit, set_up, envelope, message"},
	{"{ code: 550, do: sent }",
	 "t.yaml:6:29: do: a refusal can only mean that the message was sent at the end of its "
	 "content: write stage: content"},
	{"{ code: 550, do: fewer_recipients }",
	 "t.yaml:6:29: do: recipients can only be too many where one is refused: write stage: rcpt"},
	{"{ code: 550, do: defer, by: 3 }", "t.yaml:6:40: by: without effect here: it is for slow"},
	{"{ code: 550, do: hold, for: 3m }", "t.yaml:6:40: for: without effect here: it is for slow and leave_mailbox"},
	{"{ code: 550, do: fail, of: host }", "t.yaml:6:39: of: without effect here: it is for hold and slow"},
	{"{ code: 450, do: slow, by: 1 }", "t.yaml:6:39: by: 1 is out of range: write a number from 2 to 1000"},
	{"{ code: 450, do: slow, for: 100 }", "t.yaml:6:40: for: the unit is missing: write 100s, not 100"},
	{"{ code: 550, do: hold, sentence: connecter }",
	 "t.yaml:6:45: sentence: there is no sentence \"connecter\"; did you mean \"connector\"?"},
	{"{ code: 550, do: hold, say: \"a\\nb\" }", "t.yaml:6:40: say: write one line"},
};

static void test_mistakes(void)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct config_problems problems;
		char text[400];
		struct config *config;

		snprintf(text, sizeof(text), "verdicts: [%s]\n", mistakes[i].rule);
		config = parse("", text, &problems);
		CHECK(config == NULL);
		CHECK_STR(config_problems_first(&problems), mistakes[i].problem);
		config_free(config);
	}
}

/* A destination's own, the file's, the built-in ones; and the sentences likewise. */
static void test_order(void)
{
	struct config_problems problems;
	struct config *config =
		parse(", verdicts: [{ code: 550, text: \"*one*\", do: defer, say: own }]",
		      "verdicts:\n"
		      "  - { stage: message, code: 55x, text: [\"*one*\", \"*two*\"], do: hold, of: host,\n"
		      "      cause: account, say: file }\n"
		      "  - { code: 450-459, enhanced: [4.1.1, 4.7.500-4.7.699], do: fail }\n"
		      "  - { stage: content, code: 554, text: \"*already*\", do: sent }\n",
		      &problems);
	const struct verdict_rules *rules;
	struct verdict_fact fact = {STAGE_RCPT, 550, span_text("5.0.0 One\n5.0.0 or two")};
	struct ruling ruling;

	CHECK(config != NULL && problems.errors + problems.warnings == 0);
	if (!config)
		return;
	rules = config->destinations[0].rules;
	ruling = verdict_judge(&fact, rules);
	CHECK_EQ(ruling.verdict, VERDICT_DEFER);
	CHECK_STR(ruling.say, "own");
	fact.text = span_text("only two");
	ruling = verdict_judge(&fact, rules);
	CHECK_EQ(ruling.verdict, VERDICT_HOLD);
	CHECK_STR(ruling.say, "file");
	CHECK(ruling.tell == verdict_sentence("account")->tell);
	fact = (struct verdict_fact){STAGE_MAIL, 451, span_text("4.7.512 Server busy")};
	CHECK_EQ(verdict_judge(&fact, rules).verdict, VERDICT_FAIL);
	fact.text = span_text("4.7.700 Server busy");
	CHECK_EQ(verdict_judge(&fact, rules).verdict, VERDICT_DEFER);
	/* Before MAIL no rule fails a message. */
	fact = (struct verdict_fact){STAGE_GREETING, 450, span_text("4.1.1 no")};
	CHECK_EQ(verdict_judge(&fact, rules).verdict, VERDICT_DEFER);
	fact = (struct verdict_fact){STAGE_CONTENT, 554, span_text("I have that already")};
	CHECK_EQ(verdict_judge(&fact, rules).verdict, VERDICT_SENT);
	fact = (struct verdict_fact){STAGE_MAIL, 550, span_text("5.7.30 Basic authentication is not supported")};
	CHECK_EQ(verdict_judge(&fact, rules).reason, REASON_CREDENTIALS);
	config_free(config);
}

/* What a rule asks for, and there is not: what was refused for good waits for the operator. */
static void test_lacking(void)
{
	static const struct {
		enum stage stage;
		unsigned code, lacks;
		const char *text;
		enum verdict_action action;
		enum verdict_scope scope;
		enum verdict_reason reason;
	} table[] = {
		{STAGE_RCPT, 550, 0, "other", ACTION_OTHER_PATH, SCOPE_MESSAGE, REASON_NONE},
		{STAGE_RCPT, 550, VERDICT_LACKS_LOGIN, "other", ACTION_OTHER_PATH, SCOPE_MESSAGE, REASON_NONE},
		{STAGE_RCPT, 550, VERDICT_LACKS_PATH, "other", ACTION_HOLD, SCOPE_MESSAGE, REASON_NOT_ACCEPTED},
		{STAGE_RCPT, 451, VERDICT_LACKS_PATH, "other", ACTION_DEFER, SCOPE_MESSAGE, REASON_NOT_ACCEPTED},
		{STAGE_MAIL, 550, 0, "anew", ACTION_SIGN_IN, SCOPE_MESSAGE, REASON_ACCOUNT},
		{STAGE_MAIL, 550, VERDICT_LACKS_LOGIN, "anew", ACTION_HOLD, SCOPE_HOST, REASON_ACCOUNT},
		{STAGE_MAIL, 451, VERDICT_LACKS_LOGIN, "anew", ACTION_DEFER, SCOPE_HOST, REASON_ACCOUNT},
		{STAGE_MAIL, 530, 0, "who are you?", ACTION_SIGN_IN, SCOPE_MESSAGE, REASON_CREDENTIALS},
		{STAGE_MAIL, 530, VERDICT_LACKS_LOGIN, "who are you?", ACTION_HOLD, SCOPE_HOST, REASON_CREDENTIALS},
		{STAGE_CONTENT, 451, 0, "4.7.0 Your token has expired", ACTION_SIGN_IN, SCOPE_MESSAGE,
		 REASON_CREDENTIALS},
	};
	struct config_problems problems;
	struct config *config = parse("",
				      "verdicts: [{ code: 4xx-5xx, text: other, do: other_path },\n"
				      "           { code: 4xx-5xx, text: anew, do: sign_in, cause: account }]\n",
				      &problems);

	CHECK(config != NULL);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct verdict_fact fact = {table[i].stage, table[i].code, span_text(table[i].text)};
		struct ruling ruling = verdict_judge_lacking(&fact, config->destinations[0].rules, table[i].lacks);

		CHECK_EQ(ruling.action, table[i].action);
		CHECK_EQ(ruling.verdict, ruling.action == ACTION_HOLD ? VERDICT_HOLD : VERDICT_DEFER);
		CHECK_EQ(ruling.scope, table[i].scope);
		CHECK_EQ(ruling.reason, table[i].reason);
		CHECK(ruling.reason == REASON_NONE || ruling.say);
	}
	config_free(config);
}

int main(void)
{
	RUN(test_builtin);
	RUN(test_mistakes);
	RUN(test_order);
	RUN(test_lacking);
	return check_end();
}
