/*
 * test_mailbox.c - who signs in: turns, connections, pauses, and secrets from files.
 */
#include "core/deliver/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/config/config.h"
#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S UINT64_C(1000000000)

static struct mailbox boxes[3];
static struct mailbox_entry entries[3];
static const struct mailbox_set pool = {.count = 3, .entries = entries};

static bool found_full;

static void begin(void)
{
	found_full = false;
	memset(boxes, 0, sizeof(boxes));
	for (size_t i = 0; i < 3; i++)
		entries[i].mailbox = &boxes[i];
}

static int choose(unsigned *turn, unsigned most, uint64_t now_ns, bool *probe, uint64_t *next_ns)
{
	struct mailbox *chosen = mailbox_choose(&pool, NULL, turn, most, now_ns, probe, &found_full, next_ns);

	return chosen ? (int)(chosen - boxes) : -1;
}

static void test_turns(void)
{
	uint64_t next_ns = UINT64_MAX;
	unsigned turn = 0;
	bool probe;

	begin();
	for (int i = 0; i < 6; i++)
		CHECK_EQ(choose(&turn, 2, S, &probe, &next_ns), i % 3);
	CHECK_EQ(next_ns, UINT64_MAX);
	CHECK(!found_full);
	/* All have what they may have, until one is gone. */
	CHECK_EQ(choose(&turn, 2, S, &probe, &next_ns), -1);
	CHECK(found_full);
	CHECK_EQ(next_ns, S + MAILBOX_POLL_MS * UINT64_C(1000000));
	mailbox_gone(&boxes[1]);
	CHECK_EQ(choose(&turn, 2, S, &probe, &next_ns), 1);
	CHECK(!probe);
	CHECK_EQ(boxes[1].connections, 2);
}

static void test_among(void)
{
	uint64_t next_ns = UINT64_MAX;
	const uint8_t among = 1 << 0 | 1 << 2;
	unsigned turn = 0;
	bool probe, full = false;

	begin();
	CHECK(mailbox_choose(&pool, &among, &turn, 1, S, &probe, &full, &next_ns) == &boxes[0]);
	CHECK(mailbox_choose(&pool, &among, &turn, 1, S, &probe, &full, &next_ns) == &boxes[2]);
	CHECK(mailbox_choose(&pool, &among, &turn, 1, S, &probe, &full, &next_ns) == NULL);
	CHECK_EQ(mailbox_seat(&pool, &boxes[2]), 2);
}

/* What several connections said at one time counts where they said it: the next is tried later, within bounds. */
static void test_refused_together(void)
{
	static const unsigned pauses[] = {10, 40, 160, 640, 640, 640};
	bool tell;

	begin();
	for (size_t i = 0; i < COUNT(pauses); i++) {
		CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_REFUSED, false, S, &tell), pauses[i] * S);
		CHECK_EQ(tell, i == 0);
	}
	/* What passes by itself does not. */
	begin();
	CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_LATER, false, S, &tell), S);
	CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_LATER, false, S, &tell), S);
}

/* The pauses of a login that is refused again and again; one probe at a time; the rest of the pool goes on. */
static void test_refused(void)
{
	static const unsigned pauses[] = {10, 40, 160, 640, 2560, 3600, 3600};
	uint64_t now_ns = S, next_ns, held_ns = 0;
	unsigned turn = 0;
	bool tell, probe, told;

	begin();
	CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_REFUSED, false, now_ns, &tell), 10 * S);
	CHECK(tell && mailbox_held(&boxes[0]) && !mailbox_barred(&boxes[0]) && !mailbox_all_held(&pool));
	for (size_t i = 1; i < COUNT(pauses); i++) {
		next_ns = UINT64_MAX;
		turn = 0;
		now_ns += pauses[i - 1] * S - 1;
		CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 1);
		CHECK_EQ(next_ns, now_ns + 1);
		now_ns++;
		turn = 0;
		CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 0);
		CHECK(probe);
		turn = 0;
		CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 1);
		CHECK(!probe);
		CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_REFUSED, true, now_ns, &tell), pauses[i] * S);
		/* Once an hour. */
		CHECK_EQ(tell, now_ns > 3600 * S);
	}
	mailbox_retry(&boxes[0], now_ns);
	turn = 0;
	CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 0);
	CHECK(probe && mailbox_well(&boxes[0], false, now_ns, &held_ns, &told) && told);
	CHECK_EQ(held_ns, now_ns - S);
	CHECK(!mailbox_held(&boxes[0]) && !mailbox_well(&boxes[0], false, now_ns, &held_ns, &told));
	/* It begins anew. */
	CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_REFUSED, false, now_ns, &tell), 10 * S);
	CHECK(tell);
}

