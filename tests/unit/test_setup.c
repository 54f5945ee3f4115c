/*
 * test_setup.c - greeting, EHLO, STARTTLS: whole conversations in a table.
 */
#include "core/deliver/setup.h"

#include "core/config/config.h"
#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
	TLS = 1,
	IMPLICIT = 2,
	IGNORE = 4,
	BEHIND = 8 /* an octet behind the last reply */,
	SIGN_IN = 16,
	HELO = 32,
	TRY = 64
};
#define SECURED "220 hi\n250-me~250 STARTTLS\n220 go\nhandshake\n"
#define SAID_SECURED "EHLO relay.example\r\nSTARTTLS\r\n?EHLO relay.example\r\n"

static const struct talk {
	const char *name;
	unsigned how;
	const char *replies; /* one a line; "~" for "\r\n" within; "handshake" for what TLS does */
	const char *said;    /* "?" where a handshake begins */
	enum setup_go go;
	enum stage stage; /* of a refusal */
	const char *why;
} talks[] = {
	{"plain", 0, "220 hi\n250 ok", "EHLO relay.example\r\n", SETUP_DONE, 0, NULL},
	{"any 2yz greets", 0, "200 hi\n220 ok", "EHLO relay.example\r\n", SETUP_DONE, 0, NULL},
	{"STARTTLS not wanted", 0, "220 hi\n250-me~250 STARTTLS", "EHLO relay.example\r\n", SETUP_DONE, 0, NULL},
	{"HELO instead", 0, "220 hi\n502 what\n250 ok", "EHLO relay.example\r\nHELO relay.example\r\n", SETUP_DONE, 0,
	 NULL},
	{"HELO once", 0, "220 hi\n502 what\n502 what", "EHLO relay.example\r\nHELO relay.example\r\n", SETUP_REFUSE,
	 STAGE_EHLO, "EHLO refused by the next hop"},
	{"HELO at once", HELO, "220 hi\n250 ok", "HELO relay.example\r\n", SETUP_DONE, 0, NULL},
	{"HELO at once is refused", HELO, "220 hi\n554 no", "HELO relay.example\r\n", SETUP_REFUSE, STAGE_EHLO,
	 "EHLO refused by the next hop"},
	{"HELO at once behind TLS", HELO | TLS | IMPLICIT, "handshake\n220 hi\n250 ok", "?HELO relay.example\r\n",
	 SETUP_DONE, 0, NULL},
	{"STARTTLS needs EHLO", HELO | TLS, "220 hi\n250-me~250 STARTTLS\n220 go\nhandshake\n250 ok", SAID_SECURED,
	 SETUP_DONE, 0, NULL},
	{"AUTH needs EHLO", HELO | TLS | IMPLICIT | SIGN_IN, "handshake\n220 hi\n250-me~250 AUTH PLAIN\n235 ok",
	 "?EHLO relay.example\r\nAUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", SETUP_DONE, 0, NULL},
	{"no HELO for a 554", 0, "220 hi\n554 no", "EHLO relay.example\r\n", SETUP_REFUSE, STAGE_EHLO,
	 "EHLO refused by the next hop"},
	{"no HELO for a 4yz", 0, "220 hi\n450 later", "EHLO relay.example\r\n", SETUP_REFUSE, STAGE_EHLO,
	 "EHLO refused by the next hop"},
	{"554 greets", 0, "554 no", "", SETUP_REFUSE, STAGE_GREETING, "refused by the next hop"},
	{"3yz greets", 0, "354 go", "", SETUP_REFUSE, STAGE_GREETING, "refused by the next hop"},
	{"421 greets", 0, "421 busy", "", SETUP_BREAK, STAGE_GREETING, "refused by the next hop"},
	{"STARTTLS", TLS, "220 hi\n250-me~250 STARTTLS\n220 go\nhandshake\n250 ok",
	 "EHLO relay.example\r\nSTARTTLS\r\n?EHLO relay.example\r\n", SETUP_DONE, 0, NULL},
	{"not offered", TLS, "220 hi\n250-me~250 PIPELINING", "EHLO relay.example\r\n", SETUP_REFUSE, STAGE_STARTTLS,
	 "TLS is required, but the next hop does not offer STARTTLS"},
	{"no HELO where TLS is wanted", TLS, "220 hi\n502 what", "EHLO relay.example\r\n", SETUP_REFUSE, STAGE_EHLO,
	 "EHLO refused by the next hop"},
	{"HELO behind TLS", TLS, "220 hi\n250-me~250 STARTTLS\n220 go\nhandshake\n502 what\n250 ok",
	 "EHLO relay.example\r\nSTARTTLS\r\n?EHLO relay.example\r\nHELO relay.example\r\n", SETUP_DONE, 0, NULL},
	{"offered and refused", TLS, "220 hi\n250-me~250 STARTTLS\n454 not now", "EHLO relay.example\r\nSTARTTLS\r\n",
	 SETUP_REFUSE, STAGE_STARTTLS, "STARTTLS refused by the next hop"},
	{"octets behind it", TLS | BEHIND, "220 hi\n250-me~250 STARTTLS\n220 go", "EHLO relay.example\r\nSTARTTLS\r\n",
	 SETUP_BREAK, STAGE_STARTTLS, "the next hop sent data behind its reply to STARTTLS"},
	{"TLS first", TLS | IMPLICIT, "handshake\n220 hi\n250 ok", "?EHLO relay.example\r\n", SETUP_DONE, 0, NULL},
	{"TLS first, then refused", TLS | IMPLICIT, "handshake\n421 busy", "?", SETUP_BREAK, STAGE_GREETING,
	 "refused by the next hop"},
	/* TLS where it can be had. */
	{"STL-07 offered", TRY, SECURED "250 ok", SAID_SECURED, SETUP_DONE, 0, NULL},
	{"STL-07 not offered", TRY, "220 hi\n250-me~250 PIPELINING", "EHLO relay.example\r\n", SETUP_DONE, 0, NULL},
	{"STL-07 an empty 250", TRY, "220 hi\n250", "EHLO relay.example\r\n", SETUP_DONE, 0, NULL},
	{"STL-07 no EHLO", TRY, "220 hi\n502 what\n250 ok", "EHLO relay.example\r\nHELO relay.example\r\n", SETUP_DONE,
	 0, NULL},
	{"STL-07 refused for now", TRY, "220 hi\n250-me~250 STARTTLS\n454 not now",
	 "EHLO relay.example\r\nSTARTTLS\r\n", SETUP_DONE, 0, NULL},
	{"STL-07 refused for good", TRY, "220 hi\n250-me~250 STARTTLS\n502 what", "EHLO relay.example\r\nSTARTTLS\r\n",
	 SETUP_DONE, 0, NULL},
	{"STL-07 530", TRY, "220 hi\n250-me~250 STARTTLS\n530 what", "EHLO relay.example\r\nSTARTTLS\r\n", SETUP_DONE,
	 0, NULL},
	{"STL-07 421 to STARTTLS", TRY, "220 hi\n250-me~250 STARTTLS\n421 bye", "EHLO relay.example\r\nSTARTTLS\r\n",
	 SETUP_BREAK, STAGE_STARTTLS, "STARTTLS refused by the next hop"},
	{"STL-07 354 to STARTTLS", TRY, "220 hi\n250-me~250 STARTTLS\n354 go", "EHLO relay.example\r\nSTARTTLS\r\n",
	 SETUP_REFUSE, STAGE_STARTTLS, "STARTTLS refused by the next hop"},
	{"STL-07 once more behind TLS", TRY, "220 hi\n250-me~250 STARTTLS\n220 go\nhandshake\n250-me~250 STARTTLS",
	 SAID_SECURED, SETUP_DONE, 0, NULL},
	{"STL-06 octets behind it", TRY | BEHIND, "220 hi\n250-me~250 STARTTLS\n220 go",
	 "EHLO relay.example\r\nSTARTTLS\r\n", SETUP_BREAK, STAGE_STARTTLS,
	 "the next hop sent data behind its reply to STARTTLS"},
	{"STL-07 nobody signs in without TLS", TRY | SIGN_IN, "220 hi\n250-me~250-AUTH PLAIN~250 STARTTLS\n454 no",
	 "EHLO relay.example\r\nSTARTTLS\r\n", SETUP_REFUSE, STAGE_STARTTLS, "STARTTLS refused by the next hop"},
	{"STL-07 nor where it is not offered", TRY | SIGN_IN, "220 hi\n250-me~250 AUTH PLAIN", "EHLO relay.example\r\n",
	 SETUP_REFUSE, STAGE_AUTH, "nobody signs in without TLS"},
	{"signed in", TLS | SIGN_IN, SECURED "250-me~250 AUTH LOGIN PLAIN\n235 ok",
	 SAID_SECURED "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", SETUP_DONE, 0, NULL},
	{"TLS first, then signed in", TLS | IMPLICIT | SIGN_IN,
	 "handshake\n220 hi\n250-me~250 AUTH LOGIN\n334 \n334 \n235 ok",
	 "?EHLO relay.example\r\nAUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\n", SETUP_DONE, 0, NULL},
	{"nobody signs in without TLS", SIGN_IN, "220 hi\n250-me~250 AUTH LOGIN PLAIN", "EHLO relay.example\r\n",
	 SETUP_REFUSE, STAGE_AUTH, "nobody signs in without TLS"},
	{"what was offered before TLS", TLS | SIGN_IN,
	 "220 hi\n250-me~250-AUTH PLAIN~250 STARTTLS\n220 go\nhandshake\n250 me", SAID_SECURED, SETUP_REFUSE,
	 STAGE_AUTH, "the next hop offers no authentication"},
	{"nothing that is known", TLS | SIGN_IN, SECURED "250-me~250 AUTH XOAUTH2", SAID_SECURED, SETUP_REFUSE,
	 STAGE_AUTH, "the next hop offers none of the mechanisms of AUTH that it is to be signed in by"},
	{"nothing to sign in by behind HELO", TLS | SIGN_IN, SECURED "502 what", SAID_SECURED, SETUP_REFUSE, STAGE_EHLO,
	 "EHLO refused by the next hop"},
	{"the password is refused", TLS | SIGN_IN, SECURED "250-me~250 AUTH LOGIN PLAIN\n535 no",
	 SAID_SECURED "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", SETUP_REFUSE, STAGE_AUTH, "the next hop refuses the login"},
	{"not now", TLS | SIGN_IN, SECURED "250-me~250 AUTH PLAIN\n454 later",
	 SAID_SECURED "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", SETUP_REFUSE, STAGE_AUTH, "the next hop refuses the login"},
	{"it leaves", TLS | SIGN_IN, SECURED "250-me~250 AUTH PLAIN\n421 bye",
	 SAID_SECURED "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", SETUP_BREAK, STAGE_AUTH, "the next hop refuses the login"},
	{"another mechanism does", TLS | SIGN_IN, SECURED "250-me~250 AUTH PLAIN LOGIN\n504 what\n334 \n334 \n235 ok",
	 SAID_SECURED "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\nAUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\n", SETUP_DONE, 0, NULL},
	{"none of the mechanisms does", TLS | SIGN_IN, SECURED "250-me~250 AUTH PLAIN LOGIN\n504 what\n534 weak",
	 SAID_SECURED "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\nAUTH LOGIN\r\n", SETUP_REFUSE, STAGE_AUTH,
	 "the next hop refuses the login"},
	{"354 to AUTH", TLS | SIGN_IN, SECURED "250-me~250 AUTH PLAIN\n354 go",
	 SAID_SECURED "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", SETUP_BREAK, STAGE_AUTH,
	 "a reply to AUTH that makes no sense"},
	{"what the operator ignores", IGNORE, "220 hi\n250-me~250-CHUNKING~250-SIZE 9~250-8BITMIME~250 PIPELINING",
	 "EHLO relay.example\r\n", SETUP_DONE, 0, NULL},
};

