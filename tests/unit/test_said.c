/* tests/unit/test_said.c - replies of mail servers as people paste them. */
#include "core/tools/said.h"
#include "tests/unit/check.h"

static const struct {
	const char *pasted;
	unsigned code; /* 0: no refusal */
	const char *text;
	const char *stage; /* NULL: not said */
} rows[] = {
	{"550 5.7.64 TenantAttribution; Relay Access Denied", 550, "5.7.64 TenantAttribution; Relay Access Denied",
	 NULL},
	{"550", 550, "", NULL},
	{"450 ", 450, "", NULL},
	{"550-5.7.1 one\r\n550 5.7.1 two\r\n", 550, "5.7.1 one \n5.7.1 two", NULL},
	{"550-5.7.26 one 550-5.7.26 two 550 5.7.26 three", 550, "5.7.26 one\n5.7.26 two\n5.7.26 three", NULL},
	/* Postfix, to=, relay= and the port before it. */
	{"to=<a@example.net>, relay=m.example.net[192.0.2.1]:587, delay=450, status=bounced (host "
	 "m.example.net[192.0.2.1] "
	 "said: 550 5.7.60 SMTP; Client does not have permissions (in reply to end of DATA command))",
	 550, "5.7.60 SMTP; Client does not have permissions", "content"},
	{"status=deferred (SASL authentication failed; server smtp.example.net[192.0.2.1] said: 535 5.7.139 "
	 "Authentication unsuccessful)",
	 535, "5.7.139 Authentication unsuccessful", NULL},
	{"connected to port 587 first; said: 454 Throttling failure (in reply to DATA command)", 454,
	 "Throttling failure", "data"},
	{"said: 432 4.3.2 Concurrent (in reply to MAIL FROM command)", 432, "4.3.2 Concurrent", "mail"},
	{"said: 554 no (in reply to RCPT TO command)", 554, "no", "rcpt"},
	{"said: 554 no (in reply to EHLO command)", 554, "no", "ehlo"},
	{"said: 554 no (in reply to something else)", 554, "no", NULL},
	/* Bounces of Exchange. */
	{"Remote Server returned '550 5.7.68 TenantInboundAttribution'", 550, "5.7.68 TenantInboundAttribution", NULL},
	{"#< #5.7.60 smtp;5.7.60 SMTP; Client", 550, "5.7.60 smtp;5.7.60 SMTP; Client", NULL},
	{"4.7.500 Server busy", 450, "4.7.500 Server busy", NULL},
	/* What is no refusal. */
	{"", 0, "", NULL},
	{"250 2.0.0 ok", 0, "", NULL},
	{"smtp.example.net:587 at 192.0.2.450 in 1500 ms", 0, "", NULL},
	{"version 14.5.7.1", 0, "", NULL},
};

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct said said;
		bool found = said_parse(rows[i].pasted, strlen(rows[i].pasted), &said);
		char text[SAID_TEXT_MAX + 1];

		snprintf(text, sizeof(text), "%.*s", (int)said.length, said.text);
		CHECK_EQ(found, rows[i].code != 0);
		CHECK_EQ(said.code, rows[i].code);
		CHECK_STR(text, rows[i].text);
		CHECK_STR(said.staged ? stage_name(said.stage) : "", rows[i].stage ? rows[i].stage : "");
	}
}

static void test_long(void)
{
	static char text[5000] = "550 ";
	struct said said;

	memset(text + 4, 'a', sizeof(text) - 4);
	CHECK(said_parse(text, sizeof(text), &said));
	CHECK_EQ(said.length, SAID_TEXT_MAX);
}

int main(void)
{
	RUN(test_rows);
	RUN(test_long);
	return check_end();
}