/* A token is refused to several connections of a mailbox at one time: that is one refusal, and one tries again. */
static void test_token_refused(void)
{
	uint64_t now_ns = S, next_ns = UINT64_MAX, held_ns;
	unsigned turn = 0;
	bool probe, tell, told;

	begin();
	CHECK(mailbox_login_again(&boxes[0], 7, true, false, now_ns));
	CHECK(mailbox_login_again(&boxes[0], 7, true, false, now_ns));
	CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 0);
	CHECK(probe && mailbox_login_again(&boxes[0], 7, true, false, now_ns));
	/* With a fresh one it is accepted, and then another that was on its way hears of the old one. */
	CHECK(mailbox_well(&boxes[0], false, now_ns, &held_ns, &told) && !told);
	CHECK(mailbox_login_again(&boxes[0], 7, true, false, now_ns) && !mailbox_held(&boxes[0]));
	/* The next one is refused, and the one after that, or the same again: it is the mailbox, for the first time. */
	for (uint64_t token = 8; token <= 9; token++) {
		CHECK(mailbox_login_again(&boxes[0], token, true, false, now_ns) && mailbox_held(&boxes[0]));
		turn = 0;
		CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 0);
		CHECK(probe && !mailbox_login_again(&boxes[0], 9, true, true, now_ns));
		CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_REFUSED, true, now_ns, &tell), 10 * S);
		CHECK(tell && mailbox_well(&boxes[0], false, now_ns, &held_ns, &told) && told);
		CHECK(mailbox_login_again(&boxes[0], 9, true, false, now_ns) && !mailbox_held(&boxes[0]));
		/* It has been given leave since, with the same token. */
		mailbox_token_accepted(&boxes[0], 9);
		CHECK(!mailbox_lost_token(&boxes[0], 8));
		/* Refused with it again it has lost it: once. */
		CHECK(mailbox_lost_token(&boxes[0], 9) && !mailbox_lost_token(&boxes[0], 9));
	}
}

/* Where there is no better token nothing is said again: it is the mailbox's refusal at once. What it was refused with
 * is known until it is accepted with it. */
static void test_no_better_token(void)
{
	begin();
	CHECK(!mailbox_refused_token(&boxes[0], 7));
	CHECK(!mailbox_login_again(&boxes[0], 7, false, false, S) && !mailbox_held(&boxes[0]));
	CHECK(mailbox_refused_token(&boxes[0], 7) && !mailbox_refused_token(&boxes[0], 8));
	/* Another connection that was on its way with it says nothing new. */
	CHECK(mailbox_login_again(&boxes[0], 7, false, false, S));
	mailbox_token_accepted(&boxes[0], 7);
	CHECK(!mailbox_refused_token(&boxes[0], 7));
}

/* At a destination where one was refused nobody is chosen while another login is said, or in the pause behind it. */
static void test_door(void)
{
	struct door door = {0};
	uint64_t now_ns = S, next_ns = UINT64_MAX, claim = 0, other = 0, held_ns;
	unsigned turn = 0;
	bool probe, told;

	begin();
	for (size_t i = 0; i < 3; i++)
		boxes[i].door = &door;
	CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 0);
	CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 1);
	CHECK(mailbox_enter(&boxes[0], now_ns, &claim) && !mailbox_enter(&boxes[1], now_ns, &other));
	CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), -1);
	CHECK_EQ(next_ns, now_ns + DOOR_POLL_MS * UINT64_C(1000000));
	mailbox_turned_away(&boxes[0], true, now_ns);
	mailbox_turned_away(&boxes[0], true, now_ns);
	mailbox_entered(&boxes[0], &claim);
	CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), -1);
	now_ns += S;
	CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 2);
	/* A message that got through proves nothing of logins. */
	CHECK(!mailbox_well(&boxes[2], true, now_ns, &held_ns, &told));
	CHECK(mailbox_enter(&boxes[2], now_ns, &claim) && claim > 0);
	CHECK(!mailbox_well(&boxes[2], false, now_ns, &held_ns, &told));
	CHECK(mailbox_enter(&boxes[1], now_ns, &other) && other == 0);
	mailbox_entered(&boxes[2], &claim);
	/* A probe for which it is not the time tries again soon. */
	mailbox_postpone(&boxes[0], now_ns);
	CHECK(!mailbox_held(&boxes[0]));
}

