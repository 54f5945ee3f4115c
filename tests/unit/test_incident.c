/*
 * test_incident.c - when an incident opens and closes, what of it outlives a restart, and which events say so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/incident.h"
#include "core/agents/incident_file.h"
#include "core/agents/incident_word.h"
#include "core/base/line_ring.h"
#include "core/base/log.h"
#include "tests/unit/check.h"

#define S UINT64_C(1000000000)

static struct incidents all;
static struct incident_past none;
static unsigned opened, closed;

static void on_opened(void *context, struct incident *one)
{
	CHECK(one->state == INCIDENT_OPEN);
	opened++;
}

static void on_closed(void *context, const struct incident *one)
{
	closed++;
}

static void fresh(void)
{
	memset(&all, 0, sizeof(all));
	all.opened = on_opened;
	all.closed = on_closed;
	opened = closed = 0;
	for (unsigned i = 0; i < INCIDENT_KINDS; i++)
		all.calm_ns[i] = 60 * S;
	all.after_ns[INCIDENT_DESTINATION_DOWN] = 30 * S;
}

/* At each second b: it is bad, w: it is well, x: it is well and need not stay so, .: nothing is seen. */
static void test_times(void)
{
	static const struct {
		enum incident_kind kind;
		const char *steps; /* a letter for ten seconds */
		unsigned opened, closed;
		size_t left;
	} rows[] = {
		{INCIDENT_DESTINATION_DOWN, "b", 0, 0, 1},
		{INCIDENT_DESTINATION_DOWN, "bbb", 0, 0, 1},
		{INCIDENT_DESTINATION_DOWN, "bbbb", 1, 0, 1},
		{INCIDENT_DESTINATION_DOWN, "b...", 1, 0, 1},
		{INCIDENT_DESTINATION_DOWN, "bbw", 0, 0, 0},
		{INCIDENT_DESTINATION_DOWN, "bbwbbwbbwbbw", 0, 0, 0},
		{INCIDENT_DESTINATION_DOWN, "bbbbbbbbbbbb", 1, 0, 1},
		{INCIDENT_DESTINATION_DOWN, "bbbbw", 1, 0, 1},
		{INCIDENT_DESTINATION_DOWN, "bbbbwwwwww", 1, 0, 1},
		{INCIDENT_DESTINATION_DOWN, "bbbbwwwwwww", 1, 1, 0},
		{INCIDENT_DESTINATION_DOWN, "bbbbw......", 1, 1, 0},
		{INCIDENT_DESTINATION_DOWN, "bbbbx", 1, 1, 0},
		{INCIDENT_DESTINATION_DOWN, "bbbbxbbbb", 2, 1, 1},
		/* Who flaps. */
		{INCIDENT_DESTINATION_DOWN, "bbbbwwwbwwwbwwwbwwwbwwwb", 1, 0, 1},
		{INCIDENT_DESTINATION_DOWN, "bbbbwwwbwwwbwwwbwwwbwwwbwwwwwww", 1, 1, 0},
		{INCIDENT_DEVICE_SILENT, "b", 1, 0, 1},
		{INCIDENT_DEVICE_SILENT, "b.............", 1, 0, 1},
		{INCIDENT_DEVICE_SILENT, "w", 0, 0, 0},
		{INCIDENT_DEVICE_SILENT, "ww.b.w......b", 2, 1, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fresh();
		for (size_t n = 0; rows[i].steps[n]; n++) {
			uint64_t now_ns = (1000 + 10 * n) * S;
			char step = rows[i].steps[n];
			if (step == 'b')
				incidents_bad(&all, rows[i].kind, "one", "problem", now_ns, 1);
			else if (step == 'w' || step == 'x')
				incidents_well(&all, rows[i].kind, "one", step == 'x', now_ns);
			incidents_tick(&all, now_ns, 1);
		}
		if (opened != rows[i].opened || closed != rows[i].closed || all.count != rows[i].left)
			printf("%s: opened %u, closed %u, left %zu\n", rows[i].steps, opened, closed, all.count);
		CHECK(opened == rows[i].opened && closed == rows[i].closed && all.count == rows[i].left);
	}
}

static void test_a_million(void)
{
	char subject[32];

	fresh();
	for (unsigned i = 0; i < 1000000; i++) {
		snprintf(subject, sizeof(subject), "device-%u", i % 1000);
		incidents_bad(&all, INCIDENT_DEVICE_SILENT, subject, "", S, 1);
	}
	CHECK(opened == INCIDENTS_MAX && all.count == INCIDENTS_MAX);
	CHECK(all.left_out == (1000 - INCIDENTS_MAX) * UINT64_C(1000));
	/* What is only suspected makes room. */
	incidents_well(&all, INCIDENT_DEVICE_SILENT, "device-7", true, 2 * S);
	incidents_bad(&all, INCIDENT_DESTINATION_DOWN, "away", "", 2 * S, 1);
	CHECK(all.count == INCIDENTS_MAX);
	incidents_bad(&all, INCIDENT_DEVICE_SILENT, "device-999", "", 2 * S, 1);
	CHECK(incidents_find(&all, INCIDENT_DEVICE_SILENT, "device-999"));
	CHECK(!incidents_find(&all, INCIDENT_DESTINATION_DOWN, "away"));
}

/* A thousand suspicions: those that had a place grow old, the others are counted. */
static void test_a_thousand_suspected(void)
{
	char subject[32];

	fresh();
	for (unsigned second = 0; second <= 30; second++) {
		for (unsigned i = 0; i < 1000; i++) {
			snprintf(subject, sizeof(subject), "destination-%u", i);
			incidents_bad(&all, INCIDENT_DESTINATION_DOWN, subject, "", (1 + second) * S, 1);
		}
		incidents_tick(&all, (1 + second) * S, 1);
	}
	CHECK(opened == INCIDENTS_MAX && all.left_out == 31 * (1000 - INCIDENTS_MAX));
	/* What is there takes the place of what is suspected. */
	incidents_well(&all, INCIDENT_DESTINATION_DOWN, "destination-3", true, 40 * S);
	incidents_bad(&all, INCIDENT_DESTINATION_DOWN, "destination-999", "", 40 * S, 1);
	incidents_bad(&all, INCIDENT_DEVICE_SILENT, "copier", "", 40 * S, 1);
	CHECK(incidents_find(&all, INCIDENT_DEVICE_SILENT, "copier"));
	CHECK(!incidents_find(&all, INCIDENT_DESTINATION_DOWN, "destination-999"));
}

/* What is over and was not told yet outlives the process, also while it is being sent. */
static void test_over_is_kept(void)
{
	static struct incident_notes sending, notes, read;
	static const char *const bad[] = {
		"{\"format\":\"postrider incidents 1\",\"open\":[],\"over\":7}",
		"{\"format\":\"postrider incidents 1\",\"open\":[],\"over\":[{}]}",
		("{\"format\":\"postrider incidents 1\",\"open\":[],\"over\":[{\"kind\":\"old_mail\",\"subject\":\"a\","
		 "\"problem\":\"\",\"opened_ms\":1,\"again\":0,\"closed_ms\":0}]}"),
	};
	char *text;

	fresh();
	memset(&sending, 0, sizeof(sending));
	memset(&notes, 0, sizeof(notes));
	memset(&read, 0, sizeof(read));
	sending.list[0] = (struct incident_note){{.kind = INCIDENT_OLD_MAIL, .subject = "a", .opened_wall_ms = 5}, 7};
	sending.list[1] = (struct incident_note){{.kind = INCIDENT_OLD_MAIL, .subject = "opened"}, 0};
	sending.count = 2;
	for (notes.count = 0; notes.count < INCIDENT_NOTES_MAX; notes.count++)
		notes.list[notes.count] = (struct incident_note){{.kind = INCIDENT_SPOOL_FILLING, .again = 3}, 9};
	text = incident_file_write(&all, &sending, &notes, &none);
	CHECK(text && incident_file_read(&all, &read, &none, text, strlen(text), S));
	CHECK(all.count == 0 && read.count == INCIDENT_NOTES_MAX && read.more == 1);
	CHECK(read.list[0].incident.kind == INCIDENT_OLD_MAIL && read.list[0].closed_wall_ms == 7);
	CHECK(read.list[0].incident.opened_wall_ms == 5);
	CHECK_STR(read.list[0].incident.subject, "a");
	CHECK(read.list[1].incident.kind == INCIDENT_SPOOL_FILLING && read.list[1].incident.again == 3);
	free(text);
	memset(&read, 0, sizeof(read));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!incident_file_read(&all, &read, &none, bad[i], strlen(bad[i]), S) && read.count == 0);
}

