/*
 * tests/unit/test_account.c - grants: never too many, in turn; slower when told, and faster again.
 */
#include "core/deliver/account.h"

#include "tests/unit/check.h"

#define SECOND CLOCK_NS_PER_S
#define MINUTE (60 * SECOND)

static const struct config_limits even30 = {.messages_per_minute = 30};
static const struct config_limits burst30 = {.messages_per_minute = 30, .pacing = CONFIG_PACING_BURST};
static const struct config_limits none = {.pacing = CONFIG_PACING_EVEN};
enum { SMALL = 1000 };

static void follow(struct account *account, const struct config_limits *limits, uint64_t now_ns)
{
	CHECK_EQ(account_prepare(account, limits), 0);
	account_follow(account, limits, now_ns);
}

/* A lane that sends whenever it may, until `end`; how many it sent. */
static unsigned send_until(struct account *a, const struct config_limits *limits, uint64_t *now, uint64_t end)
{
	struct account_turn turn = {0};
	unsigned sent = 0;

	while (*now < end) {
		uint64_t when = account_take(a, limits, &turn, SMALL, *now);
		if (when == 0)
			sent++;
		else
			*now = when;
	}
	account_leave(a, &turn);
	return sent;
}

static void test_even(void)
{
	struct account a = {0};
	uint64_t now = 1000 * SECOND;
	unsigned sent;

	follow(&a, &even30, now);
	sent = send_until(&a, &even30, &now, 1000 * SECOND + 10 * MINUTE);
	CHECK(sent <= 300 && sent >= 294);
	account_deinit(&a);
}

/* What is told only by the first: nothing is known of what was before. */
static void test_burst(void)
{
	struct account a = {0};
	uint64_t now = 1000 * SECOND, start = now;
	unsigned sent;

	follow(&a, &burst30, now);
	CHECK_EQ(send_until(&a, &burst30, &now, start + MINUTE), 0);
	now = start + 2 * MINUTE;
	sent = send_until(&a, &burst30, &now, now + SECOND);
	CHECK_EQ(sent, 30);
	CHECK(now > start + 3 * MINUTE);
	account_deinit(&a);
}

/* Two lanes ask at the same times: each gets every second. */
static void test_turns(void)
{
	struct account a = {0};
	struct account_turn one = {0}, two = {0};
	unsigned sent[2] = {0};

	follow(&a, &even30, SECOND);
	for (uint64_t now = SECOND; now < 10 * MINUTE; now += SECOND / 10) {
		sent[0] += account_take(&a, &even30, &one, SMALL, now) == 0;
		sent[1] += account_take(&a, &even30, &two, SMALL, now) == 0;
	}
	CHECK(sent[0] + sent[1] >= 290 && sent[0] + sent[1] <= 300);
	CHECK(sent[0] - sent[1] + 1 <= 2);
	account_deinit(&a);
}

/* A ticket does not keep: whoever held one for long does not send beside the others. */
static void test_kept(void)
{
	struct account a = {0};
	struct account_turn kept = {0}, other = {0};
	uint64_t now = SECOND;

	follow(&a, &even30, now);
	CHECK(account_when_ns(&a, &even30, &kept, now) > now);
	for (now += MINUTE; account_take(&a, &even30, &other, SMALL, now) != 0;)
		now += SECOND;
	CHECK(account_take(&a, &even30, &kept, SMALL, now) > now);
	/* Where nobody asked since it is as good as new. */
	account_leave(&a, &kept);
	now += MINUTE;
	(void)account_when_ns(&a, &even30, &kept, now);
	now += MINUTE;
	CHECK_EQ(account_take(&a, &even30, &kept, SMALL, now), 0);
	CHECK(account_take(&a, &even30, &kept, SMALL, now) > now);
	account_deinit(&a);
}

