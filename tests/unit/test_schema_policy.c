/*
 * tests/unit/test_schema_policy.c - what a client may say of its messages, and what is said to him otherwise.
 */
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "core/config/field_form.h"
#include "tests/unit/check.h"

static struct config *parse(const char *keys, struct config_problems *problems)
{
	char text[2048];
	int length = snprintf(text, sizeof(text),
			      "hostname: relay.example.org\n"
			      "listeners: [{ name: lan, address: \"127.0.0.1:2525\" }]\n"
			      "clients:\n"
			      "  - { name: other, networks: [192.0.2.1], from: { rewrite: never } }\n"
			      "  - { name: all, networks: [127.0.0.0/8],\n"
			      "      %s }\n"
			      "routes: [{ destination: out }]\n"
			      "destinations: [{ name: out, hosts: [\"192.0.2.2:25\"], tls: { mode: none } }]\n",
			      keys);

	return config_parse("t.yaml", text, (size_t)length, problems);
}

#define SIGNED                                                                                                         \
	": a message that was signed (DKIM) before it came here no longer fits its signature where this changes it"
#define IDLE "t.yaml:4:49: warning: from: without effect: at no destination does anybody sign in"

/* The first error, or the second warning: the first is that of the other client. */
static const struct {
	const char *keys, *problem;
} table[] = {
	{"add_missing_headers: true", ""},
	{"add_missing_headers: perhaps", "t.yaml:6:28: add_missing_headers: \"perhaps\" is neither true nor false"},
	{"remove_headers: [X-Mailer, \"X-Int-*\"]", ""},
	{"remove_headers: [Received]",
	 "t.yaml:6:24: remove_headers: \"Received\": Received is what ends loops: it stays as it is"},
	{"remove_headers: [\"re*\"]",
	 "t.yaml:6:24: remove_headers: \"re*\": Received is what ends loops: it stays as it is"},
	{"remove_headers: [\"*\"]",
	 "t.yaml:6:24: remove_headers: \"*\": Received is what ends loops: it stays as it is"},
	{"remove_headers: [From]",
	 "t.yaml:6:24: remove_headers: \"From\": who wrote a message is said by from: { address: ... }"},
	{"remove_headers: [\"X A\"]",
	 "t.yaml:6:24: remove_headers: \"X A\": a name of a field is printable ASCII without spaces and colons"},
	{"remove_headers: [Subject]", "t.yaml:6:23: warning: remove_headers" SIGNED},
	{"remove_headers: [Received-SPF]", ""},
	{"add_headers: [\"X-Office: Berlin\", X-Floor: 3]", ""},
	{"add_headers: [X-Office]", "t.yaml:6:21: add_headers: write \"X-Office: Berlin\": there is no colon"},
	{"add_headers: [\"X-A: b\\r\\nBcc: evil@example.org\"]",
	 "t.yaml:6:21: add_headers: write \"X-Office: Berlin\": a value is printable ASCII on one line; others are "
	 "written as encoded words (RFC 2047)"},
	{"add_headers: [{ X-A: [b] }]",
	 "t.yaml:6:21: add_headers: write \"X-Office: Berlin\": a value is printable ASCII on one line; others are "
	 "written as encoded words (RFC 2047)"},
	{"add_headers: [\"From: x\"]",
	 "t.yaml:6:21: add_headers: write \"X-Office: Berlin\": who wrote a message is said by from: { address: ... }"},
	{"archive: archive@example.org", ""},
	{"archive: archive", "t.yaml:6:16: archive: \"archive\" is no address: write one such as scan@example.org"},
	{"archive: \"*@example.org\"",
	 "t.yaml:6:16: archive: \"*@example.org\" is no address: write one such as scan@example.org"},
	{"from: { address: scan@example.org, name: Scans }", "t.yaml:6:13: warning: from" SIGNED},
	{"from: { address: \"a b@example.org\" }",
	 "t.yaml:6:24: address: \"a b@example.org\" is no address: write one such as scan@example.org"},
	{"from: { address: \"a@x>\\r\\nBcc: b@x\" }", "t.yaml:6:24: address: \"a@x>?"
						      "?Bcc: b@x\" is no address: write one such as scan@example.org"},
	{"from: { map: [{ from: \"*@lan.example\", to: \"*@example.org\" }, { from: \"*@*.lan.example\", to: "
	 "a@example.org }] }",
	 "t.yaml:6:13: warning: from" SIGNED},
	{"from: { map: [{ from: \"*\", to: a@example.org }] }",
	 "t.yaml:6:29: from: \"*\" is no pattern: write \"local@example.org\", \"*@example.org\" or "
	 "\"*@*.example.org\""},
	{"from: { map: [{ from: \"*@lan.example\", to: \"*@*.example.org\" }] }",
	 "t.yaml:6:50: to: \"*@*.example.org\" is no address: write one such as scan@example.org"},
	{"from: { map: [{ from: \"*@lan.example\" }] }",
	 "t.yaml:6:21: the key \"to\" is missing: write to: scan@example.org"},
	{"from: { address: a@example.org, map: [{ from: \"*@lan.example\", to: b@example.org }] }",
	 "t.yaml:6:13: from: address is for whoever it was, so that map has nothing left: write one of them"},
	{"from: { bind: true }",
	 "t.yaml:6:13: from: bind says that From names allowed senders only: write which those are, as "
	 "allowed_senders: [\"*@example.org\"]"},
	{"from: { bind: true }, allowed_senders: [\"*@example.org\"]", ""},
	{"from: { reply_to: keep }", "t.yaml:6:13: from: reply_to is without effect without address or map: remove it"},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config_problems problems;
		struct config *c = parse(table[i].keys, &problems);
		bool warning = strstr(table[i].problem, ": warning: ") != NULL;

		CHECK((c != NULL) == (warning || table[i].problem[0] == '\0'));
		CHECK_EQ(problems.count, c == NULL ? problems.count : 1u + warning);
		if (c != NULL)
			CHECK_STR(problems.list[0].text, IDLE);
		if (c == NULL || warning)
			CHECK_STR(c == NULL ? config_problems_first(&problems) : problems.list[1].text,
				  table[i].problem);
		config_free(c);
	}
}

