/*
 * test_webhook.c - the journal of events that are posted, through crashes and full disks, and their signatures.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/agents/webhook.h"
#include "core/agents/webhook_journal.h"
#include "core/agents/webhook_sign.h"
#include "core/base/line_ring.h"
#include "core/base/log.h"
#include "tests/unit/check.h"

static char directory[] = "/tmp/test_webhook.XXXXXX";

static void add(struct webhook_journal *journal, unsigned count)
{
	char line[64];

	for (unsigned i = 0; i < count; i++) {
		int n = snprintf(line, sizeof(line), "{\"n\":%" PRIu64 "}\n", journal->next);
		CHECK(webhook_journal_add(journal, line, (size_t)n, 1) == 0);
	}
}

/* 4 KiB each. */
static void add_long(struct webhook_journal *journal, unsigned count)
{
	static char line[1 << 12];

	memset(line, ' ', sizeof(line));
	memcpy(line, "{\"n\":0}", 7);
	line[sizeof(line) - 1] = '\n';
	for (unsigned i = 0; i < count; i++)
		CHECK(webhook_journal_add(journal, line, sizeof(line), 1) == 0);
}

/* The next batch of `most` begins with `first`, and has `count`. */
static void expect(struct webhook_journal *journal, unsigned most, uint64_t first, int count)
{
	static char out[1 << 16];
	uint64_t is = 0, number = 0;
	size_t length = 0;

	CHECK(webhook_journal_read(journal, most, out, sizeof(out), &is, &length) == count);
	if (count <= 0)
		return;
	CHECK(is == first);
	CHECK(sscanf(out, "{\"n\":%" SCNu64 "}", &number) == 1 && number == first);
	CHECK(out[length - 1] == '\n');
}

static void again(struct webhook_journal *journal, bool damaged)
{
	bool is;

	webhook_journal_close(journal);
	CHECK(webhook_journal_open(journal, directory, &is) == 0);
	CHECK(is == damaged);
}

static void file_of(uint64_t first, char path[256])
{
	snprintf(path, 256, "%s/%020" PRIu64, directory, first);
}

static void spoil(const char *path, const char *tail)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, tail, strlen(tail)) == (ssize_t)strlen(tail));
	close(fd);
}

static void test_sent_as_it_was(void)
{
	struct webhook_journal journal;
	char name[WEBHOOK_NAME_SIZE], path[256];
	bool damaged;

	CHECK(webhook_journal_open(&journal, directory, &damaged) == 0 && !damaged);
	expect(&journal, 10, 0, 0);
	add(&journal, 25);
	expect(&journal, 10, 1, 10);
	CHECK(webhook_journal_send(&journal, 10) == 0);
	memcpy(name, journal.name, sizeof(name));
	/* Killed: more may be sent at a time now, and a line was torn. */
	file_of(1, path);
	spoil(path, "{\"n\":26");
	again(&journal, false);
	CHECK(strcmp(journal.name, name) == 0 && journal.next == 26);
	expect(&journal, 20, 1, 10);
	webhook_journal_done(&journal, 10);
	expect(&journal, 20, 11, 15);
	CHECK(webhook_journal_waiting(&journal) == 15);
	add(&journal, 5);
	expect(&journal, 100, 11, 15); /* of one file each */
	CHECK(webhook_journal_send(&journal, 25) == 0);
	webhook_journal_done(&journal, 25);
	expect(&journal, 100, 26, 5);
	CHECK(access(path, F_OK) < 0);
	/* Killed before anybody saves: what was taken, and whose file is gone, is not left out. */
	again(&journal, false);
	CHECK(journal.done == 25);
	expect(&journal, 100, 26, 5);
	webhook_journal_done(&journal, 30);
	CHECK(webhook_journal_save(&journal) == 0);
	again(&journal, false);
	expect(&journal, 100, 0, 0);
	CHECK(journal.next == 31);
	webhook_journal_close(&journal);
}

