/*
 * tests/unit/test_tls_days.c - core/agents/tls_days.c: days end, reports have their time, and clocks jump; and what is
 * kept of it over a restart (tls_report_state.c); and what shards hand over meanwhile (tls_given.c).
 */
#include "core/agents/tls_days.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/agents/tls_given.h"
#include "core/agents/tls_report_state.h"
#include "tests/unit/check.h"

enum { HOUR = 3600 };
static const uint64_t NOON = 20000ull * TLS_DAY_S + 12ull * HOUR;

static void see(struct tls_days *days, const char *domain)
{
	const struct tls_seen seen = {.domain = domain, .policy = TLS_POLICY_NONE};
	struct tls_count *count = tls_count_new(1 << 20);

	tls_count_add(count, &seen, 1);
	tls_days_count(days, count);
	tls_count_free(count);
}

static void wanted(struct tls_report *report, const char *record)
{
	static struct tlsrpt_places places;

	CHECK_EQ(tlsrpt_record_parse(record, strlen(record), &places), TLSRPT_GOOD);
	tls_report_wanted(report, &places);
}

static void test_a_day(void)
{
	struct tls_day_end end;
	struct tls_report *report;
	struct tls_days days;
	uint64_t next_s, due_s;

	CHECK(tls_days_init(&days, NOON));
	CHECK(!tls_days_at(&days, NOON + HOUR, &end));
	see(&days, "a.example");
	see(&days, "a.example");
	CHECK(!tls_days_at(&days, NOON + 12 * HOUR - 1, &end));
	CHECK(!tls_days_take(&days, NOON + 12 * HOUR - 1, &next_s) && next_s == UINT64_MAX);
	CHECK(tls_days_at(&days, NOON + 12 * HOUR, &end));
	CHECK_EQ(end.day, 20000);
	CHECK_EQ(end.domains, 1);
	CHECK_EQ(end.lost + end.dropped, 0);
	/* What comes now is the next day's. */
	see(&days, "b.example");
	CHECK(!tls_days_at(&days, NOON + 12 * HOUR + 1, &end));
	CHECK_EQ(tls_count_domains(days.today), 1);

	report = tls_days_take(&days, NOON + 12 * HOUR, &due_s);
	CHECK(report || (due_s >= NOON + 12 * HOUR && due_s < NOON + 16 * HOUR));
	if (!report)
		report = tls_days_take(&days, due_s, &next_s);
	CHECK(report != NULL);
	if (!report)
		return;
	CHECK_STR(report->domain->name, "a.example");
	CHECK_EQ(report->domain->policies->good, 2);
	CHECK_EQ(report->day, 20000);
	tls_days_over(&days, report);
	CHECK_EQ(days.report_count, 0);
	/* A day without anything ends in nothing. */
	CHECK(tls_days_at(&days, NOON + 36 * HOUR, &end));
	CHECK(!tls_days_at(&days, NOON + 60 * HOUR, &end));
	tls_days_deinit(&days);
}

/* A thousand domains are not reported on in one moment. */
static void test_spread(void)
{
	struct tls_day_end end;
	struct tls_days days;
	uint64_t next_s = 0;
	unsigned hours[4] = {0}, n = 0;
	char name[40];

	CHECK(tls_days_init(&days, NOON));
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "d%u.example", i);
		see(&days, name);
	}
	CHECK(tls_days_at(&days, NOON + 12 * HOUR, &end));
	for (uint64_t at = NOON + 12 * HOUR; at < NOON + 16 * HOUR; at += 60) {
		struct tls_report *report;
		while ((report = tls_days_take(&days, at, &next_s)) != NULL) {
			hours[(at - NOON) / HOUR - 12]++;
			n++;
		}
	}
	/* The last minute's. */
	while (tls_days_take(&days, NOON + 16 * HOUR, &next_s))
		n++;
	CHECK_EQ(n, 1000);
	for (unsigned i = 0; i < 4; i++)
		CHECK(hours[i] > 150 && hours[i] < 350);
	tls_days_deinit(&days);
}

static struct tls_report *take_now(struct tls_days *days, uint64_t *now_s)
{
	uint64_t next_s;
	struct tls_report *report = tls_days_take(days, *now_s, &next_s);

	if (report || next_s == UINT64_MAX)
		return report;
	*now_s = next_s;
	return tls_days_take(days, next_s, &next_s);
}