static void test_values(void)
{
	struct config_problems problems;
	struct config *c = parse("from: { map: [{ from: \"*@lan.example\", to: \"*@example.org\" }], reply_to: keep, "
				 "bind: yes }, allowed_senders: [a@lan.example], archive: b@example.org, "
				 "add_missing_headers: true, remove_headers: [X-A, X-B], add_headers: [X-C: d]",
				 &problems);
	const struct config_policy *policy;

	CHECK(c != NULL);
	CHECK(c->clients[0].terms == NULL || c->clients[0].terms->policy == NULL);
	policy = c->clients[1].terms->policy;
	/* Sorted by name since, and found all the same. */
	CHECK(policy->from == config_from_find(c, "all", 3));
	CHECK_STR(policy->from->map[0].to, "*@example.org");
	CHECK(policy->from->bind && policy->from->reply_to == CONFIG_REPLY_TO_KEEP && policy->complete);
	CHECK_STR(policy->archive, "b@example.org");
	CHECK_EQ(policy->removed_count, 2);
	CHECK_STR(policy->added[0], "X-C: d");
	CHECK_EQ(c->limits.hops, 100);
	config_free(c);
}

static void test_field_form(void)
{
	char text[FIELD_FORM_MAX + 2];

	CHECK(field_form_problem("X-Office: Berlin") == NULL && field_form_problem("X-Empty:") == NULL);
	CHECK(field_form_problem("X-A: b\nc") && field_form_problem("X*: b") && field_form_problem(": b"));
	CHECK(field_form_problem("X-\xc3\xbc: b") && field_form_problem("X-A: \xc3\xbc"));
	CHECK(field_form_problem("rECEIVED: x") && field_form_problem("Return-Path: <a@b>"));
	CHECK(field_form_name_problem("Rec*", 4) && field_form_name_problem("", 0));
	CHECK(!field_form_name_problem("X-*", 3) && field_form_name_problem("X*Y", 3));
	memset(text, 'x', sizeof(text));
	memcpy(text, "X: ", 3);
	text[FIELD_FORM_MAX] = '\0';
	CHECK(field_form_problem(text) == NULL);
	text[FIELD_FORM_MAX] = 'x';
	text[FIELD_FORM_MAX + 1] = '\0';
	CHECK(field_form_problem(text) != NULL);
}

int main(void)
{
	RUN(test_table);
	RUN(test_values);
	RUN(test_field_form);
	return check_end();
}
