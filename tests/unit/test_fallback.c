/*
 * test_fallback.c - which replies speak of a command and not of a message, which answer another one, what is learned.
 */
#include "core/deliver/fallback.h"

#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { PIPELINED = 1, PARAMETERS = 2, BEHIND = 4, LATER = 8, WISHES = 16 };

static struct fallback_fact fact(enum fallback_command command, unsigned how, unsigned code, const char *text)
{
	return (struct fallback_fact){.command = command,
				      .pipelined = how & PIPELINED,
				      .parameters = how & PARAMETERS,
				      .wishes = how & WISHES,
				      .behind = how & BEHIND,
				      .later = how & LATER,
				      .enhanced = true,
				      .code = code,
				      .text = span_text(text)};
}

static void test_lessons(void)
{
	static const struct {
		enum fallback_command command;
		unsigned how, code;
		const char *text;
		enum lesson lesson;
	} table[] = {
		/* BDAT is not known, in all the words for it. */
		{FALLBACK_BDAT, PIPELINED, 500, "5.5.1 Command unrecognized: \"BDAT\"", LESSON_NO_CHUNKING},
		{FALLBACK_BDAT, PIPELINED, 500, "5.3.3 Unrecognized command", LESSON_NO_CHUNKING},
		{FALLBACK_BDAT, PIPELINED, 501, "", LESSON_NO_CHUNKING},
		{FALLBACK_BDAT, PIPELINED, 502, "not implemented", LESSON_NO_CHUNKING},
		{FALLBACK_BDAT, 0, 502, "5.5.1 not implemented", LESSON_NO_CHUNKING},
		{FALLBACK_BDAT, PIPELINED, 503, "5.0.0 Need DATA", LESSON_NO_CHUNKING},
		{FALLBACK_BDAT, PIPELINED | BEHIND, 503, "", LESSON_NO_CHUNKING},
		{FALLBACK_BDAT, PIPELINED, 504, "", LESSON_NO_CHUNKING},
		{FALLBACK_BDAT, PIPELINED, 555, "", LESSON_NO_CHUNKING},
		/* A verdict on the message. */
		{FALLBACK_BDAT, PIPELINED, 550, "5.7.1 spam", LESSON_NONE},
		{FALLBACK_BDAT, PIPELINED, 552, "5.3.4 too big", LESSON_NONE},
		{FALLBACK_BDAT, PIPELINED, 554, "", LESSON_NONE},
		{FALLBACK_BDAT, PIPELINED, 500, "5.7.1 spam", LESSON_NONE},
		{FALLBACK_BDAT, PIPELINED, 500, "5.6.0 bad header", LESSON_NONE},
		{FALLBACK_BDAT, PIPELINED, 501, "5.3.4 too big", LESSON_NONE},
		{FALLBACK_BDAT, PIPELINED, 451, "4.5.1 later", LESSON_NONE},
		{FALLBACK_BDAT, PIPELINED, 250, "2.5.0 ok", LESSON_NONE},
		/* MAIL: parameters first, then those that came with it. */
		{FALLBACK_MAIL, PARAMETERS, 555, "5.5.4 Unsupported option: SIZE=1", LESSON_PLAIN_MAIL},
		{FALLBACK_MAIL, PARAMETERS, 501, "Syntax error in parameters", LESSON_PLAIN_MAIL},
		{FALLBACK_MAIL, PARAMETERS | PIPELINED, 504, "", LESSON_PLAIN_MAIL},
		{FALLBACK_MAIL, PARAMETERS | PIPELINED, 500, "", LESSON_PLAIN_MAIL},
		{FALLBACK_MAIL, 0, 555, "", LESSON_NONE},
		{FALLBACK_MAIL, 0, 501, "", LESSON_NONE},
		{FALLBACK_MAIL, PARAMETERS, 501, "5.1.7 bad sender address syntax", LESSON_NONE},
		{FALLBACK_MAIL, PARAMETERS, 550, "5.1.8 no such sender", LESSON_NONE},
		{FALLBACK_MAIL, PARAMETERS, 504, "5.7.4 no", LESSON_NONE},
		{FALLBACK_MAIL, PIPELINED, 502, "5.5.2 command not recognized", LESSON_NO_PIPELINING},
		{FALLBACK_MAIL, 0, 502, "", LESSON_NONE},
		/* 503 to MAIL. */
		{FALLBACK_MAIL, PIPELINED | PARAMETERS | BEHIND | LATER, 503, "5.5.1 Busy", LESSON_ALONE},
		{FALLBACK_MAIL, PIPELINED | PARAMETERS | LATER, 503, "5.5.1 Nested MAIL", LESSON_RESET},
		{FALLBACK_MAIL, LATER, 503, "", LESSON_RESET},
		{FALLBACK_MAIL, PIPELINED | PARAMETERS, 503, "5.5.1 Need MAIL before RCPT", LESSON_NO_PIPELINING},
		{FALLBACK_MAIL, PARAMETERS, 503, "5.5.1 EHLO first", LESSON_NONE},
		{FALLBACK_MAIL, PIPELINED, 503, "5.7.0 authenticate first", LESSON_NONE},
		/* RCPT without one: 501 is its address. */
		{FALLBACK_RCPT, PIPELINED, 501, "5.1.3 bad address", LESSON_NONE},
		{FALLBACK_RCPT, PIPELINED, 501, "", LESSON_NONE},
		{FALLBACK_RCPT, PIPELINED, 555, "", LESSON_NONE},
		{FALLBACK_RCPT, PIPELINED, 550, "", LESSON_NONE},
		{FALLBACK_RCPT, PIPELINED, 503, "5.5.1 Need MAIL before RCPT", LESSON_NO_PIPELINING},
		{FALLBACK_RCPT, PIPELINED, 502, "5.5.2 command not recognized", LESSON_NO_PIPELINING},
		{FALLBACK_RCPT, PIPELINED, 500, "", LESSON_NO_PIPELINING},
		{FALLBACK_RCPT, 0, 503, "", LESSON_NONE},
		{FALLBACK_DATA, PIPELINED, 503, "5.5.1 Need RCPT", LESSON_NO_PIPELINING},
		{FALLBACK_DATA, PIPELINED, 501, "", LESSON_NONE},
		{FALLBACK_DATA, 0, 503, "", LESSON_NONE},
		{FALLBACK_DATA, PIPELINED, 554, "", LESSON_NONE},
		/* Behind the content there is no command left that could be meant. */
		{FALLBACK_END, PIPELINED | BEHIND | LATER, 500, "", LESSON_NONE},
		{FALLBACK_END, 0, 503, "", LESSON_NONE},
		{FALLBACK_RSET, PIPELINED | BEHIND | LATER, 503, "5.5.1 not now", LESSON_NONE},
		{FALLBACK_RSET, PIPELINED | BEHIND | LATER, 502, "", LESSON_NONE},
		{FALLBACK_RSET, 0, 503, "", LESSON_NONE},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct fallback_fact f = fact(table[i].command, table[i].how, table[i].code, table[i].text);

		if (fallback_lesson(&f) != table[i].lesson)
			fprintf(stderr, "row %zu: ", i);
		CHECK_EQ(fallback_lesson(&f), table[i].lesson);
	}
}