static void test_what_is_left_out(void)
{
	struct webhook_journal journal;
	uint64_t left_out;
	bool damaged;

	CHECK(webhook_journal_open(&journal, directory, &damaged) == 0);
	add(&journal, 3); /* 31..33 */
	webhook_journal_skip(&journal, 7);
	add(&journal, 2); /* 41, 42 */
	CHECK(webhook_journal_save(&journal) == 0);
	again(&journal, false);
	expect(&journal, 100, 31, 3);
	webhook_journal_done(&journal, 33);
	expect(&journal, 100, 41, 2);
	CHECK(webhook_journal_waiting(&journal) == 2);
	/* 3 MiB where 2 may be. */
	add_long(&journal, 3 * 256);
	left_out = webhook_journal_bound(&journal, 2 << 20);
	CHECK(left_out > 2);
	CHECK(webhook_journal_waiting(&journal) == 2 + 3 * 256 - left_out);
	again(&journal, false);
	CHECK(webhook_journal_waiting(&journal) == 2 + 3 * 256 - left_out);
	webhook_journal_done(&journal, journal.next - 1);
	CHECK(webhook_journal_save(&journal) == 0);
	webhook_journal_close(&journal);
}

/* Somebody takes files away, or cuts them, while it runs: what was in them is counted, and the next ones go. */
static void test_files_that_are_gone(void)
{
	struct webhook_journal journal;
	char path[256];
	uint64_t first;
	bool damaged;

	CHECK(webhook_journal_open(&journal, directory, &damaged) == 0);
	first = journal.next;
	add(&journal, 5);
	webhook_journal_skip(&journal, 1);
	add(&journal, 4);
	webhook_journal_done(&journal, first + 1);
	file_of(first, path);
	CHECK(unlink(path) == 0);
	expect(&journal, 100, 0, -ENOENT);
	CHECK(webhook_journal_lose(&journal) == 3);
	expect(&journal, 100, first + 6, 4);
	file_of(first + 6, path);
	CHECK(truncate(path, 3) == 0);
	expect(&journal, 100, 0, -EBADMSG);
	CHECK(webhook_journal_lose(&journal) == 4 && webhook_journal_lose(&journal) == 0);
	expect(&journal, 100, 0, 0);
	add(&journal, 2);
	expect(&journal, 100, first + 10, 2);
	webhook_journal_done(&journal, journal.next - 1);
	CHECK(webhook_journal_save(&journal) == 0);
	webhook_journal_close(&journal);
}

/* Of a great backlog the last file is read when it is opened, and each other one in its turn; what is missing between
 * them is left out still. */
static void test_read_in_its_turn(void)
{
	struct webhook_journal journal;
	uint64_t first;
	bool damaged;

	CHECK(webhook_journal_open(&journal, directory, &damaged) == 0);
	first = journal.next;
	add_long(&journal, 2 * 256);
	webhook_journal_skip(&journal, 5);
	add_long(&journal, 256);
	CHECK(webhook_journal_waiting(&journal) == 3 * 256);
	again(&journal, false);
	CHECK(journal.file_count == 3 && journal.next == first + 3 * 256 + 5);
	CHECK(!journal.files[0].counted && !journal.files[1].counted && journal.files[2].counted);
	webhook_journal_done(&journal, first + 255);
	CHECK(journal.file_count == 2 && !journal.files[0].counted);
	/* Up to its turn what is missing behind it counts as its own. */
	CHECK(webhook_journal_waiting(&journal) == 2 * 256 + 5);
	CHECK(webhook_journal_bound(&journal, 1 << 20) == 256);
	CHECK(webhook_journal_waiting(&journal) == 256);
	webhook_journal_done(&journal, journal.next - 1);
	CHECK(webhook_journal_save(&journal) == 0);
	webhook_journal_close(&journal);
}