struct far_end {
	struct setup s;
	struct setup_next next;
	struct smtp_reply_parser parser;
	char said[512];
};

/* Says what there is to say, and listens. */
static void follow(struct far_end *f, enum setup_go go)
{
	static const struct sasl_login joe = {.user = {"joe", 3}, .secret = {"secret", 6}, .host = {"h", 1}, 25};
	size_t at = strlen(f->said);

	if (go == SETUP_LOGIN)
		go = setup_login(&f->s, &joe, &f->next);
	if (go == SETUP_SAY)
		memcpy(f->said + at, f->next.line, f->next.length);
	else if (go == SETUP_SECURE)
		f->said[at] = '?';
	smtp_reply_start(&f->parser, setup_collects(&f->s));
}

static enum setup_go hear(struct far_end *f, const char *line, size_t length, size_t behind)
{
	char text[256];
	size_t n = 0, i, consumed;

	for (i = 0; i < length; i++) {
		if (line[i] == '~')
			text[n++] = '\r';
		text[n++] = (char)(line[i] == '~' ? '\n' : line[i]);
	}
	memcpy(text + n, "\r\n", 2);
	CHECK_EQ(smtp_reply_parse(&f->parser, (const uint8_t *)text, n + 2, &consumed), SMTP_REPLY_DONE);
	return setup_reply(&f->s, &f->parser, behind, &f->next);
}