/* Where logins are refused one by one, whose was accepted before goes first, then who was never tried. */
static void test_door_order(void)
{
	struct door door = {0};
	uint64_t now_ns = S, next_ns = UINT64_MAX, held_ns;
	unsigned turn = 1;
	bool probe, told, tell;

	begin();
	for (size_t i = 0; i < 3; i++)
		boxes[i].door = &door;
	CHECK(!mailbox_well(&boxes[0], false, now_ns, &held_ns, &told));
	mailbox_troubled(&boxes[1], MAILBOX_REFUSED, false, now_ns, &tell);
	now_ns += 60 * S;
	/* None was refused lately: they take turns. */
	CHECK_EQ(choose(&turn, 1, now_ns, &probe, &next_ns), 1);
	mailbox_gone(&boxes[1]);
	now_ns += 3600 * S;
	mailbox_turned_away(&boxes[1], true, now_ns);
	for (turn = 0; turn < 3; turn++) {
		unsigned its = turn;
		const int order[] = {0, 2, 1, -1};
		for (size_t i = 0; i < COUNT(order); i++)
			CHECK_EQ(choose(&its, 1, now_ns, &probe, &next_ns), order[i]);
		for (size_t i = 0; i < 3; i++)
			mailbox_gone(&boxes[i]);
		now_ns += 3600 * S;
	}
}

/* What all its mailboxes mean for mail. */
static void test_use(void)
{
	const uint8_t among = 1 << 1 | 1 << 2;
	bool tell;

	begin();
	mailbox_troubled(&boxes[1], MAILBOX_LATER, false, S, &tell);
	mailbox_troubled(&boxes[2], MAILBOX_LATER, false, S, &tell);
	CHECK_EQ(mailbox_use(&pool, NULL), MAILBOXES_USABLE);
	CHECK_EQ(mailbox_use(&pool, &among), MAILBOXES_PUT_OFF);
	mailbox_troubled(&boxes[0], MAILBOX_REFUSED, false, S, &tell);
	CHECK_EQ(mailbox_use(&pool, NULL), MAILBOXES_STOPPED);
	CHECK_EQ(mailbox_use(&pool, &among), MAILBOXES_PUT_OFF);
	mailbox_troubled(&boxes[2], MAILBOX_BARRED, true, S, &tell);
	CHECK_EQ(mailbox_use(&pool, &among), MAILBOXES_STOPPED);
}

/* It is found where it was in the newest set, and in an older one as well. */
static void test_find(void)
{
	begin();
	for (unsigned i = 0; i < 3; i++)
		boxes[i].seat = i;
	for (size_t i = 0; i < 3; i++)
		CHECK(mailbox_find(&pool, &boxes[i]) == &entries[i]);
	boxes[0].seat = 2;
	boxes[1].seat = 1000;
	CHECK(mailbox_find(&pool, &boxes[0]) == &entries[0] && mailbox_find(&pool, &boxes[1]) == &entries[1]);
	CHECK(mailbox_find(&pool, NULL) == NULL && mailbox_find(NULL, &boxes[0]) == NULL);
}

