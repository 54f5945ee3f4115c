/*
 * test_verdict_cause.c - what the end of a connection means for its messages and for its host.
 */
#include "core/deliver/verdict.h"
#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- messages ---- */

enum {
	COMMAND = 1,
	NEXT = 2,
	BEGUN = 4,
	END = 8, /* written */
	UNREAD = 16,
	BETWEEN = 32,
	REFUSED = 64,
	OURS = 128,
	TAKEN = 256,
	BROKEN = 512,   /* before */
	UNKNOWN = 1024, /* before */
	AGAIN = 1,
	NOW_BROKEN = 2,
	NOW_UNKNOWN = 4,
};

static const struct {
	const char *name;
	unsigned how;
	enum outcome_kind kind;
	unsigned then;
} cuts[] = {
	{"before its turn", BEGUN, OUTCOME_UNTRIED, 0},
	{"before it was written", NEXT, OUTCOME_UNTRIED, 0},
	{"before it was written, on a fresh one", NEXT | BETWEEN, OUTCOME_UNTRIED, 0},
	{"between two messages", NEXT | BEGUN | BETWEEN | TAKEN, OUTCOME_UNTRIED, 0},
	{"at the first MAIL", NEXT | BEGUN | BETWEEN, OUTCOME_LOST, AGAIN | NOW_BROKEN},
	{"at the first MAIL again", NEXT | BEGUN | BETWEEN | BROKEN, OUTCOME_LOST, NOW_BROKEN},
	{"in its middle", NEXT | BEGUN | TAKEN, OUTCOME_LOST, AGAIN | NOW_BROKEN},
	{"in its middle again", NEXT | BEGUN | TAKEN | BROKEN, OUTCOME_LOST, NOW_BROKEN},
	{"in its middle, by us", NEXT | BEGUN | TAKEN | OURS, OUTCOME_UNTRIED, 0},
	{"its answer", NEXT | BEGUN | END | TAKEN, OUTCOME_UNKNOWN, AGAIN | NOW_UNKNOWN | NOW_BROKEN},
	{"its answer again", NEXT | BEGUN | END | TAKEN | UNKNOWN, OUTCOME_UNKNOWN, NOW_UNKNOWN | NOW_BROKEN},
	{"its answer, by us", NEXT | BEGUN | END | TAKEN | OURS, OUTCOME_UNKNOWN, AGAIN | NOW_UNKNOWN | NOW_BROKEN},
	{"the answer of one behind", BEGUN | END | TAKEN, OUTCOME_UNKNOWN, AGAIN | NOW_UNKNOWN},
	{"a whole one, between two", NEXT | BEGUN | END | BETWEEN | TAKEN, OUTCOME_UNKNOWN, AGAIN | NOW_UNKNOWN},
	{"a whole one, and none was answered", NEXT | BEGUN | END | BETWEEN, OUTCOME_UNKNOWN,
	 AGAIN | NOW_UNKNOWN | NOW_BROKEN},
	{"a whole one that was not read", BEGUN | END | UNREAD | TAKEN, OUTCOME_UNTRIED, 0},
	{"421 in its middle", NEXT | BEGUN | END | UNREAD | TAKEN, OUTCOME_LOST, AGAIN | NOW_BROKEN},
	{"421 between two", NEXT | BEGUN | UNREAD | BETWEEN | TAKEN, OUTCOME_UNTRIED, 0},
	{"421 behind refused recipients", NEXT | BEGUN | UNREAD | REFUSED, OUTCOME_ANSWERED, 0},
	{"a command it does not know", COMMAND | NEXT | BEGUN | END, OUTCOME_UNTRIED, 0},
};

static void test_cuts(void)
{
	size_t i;

	for (i = 0; i < COUNT(cuts); i++) {
		unsigned how = cuts[i].how;
		const struct verdict_cut cut = {
			.command = how & COMMAND,
			.next = how & NEXT,
			.begun = how & BEGUN,
			.end_written = how & END,
			.unread = how & UNREAD,
			.between = how & BETWEEN,
			.refused = how & REFUSED,
			.ours = how & OURS,
			.taken = how & TAKEN ? 3 : 0,
			.broken = how & BROKEN ? 1 : 0,
			.unknown = how & UNKNOWN ? 1 : 0,
		};
		struct verdict_ending ending = verdict_cut(&cut);
		int before = check_failures;
		CHECK_EQ(ending.kind, cuts[i].kind);
		CHECK_EQ(ending.again, (cuts[i].then & AGAIN) != 0);
		CHECK_EQ(ending.broken, (cuts[i].then & NOW_BROKEN) != 0);
		CHECK_EQ(ending.unknown, (cuts[i].then & NOW_UNKNOWN) != 0);
		if (check_failures != before)
			fprintf(stderr, "in: %s\n", cuts[i].name);
	}
}

