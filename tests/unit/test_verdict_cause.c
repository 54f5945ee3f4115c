/*
 * test_verdict_cause.c - what the end of a connection means for its messages and for its host; when a message is too
 * old; what a fault of ours and a lost answer cost it.
 */
#include <errno.h>

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
	CROWD = 2048,
	AGAIN = 1,
	NOW_BROKEN = 2,
	NOW_UNKNOWN = 4,
	FEWER = 8, /* recipients at a time */
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
	{"at a recipient, once", NEXT | BEGUN | CROWD, OUTCOME_LOST, AGAIN | NOW_BROKEN},
	{"421 at a recipient, once", NEXT | BEGUN | UNREAD | CROWD, OUTCOME_LOST, AGAIN | NOW_BROKEN},
	{"at a recipient again", NEXT | BEGUN | BROKEN | CROWD, OUTCOME_LOST, NOW_BROKEN | FEWER},
	{"421 at a recipient again", NEXT | BEGUN | UNREAD | BROKEN | CROWD | TAKEN, OUTCOME_LOST, NOW_BROKEN | FEWER},
	{"at a recipient, all written", NEXT | BEGUN | END | CROWD, OUTCOME_UNKNOWN, AGAIN | NOW_UNKNOWN | NOW_BROKEN},
	{"at a recipient again, all written", NEXT | BEGUN | END | UNKNOWN | CROWD, OUTCOME_UNKNOWN,
	 NOW_UNKNOWN | NOW_BROKEN | FEWER},
	{"at a recipient again, some refused", NEXT | BEGUN | UNREAD | BROKEN | CROWD | REFUSED, OUTCOME_ANSWERED, 0},
	{"at a recipient again, by us", NEXT | BEGUN | BROKEN | CROWD | OURS, OUTCOME_UNTRIED, 0},
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
			.crowd = how & CROWD ? 2 : 0,
		};
		struct verdict_ending ending = verdict_cut(&cut);
		int before = check_failures;
		CHECK_EQ(ending.kind, cuts[i].kind);
		CHECK_EQ(ending.again, (cuts[i].then & AGAIN) != 0);
		CHECK_EQ(ending.broken, (cuts[i].then & NOW_BROKEN) != 0);
		CHECK_EQ(ending.unknown, (cuts[i].then & NOW_UNKNOWN) != 0);
		CHECK_EQ(ending.at_most, cuts[i].then & FEWER ? 2 : 0);
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

/* ---- habits ---- */

enum { TOLD = 1, STALE = 2, MAIL_DONE = 4, RSET_NEXT = 8, TAKEN_SOME = 16 };

static const struct {
	const char *name;
	unsigned how;
	enum verdict_habit habit;
} silences[] = {
	{"took none", 0, HABIT_NONE},
	{"took none, at RSET", RSET_NEXT, HABIT_NONE},
	{"took none, behind a pause", STALE, HABIT_NONE},
	{"had said that it ends", TAKEN_SOME | TOLD, HABIT_NONE},
	{"had said so, behind a pause", TAKEN_SOME | TOLD | STALE, HABIT_NONE},
	{"behind a pause", TAKEN_SOME | STALE, HABIT_IDLE},
	{"behind a pause, in the middle", TAKEN_SOME | STALE | MAIL_DONE, HABIT_IDLE},
	{"at MAIL", TAKEN_SOME, HABIT_NUMBER},
	{"at RSET", TAKEN_SOME | RSET_NEXT, HABIT_NO_RSET},
	{"in the middle of a message", TAKEN_SOME | MAIL_DONE, HABIT_NONE},
};

static void test_silences(void)
{
	size_t i;

	for (i = 0; i < COUNT(silences); i++) {
		unsigned how = silences[i].how;
		const struct verdict_silence silence = {
			.told = how & TOLD,
			.stale = how & STALE,
			.begun = how & MAIL_DONE,
			.reset = how & RSET_NEXT,
			.taken = how & TAKEN_SOME ? 7 : 0,
		};
		int before = check_failures;
		CHECK_EQ(verdict_silence(&silence), silences[i].habit);
		if (check_failures != before)
			fprintf(stderr, "in: %s\n", silences[i].name);
	}
}

/* ---- a message's own time ---- */