static enum setup_go hold_talk(struct far_end *f, const struct talk *talk)
{
	const struct setup_terms terms = {.hostname = "relay.example",
					  .tls = talk->how & TLS,
					  .tls_if_offered = talk->how & TRY,
					  .implicit = talk->how & IMPLICIT,
					  .helo = talk->how & HELO,
					  .mechanisms = {SASL_PLAIN, SASL_LOGIN},
					  .mechanism_count = talk->how & SIGN_IN ? 2 : 0,
					  .ignored = talk->how & IGNORE ? CONFIG_CHUNKING | CONFIG_8BITMIME : 0};
	const char *at = talk->replies;
	enum setup_go go;

	memset(f, 0, sizeof(*f));
	go = setup_begin(&f->s, &terms);
	for (; *at; follow(f, go)) {
		size_t length = strcspn(at, "\n"), behind;
		CHECK(go == SETUP_LISTEN || go == SETUP_SAY || go == SETUP_SECURE || go == SETUP_LOGIN);
		if (at == talk->replies)
			follow(f, go);
		behind = talk->how & BEHIND && at[length] == '\0';
		go = strncmp(at, "handshake", 9) == 0 ? setup_secured(&f->s, &f->next) : hear(f, at, length, behind);
		at += length + (at[length] == '\n');
	}
	return go;
}