/* One that nobody takes stands between what is done and what comes next. */
static void test_passed_over(void)
{
	struct webhook_journal journal;
	uint64_t first;
	bool damaged;

	CHECK(webhook_journal_open(&journal, directory, &damaged) == 0);
	first = journal.next;
	webhook_journal_pass(&journal); /* there is none */
	add(&journal, 3);
	webhook_journal_pass(&journal);
	expect(&journal, 10, first + 1, 2);
	CHECK(webhook_journal_waiting(&journal) == 2 && journal.done == first - 1);
	webhook_journal_done(&journal, first + 1);
	webhook_journal_pass(&journal);
	expect(&journal, 10, 0, 0);
	CHECK(webhook_journal_waiting(&journal) == 0 && journal.done == first + 1);
	add(&journal, 2);
	expect(&journal, 10, first + 3, 2);
	webhook_journal_done(&journal, first + 4);
	CHECK(webhook_journal_save(&journal) == 0);
	webhook_journal_close(&journal);
}

/* What was being sent keeps its name, and all else has another one with each start: a copy of this directory has the
 * same numbers, and other events behind. */
static void test_names(void)
{
	struct webhook_journal journal;
	char before[WEBHOOK_NAME_SIZE], own[WEBHOOK_NAME_SIZE];
	bool damaged;

	CHECK(webhook_journal_open(&journal, directory, &damaged) == 0);
	add(&journal, 4);
	webhook_journal_rename(&journal);
	memcpy(before, journal.name, sizeof(before));
	CHECK(webhook_journal_send(&journal, journal.next - 3) == 0);
	again(&journal, false);
	CHECK(strcmp(journal.name, before) == 0 && strcmp(journal.own, before) != 0);
	again(&journal, false);
	CHECK(strcmp(journal.name, before) == 0 && strcmp(journal.own, before) != 0);
	memcpy(own, journal.own, sizeof(own));
	webhook_journal_done(&journal, journal.sending);
	webhook_journal_rename(&journal);
	CHECK(strcmp(journal.name, own) == 0);
	CHECK(webhook_journal_send(&journal, journal.next - 1) == 0);
	again(&journal, false);
	CHECK(strcmp(journal.name, own) == 0 && strcmp(journal.own, own) != 0);
	webhook_journal_done(&journal, journal.next - 1);
	CHECK(webhook_journal_save(&journal) == 0);
	webhook_journal_close(&journal);
}

static void test_states(void)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{"postrider webhook 1\nname 0123456789abcdef\ndone 7\nsending 9\nnext 12\nend\n", true},
		{"postrider webhook 1\nname 0123456789abcdef\ndone 7\nsending 9\nnext 12\nend", false},
		{"postrider webhook 1\nname 0123456789abcdef\ndone 7\nsending 9\nnext 12\n", false},
		{"postrider webhook 1\nname 0123456789abcdef\ndone 7\nsending 9\nnext 12\nend\nmore\n", false},
		{"postrider webhook 1\nname 0123\ndone 7\nsending 9\nnext 12\nend\n", false},
		{"postrider webhook 1\nname 0123456789abcdeg\ndone 7\nsending 9\nnext 12\nend\n", false},
		{"postrider webhook 1\nname 0123456789abcdef\ndone 99999999999999999999\nsending 9\nnext 12\nend\n",
		 false},
		{"postrider webhook 2\nname 0123456789abcdef\ndone 7\nsending 9\nnext 12\nend\n", false},
		{"", false},
	};
	struct webhook_journal journal = {0};
	char path[300];
	bool damaged;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK(webhook_state_read(&journal, rows[i].text, strlen(rows[i].text)) == rows[i].good);
	CHECK(!webhook_state_read(&journal, "postrider webhook 1\nname \0", 26));
	/* What is there is sent, and nothing of it counts as left out. */
	CHECK(webhook_journal_open(&journal, directory, &damaged) == 0 && !damaged);
	add(&journal, 4);
	snprintf(path, sizeof(path), "%s/state", directory);
	spoil(path, "x");
	uint64_t first = journal.next - 4;
	again(&journal, true);
	expect(&journal, 10, first, 4);
	CHECK(journal.done == first - 1);
	webhook_journal_close(&journal);
}