/* MAIL FROM:<> of a message that has a sender. */
static void test_unnamed(void)
{
	static const struct {
		enum fallback_command command;
		unsigned code;
		const char *text;
		enum lesson unnamed, named;
	} table[] = {
		{FALLBACK_MAIL, 501, "Invalid MAIL FROM address provided", LESSON_NAMED, LESSON_NONE},
		{FALLBACK_MAIL, 550, "5.7.60 no permissions to send as this sender", LESSON_NAMED, LESSON_NONE},
		{FALLBACK_MAIL, 451, "4.7.1 later", LESSON_NONE, LESSON_NONE},
		{FALLBACK_MAIL, 503, "", LESSON_NONE, LESSON_NONE},
		{FALLBACK_MAIL, 250, "", LESSON_NONE, LESSON_NONE},
		{FALLBACK_RCPT, 550, "5.7.1 null sender", LESSON_NAMED, LESSON_NONE},
		{FALLBACK_RCPT, 550, "5.1.1 unknown", LESSON_NONE, LESSON_NONE},
		{FALLBACK_RCPT, 450, "4.7.1 greylisted", LESSON_NONE, LESSON_NONE},
		{FALLBACK_END, 550, "5.7.1 no", LESSON_NONE, LESSON_NONE},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct fallback_fact f = fact(table[i].command, 0, table[i].code, table[i].text);
		CHECK_EQ(fallback_lesson(&f), table[i].named);
		f.unnamed = true;
		CHECK_EQ(fallback_lesson(&f), table[i].unnamed);
	}
}