/* Whatever happened: what may have been accepted is never taken for untried, and nothing goes round in circles. */
static void test_all_cuts(void)
{
	unsigned how;

	for (how = 0; how < 2048; how++) {
		const struct verdict_cut cut = {
			.command = how & COMMAND,
			.next = how & NEXT,
			.begun = how & BEGUN,
			.end_written = how & END,
			.unread = how & UNREAD,
			.between = how & BETWEEN,
			.refused = how & REFUSED,
			.ours = how & OURS,
			.taken = how & TAKEN ? 3 : 0,
			.broken = how & BROKEN ? 1 : 0,
			.unknown = how & UNKNOWN ? 1 : 0,
		};
		struct verdict_ending ending = verdict_cut(&cut);
		if (cut.end_written && !cut.unread && !cut.command)
			CHECK_EQ(ending.kind, OUTCOME_UNKNOWN);
		if (ending.kind == OUTCOME_LOST || ending.kind == OUTCOME_UNKNOWN)
			CHECK(ending.broken || ending.unknown);
		if (ending.kind == OUTCOME_LOST && cut.broken)
			CHECK(!ending.again);
		if (ending.kind == OUTCOME_UNKNOWN && cut.unknown)
			CHECK(!ending.again);
	}
}

/* ---- hosts ---- */

enum { READY = 1, LESSON = 2, GOT_ON = 4, BY_US = 8, UNUSED = 16, TICKET = 32, ASKED = 64, ANSWERED = 128 };
enum { BLAMED = 1, THE_TICKET = 2, CAREFUL = 4, KNOWN = 8 };

static const struct {
	const char *name;
	unsigned how, blame;
} ends[] = {
	{"not set up", 0, BLAMED},
	{"not set up, by us", BY_US, 0},
	{"a ticket stumbled over", TICKET, THE_TICKET},
	{"opened in case of need", READY, 0},
	{"unused while mail waited", READY | UNUSED, BLAMED},
	{"took a message", READY | ASKED | ANSWERED, KNOWN},
	{"took none", READY | ASKED, BLAMED | CAREFUL | KNOWN},
	{"took none, by us", READY | ASKED | BY_US, 0},
	{"took none, for a lesson", READY | ASKED | LESSON, CAREFUL | KNOWN},
	{"took none, but refused some", READY | ASKED | GOT_ON, CAREFUL | KNOWN},
	{"TLS fails behind messages", READY | ASKED | ANSWERED | TICKET, KNOWN},
};

static void test_ends(void)
{
	size_t i;

	for (i = 0; i < COUNT(ends); i++) {
		unsigned how = ends[i].how;
		const struct verdict_gone gone = {
			.ready = how & READY,
			.lesson = how & LESSON,
			.got_on = how & GOT_ON,
			.ours = how & BY_US,
			.unused = how & UNUSED,
			.ticket = how & TICKET,
			.asked = how & ASKED ? 2 : 0,
			.taken = how & ANSWERED ? 1 : 0,
		};
		struct verdict_blame blame = verdict_gone(&gone);
		int before = check_failures;
		CHECK_EQ(blame.host, (ends[i].blame & BLAMED) != 0);
		CHECK_EQ(blame.ticket, (ends[i].blame & THE_TICKET) != 0);
		CHECK_EQ(blame.careful, (ends[i].blame & CAREFUL) != 0);
		CHECK_EQ(blame.known, (ends[i].blame & KNOWN) != 0);
		if (check_failures != before)
			fprintf(stderr, "in: %s\n", ends[i].name);
	}
}

int main(void)
{
	RUN(test_cuts);
	RUN(test_all_cuts);
	RUN(test_ends);
	return check_end();
}