static void test_talks(void)
{
	static struct far_end f;
	enum setup_go go;
	size_t i;

	for (i = 0; i < COUNT(talks); i++) {
		int before = check_failures;
		go = hold_talk(&f, &talks[i]);
		CHECK_EQ(go, talks[i].go);
		CHECK_STR(f.said, talks[i].said);
		if (talks[i].why) {
			CHECK_STR(f.next.why, talks[i].why);
			CHECK_EQ(f.next.stage, talks[i].stage);
		}
		CHECK((go == SETUP_DONE) == (f.s.step == SETUP_READY));
		if (check_failures != before)
			fprintf(stderr, "in: %s\n", talks[i].name);
	}
	/* The last one. */
	CHECK(f.s.extensions.pipelining && f.s.extensions.size_given);
	CHECK(!f.s.extensions.chunking && !f.s.extensions.eight_bit_mime);
}

/* What was offered before TLS counts for nothing (RFC 3207 4.2), nor what comes behind HELO. */
static void test_forgets(void)
{
	static const struct talk
		talk = {.how = TLS,
			.replies = "220 hi\n250-me~250-PIPELINING~250 STARTTLS\n220 go\nhandshake\n250-me~250 SIZE"},
		helo = {.replies = "220 hi\n500-PIPELINING~500 no\n250-a~250 PIPELINING"};
	static struct far_end f;

	CHECK_EQ(hold_talk(&f, &talk), SETUP_DONE);
	CHECK(!f.s.extensions.pipelining && !f.s.extensions.starttls && f.s.extensions.size_given);
	CHECK_EQ(hold_talk(&f, &helo), SETUP_DONE);
	CHECK(!f.s.extensions.pipelining);
}

/* Where EHLO ended it, by a reply or without: whether another connection is to say HELO. */
static void test_helo_may_do(void)
{
	static const struct {
		struct talk talk;
		bool by_reply, by_end;
	} cases[] = {
		{{.replies = "220 hi"}, false, true},
		{{.replies = "220 hi\n521 no"}, true, true},
		{{.replies = "220 hi\n554 no"}, true, true},
		{{.replies = "220 hi\n554 no", .how = TLS}, false, false},
		{{.replies = "220 hi\n421 no"}, false, true},
		{{.replies = "220 hi\n450 no"}, false, true},
		{{.replies = "handshake\n220 hi\n554 no", .how = TLS | IMPLICIT}, true, true},
		{{.replies = "handshake\n220 hi\n554 no", .how = TLS | IMPLICIT | SIGN_IN}, false, false},
		{{.replies = "220 hi\n554 no", .how = HELO}, false, false},
		{{.replies = "220 hi\n502 no\n554 no"}, false, false},
		{{.replies = "554 no"}, false, false},
	};
	static struct far_end f;

	for (size_t i = 0; i < COUNT(cases); i++) {
		(void)hold_talk(&f, &cases[i].talk);
		CHECK_EQ(f.next.helo, cases[i].by_reply);
		CHECK_EQ(setup_helo_may_do(&f.s), cases[i].by_end);
		CHECK_EQ(setup_said_helo(&f.s), cases[i].talk.how == HELO);
	}
}

int main(void)
{
	RUN(test_talks);
	RUN(test_helo_may_do);
	RUN(test_forgets);
	return check_end();
}