/* Connections that end with a ticket leave it to the others: nothing is lost, and none is used twice. */
static void test_left(void)
{
	struct account a = {0};
	struct account_turn turns[3] = {{0}};
	uint64_t now = SECOND, sent_ns[400], when;
	unsigned sent = 0, left = 0;

	account_follow(&a, &even30, now);
	for (unsigned step = 0; now < 10 * MINUTE && sent < 400; now += SECOND / 10, step++) {
		for (unsigned i = 0; i < 3; i++) {
			if (account_take(&a, &even30, &turns[i], SMALL, now) == 0)
				sent_ns[sent++] = now;
		}
		/* Each in its turn, whatever it has. */
		if (step % 17 == 0)
			account_leave(&a, &turns[left++ % 3]);
	}
	CHECK(sent >= 290);
	for (unsigned i = 30; i < sent; i++)
		CHECK(sent_ns[i] - sent_ns[i - 30] >= MINUTE);
	/* What was given out before it became slower is void, also where it was left. */
	when = account_when_ns(&a, &even30, &turns[0], now);
	(void)account_when_ns(&a, &even30, &turns[1], now);
	account_leave(&a, &turns[0]);
	CHECK(account_slow(&a, &even30, 4, MINUTE, 0, now));
	CHECK(account_when_ns(&a, &even30, &turns[2], now) > when);
	/* And its time passes. */
	account_leave(&a, &turns[2]);
	CHECK(account_when_ns(&a, &even30, &turns[1], now) < account_when_ns(&a, &even30, &turns[0], now));
	account_leave(&a, &turns[1]);
	now += MINUTE;
	CHECK(account_when_ns(&a, &even30, &turns[2], now) >= now);
}

/* Ten that begin together, and that have all mail at once after a rest: each second has as many as the next. */
static void test_phases(void)
{
	static struct account accounts[10];
	struct account_turn turns[10] = {{0}};
	unsigned sent[200] = {0}, total = 0;

	for (unsigned i = 0; i < 10; i++) {
		atomic_store(&accounts[i].phase, 256 * i / 10);
		account_follow(&accounts[i], &even30, SECOND);
	}
	for (uint64_t now = SECOND; now < 200 * SECOND; now += SECOND / 20) {
		for (unsigned i = 0; i < 10 && (now < 80 * SECOND || now >= 120 * SECOND); i++)
			sent[now / SECOND] += account_take(&accounts[i], &even30, &turns[i], SMALL, now) == 0;
	}
	for (unsigned s = 5; s < 200; s++) {
		if (s < 80 || s > 125)
			CHECK(sent[s] >= 3 && sent[s] <= 7);
		total += sent[s];
	}
	CHECK(total >= 150 * 5 - 20 && total <= 160 * 5);
}

static void test_octets(void)
{
	static const struct config_limits limits = {.octets_per_minute = 5000};
	struct account a = {0};
	struct account_turn turn = {0};
	uint64_t now = SECOND;
	unsigned sent = 0;

	follow(&a, &limits, now);
	CHECK(account_take(&a, &limits, &turn, SMALL, now) > now);
	now += 2 * MINUTE;
	while (account_take(&a, &limits, &turn, SMALL, now) == 0)
		sent++;
	CHECK_EQ(sent, 5);
	account_give_back(&a, &limits, SMALL, now);
	CHECK_EQ(account_take(&a, &limits, &turn, SMALL, now), 0);
	now += 2 * MINUTE;
	CHECK_EQ(account_take(&a, &limits, &turn, 1 << 20, now), 0);
	CHECK(account_take(&a, &limits, &turn, SMALL, now) > now);
	account_deinit(&a);
}

/* Another limit holds at once, and voids what was promised under the one before. */
static void test_follow(void)
{
	static const struct config_limits one = {.messages_per_hour = 1};
	struct account a = {0};
	struct account_turn turn = {0};
	uint64_t now = SECOND;

	follow(&a, &one, now);
	CHECK(account_when_ns(&a, &one, &turn, now) > now + 50 * MINUTE);
	follow(&a, &even30, now);
	CHECK(account_when_ns(&a, &even30, &turn, now) < now + 3 * SECOND);
	follow(&a, &even30, now);
	follow(&a, &none, now);
	CHECK_EQ(account_take(&a, &none, &turn, SMALL, now), 0);
	CHECK(!account_asks(&a, &none) && account_asks(&a, &one));
	account_deinit(&a);
}