/* NOTIFY and ORCPT, where the message has some. */
static void test_dsn(void)
{
	static const struct {
		unsigned how, code;
		const char *text;
		enum lesson lesson;
	} table[] = {
		{WISHES, 555, "5.5.4 Unsupported option: NOTIFY=NEVER", LESSON_NO_DSN},
		{WISHES | PIPELINED, 501, "Syntax error in parameters", LESSON_NO_DSN},
		{WISHES | PIPELINED, 504, "", LESSON_NO_DSN},
		{WISHES, 553, "ORCPT address syntax error", LESSON_NO_DSN},
		{0, 553, "ORCPT address syntax error", LESSON_NONE},
		{WISHES, 450, "4.5.4 ORCPT?", LESSON_NONE},
		{WISHES, 501, "5.1.3 bad address", LESSON_NONE},
		{WISHES, 550, "5.1.1 unknown", LESSON_NONE},
		{WISHES | PIPELINED, 503, "5.5.1 Need MAIL before RCPT", LESSON_NO_PIPELINING},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct fallback_fact f = fact(FALLBACK_RCPT, table[i].how, table[i].code, table[i].text);
		CHECK_EQ(fallback_lesson(&f), table[i].lesson);
	}
}

static void test_misfits(void)
{
	static const struct {
		enum fallback_command command;
		unsigned code;
		const char *text;
		bool misfit;
	} table[] = {
		{FALLBACK_BDAT, 250, "2.1.5 Recipient ok", true},
		{FALLBACK_BDAT, 250, "2.1.0 Sender ok", true},
		{FALLBACK_END, 250, "2.1.5 ok", true},
		{FALLBACK_BDAT, 250, "2.6.0 <x@y> Queued mail for delivery", false},
		{FALLBACK_BDAT, 250, "2.0.0 Ok: queued", false},
		{FALLBACK_BDAT, 250, "2.5.0 ok", false},
		{FALLBACK_BDAT, 250, "ok", false},
		{FALLBACK_BDAT, 550, "5.1.1 unknown", false}, /* some check recipients behind the content */
		{FALLBACK_MAIL, 250, "2.1.5 Recipient ok", true},
		{FALLBACK_MAIL, 250, "2.6.0 Queued", true},
		{FALLBACK_MAIL, 250, "2.1.0 Ok", false},
		{FALLBACK_MAIL, 250, "2.0.0 Ok", false},
		{FALLBACK_RCPT, 250, "2.1.5 Ok", false},
		{FALLBACK_RCPT, 250, "2.1.0 Ok", false}, /* what some say to every command with an address */
		{FALLBACK_RCPT, 250, "2.6.0 Queued", true},
		{FALLBACK_RSET, 250, "2.0.0 Ok", false},
		{FALLBACK_RSET, 250, "2.1.5 Ok", true},
		{FALLBACK_DATA, 354, "2.1.5 go", false},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct fallback_fact f = fact(table[i].command, PIPELINED, table[i].code, table[i].text);

		if (fallback_misfit(&f) != table[i].misfit)
			fprintf(stderr, "row %zu: ", i);
		CHECK_EQ(fallback_misfit(&f), table[i].misfit);
		f.pipelined = false;
		CHECK(!fallback_misfit(&f));
		f.pipelined = true;
		f.enhanced = false;
		CHECK(!fallback_misfit(&f));
	}
}

static void test_memory(void)
{
	struct lessons lessons = {0};
	uint64_t now = 5 * CLOCK_NS_PER_S;

	CHECK(!lesson_in_force(&lessons, LESSON_NO_CHUNKING, now));
	lesson_learn(&lessons, LESSON_NO_CHUNKING, now);
	CHECK(lesson_in_force(&lessons, LESSON_NO_CHUNKING, now));
	CHECK(!lesson_in_force(&lessons, LESSON_NO_PIPELINING, now));
	CHECK(lesson_in_force(&lessons, LESSON_NO_CHUNKING, now + LESSON_NS - 1));
	CHECK(!lesson_in_force(&lessons, LESSON_NO_CHUNKING, now + LESSON_NS));
	lesson_forget(&lessons, LESSON_NO_CHUNKING);
	CHECK(!lesson_in_force(&lessons, LESSON_NO_CHUNKING, now));
}

int main(void)
{
	RUN(test_lessons);
	RUN(test_unnamed);
	RUN(test_dsn);
	RUN(test_misfits);
	RUN(test_memory);
	return check_end();
}