static void test_retries(void)
{
	struct tls_day_end end;
	struct tls_report *report;
	struct tls_days days;
	uint64_t now_s = NOON + 12 * HOUR, first_s = 0;
	unsigned tries = 0;

	CHECK(tls_days_init(&days, NOON));
	see(&days, "a.example");
	CHECK(tls_days_at(&days, now_s, &end));
	while ((report = take_now(&days, &now_s)) != NULL) {
		first_s = first_s ? first_s : now_s;
		tries++;
		wanted(report, "v=TLSRPTv1;rua=mailto:a@a.example,https://r.a.example/x");
		CHECK_EQ(report->place_count, 2);
		/* The first has it after the first try, and never again. */
		CHECK_STR(tls_report_place(report)->text, tries == 1 ? "a@a.example" : "https://r.a.example/x");
		if (tries == 1)
			tls_report_tried(report, true);
		CHECK_STR(tls_report_place(report)->text, "https://r.a.example/x");
		tls_report_tried(report, false);
		CHECK(tls_report_place(report) == NULL);
		CHECK(report->failed);
		CHECK(now_s <= first_s + TLS_DAYS_TRY_S);
		if (tls_days_again(&days, report, now_s) == 0)
			break;
	}
	CHECK(tries >= 12 && tries <= 25);
	CHECK(now_s > first_s + TLS_DAYS_TRY_S - 3 * HOUR);
	CHECK_EQ(days.report_count, 0);
	tls_days_deinit(&days);
}

static void test_clocks(void)
{
	struct tls_day_end end;
	struct tls_days days;
	uint64_t next_s, year_s = 365ull * TLS_DAY_S;
	struct tls_report *report;

	/* Back over midnight by a second, and on again: one day. */
	CHECK(tls_days_init(&days, NOON + 12 * HOUR));
	see(&days, "a.example");
	CHECK(!tls_days_at(&days, NOON + 12 * HOUR - 1, &end));
	see(&days, "a.example");
	CHECK(!tls_days_at(&days, NOON + 12 * HOUR, &end));
	CHECK_EQ(tls_count_domains(days.today), 1);
	CHECK_EQ(days.report_count, 0);

	/* A year ahead: the day is over, and is told as what it was. */
	CHECK(tls_days_at(&days, NOON + year_s, &end));
	CHECK_EQ(end.day, 20001);
	see(&days, "b.example");
	/* And back: what was counted there is of today, and nothing waits for a year. */
	CHECK(!tls_days_at(&days, NOON + 13 * HOUR, &end));
	CHECK_EQ(days.day, 20001);
	CHECK(tls_days_at(&days, NOON + 36 * HOUR, &end));
	CHECK_EQ(end.day, 20001);
	for (unsigned i = 0; i < 2; i++) {
		report = tls_days_take(&days, NOON + 41 * HOUR, &next_s);
		CHECK(report != NULL);
		if (report)
			CHECK_EQ(report->day, 20001);
	}
	tls_days_deinit(&days);
}

/* Which nobody takes up: they go after days, and a restart does not keep them for ever. */
static void test_nobody(void)
{
	struct tls_day_end end;
	struct tls_days days;

	CHECK(tls_days_init(&days, NOON));
	for (unsigned day = 1; day <= 20; day++) {
		see(&days, "a.example");
		CHECK(tls_days_at(&days, NOON + (uint64_t)day * TLS_DAY_S, &end));
		CHECK(days.report_count <= TLS_DAYS_KEPT + 1);
	}
	CHECK_EQ(end.dropped, 1);
	tls_days_deinit(&days);
}