/* Until one was accepted, one login at a time, whoever has a connection by then. */
static void test_first(void)
{
	uint64_t now_ns = S, next_ns = UINT64_MAX, mine = 0, other = 0, held_ns;
	unsigned turn = 0;
	bool probe, tell, told;

	begin();
	CHECK(mailbox_may_login(&boxes[0], false, now_ns, &mine) && mine > 0);
	CHECK(mailbox_may_login(&boxes[0], false, now_ns, &mine)); /* its next mechanism, or with a token now */
	CHECK(!mailbox_may_login(&boxes[0], false, now_ns, &other) && other == 0);
	CHECK_EQ(choose(&turn, 100, now_ns, &probe, &next_ns), 1);
	CHECK_EQ(next_ns, now_ns + MAILBOX_FIRST_POLL_MS * UINT64_C(1000000));
	/* Refused: the others do not say it either. */
	mailbox_troubled(&boxes[0], MAILBOX_REFUSED, false, now_ns, &tell);
	mailbox_first_over(&boxes[0], &mine);
	CHECK(!mailbox_may_login(&boxes[0], false, now_ns, &other));
	mailbox_first_over(&boxes[0], &other);
	CHECK(mailbox_may_login(&boxes[0], true, now_ns, &mine) && mine == 0);
	/* Accepted: they all do. */
	CHECK(mailbox_well(&boxes[0], false, now_ns, &held_ns, &told));
	CHECK(mailbox_may_login(&boxes[0], false, now_ns, &mine));
	CHECK(mailbox_may_login(&boxes[0], false, now_ns, &other));
	/* One that hears nothing is not waited for without end, and takes nothing from who came after it. */
	CHECK(mailbox_may_login(&boxes[1], false, now_ns, &mine));
	now_ns += MAILBOX_FIRST_MS * UINT64_C(1000000);
	CHECK(mailbox_may_login(&boxes[1], false, now_ns, &other));
	mailbox_first_over(&boxes[1], &mine);
	mine = 0;
	CHECK(!mailbox_may_login(&boxes[1], false, now_ns, &mine));
}

/* Being signed in proves nothing where it is MAIL that is refused. */
static void test_barred(void)
{
	uint64_t held_ns;
	bool tell, told;

	begin();
	mailbox_troubled(&boxes[2], MAILBOX_BARRED, false, S, &tell);
	CHECK(tell && mailbox_barred(&boxes[2]));
	CHECK(!mailbox_well(&boxes[2], false, 2 * S, &held_ns, &told) && mailbox_held(&boxes[2]));
	CHECK(mailbox_well(&boxes[2], true, 2 * S, &held_ns, &told) && !mailbox_held(&boxes[2]));
}

/* Without a token nothing is said to the next hop, so it is looked for often: a file that was mended is seen. */
static void test_without(void)
{
	static const unsigned pauses[] = {1, 2, 4, 8, 16, 32, 60, 60};
	bool tell;

	begin();
	for (size_t i = 0; i < COUNT(pauses); i++) {
		CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_WITHOUT, i > 0, S, &tell), pauses[i] * S);
		CHECK_EQ(tell, i == 0);
	}
	for (size_t i = 1; i < 3; i++)
		mailbox_troubled(&boxes[i], MAILBOX_LATER, false, S, &tell);
	/* Somebody has to act. */
	CHECK_EQ(mailbox_use(&pool, NULL), MAILBOXES_STOPPED);
}

/* What passes by itself is told as such, and told again where it becomes somebody's business. */
static void test_later(void)
{
	bool tell;

	begin();
	CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_LATER, false, S, &tell), S);
	CHECK(tell);
	CHECK_EQ(mailbox_troubled(&boxes[0], MAILBOX_LATER, true, 2 * S, &tell), 2 * S);
	CHECK(!tell);
	mailbox_troubled(&boxes[0], MAILBOX_REFUSED, true, 4 * S, &tell);
	CHECK(tell);
	for (size_t i = 1; i < 3; i++)
		mailbox_troubled(&boxes[i], MAILBOX_LATER, false, S, &tell);
	CHECK(mailbox_all_held(&pool));
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* Told to sign in anew: several connections at one time are told so once; what signed in since then may not send. */
static void test_anew(void)
{
	struct mailbox *box = &boxes[0];
	uint64_t held_ns;
	bool told;

	begin();
	CHECK(!mailbox_in_doubt(box));
	CHECK(mailbox_anew(box, 10, 100));
	CHECK(mailbox_anew(box, 90, 110));
	CHECK(mailbox_in_doubt(box) && !mailbox_held(box));
	CHECK(!mailbox_anew(box, 120, 130));
	/* A login that was accepted proves nothing. */
	CHECK(!mailbox_well(box, false, 140, &held_ns, &told));
	CHECK(!mailbox_anew(box, 120, 150));
	CHECK(!mailbox_well(box, true, 160, &held_ns, &told));
	CHECK(!mailbox_in_doubt(box));
	CHECK(mailbox_anew(box, 120, 170));
}

