/*
 * test_exchange.c - what is said for one attempt, and what replies mean: whole conversations in a table.
 *
 * The far end is a list of replies; each comes when everything has been written that can be.
 */
#include "core/deliver/exchange.h"

#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
	SIZE = 1,
	EIGHT_BIT = 2,
	RESET = 4,
	BEHIND = 8,
	LATER = 16,
	NO_ROUNDS = 32,
	TAKEN = 64,
	HIGH_OCTETS = 128,
	HEADED = 256,
	LACKING = 512,
	DSN = 1024,      /* the host offers it */
	WISHES = 2048,   /* the message asks for reports */
	STRICT = 4096,   /* and for TLS */
	ARCHIVED = 8192, /* its recipient 2 is an archive */
	NAMED = 16384,
};
enum { RECIPIENTS_MAX = 12, SAID_MAX = 2048 };

struct talk {
	const char *name;
	enum exchange_mode mode;
	unsigned how;
	const char *statuses; /* of the recipients: p(ending), d(elivered), f(ailed) */
	const char *pieces;   /* of content, with "|" between them; HEADED: up to "/" it goes for ".H\r\n" */
	const char *replies;  /* one a line */
	const char *said;     /* a command each line, content in braces; "." where a reply came */
	const char *results;  /* a letter each: - a(ccepted) s(ent) d(eferred) h(eld) f(ailed) o(ther path) */
	enum exchange_go go;
	enum exchange_break why;
	unsigned signs; /* of all replies */
};