static void test_kept(void)
{
	struct tls_seen bad = {.domain = "b.example",
			       .policy = TLS_POLICY_STS,
			       .words = {"version: STSv1\nmx: *.b.example\n", 31},
			       .result = TLS_RESULT_NOT_TRUSTED,
			       .from = "192.0.2.1",
			       .host = "mx.b.example",
			       .why = "because"};
	struct tls_days days, again;
	struct tls_day_end end;
	struct tls_report *report;
	uint64_t next_s, now_s = NOON + 18 * HOUR;
	char *text;

	CHECK(tls_days_init(&days, NOON));
	see(&days, "a.example");
	CHECK(tls_days_at(&days, NOON + 12 * HOUR, &end));
	report = tls_days_take(&days, now_s, &next_s);
	wanted(report, "v=TLSRPTv1;rua=mailto:a@a.example,mailto:b@a.example");
	CHECK(tls_report_place(report) != NULL);
	tls_report_tried(report, true);
	tls_count_add(days.today, &bad, 7);
	tls_count_lose(days.today, 3);
	text = tls_report_state_write(&days);
	tls_days_deinit(&days);

	/* It was under way when the process ended, and goes on where it was. */
	CHECK(tls_days_init(&again, now_s));
	CHECK(tls_report_state_read(&again, text, strlen(text)));
	CHECK_EQ(again.day, 20001);
	CHECK_EQ(tls_count_domains(again.today), 1);
	CHECK_EQ(tls_count_lost(again.today), 3);
	report = tls_days_take(&again, now_s, &next_s);
	CHECK(report != NULL);
	CHECK_EQ(report->tries, 2);
	CHECK_EQ(report->first_s, now_s);
	wanted(report, "v=TLSRPTv1;rua=mailto:a@a.example,mailto:b@a.example");
	CHECK_STR(tls_report_place(report)->text, "b@a.example");
	CHECK(tls_days_at(&again, now_s + TLS_DAY_S, &end));
	tls_days_over(&again, report);
	report = tls_days_take(&again, now_s + 2 * TLS_DAY_S, &next_s);
	CHECK_EQ(report->domain->policies->failed, 7);
	CHECK_EQ(report->domain->policies->failures->count, 7);
	CHECK_STR(report->domain->policies->failures->texts[1], "mx.b.example");
	CHECK_STR(report->domain->policies->words, "version: STSv1\nmx: *.b.example\n");
	tls_days_deinit(&again);

	/* Cut off, or of another version. */
	CHECK(tls_days_init(&again, now_s));
	CHECK(!tls_report_state_read(&again, text, strlen(text) / 2));
	CHECK(!tls_report_state_read(&again, text, strlen(text) - 1));
	CHECK(tls_count_empty(again.today) && again.report_count == 0 && again.report_octets == 0);
	CHECK(!tls_report_state_read(&again, "{}", 2));
	CHECK(!tls_report_state_read(&again, "", 0));
	/* A name that would end a line of a mail. */
	static const char wrong[] =
		"{\"format\":\"postrider TLS reports 1\",\"day\":1,\"domains\":[{\"name\":\"a\\r\\nb\","
		"\"policies\":[{\"type\":\"sts\",\"good\":1}]}],\"reports\":[1,{},{\"domain\":[]}]}";
	CHECK(tls_report_state_read(&again, wrong, strlen(wrong)));
	CHECK_EQ(tls_count_domains(again.today), 0);
	CHECK_EQ(again.report_count, 0);
	tls_days_deinit(&again);
	free(text);
}

/* A day of many, and the reports of the day before: all of it comes back, or, where something is missing, nothing. */
static void test_kept_many(void)
{
	enum { MANY = 3000 };
	struct tls_days days, again;
	struct tls_day_end end;
	char name[64], *text;
	size_t length;

	CHECK(tls_days_init(&days, NOON));
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "d%u.example", i);
		see(&days, name);
	}
	CHECK(tls_days_at(&days, NOON + TLS_DAY_S, &end));
	for (unsigned i = 0; i < MANY / 2; i++) {
		snprintf(name, sizeof(name), "d%u.example", i);
		see(&days, name);
	}
	text = tls_report_state_write(&days);
	length = strlen(text);
	CHECK(tls_days_init(&again, NOON));
	for (size_t cut = 1; cut < 16; cut++) {
		CHECK(!tls_report_state_read(&again, text, length * cut / 16));
		CHECK(tls_count_empty(again.today) && again.report_count == 0 && again.report_octets == 0);
	}
	CHECK_EQ(again.day, days.day - 1);
	CHECK(tls_report_state_read(&again, text, length));
	CHECK_EQ(again.day, days.day);
	CHECK_EQ(tls_count_domains(again.today), MANY / 2);
	CHECK_EQ(again.report_count, MANY);
	CHECK_EQ(again.report_octets, days.report_octets);
	tls_days_deinit(&again);
	tls_days_deinit(&days);
	free(text);
}

