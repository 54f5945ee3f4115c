/*
 * tests/unit/test_schema_sender.c - `sender: match` and the mailboxes' `senders`: what is taken, and what is said else.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/config.h"
#include "tests/unit/check.h"

static void test_match(void)
{
	static const struct {
		const char *mailboxes, *sender, *more, *problem; /* the first error or warning, or "" */
	} table[] = {
		{"{ user: a@example.org, password_file: p }", "match", "", ""},
		{"{ user: relay, password_file: p, senders: [\"*@example.org\", s@example.org, \"<>\", \"*\"] }",
		 "match", "", ""},
		{"{ user: relay, password_file: p }", "match", "",
		 "t.yaml:9:13: sender: the user \"relay\" is no address that mail could come from: write senders: "
		 "[\"scan@example.org\"] beside it"},
		{"{ user: a@example.org, password_file: p, senders: [\"a*@example.org\"] }", "match", "",
		 "t.yaml:8:68: senders: \"a*@example.org\" is no pattern: write \"local@example.org\", "
		 "\"*@example.org\", \"*@*.example.org\", \"<>\", or \"*\" for those that nobody else may send as"},
		{"{ user: a@example.org, password_file: p, senders: [] }", "match", "",
		 "t.yaml:8:67: senders: the list is empty: write at least one, as in [\"*@example.org\"]"},
		{"{ user: a@example.org, password_file: p, senders: [\"*\"] }", "keep", "",
		 "t.yaml:8:16: mailboxes: senders is without effect without sender: match: write that beside "
		 "mailboxes, or remove it"},
		{"{ user: a@example.org, password_file: p }", "match", ", fallback: other",
		 "t.yaml:9:13: sender: match goes with no fallback, neither of this destination nor as another's: "
		 "write sender: mailbox, or remove the fallback"},
	};
	FILE *file = fopen("p", "w");

	CHECK(file && fputs("secret\n", file) > 0 && fclose(file) == 0 && chmod("p", 0600) == 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config_problems problems;
		char text[2048];
		int length = snprintf(text, sizeof(text),
				      "hostname: relay.example.org\n"
				      "listeners: [{ name: lan, address: \"127.0.0.1:2525\" }]\n"
				      "clients: [{ name: all, networks: [127.0.0.0/8] }]\n"
				      "routes: [{ destination: out }]\n"
				      "destinations:\n"
				      "  - { name: other, hosts: [\"mail.example.org:25\"], tls: { mode: verify } }\n"
				      "  - { name: out, hosts: [\"mail.example.org:25\"], tls: { mode: verify },\n"
				      "    mailboxes: [%s],\n"
				      "    sender: %s%s }\n",
				      table[i].mailboxes, table[i].sender, table[i].more);
		struct config *c = config_parse("t.yaml", text, (size_t)length, &problems);

		CHECK_STR(config_problems_first(&problems), table[i].problem);
		CHECK((c != NULL) == (table[i].problem[0] == '\0'));
		if (c)
			CHECK_EQ(c->destinations[1].sender, CONFIG_SENDER_MATCH);
		config_free(c);
	}
	CHECK_EQ(unlink("p"), 0);
}

int main(void)
{
	RUN(test_match);
	return check_end();
}