/* What was is read as it was written; the oldest make room, and are counted, through restarts as well. */
static void test_past(void)
{
	static struct incident_past past, read;
	static struct incident_notes over;
	static const char *const bad[] = {
		"7",
		"{}",
		"{\"list\":[],\"forgotten\":-1,\"forgotten_ms\":0}",
		"{\"list\":[{}],\"forgotten\":0,\"forgotten_ms\":0}",
		"{\"list\":[],\"forgotten\":0,\"forgotten_ms\":0,\"more\":1}",
	};
	char *text, line[300];

	fresh();
	memset(&past, 0, sizeof(past));
	for (unsigned life = 0; life < 3; life++) {
		for (unsigned i = 0; i < 300; i++) {
			struct incident one = {.kind = INCIDENT_OLD_MAIL, .opened_wall_ms = 300 * life + i, .again = 2};
			snprintf(one.subject, sizeof(one.subject), "number %u", 300 * life + i);
			snprintf(one.problem, sizeof(one.problem), "its \"problem\"");
			incident_past_add(&past, &one, 1000 + 300 * life + i);
		}
		text = incident_file_write(&all, NULL, NULL, &past);
		memset(&read, 0, sizeof(read));
		CHECK(text && incident_file_read(&all, &over, &read, text, strlen(text), S));
		free(text);
		past = read;
	}
	CHECK(all.count == 0 && over.count == 0);
	CHECK_EQ(past.count, INCIDENT_PAST_MAX);
	CHECK_EQ(past.forgotten, 900 - INCIDENT_PAST_MAX);
	CHECK_EQ(past.forgotten_wall_ms, 1000 + 900 - INCIDENT_PAST_MAX - 1);
	for (unsigned i = 0; i < INCIDENT_PAST_MAX; i++) {
		const struct incident_note *one = incident_past_get(&past, i);
		snprintf(line, sizeof(line), "number %u", 900 - INCIDENT_PAST_MAX + i);
		CHECK_STR(one->incident.subject, line);
		CHECK(one->closed_wall_ms == 1000 + 900 - INCIDENT_PAST_MAX + i && one->incident.again == 2);
		CHECK_STR(one->incident.problem, "its \"problem\"");
	}
	memset(&read, 0, sizeof(read));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "{\"format\":\"postrider incidents 1\",\"open\":[],\"past\":%s}", bad[i]);
		CHECK(!incident_file_read(&all, &over, &read, line, strlen(line), S) && read.count == 0);
	}
}