static void test_signatures(void)
{
	/* The example of Standard Webhooks 1.0. */
	static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
	static const char known[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
	static const char id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
	static const struct span body = {"{\"test\": 2432232314}", 20};
	static const char *const bad[] = {"",
					  "\n",
					  "short",
					  "whsec_c2hvcnQ=",
					  "whsec_????????????????????????",
					  "0123456789abcdef\n0123456789abcdef\n0123456789abcdef"};
	char out[WEBHOOK_SIGNATURE_SIZE], two[200], longer[WEBHOOK_SECRET_MOST + 1];

	CHECK(webhook_sign(secret, strlen(secret), id, 1614265330, body, out));
	CHECK_STR(out, known);
	snprintf(two, sizeof(two), "%s\r\n0123456789abcdef\n", secret);
	CHECK(webhook_sign(two, strlen(two), id, 1614265330, body, out));
	CHECK(strncmp(out, known, strlen(known)) == 0 && strncmp(out + strlen(known), " v1,", 4) == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!webhook_sign(bad[i], strlen(bad[i]), id, 1, body, out));
	memset(longer, 'x', sizeof(longer));
	CHECK(!webhook_sign(longer, sizeof(longer), id, 1, body, out));
	CHECK(webhook_sign(longer, sizeof(longer) - 1, id, 1, body, out));
}

static void test_rings(void)
{
	static const char line[] = "{\"time\":\"2026-03-01T07:12:09.113Z\",\"event\":\"attempt\",\"level\":\"info\"}\n";
	struct line_ring *ring = line_ring_new(LOG_EVENT_MAX);
	char out[2 * LOG_EVENT_MAX];
	size_t put = 0, taken, all = 0;

	CHECK(ring != NULL);
	for (unsigned round = 0; round < 50; round++) {
		for (put = 0; line_ring_put(ring, line, sizeof(line) - 1); put++)
			;
		CHECK(put == LOG_EVENT_MAX / (sizeof(line) - 1));
		for (all = 0; (taken = line_ring_take(ring, out, 3 * sizeof(line))) > 0; all += taken)
			CHECK(taken % (sizeof(line) - 1) == 0 && memcmp(out, line, sizeof(line) - 1) == 0);
		CHECK(all == put * (sizeof(line) - 1));
	}
	/* What is not shown is not there, and has its room. */
	for (put = 0; line_ring_add(ring, line, sizeof(line) - 1); put++)
		CHECK(line_ring_is_empty(ring) && line_ring_take(ring, out, sizeof(out)) == 0);
	CHECK(put == LOG_EVENT_MAX / (sizeof(line) - 1));
	line_ring_show(ring);
	CHECK(line_ring_take(ring, out, sizeof(out)) == put * (sizeof(line) - 1));
	line_ring_free(ring);
	struct span event = line_event(line, sizeof(line) - 1);
	CHECK(event.length == 7 && memcmp(event.data, "attempt", 7) == 0);
	CHECK(line_event("{}\n", 3).length == 0);
	CHECK(line_event_fits(event, "attempt") && line_event_fits(event, "*") && line_event_fits(event, "att*"));
	CHECK(!line_event_fits(event, "attempts") && !line_event_fits(event, "attem") && !line_event_fits(event, "x*"));
}

#define LINE(event) "{\"time\":\"2026-03-01T07:12:09.113Z\",\"event\":\"" event "\",\"level\":\"info\"}\n"

static void left_out_are(const struct webhook *webhook, uint64_t count)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	for (unsigned i = 0; i < 6000 && atomic_load(&webhook_counts(webhook)->left_out) < count; i++)
		(void)nanosleep(&pause, NULL);
	CHECK(atomic_load(&webhook_counts(webhook)->left_out) == count);
}