static const struct talk talks[] = {
	/* ---- one command at a time ---- */
	{"lockstep", MODE_LOCKSTEP, 0, "p", "a\r\n", "250 ok\n250 ok\n354 go\n250 taken",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.DATA\n.{a\r\n}{.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	{"parameters", MODE_LOCKSTEP, SIZE | EIGHT_BIT | HIGH_OCTETS, "p", "abc\r\n", "250\n250\n354\n250",
	 "MAIL FROM:<s@a> SIZE=5 BODY=8BITMIME\n.RCPT TO:<r0@b>\n.DATA\n.{abc\r\n}{.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	{"dots and no line end", MODE_LOCKSTEP, 0, "p", ".a\r\n..\r\nb", "250\n250\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.DATA\n.{..a\r\n...\r\nb}{\r\n.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	{"only those pending", MODE_LOCKSTEP, 0, "dpfp", "", "250\n250\n250\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r1@b>\n.RCPT TO:<r3@b>\n.DATA\n.{.\r\n}.", "-s-s", EXCHANGE_OVER, 0, 0},
	{"any 3yz asks for content", MODE_LOCKSTEP, 0, "p", "", "250\n250\n350 go\n220 taken",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.DATA\n.{.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	{"MAIL refused for now", MODE_LOCKSTEP, 0, "pp", "", "451 later", "MAIL FROM:<s@a>\n.", "dd", EXCHANGE_OVER, 0,
	 HEARD_RESET},
	{"MAIL refused for good", MODE_LOCKSTEP, 0, "pp", "", "550 no", "MAIL FROM:<s@a>\n.", "ff", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_NOT_PLAIN},
	{"one of two refused", MODE_LOCKSTEP, 0, "pp", "", "250\n550 5.1.1 unknown\n250\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.DATA\n.{.\r\n}.", "fs", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_RECIPIENT},
	{"both refused", MODE_LOCKSTEP, 0, "pp", "", "250\n550 no\n450 later",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.", "fd", EXCHANGE_OVER, 0, HEARD_RESET | HEARD_RECIPIENT},
	{"DATA refused", MODE_LOCKSTEP, 0, "pp", "", "250\n250\n250\n452 full",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.DATA\n.", "dd", EXCHANGE_OVER, 0, HEARD_RESET},
	{"content refused", MODE_LOCKSTEP, 0, "pp", "", "250\n250\n550 no\n354\n554 spam",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.DATA\n.{.\r\n}.", "ff", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_RECIPIENT},
	{"too many for one transaction", MODE_LOCKSTEP, 0, "ppp", "",
	 "250\n250\n452 4.5.3 too many\n452 4.5.3 too many\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.RCPT TO:<r2@b>\n.DATA\n.{.\r\n}.", "s--", EXCHANGE_OVER,
	 0, HEARD_RESET | HEARD_RECIPIENT},
	{"refused for what we are", MODE_LOCKSTEP, 0, "pp", "", "250\n554 relay access denied\n554 relay access denied",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.", "hh", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_RECIPIENT | HEARD_HELD | HEARD_HELD_BEFORE},
	{"3yz to MAIL makes no sense", MODE_LOCKSTEP, 0, "p", "", "354 go", "MAIL FROM:<s@a>\n.", "-", EXCHANGE_BREAK,
	 BREAK_UNEXPECTED, 0},
	{"250 to DATA makes no sense", MODE_LOCKSTEP, 0, "p", "", "250\n250\n250 ok",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.DATA\n.", "a", EXCHANGE_BREAK, BREAK_UNEXPECTED, 0},
	{"421 to the first MAIL", MODE_LOCKSTEP, 0, "p", "", "421 bye", "MAIL FROM:<s@a>\n.", "d", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_TOLD},
	{"421 between messages", MODE_LOCKSTEP, TAKEN, "p", "", "421 bye", "MAIL FROM:<s@a>\n.", "d", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_TOLD | HEARD_LIMIT},
	{"its number of messages", MODE_LOCKSTEP, TAKEN, "p", "", "452 4.5.3 Too many messages sent",
	 "MAIL FROM:<s@a>\n.", "d", EXCHANGE_OVER, 0, HEARD_RESET | HEARD_TOLD | HEARD_LIMIT},
	{"421 to the end is about the message", MODE_LOCKSTEP, TAKEN, "p", "", "250\n250\n354\n421 4.3.0 no",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.DATA\n.{.\r\n}.", "d", EXCHANGE_OVER, 0, HEARD_RESET | HEARD_TOLD},
	/* ---- what rules have done beside a verdict ---- */
	{"one that is not taken here", MODE_LOCKSTEP, 0, "ppp", "",
	 "250\n250\n550 5.5.105 Recipient is not internal\n451 later\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.RCPT TO:<r2@b>\n.DATA\n.{.\r\n}.", "sod", EXCHANGE_OVER,
	 0, HEARD_RESET | HEARD_RECIPIENT},
	{"none that is", MODE_PIPELINE, 0, "pp", "", "250\n250\n250\n354\n550 5.5.105 no",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nRCPT TO:<r1@b>\nDATA\n....{.\r\n}.", "oo", EXCHANGE_OVER, 0, HEARD_RESET},
	{"and there is no other path", MODE_LOCKSTEP, LACKING, "pp", "", "250\n550 5.5.105 no\n450 5.5.105 not now",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.", "hd", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_RECIPIENT | HEARD_HELD},
	{"sign in anew", MODE_LOCKSTEP, 0, "pp", "", "530 5.7.57 Client not authenticated", "MAIL FROM:<s@a>\n.", "--",
	 EXCHANGE_OVER, 0, HEARD_RESET | HEARD_SIGN_IN | HEARD_NOT_PLAIN},
	{"and again, and again", MODE_LOCKSTEP, NO_ROUNDS, "pp", "", "530 5.7.57 Client not authenticated",
	 "MAIL FROM:<s@a>\n.", "dd", EXCHANGE_OVER, 0, HEARD_RESET | HEARD_SIGN_IN | HEARD_NOT_PLAIN},
	{"and nobody signs in", MODE_LOCKSTEP, LACKING, "pp", "", "530 5.7.57 Client not authenticated",
	 "MAIL FROM:<s@a>\n.", "hh", EXCHANGE_OVER, 0, HEARD_RESET | HEARD_HELD | HEARD_NOT_PLAIN},
	{"an end that was not taken", MODE_CHUNKING, 0, "p", "abc", "250\n250\n451 4.7.0 Your token has expired",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 3 LAST\n{abc}...", "-", EXCHANGE_OVER, 0, HEARD_RESET | HEARD_SIGN_IN},
	/* ---- what the sender asks for ---- */
	{"reports", MODE_LOCKSTEP, SIZE | DSN | WISHES, "ppp", "a", "250\n250\n250\n250\n354\n250",
	 "MAIL FROM:<s@a> SIZE=1 RET=HDRS ENVID=E+2B1\n.RCPT TO:<r0@b>\n"
	 ".RCPT TO:<r1@b> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x+2By@b\n.RCPT TO:<r2@b> NOTIFY=NEVER\n.DATA\n"
	 ".{a}{\r\n.\r\n}.",
	 "sss", EXCHANGE_OVER, 0, 0},
	{"reports, only some pending", MODE_PIPELINE, DSN | WISHES, "dpd", "", "250\n250\n354\n250",
	 "MAIL FROM:<s@a> RET=HDRS ENVID=E+2B1\n"
	 "RCPT TO:<r1@b> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x+2By@b\nDATA\n...{.\r\n}.",
	 "-s-", EXCHANGE_OVER, 0, 0},
	{"the host knows of none", MODE_LOCKSTEP, WISHES, "ppp", "", "250\n250\n250\n250\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.RCPT TO:<r2@b>\n.DATA\n.{.\r\n}.", "sss", EXCHANGE_OVER,
	 0, 0},
	{"nobody asks", MODE_LOCKSTEP, DSN, "p", "", "250\n250\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.DATA\n.{.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	/* An archive's copy, of which the sender does not know. */
	{"archived, the host knows of reports", MODE_LOCKSTEP, ARCHIVED | DSN, "ddp", "", "250\n250\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r2@b> NOTIFY=NEVER\n.DATA\n.{.\r\n}.", "--s", EXCHANGE_OVER, 0, 0},
	{"archived, others first", MODE_LOCKSTEP, ARCHIVED, "pppp", "", "250\n250\n250\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.RCPT TO:<r1@b>\n.DATA\n.{.\r\n}.", "ss--", EXCHANGE_OVER, 0, 0},
	{"then it", MODE_LOCKSTEP, ARCHIVED, "ddpp", "", "250\n250\n354\n250",
	 "MAIL FROM:<>\n.RCPT TO:<r2@b>\n.DATA\n.{.\r\n}.", "--s-", EXCHANGE_OVER, 0, 0},
	{"and who is behind it", MODE_LOCKSTEP, ARCHIVED, "dddp", "", "250\n250\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r3@b>\n.DATA\n.{.\r\n}.", "---s", EXCHANGE_OVER, 0, 0},
	{"archived, nothing without a sender", MODE_LOCKSTEP, ARCHIVED, "ddp", "", "501 Invalid MAIL FROM address",
	 "MAIL FROM:<>\n.", "---", EXCHANGE_BREAK, BREAK_COMMAND, HEARD_LESSON | HEARD_FELL_BACK},
	{"so it has one", MODE_LOCKSTEP, ARCHIVED | NAMED, "ddpp", "", "250\n250\n250\n354\n250",
	 "MAIL FROM:<s@a>\n.RCPT TO:<r2@b>\n.RCPT TO:<r3@b>\n.DATA\n.{.\r\n}.", "--ss", EXCHANGE_OVER, 0, 0},
	{"555 to RET", MODE_PIPELINE, DSN | WISHES, "p", "", "555 5.5.4 what?",
	 "MAIL FROM:<s@a> RET=HDRS ENVID=E+2B1\nRCPT TO:<r0@b>\nDATA\n.", "-", EXCHANGE_BREAK, BREAK_COMMAND,
	 HEARD_LESSON | HEARD_FELL_BACK},
	{"555 to NOTIFY", MODE_LOCKSTEP, DSN | WISHES, "dp", "", "250\n555 5.5.4 what?",
	 "MAIL FROM:<s@a> RET=HDRS ENVID=E+2B1\n"
	 ".RCPT TO:<r1@b> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x+2By@b\n.",
	 "--", EXCHANGE_BREAK, BREAK_COMMAND, HEARD_LESSON | HEARD_FELL_BACK},
	{"TLS", MODE_LOCKSTEP, STRICT, "p", "", "250\n250\n354\n250",
	 "MAIL FROM:<s@a> REQUIRETLS\n.RCPT TO:<r0@b>\n.DATA\n.{.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	/* Without it is not for anybody to try. */
	{"555 to REQUIRETLS", MODE_LOCKSTEP, STRICT, "p", "", "555 5.5.4 what?", "MAIL FROM:<s@a> REQUIRETLS\n.", "f",
	 EXCHANGE_OVER, 0, HEARD_RESET},
	{"its registered refusal", MODE_LOCKSTEP, STRICT, "p", "", "550 5.7.30 REQUIRETLS support required",
	 "MAIL FROM:<s@a> REQUIRETLS\n.", "f", EXCHANGE_OVER, 0, HEARD_RESET},
	/* ---- RSET ---- */
	{"RSET first", MODE_LOCKSTEP, RESET, "p", "", "250\n250\n250\n354\n250",
	 "RSET\n.MAIL FROM:<s@a>\n.RCPT TO:<r0@b>\n.DATA\n.{.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	{"RSET refused, nothing behind", MODE_LOCKSTEP, RESET, "p", "", "502 no", "RSET\n.", "-", EXCHANGE_BREAK,
	 BREAK_UNEXPECTED, HEARD_NO_RESET},
	{"RSET refused, MAIL taken", MODE_PIPELINE, RESET, "p", "", "502 no\n250\n250\n354\n250",
	 "RSET\nMAIL FROM:<s@a>\nRCPT TO:<r0@b>\nDATA\n....{.\r\n}.", "s", EXCHANGE_OVER, 0, HEARD_NO_RESET},
	{"RSET refused, MAIL too", MODE_PIPELINE, RESET, "p", "", "502 no\n503 no",
	 "RSET\nMAIL FROM:<s@a>\nRCPT TO:<r0@b>\nDATA\n..", "-", EXCHANGE_BREAK, BREAK_UNEXPECTED, HEARD_NO_RESET},
	/* ---- PIPELINING ---- */
	{"together", MODE_PIPELINE, 0, "pp", "a\r\n|b\r\n", "250\n250\n250\n354\n250",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nRCPT TO:<r1@b>\nDATA\n....{a\r\n}{b\r\n}{.\r\n}.", "ss", EXCHANGE_OVER, 0,
	 0},
	{"all refused, DATA too", MODE_PIPELINE, 0, "pp", "", "250\n550 no\n550 no\n554 no valid recipients",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nRCPT TO:<r1@b>\nDATA\n....", "ff", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_RECIPIENT},
	{"all refused and yet 354", MODE_PIPELINE, 0, "pp", "a\r\n", "250\n550 no\n550 no\n354\n250 taken?",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nRCPT TO:<r1@b>\nDATA\n....{.\r\n}.", "ff", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_RECIPIENT},
	{"MAIL refused, the rest is heard", MODE_PIPELINE, 0, "p", "", "550 no\n250 2.1.5 ok\n554 no",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nDATA\n...", "f", EXCHANGE_OVER, 0, HEARD_RESET | HEARD_NOT_PLAIN},
	{"250 to DATA: come apart", MODE_PIPELINE, 0, "p", "", "250\n250\n250",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nDATA\n...", "a", EXCHANGE_BREAK, BREAK_COMMAND,
	 HEARD_LESSON | HEARD_FELL_BACK},
	{"the same with no rounds left", MODE_PIPELINE, NO_ROUNDS, "p", "", "250\n250\n250",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nDATA\n...", "a", EXCHANGE_BREAK, BREAK_UNEXPECTED,
	 HEARD_LESSON | HEARD_FELL_BACK},
	{"503 to a pipelined RCPT", MODE_PIPELINE, 0, "p", "", "250\n503 MAIL first",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nDATA\n..", "-", EXCHANGE_BREAK, BREAK_COMMAND,
	 HEARD_LESSON | HEARD_FELL_BACK},
	{"555 to parameters", MODE_PIPELINE, SIZE, "p", "", "555 5.5.4 Unsupported option: SIZE=0",
	 "MAIL FROM:<s@a> SIZE=0\nRCPT TO:<r0@b>\nDATA\n.", "-", EXCHANGE_BREAK, BREAK_COMMAND,
	 HEARD_LESSON | HEARD_FELL_BACK},
	{"nested MAIL: RSET and again", MODE_LOCKSTEP, LATER, "p", "", "503 5.5.1 Nested MAIL", "MAIL FROM:<s@a>\n.",
	 "-", EXCHANGE_OVER, 0, HEARD_LESSON | HEARD_RESET},
	/* ---- CHUNKING ---- */
	{"whole", MODE_CHUNKING, SIZE, "pp", "abc", "250\n250\n250\n250",
	 "MAIL FROM:<s@a> SIZE=3\nRCPT TO:<r0@b>\nRCPT TO:<r1@b>\nBDAT 3 LAST\n{abc}....", "ss", EXCHANGE_OVER, 0, 0},
	{"empty", MODE_CHUNKING, 0, "p", "", "250\n250\n250", "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 0 LAST\n{}...",
	 "s", EXCHANGE_OVER, 0, 0},
	{"LAST waits for the others", MODE_CHUNKING, 0, "p", "a\r\n|b\r\n|c\r\n", "250\n250\n250\n250\n250",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 3\n{a\r\n}BDAT 3\n{b\r\n}....BDAT 3 LAST\n{c\r\n}.", "s", EXCHANGE_OVER,
	 0, 0},
	{"no LAST behind a refusal", MODE_CHUNKING, 0, "p", "a\r\n|b\r\n|c\r\n", "250\n250\n452 full\n250",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 3\n{a\r\n}BDAT 3\n{b\r\n}....", "d", EXCHANGE_OVER, 0, HEARD_RESET},
	{"one of two, and taken", MODE_CHUNKING, 0, "pp", "a", "250\n250\n450 later\n250",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nRCPT TO:<r1@b>\nBDAT 1 LAST\n{a}....", "sd", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_RECIPIENT},
	{"BDAT is not known", MODE_CHUNKING, 0, "p", "a", "250\n250\n502 5.5.1 what?",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 1 LAST\n{a}...", "a", EXCHANGE_BREAK, BREAK_COMMAND,
	 HEARD_LESSON | HEARD_FELL_BACK | HEARD_NONE_BEHIND},
	{"503 behind a message", MODE_CHUNKING, BEHIND | RESET, "p", "a", "250\n503 not now",
	 "RSET\nMAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 1 LAST\n{a}..", "-", EXCHANGE_BREAK, BREAK_COMMAND,
	 HEARD_LESSON | HEARD_FELL_BACK | HEARD_NONE_BEHIND},
	{"an address's yes to the content", MODE_CHUNKING, 0, "p", "a", "250 2.1.0 ok\n250 2.1.5 ok\n250 2.1.5 ok",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 1 LAST\n{a}...", "a", EXCHANGE_BREAK, BREAK_UNEXPECTED,
	 HEARD_LESSON | HEARD_FELL_BACK},
	/* Ten recipients are not known, and the message is sent already: each goes again, by one round. */
	{"503 to each of several RCPT", MODE_CHUNKING, 0, "pppppppppp", "a",
	 "250\n503 a\n503 b\n503 c\n503 d\n503 e\n503 f\n503 g\n503 h\n503 i\n503 j\n503 no recipients",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nRCPT TO:<r1@b>\nRCPT TO:<r2@b>\nRCPT TO:<r3@b>\nRCPT TO:<r4@b>\n"
	 "RCPT TO:<r5@b>\nRCPT TO:<r6@b>\nRCPT TO:<r7@b>\nRCPT TO:<r8@b>\nRCPT TO:<r9@b>\nBDAT 1 LAST\n{a}"
	 "............",
	 "----------", EXCHANGE_OVER, 0, HEARD_LESSON | HEARD_RESET},
	{"421 in the middle", MODE_CHUNKING, 0, "p", "a", "250\n421 bye\n421 bye",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 1 LAST\n{a}...", "d", EXCHANGE_OVER, 0,
	 HEARD_RESET | HEARD_TOLD | HEARD_RECIPIENT},
	/* ---- pieces that are given in parts ---- */
	{"parts, chunk", MODE_CHUNKING, 0, "p", "a+b\r\n|c+\r+\n", "250\n250\n250\n250\n250\n250\n250",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 1\n{a}BDAT 3\n{b\r\n}BDAT 1\n{c}BDAT 1\n{\r}......BDAT 1 "
	 "LAST\n{\n}.",
	 "s", EXCHANGE_OVER, 0, 0},
	{"parts, DATA", MODE_PIPELINE, 0, "p", "a\r\n+.b\r|\n+.c+d", "250\n250\n354\n250",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nDATA\n...{a\r\n}{..b}{\r\n}{..c}{d}{\r\n.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	{"no part behind a refusal", MODE_CHUNKING, 0, "p", "a+b|c", "250\n250\n452 full\n250",
	 "MAIL FROM:<s@a>\nRCPT TO:<r0@b>\nBDAT 1\n{a}BDAT 1\n{b}....", "d", EXCHANGE_OVER, 0, HEARD_RESET},
	/* ---- another sender, and another header ---- */
	{"another header, chunk", MODE_CHUNKING, SIZE | HEADED, "p", "abcdef/a\r\n", "250\n250\n250",
	 "MAIL FROM:<m@c> SIZE=7\nRCPT TO:<r0@b>\nBDAT 7 LAST\n{.H\r\n}{a\r\n}...", "s", EXCHANGE_OVER, 0, 0},
	{"another header, dots", MODE_LOCKSTEP, HEADED, "p", "abc/.a\r\n..\r\nb", "250\n250\n354\n250",
	 "MAIL FROM:<m@c>\n.RCPT TO:<r0@b>\n.DATA\n.{..H\r\n}{..a\r\n...\r\nb}{\r\n.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	{"another header and no body", MODE_CHUNKING, HEADED, "p", "abc/", "250\n250\n250",
	 "MAIL FROM:<m@c>\nRCPT TO:<r0@b>\nBDAT 4 LAST\n{.H\r\n}...", "s", EXCHANGE_OVER, 0, 0},
	{"a header of several pieces, chunk", MODE_CHUNKING, HEADED, "p", "a|b|c/a\r\n|d\r\n", "250\n250\n250\n250",
	 "MAIL FROM:<m@c>\nRCPT TO:<r0@b>\nBDAT 7\n{.H\r\n}{a\r\n}...BDAT 3 LAST\n{d\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	{"a header of several pieces, DATA", MODE_PIPELINE, HEADED, "p", "a|b|c/a\r\n|d\r\n", "250\n250\n354\n250",
	 "MAIL FROM:<m@c>\nRCPT TO:<r0@b>\nDATA\n...{..H\r\n}{a\r\n}{d\r\n}{.\r\n}.", "s", EXCHANGE_OVER, 0, 0},
	{"all of them, and refused", MODE_CHUNKING, HEADED | RESET, "p", "a|b|/", "250\n250\n250\n554 no",
	 "RSET\nMAIL FROM:<m@c>\nRCPT TO:<r0@b>\nBDAT 4 LAST\n{.H\r\n}....", "f", EXCHANGE_OVER, 0, HEARD_RESET},
};

struct far_end {
	struct exchange x;
	struct envelope envelope;
	uint8_t record[1024], statuses[RECIPIENTS_MAX], results[RECIPIENTS_MAX];
	const char *pieces;
	bool headed; /* its head is still to come */
	unsigned part;
	char said[SAID_MAX];
	size_t said_length;
	unsigned signs;
	struct exchange_heard heard;
};

static void note(struct far_end *f, const void *data, size_t length)
{
	if (f->said_length + length >= SAID_MAX)
		length = SAID_MAX - 1 - f->said_length;
	memcpy(f->said + f->said_length, data, length);
	f->said_length += length;
}

static void make_envelope(struct far_end *f, const struct talk *talk)
{
	struct envelope fields = {.sender = span_text("s@a")};
	struct envelope_writer writer;
	char address[16];
	size_t length;
	unsigned i;

	if (talk->how & WISHES) {
		fields.ret = ENVELOPE_RET_HEADERS;
		fields.envid = span_text("E+2B1");
	}
	fields.require_tls = talk->how & STRICT;
	fields.flags = talk->how & HIGH_OCTETS ? ENVELOPE_EIGHT_BIT : 0;
	envelope_begin(&writer, f->record, sizeof(f->record), &fields);
	envelope_add_destination(&writer, span_text("d"));
	for (i = 0; talk->statuses[i]; i++) {
		snprintf(address, sizeof(address), "r%u@b", i);
		envelope_add_recipient(&writer, 0, span_text(address));
		if ((talk->how & WISHES) && i == 1)
			envelope_add_parameters(
				&writer, ENVELOPE_NOTIFY_SUCCESS | ENVELOPE_NOTIFY_FAILURE | ENVELOPE_NOTIFY_DELAY,
				span_text("rfc822;x+2By@b"));
		if ((talk->how & WISHES) && i == 2)
			envelope_add_parameters(&writer, ENVELOPE_NOTIFY_NEVER, (struct span){"", 0});
		if ((talk->how & ARCHIVED) && i == 2)
			envelope_add_parameters(&writer, ENVELOPE_NOTIFY_NEVER | ENVELOPE_NOTIFY_UNKNOWN,
						(struct span){"", 0});
		f->statuses[i] = talk->statuses[i] == 'd'   ? RECIPIENT_DELIVERED
				 : talk->statuses[i] == 'f' ? RECIPIENT_FAILED
							    : RECIPIENT_PENDING;
	}
	length = envelope_end(&writer);
	CHECK(length > 0 && envelope_decode(f->record, length, &f->envelope) == 0);
}

/* "+" is where one ends. */
static void give_parts(struct far_end *f, const char *at, size_t length)
{
	const char *end;
	unsigned i;

	for (i = 0; i < f->part; i++) {
		const char *next = (const char *)memchr(at, '+', length) + 1;
		length -= (size_t)(next - at);
		at = next;
	}
	end = memchr(at, '+', length);
	f->part = end ? f->part + 1 : 0;
	if (end)
		exchange_give_part(&f->x, (const uint8_t *)at, (size_t)(end - at));
	else
		exchange_give(&f->x, (const uint8_t *)at, length);
}

static void give(struct far_end *f)
{
	const char *at = f->pieces, *end;
	unsigned i;

	for (i = 0; i < f->x.piece; i++)
		at = strchr(at, '|') + 1;
	end = strchr(at, '|');
	size_t length = end ? (size_t)(end - at) : strlen(at);
	if (!f->headed) {
		give_parts(f, at, length);
		return;
	}
	end = memchr(at, '/', length);
	if (!end) {
		exchange_hold_back(&f->x);
		return;
	}
	f->headed = false;
	exchange_give_headed(&f->x, &(struct exchange_head){(const uint8_t *)".H\r\n", 4, (size_t)(end + 1 - at)},
			     (const uint8_t *)at, length);
}

/* Writes what can be written, with little room at a time. */
static enum exchange_next write_on(struct far_end *f)
{
	uint8_t out[EXCHANGE_OUT];
	struct exchange_say say;
	enum exchange_next next;

	while ((next = exchange_write(&f->x, out, 2100, &say)) == EXCHANGE_SAY || next == EXCHANGE_PIECE) {
		if (next == EXCHANGE_PIECE) {
			give(f);
			continue;
		}
		if (say.due && say.length > 2 && f->x.step != STEP_END) {
			note(f, say.data, say.length - 2);
			note(f, "\n", 1);
		} else {
			note(f, "{", 1);
			note(f, say.data, say.length);
			note(f, "}", 1);
		}
		exchange_written(&f->x);
	}
	return next;
}

/* As High Volume Email has it. */
static const struct verdict_range external = {VERDICT_ENHANCED(5, 5, 105), VERDICT_ENHANCED(5, 5, 105)};
static const struct verdict_rule to_the_other = {
	.enhanced = &external, .enhanced_count = 1, .action = ACTION_OTHER_PATH};
static const struct verdict_rules own = {.rules = &to_the_other, .count = 1};

static void open_far_end(struct far_end *f, const struct talk *talk)
{
	struct exchange_terms terms = {
		.mode = talk->mode,
		.size = talk->how & SIZE,
		.eight_bit = talk->how & EIGHT_BIT,
		.dsn = talk->how & DSN,
		.named = talk->how & NAMED,
		.enhanced = true,
		.reset = talk->how & RESET,
		.behind = talk->how & BEHIND,
		.later = talk->how & LATER,
		.may_go_again = !(talk->how & NO_ROUNDS),
	};
	struct exchange_message message = {.most = 100, .envelope = &f->envelope};
	const char *at;

	memset(f, 0, sizeof(*f));
	make_envelope(f, talk);
	f->pieces = talk->pieces;
	f->headed = talk->how & HEADED;
	if (f->headed) {
		terms.sender = span_text("m@c");
		terms.growth = 4 - (int64_t)(strchr(talk->pieces, '/') + 1 - talk->pieces);
	}
	message.statuses = f->statuses;
	message.results = f->results;
	message.content_length = strlen(talk->pieces);
	for (at = talk->pieces; (at = strchr(at, '|')) != NULL; at++)
		message.last++;
	exchange_init(&f->x, &message);
	exchange_begin(&f->x, &terms);
	f->x.rules = &own;
	f->x.lacks = talk->how & LACKING ? VERDICT_LACKS_LOGIN | VERDICT_LACKS_PATH : 0;
}

static enum exchange_go hear(struct far_end *f, const char *line, size_t length, bool whole, unsigned taken)
{
	struct smtp_reply_parser parser;
	size_t consumed;
	char text[256];
	int n = snprintf(text, sizeof(text), "%.*s%s\r\n", (int)length, line, length == 3 ? " " : "");
	enum exchange_go go;

	smtp_reply_start(&parser, NULL);
	CHECK_EQ(smtp_reply_parse(&parser, (const uint8_t *)text, (size_t)n, &consumed), SMTP_REPLY_DONE);
	go = exchange_reply(&f->x, &parser, whole, taken, &f->heard);
	f->signs |= f->heard.signs;
	return go;
}

static void hold_talk(const struct talk *talk)
{
	static struct far_end f;
	enum exchange_go go = EXCHANGE_GO_ON;
	const char *at = talk->replies;
	char results[RECIPIENTS_MAX + 1] = "";
	int before = check_failures;
	size_t i;

	open_far_end(&f, talk);
	(void)write_on(&f);
	while (*at && go == EXCHANGE_GO_ON) {
		size_t length = strcspn(at, "\n");
		go = hear(&f, at, length, true, talk->how & TAKEN ? 3 : 0);
		at += length + (at[length] == '\n');
		note(&f, ".", 1);
		if (go == EXCHANGE_GO_ON)
			CHECK(write_on(&f) == EXCHANGE_WAIT || f.x.step == STEP_WRITTEN);
	}
	for (i = 0; talk->statuses[i]; i++)
		results[i] = "-asdhfo"[f.results[i]];
	CHECK_STR(results, talk->results);
	CHECK_EQ(go, talk->go);
	CHECK(*at == '\0');
	if (go == EXCHANGE_BREAK) {
		CHECK_EQ(f.heard.why, talk->why);
		CHECK_EQ(write_on(&f), EXCHANGE_DONE);
	}
	CHECK_EQ(f.signs, talk->signs);
	CHECK_STR(f.said, talk->said);
	if (check_failures != before)
		fprintf(stderr, "in: %s\n", talk->name);
}

static void test_talks(void)
{
	size_t i;

	for (i = 0; i < COUNT(talks); i++)
		hold_talk(&talks[i]);
}

/* A refusal before the content has left is heard; anything else makes no sense, and no answer is a yes. */
/* It may not go over this connection at all: by the built-in rules, and by the destination's. */
static void test_refuse(void)
{
	static const struct talk talk = {"", MODE_LOCKSTEP, STRICT, "dpp", "", "", "", "", EXCHANGE_OVER, 0, 0};
	static const struct verdict_rule elsewhere = {.action = ACTION_OTHER_PATH};
	static const struct verdict_rules rules = {.rules = &elsewhere, .count = 1};
	static struct far_end f;

	open_far_end(&f, &talk);
	exchange_refuse(&f.x, 550, "5.7.30 REQUIRETLS: no");
	CHECK(f.results[0] == ATTEMPT_NONE && f.results[1] == ATTEMPT_FAIL && f.results[2] == ATTEMPT_FAIL);
	CHECK_EQ(f.x.code, 550);
	CHECK(f.x.reply_length == 21 && memcmp(f.x.reply, "5.7.30 REQUIRETLS: no", 21) == 0);
	open_far_end(&f, &talk);
	f.x.rules = &rules;
	exchange_refuse(&f.x, 550, "5.7.30 REQUIRETLS: no");
	CHECK(f.results[0] == ATTEMPT_NONE && f.results[1] == ATTEMPT_OTHER_PATH);
}

static void test_early(void)
{
	static const struct talk talk = {.mode = MODE_CHUNKING, .statuses = "p", .pieces = "abc"};
	static const struct {
		const char *reply;
		enum exchange_break why;
		char result;
	} table[] = {
		{"552 too large", BREAK_EARLY, 'f'},
		{"451 later", BREAK_EARLY, 'd'},
		{"250 taken", BREAK_UNEXPECTED, 'a'},
	};
	static struct far_end f;
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		open_far_end(&f, &talk);
		CHECK_EQ(write_on(&f), EXCHANGE_DONE);
		CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_GO_ON);
		CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_GO_ON);
		CHECK_EQ(exchange_ends(&f.x), 2);
		CHECK_EQ(hear(&f, table[i].reply, strlen(table[i].reply), false, 0), EXCHANGE_BREAK);
		CHECK_EQ(f.heard.why, table[i].why);
		CHECK_EQ("-asdhfo"[f.results[0]], table[i].result);
	}
}

/* Content that would break the framing: behind DATA there is no way back, between chunks RSET is one. */
static void test_damage(void)
{
	static const struct talk data = {.mode = MODE_PIPELINE, .statuses = "p", .pieces = "a\nb"},
				 chunks = {.mode = MODE_CHUNKING, .statuses = "p", .pieces = "a\r\n|b\nc|d"},
				 at_once = {.mode = MODE_CHUNKING, .statuses = "p", .pieces = "a\nb"};
	static struct far_end f;

	open_far_end(&f, &data);
	CHECK_EQ(write_on(&f), EXCHANGE_WAIT);
	CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_GO_ON);
	CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_GO_ON);
	CHECK_EQ(hear(&f, "354", 3, true, 0), EXCHANGE_GO_ON);
	CHECK(exchange_in_content(&f.x));
	CHECK_EQ(write_on(&f), EXCHANGE_DAMAGE);
	CHECK(!exchange_damaged(&f.x));
	CHECK_EQ(write_on(&f), EXCHANGE_DONE);

	open_far_end(&f, &chunks);
	CHECK_EQ(write_on(&f), EXCHANGE_DAMAGE);
	CHECK(exchange_damaged(&f.x));
	CHECK_EQ(write_on(&f), EXCHANGE_DONE);
	CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_GO_ON);
	CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_GO_ON);
	CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_OVER);
	CHECK(!f.x.end_written && !strstr(f.said, "LAST"));
	CHECK_EQ(f.results[0], ATTEMPT_ACCEPTED); /* and not sent */

	open_far_end(&f, &at_once);
	CHECK_EQ(write_on(&f), EXCHANGE_DAMAGE);
	CHECK(exchange_damaged(&f.x));
	CHECK_EQ(write_on(&f), EXCHANGE_DONE);
	CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_GO_ON);
	CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_OVER);
}

/* No reply: where a part of what came together was answered the rest was lost. */
static void test_unanswered(void)
{
	static const struct {
		enum exchange_mode mode;
		unsigned replies;
		bool drained, again;
		enum lesson lesson;
	} table[] = {
		{MODE_LOCKSTEP, 1, true, false, LESSON_NONE},
		{MODE_PIPELINE, 0, true, false, LESSON_NONE},
		{MODE_PIPELINE, 1, true, true, LESSON_NO_PIPELINING},
		{MODE_CHUNKING, 1, true, false, LESSON_NO_PIPELINING}, /* its end was sent: it may have been taken */
		{MODE_CHUNKING, 2, true, false, LESSON_NO_CHUNKING},
		{MODE_CHUNKING, 2, false, false, LESSON_NONE},
	};
	struct talk talk = {.statuses = "p", .pieces = "a"};
	static struct far_end f;
	size_t i;
	unsigned n;

	for (i = 0; i < COUNT(table); i++) {
		talk.mode = table[i].mode;
		open_far_end(&f, &talk);
		for (n = 0; n < table[i].replies; n++) {
			(void)write_on(&f);
			CHECK_EQ(hear(&f, "250", 3, true, 0), EXCHANGE_GO_ON);
		}
		(void)write_on(&f);
		exchange_unanswered(&f.x, table[i].drained, &f.heard);
		CHECK_EQ(f.x.again, table[i].again);
		CHECK_EQ(f.heard.lesson, table[i].lesson);
	}
}

/* Of more recipients than one attempt may have, the first. */
static void test_most(void)
{
	static const struct talk talk = {.mode = MODE_PIPELINE, .statuses = "pdpppp", .pieces = ""};
	struct exchange_message message = {.most = 2};
	static struct far_end f;

	open_far_end(&f, &talk);
	message.envelope = &f.envelope;
	message.statuses = f.statuses;
	message.results = f.results;
	exchange_init(&f.x, &message);
	CHECK_EQ(f.x.first, 0);
	CHECK_EQ(f.x.end, 3);
}

int main(void)
{
	RUN(test_talks);
	RUN(test_refuse);
	RUN(test_early);
	RUN(test_damage);
	RUN(test_unanswered);
	RUN(test_most);
	return check_end();
}