/* A minute's burst has just gone out: from now on evenly is not from now on at once. */
static void test_follow_burst(void)
{
	struct config_limits burst = even30;
	struct account a = {0};
	struct account_turn turn = {0};
	uint64_t now = SECOND;

	burst.pacing = CONFIG_PACING_BURST;
	follow(&a, &burst, now);
	now += 2 * MINUTE;
	for (unsigned i = 0; i < 30; i++)
		CHECK_EQ(account_take(&a, &burst, &turn, SMALL, now), 0);
	follow(&a, &even30, now);
	CHECK(account_when_ns(&a, &even30, &turn, now) > now + MINUTE);
	/* And the other way round, long after the last burst. */
	now += 20 * MINUTE;
	CHECK_EQ(account_take(&a, &even30, &turn, SMALL, now), 0);
	follow(&a, &burst, now);
	CHECK(account_take(&a, &burst, &turn, SMALL, now) > now + MINUTE);
	account_deinit(&a);
}

/* ---- slower ------------------------------------------------------------------------------------------------------ */

static void test_slow(void)
{
	struct account a = {0};
	uint64_t now = SECOND;

	follow(&a, &even30, now);
	CHECK(account_slow(&a, &even30, 4, 2 * MINUTE, 0, now));
	/* Of messages that were under way with it. */
	CHECK(!account_slow(&a, &even30, 4, 2 * MINUTE, 0, now + SECOND));
	CHECK_EQ(account_slowness(&a, &even30, now), 4);
	CHECK(send_until(&a, &even30, &now, now + 2 * MINUTE) <= 15);
	/* By steps: 4, 2, 1. */
	CHECK_EQ(account_slowness(&a, &even30, now), 2);
	CHECK(send_until(&a, &even30, &now, now + 110 * SECOND) >= 25);
	now += 10 * SECOND + SECOND;
	CHECK_EQ(account_slowness(&a, &even30, now), 1);
	CHECK(send_until(&a, &even30, &now, now + MINUTE) >= 28);
	CHECK(!account_slowed(&a));
	account_deinit(&a);
}

/* Again and again: slower each time, and no end of it is too slow to notice. */
static void test_slower(void)
{
	struct account a = {0};
	uint64_t now = SECOND;
	unsigned i;

	for (i = 0; i < 20; i++, now += 10 * SECOND)
		(void)account_slow(&a, &even30, 10, 5 * MINUTE, 0, now);
	CHECK_EQ(account_slowness(&a, &even30, now), ACCOUNT_SLOW_MOST);
	for (i = 0; i < 20; i++, now += 5 * MINUTE + 1)
		(void)account_slowness(&a, &even30, now);
	CHECK_EQ(account_slowness(&a, &even30, now), 1);
	account_deinit(&a);
}

/* Without a limit it is what was sent lately. */
static void test_slow_unlimited(void)
{
	struct account a = {0};
	uint64_t now = SECOND;
	unsigned sent;

	CHECK(account_slow(&a, &none, 10, MINUTE, SECOND / 100, now));
	CHECK(account_asks(&a, &none));
	sent = send_until(&a, &none, &now, now + 50 * SECOND);
	CHECK(sent >= 480 && sent <= 505);
	now += 10 * MINUTE;
	for (unsigned i = 0; i < 5; i++, now += MINUTE + 1)
		(void)account_slowness(&a, &none, now);
	CHECK(!account_asks(&a, &none));
	account_deinit(&a);
}

int main(void)
{
	RUN(test_even);
	RUN(test_burst);
	RUN(test_turns);
	RUN(test_kept);
	RUN(test_left);
	RUN(test_phases);
	RUN(test_octets);
	RUN(test_follow);
	RUN(test_follow_burst);
	RUN(test_slow);
	RUN(test_slower);
	RUN(test_slow_unlimited);
	return check_end();
}