static void test_kept(void)
{
	static struct incidents before;
	static struct incident_notes over;
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"format\":\"postrider incidents 2\",\"open\":[]}",
		"{\"format\":\"postrider incidents 1\",\"open\":[{\"kind\":\"old_mail\"}]}",
		("{\"format\":\"postrider incidents 1\",\"open\":[{\"kind\":\"of_another_version\",\"subject\":\"a\","
		 "\"problem\":\"\",\"opened_ms\":1,\"again\":0,\"told\":false}]}"),
		"{\"format\":\"postrider incidents 1\",\"open\":[",
	};
	char longest[2 * INCIDENT_SUBJECT_SIZE], *text;

	fresh();
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	incidents_bad(&all, INCIDENT_OLD_MAIL, "a", "quote \" and \x1b", S, 77);
	incidents_bad(&all, INCIDENT_DEVICE_SILENT, longest, "cut \xc3", S, 78);
	incidents_bad(&all, INCIDENT_DESTINATION_DOWN, "suspected", "", S, 79);
	all.list[0].told = true;
	text = incident_file_write(&all, NULL, NULL, &none);
	before = all;
	fresh();
	CHECK(text && incident_file_read(&all, &over, &none, text, strlen(text), 5 * S));
	CHECK(all.count == 2 && opened == 0);
	CHECK_STR(all.list[0].problem, before.list[0].problem);
	CHECK(all.list[0].told && !all.list[1].told && all.list[0].opened_wall_ms == 77);
	CHECK_STR(all.list[1].subject, before.list[1].subject);
	CHECK(all.list[0].restored);
	/* It is said again, and is the same one. */
	incidents_bad(&all, INCIDENT_OLD_MAIL, "a", "still", 6 * S, 80);
	CHECK(opened == 0 && !all.list[0].restored);
	free(text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fresh();
		CHECK(!incident_file_read(&all, &over, &none, bad[i], strlen(bad[i]), S));
		CHECK(all.count == 0);
	}
}