static char path[] = "/tmp/test_mailbox.XXXXXX";

static void put(const char *text, size_t length)
{
	FILE *file = fopen(path, "w");

	CHECK(file && fwrite(text, 1, length, file) == length && fclose(file) == 0);
}

static const struct {
	const char *text;
	size_t length; /* 0: up to the NUL */
	const char *secret, *problem;
} files[] = {
	{"secret", 0, "secret", NULL},
	{"secret\n", 0, "secret", NULL},
	{"secret\r\n\r\n", 0, "secret", NULL},
	{"\xef\xbb\xbfsecret\r\n", 0, "secret", NULL},
	{" sec ret \n", 0, " sec ret ", NULL},
	{"\n", 0, NULL, "it is empty"},
	{"one\ntwo\n", 0, NULL, "more than one line"},
	{"a\0b", 3, NULL, "no text"},
};

static void test_files(void)
{
	struct config_mailbox mailbox[] = {{.user = "joe", .password_file = path},
					   {.user = "jim", .password_file = path}};
	struct config_destination destinations[] = {{.name = "none"}, {.mailboxes = mailbox, .mailbox_count = 2}};
	const struct config config = {.destinations = destinations, .destination_count = 2};
	struct mailbox_home homes[2] = {{.count = 0}, {.count = 0}};
	struct mailbox_set *sets[2], *again[2];
	struct mailbox_problem problem;
	int fd = mkstemp(path);

	close(fd);
	for (size_t i = 0; i < COUNT(files); i++) {
		int r;
		memset(sets, 0, sizeof(sets));
		put(files[i].text, files[i].length ? files[i].length : strlen(files[i].text));
		r = mailbox_sets_make(sets, homes, NULL, &config, &problem);
		CHECK_EQ(r, files[i].secret ? 0 : -EINVAL);
		if (r == 0) {
			const struct span *secret = &sets[1]->entries[1].secret;
			CHECK_EQ(secret->length, strlen(files[i].secret));
			CHECK(memcmp(secret->data, files[i].secret, secret->length) == 0);
			CHECK(sets[0] == NULL);
		} else if (!strstr(problem.text, files[i].problem)) {
			CHECK_STR(problem.text, files[i].problem);
		}
		mailbox_sets_free(sets, 2);
	}
	/* The same mailboxes in the next snapshot, in another order; one that is gone is not found in it. */
	put("secret", 6);
	memset(sets, 0, sizeof(sets));
	memset(again, 0, sizeof(again));
	CHECK_EQ(mailbox_sets_make(sets, homes, NULL, &config, &problem), 0);
	mailbox[0].user = "jim";
	destinations[1].mailbox_count = 1;
	CHECK_EQ(mailbox_sets_make(again, homes, NULL, &config, &problem), 0);
	CHECK(again[1]->entries[0].mailbox == sets[1]->entries[1].mailbox);
	CHECK(mailbox_find(again[1], sets[1]->entries[1].mailbox) == &again[1]->entries[0]);
	CHECK(mailbox_find(again[1], sets[1]->entries[0].mailbox) == NULL);
	CHECK(mailbox_find(NULL, sets[1]->entries[0].mailbox) == NULL);
	CHECK_EQ(homes[1].count, 2);
	mailbox_sets_free(sets, 2);
	mailbox_sets_free(again, 2);
	unlink(path);
	memset(sets, 0, sizeof(sets));
	CHECK_EQ(mailbox_sets_make(sets, homes, NULL, &config, &problem), -EINVAL);
	CHECK(strstr(problem.text, "mailbox jim: password_file ") && strstr(problem.text, "cannot be opened"));
	mailbox_sets_free(sets, 2);
	mailbox_home_deinit(&homes[1]);
}

int main(void)
{
	RUN(test_turns);
	RUN(test_among);
	RUN(test_refused);
	RUN(test_refused_together);
	RUN(test_token_refused);
	RUN(test_no_better_token);
	RUN(test_door);
	RUN(test_door_order);
	RUN(test_use);
	RUN(test_find);
	RUN(test_first);
	RUN(test_barred);
	RUN(test_later);
	RUN(test_without);
	RUN(test_anew);
	RUN(test_files);
	return check_end();
}