/* Whoever wrote it: members in any order, with blanks between them, and such as are not known. */
static void test_kept_forms(void)
{
	static const struct {
		const char *text;
		bool good;
		unsigned domains;
	} table[] = {
		{"{\"format\":\"postrider TLS reports 1\"}", true, 0},
		{" { \"reports\" : [ ] ,\n\"domains\":[ "
		 "{\"name\":\"a.example\",\"policies\":[{\"type\":\"sts\",\"good\":1}]} , "
		 "{} ], \"day\" : 7 , \"more\": {\"a\":[1]}, \"format\" : \"postrider TLS reports 1\" } \n",
		 true, 1},
		{"{\"format\":\"postrider TLS reports 2\",\"domains\":[]}", false, 0},
		{"{\"format\":\"postrider TLS reports 1\"} {}", false, 0},
		{"{\"format\":\"postrider TLS reports 1\",}", false, 0},
		{"{\"format\":\"postrider TLS reports 1\",\"domains\":{}}", false, 0},
		{"{\"format\":\"postrider TLS reports 1\",\"domains\":[{}}", false, 0},
		{"{\"format\":\"postrider TLS reports 1\",\"domains\":[{},]}", false, 0},
		{"{\"format\":1}", false, 0},
		{"{1:\"postrider TLS reports 1\"}", false, 0},
		{"[\"postrider TLS reports 1\"]", false, 0},
		{"{", false, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct tls_days days;
		CHECK(tls_days_init(&days, NOON));
		CHECK_EQ(tls_report_state_read(&days, table[i].text, strlen(table[i].text)), table[i].good);
		CHECK_EQ(tls_count_domains(days.today), table[i].domains);
		tls_days_deinit(&days);
	}
}

/* What all reports have to say is bounded, whoever fails and how long nobody takes them up; and there is room again. */
static void test_octets(void)
{
	enum { WORDS = TLS_COUNT_WORDS_MAX };
	char *words = malloc(WORDS), name[64];
	struct tls_days days;
	struct tls_day_end end;
	uint64_t day = 0, dropped = 0, next_s;

	CHECK(words != NULL);
	memset(words, 'x', WORDS);
	CHECK(tls_days_init(&days, NOON));
	for (; day < 3; day++) {
		for (unsigned i = 0; i < 8000; i++) {
			struct tls_seen seen = {.domain = name, .policy = TLS_POLICY_STS, .words = {words, WORDS}};
			snprintf(name, sizeof(name), "d%u.example", i);
			tls_count_add(days.today, &seen, 1);
		}
		CHECK(tls_days_at(&days, NOON + (day + 1) * TLS_DAY_S, &end));
		dropped += end.dropped;
		CHECK(days.report_octets <= TLS_DAYS_OCTETS_MAX);
	}
	CHECK(dropped > 1000);
	CHECK(days.report_octets > TLS_DAYS_OCTETS_MAX - 2 * WORDS);
	while (days.due_count > 0)
		tls_days_over(&days, tls_days_take(&days, UINT64_MAX, &next_s));
	CHECK_EQ(days.report_octets, 0);
	tls_days_deinit(&days);
	free(words);
}

static void give(struct tls_given *given, const char *domain, uint64_t sessions)
{
	const struct tls_seen seen = {.domain = domain, .policy = TLS_POLICY_NONE};
	struct tls_count *count = tls_count_new(1 << 20);

	tls_count_add(count, &seen, sessions);
	tls_count_lose(count, 1);
	tls_given_put(given, count);
}

/* Nobody takes it, for a while: what there is room for is counted, and of the rest it is known how much it was. */
static void test_given(void)
{
	struct tls_given given = {.count = 0};
	struct tls_days days;

	CHECK(tls_days_init(&days, NOON));
	tls_given_take(&given, &days);
	CHECK(!days.changed);
	for (unsigned i = 0; i < TLS_GIVEN_MOST; i++)
		give(&given, "a.example", 2);
	give(&given, "b.example", 5);
	give(&given, "c.example", 6);
	tls_given_take(&given, &days);
	CHECK(days.changed);
	CHECK_EQ(tls_count_domains(days.today), 1);
	CHECK_EQ(tls_count_lost(days.today), TLS_GIVEN_MOST + 6 + 7);
	CHECK_EQ(tls_count_sessions(days.today), 3 * TLS_GIVEN_MOST + 6 + 7);
	/* And then there is room again. */
	give(&given, "b.example", 5);
	tls_given_take(&given, &days);
	CHECK_EQ(tls_count_domains(days.today), 2);
	CHECK_EQ(tls_count_lost(days.today), TLS_GIVEN_MOST + 6 + 7 + 1);
	tls_days_deinit(&days);
}

int main(void)
{
	RUN(test_a_day);
	RUN(test_spread);
	RUN(test_retries);
	RUN(test_clocks);
	RUN(test_nobody);
	RUN(test_kept);
	RUN(test_kept_many);
	RUN(test_kept_forms);
	RUN(test_octets);
	RUN(test_given);
	return check_end();
}