/* What is too long for its place ends with a whole character, also after a restart, and is the same one still. */
static void test_cut(void)
{
	static struct incident_notes over;
	char line[2000], many[604], *text;
	struct incident_word word;

	for (size_t before = 0; before < 3; before++) {
		size_t length = 0;
		memset(many, 'x', before);
		for (length = before; length + 3 <= 600; length += 3)
			memcpy(many + length, "\xe2\x82\xac", 3);
		many[length] = '\0';
		snprintf(line, sizeof(line),
			 "{\"time\":\"2026-03-01T07:12:09.113Z\",\"event\":\"mailbox_refused\",\"destination\":\"d\","
			 "\"mailbox\":\"%s\",\"problem\":\"%s\"}",
			 many, many);
		incident_word_read(line, strlen(line), &word);
		CHECK(word.says == INCIDENT_SAYS_BAD);
		CHECK(strlen(word.subject) >= INCIDENT_SUBJECT_SIZE - 3 &&
		      strlen(word.problem) >= INCIDENT_PROBLEM_SIZE - 3);
		fresh();
		incidents_bad(&all, INCIDENT_SIGN_IN_REFUSED, word.subject, word.problem, S, 1);
		incidents_bad(&all, INCIDENT_OLD_MAIL, many, many, S, 1);
		incidents_bad(&all, INCIDENT_OLD_MAIL, many, many, 2 * S, 1);
		CHECK(all.count == 2);
		text = incident_file_write(&all, NULL, NULL, &none);
		fresh();
		CHECK(text && incident_file_read(&all, &over, &none, text, strlen(text), 5 * S) && all.count == 2);
		CHECK_STR(all.list[0].problem, word.problem);
		CHECK(strncmp(all.list[1].problem, many, INCIDENT_PROBLEM_SIZE - 3) == 0);
		incidents_bad(&all, INCIDENT_SIGN_IN_REFUSED, word.subject, "", 6 * S, 1);
		incidents_bad(&all, INCIDENT_OLD_MAIL, many, "", 6 * S, 1);
		CHECK(all.count == 2);
		free(text);
	}
}

#define HEAD "{\"time\":\"2026-03-01T07:12:09.113Z\",\"event\":"

