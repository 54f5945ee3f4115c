/*
 * test_smtp_sasl.c - whole exchanges of AUTH in a table, lengths at their limits, and secrets that a server repeats.
 */
#include "core/smtp/sasl.h"

#include <stdlib.h>

#include "core/smtp/base64.h"
#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* {"status":"401","schemes":"bearer","scope":"mail"} */
#define JSON "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0="

static const struct talk {
	const char *name;
	enum sasl_mechanism mechanism;
	const char *replies; /* one a line */
	const char *said;    /* "|" for CRLF */
	enum sasl_go go;
	const char *challenge;
} talks[] = {
	{"PLAIN", SASL_PLAIN, "235 ok", "AUTH PLAIN AGpvZQBzZWNyZXQ=|", SASL_DONE, ""},
	{"PLAIN, another 2yz", SASL_PLAIN, "200 ok", "AUTH PLAIN AGpvZQBzZWNyZXQ=|", SASL_DONE, ""},
	{"PLAIN refused", SASL_PLAIN, "535 no", "AUTH PLAIN AGpvZQBzZWNyZXQ=|", SASL_REFUSED, ""},
	{"PLAIN later", SASL_PLAIN, "454 not now", "AUTH PLAIN AGpvZQBzZWNyZXQ=|", SASL_REFUSED, ""},
	{"PLAIN has no more to say", SASL_PLAIN, "334 \n501 cancelled", "AUTH PLAIN AGpvZQBzZWNyZXQ=|*|", SASL_REFUSED,
	 ""},
	{"PLAIN, cancelled for ever", SASL_PLAIN, "334 \n334 ", "AUTH PLAIN AGpvZQBzZWNyZXQ=|*|", SASL_BREAK, ""},
	{"PLAIN, cancelled and let in", SASL_PLAIN, "334 \n235 ok", "AUTH PLAIN AGpvZQBzZWNyZXQ=|*|", SASL_BREAK, ""},
	{"354 is no reply to AUTH", SASL_PLAIN, "354 go on", "AUTH PLAIN AGpvZQBzZWNyZXQ=|", SASL_BREAK, ""},
	{"LOGIN", SASL_LOGIN, "334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n235 ok", "AUTH LOGIN|am9l|c2VjcmV0|", SASL_DONE, ""},
	{"LOGIN in another wording", SASL_LOGIN, "334 VXNlciBOYW1lAA==\n334 UGFzc3dvcmQA\n235 ok",
	 "AUTH LOGIN|am9l|c2VjcmV0|", SASL_DONE, ""},
	{"LOGIN without a word", SASL_LOGIN, "334 \n334 \n235 ok", "AUTH LOGIN|am9l|c2VjcmV0|", SASL_DONE, ""},
	{"LOGIN with prompts that are no base64", SASL_LOGIN, "334 Username:\n334 Password:\n235 ok",
	 "AUTH LOGIN|am9l|c2VjcmV0|", SASL_DONE, ""},
	{"LOGIN, no such user", SASL_LOGIN, "334 \n535 no", "AUTH LOGIN|am9l|", SASL_REFUSED, ""},
	{"LOGIN asks for a third", SASL_LOGIN, "334 \n334 \n334 \n501 ok", "AUTH LOGIN|am9l|c2VjcmV0|*|", SASL_REFUSED,
	 ""},
	{"LOGIN not known", SASL_LOGIN, "504 what", "AUTH LOGIN|", SASL_REFUSED, ""},
	{"XOAUTH2", SASL_XOAUTH2, "235 ok", "AUTH XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgc2VjcmV0AQE=|", SASL_DONE, ""},
	{"XOAUTH2 refused", SASL_XOAUTH2, "334 " JSON "\n535 5.7.3 no",
	 "AUTH XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgc2VjcmV0AQE=||", SASL_REFUSED,
	 "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}"},
	{"XOAUTH2 refused without a challenge", SASL_XOAUTH2, "535 5.7.3 no",
	 "AUTH XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgc2VjcmV0AQE=|", SASL_REFUSED, ""},
	{"XOAUTH2 challenged twice", SASL_XOAUTH2, "334 e30=\n334 e30=\n501 ok",
	 "AUTH XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgc2VjcmV0AQE=||*|", SASL_REFUSED, "{}"},
	{"a challenge that is no base64", SASL_XOAUTH2, "334 {\"status\":\"400\"}\n535 no",
	 "AUTH XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgc2VjcmV0AQE=||", SASL_REFUSED, "{\"status\":\"400\"}"},
	{"control octets in a challenge", SASL_XOAUTH2, "334 e30KG1sxbQ==\n535 no",
	 "AUTH XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgc2VjcmV0AQE=||", SASL_REFUSED, "{}\\n\\x1b[1m"},
	{"OAUTHBEARER", SASL_OAUTHBEARER, "235 ok",
	 "AUTH OAUTHBEARER "
	 "bixhPWpvZSwBaG9zdD1tYWlsLmV4YW1wbGUBcG9ydD01ODcBYXV0aD1CZWFyZXIgc2VjcmV0AQE=|",
	 SASL_DONE, ""},
	{"OAUTHBEARER refused", SASL_OAUTHBEARER, "334 " JSON "\n535 no",
	 "AUTH OAUTHBEARER "
	 "bixhPWpvZSwBaG9zdD1tYWlsLmV4YW1wbGUBcG9ydD01ODcBYXV0aD1CZWFyZXIgc2VjcmV0AQE=|AQ==|",
	 SASL_REFUSED, "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}"},
};

static const struct sasl_login joe = {.user = {"joe", 3}, .secret = {"secret", 6}, .host = {"mail.example", 12}, 587};