static const uint64_t minute = UINT64_C(60000000000);

static const struct {
	const char *name;
	uint64_t age, uptime, expire; /* minutes */
	unsigned tried, holds;
	bool beside, expired;
	unsigned tried_max;
} ages[] = {
	{"exactly at the limit: one more try", 7200, 1440, 7200, 2, 0, false, false, 0},
	{"past it", 7201, 1440, 7200, 2, 0, false, true, 0},
	{"long past it", 720000, 1440, 7200, 1000, 0, false, true, 0},
	{"never tried, however old it looks (SYS-06)", 720000, 1440, 7200, 0, 0, false, false, 0},
	{"tried once", 720000, 1440, 7200, 1, 0, false, false, 0},
	{"a process that may have started with a wrong clock", 720000, 59, 7200, 1000, 0, false, false, 0},
	{"an hour later", 720000, 60, 7200, 1000, 0, false, true, 0},
	{"a short schedule, and a process younger than it", 60, 1, 2, 1000, 0, false, false, 0},
	{"and no longer", 60, 2, 2, 1000, 0, false, true, 0},
	{"held by itself: old by our fault", 720000, 1440, 7200, 7, 1, false, false, 0},
	{"and tried since", 720000, 1440, 7200, 8, 1, false, true, 0},
	{"somebody in it is held", 720000, 1440, 7200, 1000, 0, true, false, 0},
	{"fewer attempts than it may have", 1, 1, 7200, 4, 0, false, false, 5},
	{"all that it may have", 1, 1, 7200, 5, 0, false, true, 5},
	{"by a clock that goes back (SYS-06)", 0, 0, 7200, 5, 0, false, true, 5},
	{"one that it may have", 1, 1, 7200, 1, 0, false, true, 1},
	{"held by itself, and all that it may have", 1, 1, 7200, 19, 1, false, false, 5},
	{"and as many more", 1, 1, 7200, 20, 1, false, true, 5},
	{"all, and somebody in it is held", 1, 1, 7200, 5, 0, true, false, 5},
};

static void test_ages(void)
{
	size_t i;

	for (i = 0; i < COUNT(ages); i++) {
		const struct verdict_age age = {
			.age_ns = ages[i].age * minute,
			.uptime_ns = ages[i].uptime * minute,
			.expire_ns = ages[i].expire * minute,
			.tried = ages[i].tried,
			.tried_max = ages[i].tried_max,
			.holds = ages[i].holds,
			.beside = ages[i].beside,
		};
		int before = check_failures;
		CHECK_EQ(verdict_expired(&age), ages[i].expired);
		if (check_failures != before)
			fprintf(stderr, "in: %s\n", ages[i].name);
	}
}

static void test_pauses(void)
{
	static const struct {
		enum outcome_kind kind;
		unsigned unknown;
		bool longest, news;
	} pauses[] = {
		{OUTCOME_ANSWERED, 9, false, false}, {OUTCOME_LOST, 9, false, false},
		{OUTCOME_UNKNOWN, 1, false, false},  {OUTCOME_UNKNOWN, 2, true, true},
		{OUTCOME_UNKNOWN, 3, true, false},   {OUTCOME_UNKNOWN, 255, true, false},
	};
	size_t i;

	for (i = 0; i < COUNT(pauses); i++) {
		struct verdict_pause pause = verdict_pause(pauses[i].kind, pauses[i].unknown);
		CHECK_EQ(pause.longest, pauses[i].longest);
		CHECK_EQ(pause.news, pauses[i].news);
	}
}

static void test_faults(void)
{
	CHECK(verdict_fault(-EBADMSG).damaged);
	CHECK(verdict_fault(-EIO).damaged);
	CHECK(!verdict_fault(-ENOMEM).damaged);
	CHECK(!verdict_fault(-EMFILE).damaged);
	CHECK(verdict_fault(-EIO).again_s > verdict_fault(-ENOMEM).again_s);
	CHECK(verdict_fault(-ENOMEM).again_s > 0);
}

int main(void)
{
	RUN(test_cuts);
	RUN(test_all_cuts);
	RUN(test_ends);
	RUN(test_silences);
	RUN(test_ages);
	RUN(test_pauses);
	RUN(test_faults);
	return check_end();
}