static void test_words(void)
{
	static const struct {
		const char *line;
		enum incident_says says;
		enum incident_kind kind;
		const char *subject, *problem;
	} rows[] = {
		{HEAD
		 "\"mailbox_refused\",\"level\":\"error\",\"reason\":\"credentials\",\"problem\":\"the password is "
		 "wrong\",\"destination\":\"o365\",\"host\":\"h:587\",\"mailbox\":\"scan@a.example\"}\n",
		 INCIDENT_SAYS_BAD, INCIDENT_SIGN_IN_REFUSED, "o365/scan@a.example",
		 "h:587; problem: the password is wrong; reason: credentials"},
		{HEAD "\"mailbox_accepted\",\"destination\":\"o365\",\"mailbox\":\"scan@a.example\"}",
		 INCIDENT_SAYS_WELL, INCIDENT_SIGN_IN_REFUSED, "o365/scan@a.example", ""},
		{HEAD "\"host_failed\",\"destination\":\"o365\",\"host\":\"h:25\",\"stage\":\"connect\",\"reason\":"
		      "\"Connection "
		      "refused\"}\n",
		 INCIDENT_SAYS_WHY, INCIDENT_DESTINATION_DOWN, "o365",
		 "h:25; reason: Connection refused; stage: connect"},
		{HEAD "\"token_failed\",\"level\":\"notice\",\"identity\":\"o365\",\"problem\":\"x\"}",
		 INCIDENT_SAYS_NOTHING, 0, "", ""},
		{HEAD "\"token_failed\",\"level\":\"error\",\"identity\":\"o365\",\"problem\":\"x\"}",
		 INCIDENT_SAYS_BAD, INCIDENT_TOKEN_ENDING, "o365", "problem: x"},
		{HEAD "\"token\",\"identity\":\"o365\"}", INCIDENT_SAYS_WELL, INCIDENT_TOKEN_ENDING, "o365", ""},
		{HEAD "\"device_silent\",\"device\":\"copier\",\"place\":\"3rd floor\",\"owner\":\"it@a.example\"}",
		 INCIDENT_SAYS_BAD, INCIDENT_DEVICE_SILENT, "copier", "place: 3rd floor; owner: it@a.example"},
		{HEAD "\"device_back\",\"device\":\"copier\"}", INCIDENT_SAYS_WELL, INCIDENT_DEVICE_SILENT, "copier",
		 ""},
		{HEAD "\"setup_refused\",\"destination\":\"\"}", INCIDENT_SAYS_NOTHING, 0, "", ""},
		{HEAD "\"setup_refused\",\"destination\":7}", INCIDENT_SAYS_NOTHING, 0, "", ""},
		{HEAD "\"setup_refused\",\"destination\":\"a\"", INCIDENT_SAYS_NOTHING, 0, "", ""},
		{HEAD "\"attempt\",\"destination\":\"a\"}", INCIDENT_SAYS_NOTHING, 0, "", ""},
		{HEAD "\"incident_opened\",\"kind\":\"old_mail\",\"subject\":\"a\"}", INCIDENT_SAYS_NOTHING, 0, "", ""},
		{"", INCIDENT_SAYS_NOTHING, 0, "", ""},
	};
	struct incident_word word;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		incident_word_read(rows[i].line, strlen(rows[i].line), &word);
		CHECK(word.says == rows[i].says);
		CHECK(word.says == INCIDENT_SAYS_NOTHING || word.kind == rows[i].kind);
		CHECK_STR(word.subject, rows[i].subject);
		CHECK_STR(word.problem, rows[i].problem);
	}
	for (unsigned kind = 0; kind < INCIDENT_KINDS; kind++) {
		CHECK(incident_kind_of(incident_name((enum incident_kind)kind)) == kind);
		CHECK(incident_title((enum incident_kind)kind) && incident_fix((enum incident_kind)kind));
	}
}

/* What finds no room is counted, and then what is open is no longer sure. */
static void test_words_that_are_lost(void)
{
	static const char line[] =
		HEAD "\"mailbox_accepted\",\"destination\":\"o365\",\"mailbox\":\"scan@a.example\"}\n",
			  other[] = HEAD "\"attempt\",\"destination\":\"o365\"}\n";
	struct line_ring *ring = line_ring_new(LOG_EVENT_MAX);

	CHECK(ring != NULL);
	for (size_t put = 0; put < LOG_EVENT_MAX / (sizeof(line) - 1); put++)
		incident_word_take(ring, line, sizeof(line) - 1);
	CHECK(line_ring_refused(ring) == 0);
	incident_word_take(ring, line, sizeof(line) - 1);
	incident_word_take(ring, other, sizeof(other) - 1);
	CHECK(line_ring_refused(ring) == 1);
	line_ring_free(ring);
	fresh();
	incidents_bad(&all, INCIDENT_SIGN_IN_REFUSED, "o365/scan@a.example", "", S, 77);
	incidents_bad(&all, INCIDENT_DESTINATION_DOWN, "suspected", "", S, 78);
	incidents_doubt(&all);
	CHECK(all.list[0].restored && !all.list[1].restored);
	incidents_bad(&all, INCIDENT_SIGN_IN_REFUSED, "o365/scan@a.example", "", 2 * S, 79);
	CHECK(opened == 1 && !all.list[0].restored);
}

int main(void)
{
	RUN(test_times);
	RUN(test_a_million);
	RUN(test_a_thousand_suspected);
	RUN(test_kept);
	RUN(test_past);
	RUN(test_over_is_kept);
	RUN(test_cut);
	RUN(test_words);
	RUN(test_words_that_are_lost);
	return check_end();
}