/* Its directory is gone. What says so is not left out again, or each such event would make the next one. */
static void test_nowhere_to_write(void)
{
	static const char *const kinds[] = {"*"};
	static const char lines[] = LINE("accepted") LINE("attempt") LINE("accepted"), own[] = LINE("webhook_left_out");
	const struct webhook_settings settings = {.url = "https://127.0.0.1:9/",
						  .secret_file = "/nonexistent",
						  .relay = "relay.example.org",
						  .kinds = kinds,
						  .kind_count = 1,
						  .batch = 100,
						  .size_max = 2 << 20};
	char gone[] = "/tmp/test_webhook_gone.XXXXXX", path[100];
	struct log *log = log_new(-1, 1 << 14);
	struct webhook *webhook;

	CHECK(mkdtemp(gone) != NULL);
	webhook = webhook_start(gone, &settings, &(struct webhook_memory){.ring = NULL}, log);
	CHECK(webhook != NULL);
	snprintf(path, sizeof(path), "%s/state", gone);
	(void)unlink(path);
	CHECK(rmdir(gone) == 0);
	webhook_take(webhook, lines, sizeof(lines) - 1);
	left_out_are(webhook, 3);
	webhook_take(webhook, own, sizeof(own) - 1);
	webhook_take(webhook, own, sizeof(own) - 1);
	webhook_take(webhook, lines, sizeof(lines) - 1);
	left_out_are(webhook, 6);
	CHECK(atomic_load(&webhook_counts(webhook)->waiting) == 0);
	webhook_stop(webhook);
	log_free(log);
}

/* What waited in memory when a process was killed: behind what it had written of it, and behind what it had counted. */
static void test_left_by_a_process(void)
{
	static const struct {
		uint64_t there, mark; /* lines in the journal; number of the ring's first, as it says */
		unsigned lines, refused;
		uint64_t next, waiting;
	} cases[] = {
		{5, 6, 8, 0, 14, 13}, /* nothing of it was written */
		{5, 3, 8, 0, 11, 10}, /* three were */
		{5, 3, 3, 0, 6, 5},   /* all were */
		{5, 20, 2, 0, 22,
		 21}, /* some were counted as left out, and not written down; seen when it is their turn */
		{5, 6, 2, 4, 12, 7},    /* there was no room for some */
		{0, 100, 3, 0, 103, 3}, /* its journal is gone */
		{50, 2, 3, 0, 54, 53},  /* of another journal */
	};
	static const char line[] = LINE("attempt");
	const struct webhook_settings settings = {.relay = "relay.example.org", .size_max = 2 << 20};
	char place[] = "/tmp/test_webhook_before.XXXXXX", command[100];

	CHECK(mkdtemp(place) != NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct line_ring *ring = line_ring_new(WEBHOOK_RING);
		struct webhook_memory memory = {.before = &ring, .before_count = 1};
		struct log *log = log_new(-1, 1 << 14);
		struct webhook_journal journal;
		struct webhook *webhook;
		unsigned refused = 0;
		bool damaged;
		snprintf(command, sizeof(command), "rm -rf %s", place);
		CHECK(system(command) == 0);
		CHECK(webhook_journal_open(&journal, place, &damaged) == 0);
		add(&journal, (unsigned)cases[i].there);
		webhook_journal_close(&journal);
		for (unsigned n = 0; n < cases[i].lines; n++)
			CHECK(line_ring_put(ring, line, sizeof(line) - 1));
		while (refused < cases[i].refused)
			refused += !line_ring_put(ring, line, WEBHOOK_RING + 1);
		line_ring_drop(ring, 0, cases[i].mark);
		webhook = webhook_start(place, &settings, &memory, log);
		CHECK(webhook != NULL);
		CHECK_EQ(atomic_load(&webhook_counts(webhook)->left_out), cases[i].refused);
		webhook_stop(webhook);
		CHECK(line_ring_is_empty(ring) && line_ring_told(ring) == cases[i].refused);
		CHECK(webhook_journal_open(&journal, place, &damaged) == 0);
		CHECK_EQ(journal.next, cases[i].next);
		CHECK_EQ(webhook_journal_waiting(&journal), cases[i].waiting);
		webhook_journal_close(&journal);
		line_ring_free(ring);
		log_free(log);
	}
	CHECK(system(command) == 0);
}

int main(void)
{
	char command[100];

	CHECK(mkdtemp(directory) != NULL);
	RUN(test_sent_as_it_was);
	RUN(test_what_is_left_out);
	RUN(test_read_in_its_turn);
	RUN(test_passed_over);
	RUN(test_names);
	RUN(test_states);
	RUN(test_signatures);
	RUN(test_rings);
	RUN(test_files_that_are_gone);
	RUN(test_nowhere_to_write);
	RUN(test_left_by_a_process);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	CHECK(system(command) == 0);
	return check_end();
}