static void say(struct sasl *s, const struct sasl_login *login, char *said)
{
	char line[SASL_LINE_MAX];
	size_t length = sasl_say(s, sasl_needs_login(s) ? login : NULL, line);

	CHECK(length >= 2 && length <= SASL_LINE_MAX && memcmp(line + length - 2, "\r\n", 2) == 0);
	line[length - 2] = '|';
	strncat(said, line, length - 1);
}

static enum sasl_go hold_talk(const struct talk *talk, struct sasl *s, char *said)
{
	enum sasl_go go = SASL_SAY;

	sasl_begin(s, talk->mechanism);
	for (const char *at = talk->replies; *at;) {
		size_t length = strcspn(at, "\n");

		CHECK_EQ(go, SASL_SAY);
		say(s, &joe, said);
		go = sasl_hear(s, (unsigned)atoi(at), (struct span){at + 4, (uint32_t)length - 4});
		at += length + (at[length] == '\n');
	}
	return go;
}

static void test_talks(void)
{
	for (size_t i = 0; i < COUNT(talks); i++) {
		int before = check_failures;
		char said[400] = "";
		struct sasl s;

		CHECK_EQ(hold_talk(&talks[i], &s, said), talks[i].go);
		CHECK_STR(said, talks[i].said);
		CHECK_STR(s.challenge, talks[i].challenge);
		if (check_failures != before)
			fprintf(stderr, "in: %s\n", talks[i].name);
	}
}

/* The command alone, and the response behind 334, where both together are longer than a command may be. */
static void test_long(void)
{
	static char token[SASL_SECRET_MAX], user[SASL_USER_MAX], host[SASL_HOST_MAX], said[3 * SASL_LINE_MAX];
	struct sasl_login login = {{"joe", 3}, {token, 0}, {"mail.example", 12}, 587};
	struct sasl s;

	memset(token, 't', sizeof(token));
	memset(user, '=', sizeof(user));
	memset(host, 'h', sizeof(host));
	for (uint32_t length = 0; length < 600; length++) {
		size_t whole = 13 + BASE64_LENGTH(length + 23u) + 2; /* "AUTH XOAUTH2 ", "user=joe^Aauth=Bearer ^A^A" */
		login.secret.length = length;
		sasl_begin(&s, SASL_XOAUTH2);
		said[0] = '\0';
		say(&s, &login, said);
		CHECK_EQ(strcmp(said, "AUTH XOAUTH2|") == 0, whole > SASL_COMMAND_MAX);
	}
	/* Everything as long as it may be. */
	login = (struct sasl_login){{user, SASL_USER_MAX}, {token, SASL_SECRET_MAX}, {host, SASL_HOST_MAX}, 65535};
	for (int m = 0; m < SASL_MECHANISMS; m++) {
		sasl_begin(&s, m);
		said[0] = '\0';
		while (sasl_needs_login(&s)) {
			say(&s, &login, said);
			CHECK_EQ(sasl_hear(&s, 334, (struct span){"", 0}), SASL_SAY);
		}
	}
}

static void test_escapes(void)
{
	const struct sasl_login login = {{"a,b=c", 5}, {"t", 1}, {"h", 1}, 1};
	uint8_t plain[100];
	char line[SASL_LINE_MAX];
	struct sasl s;
	size_t length;
	ssize_t n;

	sasl_begin(&s, SASL_OAUTHBEARER);
	length = sasl_say(&s, &login, line);
	n = base64_decode(line + 17, length - 19, plain);
	CHECK_EQ(n, 44);
	CHECK(memcmp(plain, "n,a=a=2Cb=3Dc,\1host=h\1port=1\1auth=Bearer t\1\1", 44) == 0);
}

static void test_conceal(void)
{
	static const struct {
		enum sasl_mechanism mechanism;
		const char *secret, *text, *safe;
	} cases[] = {
		{SASL_PLAIN, "correct horse", "500 what is AGpvZQBjb3JyZWN0IGhvcnNl?",
		 "500 what is ************************?"},
		{SASL_PLAIN, "correct horse", "AUTH PLAIN AGpvZQBjb3Jy...", "AUTH PLAIN ************..."},
		{SASL_PLAIN, "correct horse", "user joe, password correct horse", "user joe, password *************"},
		{SASL_LOGIN, "correct horse", "Y29ycmVjdCBob3JzZQ== is wrong", "******************** is wrong"},
		{SASL_LOGIN, "abc", "abcabc YWJj abd", "****** **** abd"},
		{SASL_LOGIN, "correct horse", "535 5.7.8 incorrect", "535 5.7.8 incorrect"},
		{SASL_XOAUTH2, "eyJ0eXAiOiJKV1Q", "token eyJ0eXAiOiJKV1Q for joe", "token *************** for joe"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sasl_login login = {{"joe", 3}, span_text(cases[i].secret), {"h", 1}, 25};
		char text[100];
		struct sasl s;

		sasl_begin(&s, cases[i].mechanism);
		strcpy(text, cases[i].text);
		sasl_conceal(&s, &login, text, strlen(text));
		CHECK_STR(text, cases[i].safe);
	}
}

static void test_names(void)
{
	CHECK_EQ(sasl_by_name(span_text("oauthbearer")), SASL_OAUTHBEARER);
	CHECK_EQ(sasl_by_name(span_text("PLAIN")), SASL_PLAIN);
	CHECK_EQ(sasl_by_name(span_text("PLAI")), -1);
	CHECK_EQ(sasl_by_name(span_text("")), -1);
	CHECK_STR(sasl_name(SASL_XOAUTH2), "XOAUTH2");
}

int main(void)
{
	RUN(test_talks);
	RUN(test_long);
	RUN(test_escapes);
	RUN(test_conceal);
	RUN(test_names);
	return check_end();
}
