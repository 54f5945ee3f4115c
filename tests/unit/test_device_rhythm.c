/*
 * tests/unit/test_device_rhythm.c - who is silent against its rhythm: weeks of devices, hour by hour.
 */
#include "core/agents/device_rhythm.h"

#include "tests/unit/check.h"

enum { DAY = 24, WEEK = RHYTHM_WEEK };

/* How many messages a device sends in an hour of its life that is this one of the week, and that one since it began. */
typedef bool sends_fn(unsigned hour_of_week, unsigned hour);

struct life {
	struct device_rhythm rhythm;
	unsigned hour;         /* lived */
	unsigned silent, back; /* told */
	unsigned silent_at;    /* the last time */
};

/* Lives on to `end`; it sends as `sends` says, NULL: nothing. */
static void live(struct life *life, unsigned end, sends_fn *sends)
{
	for (; life->hour < end; life->hour++) {
		unsigned of_week = life->hour % WEEK;
		bool sent = sends && sends(of_week, life->hour);
		if (sent)
			life->back += rhythm_sent(&life->rhythm, of_week);
		if (rhythm_passed(&life->rhythm, of_week, sent)) {
			life->silent++;
			life->silent_at = life->hour;
		}
		if (life->hour % RHYTHM_PERIOD == RHYTHM_PERIOD - 1)
			rhythm_period(&life->rhythm);
	}
}

static bool always(unsigned of_week, unsigned hour)
{
	return true;
}

/* An office from Monday to Friday, 8 to 18; a scan in two hours of three, by no rule that repeats. */
static bool office(unsigned of_week, unsigned hour)
{
	unsigned of_day = of_week % DAY;

	return of_week / DAY < 5 && of_day >= 8 && of_day < 18 && (hour * 2654435761u >> 8) % 3 > 0;
}

/* At two, or soon after three when it takes longer. */
static bool nightly(unsigned of_week, unsigned hour)
{
	return of_week % DAY == (hour / DAY * 2654435761u >> 8 & 1 ? 3 : 2);
}

static bool on_mondays(unsigned of_week, unsigned hour)
{
	return of_week == 9;
}

static const struct {
	const char *name;
	sends_fn *sends;
	unsigned silent_within; /* hours after the last whole week of it; 0: never */
} table[] = {
	{"every few minutes", always, 3},
	{"an office", office, 3 * DAY},
	{"every night", nightly, 4 * DAY},
	{"every Monday", on_mondays, 2 * WEEK + 12},
	{"nothing", NULL, 0},
};

/* For months nobody is told about; then it stops, and that is told once. */
static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct life life = {.hour = 0};
		live(&life, 12 * WEEK, table[i].sends);
		CHECK_EQ(life.silent, 0);
		live(&life, 14 * WEEK + 12, NULL);
		CHECK_EQ(life.silent, table[i].silent_within > 0);
		if (life.silent) {
			CHECK(life.silent_at - 12 * WEEK < table[i].silent_within);
			CHECK(life.rhythm.silent);
		}
		if (life.silent && life.silent_at - 12 * WEEK >= table[i].silent_within)
			printf("%s: %u hours\n", table[i].name, life.silent_at - 12 * WEEK);
	}
}

/* A weekend, and a night, are no silence; a Monday and Tuesday are. */
static void test_weekend(void)
{
	struct life life = {.hour = 0};

	live(&life, 8 * WEEK + 5 * DAY, office);
	live(&life, 9 * WEEK + 8, NULL);
	CHECK_EQ(life.silent, 0);
	live(&life, 9 * WEEK + 2 * DAY, NULL);
	CHECK_EQ(life.silent, 1);
}

/* It is told when it is back, once, and is watched as before. */
static void test_back(void)
{
	struct life life = {.hour = 0};

	live(&life, 8 * WEEK, always);
	live(&life, 8 * WEEK + 2 * DAY, NULL);
	CHECK_EQ(life.silent, 1);
	live(&life, 9 * WEEK, always);
	CHECK_EQ(life.back, 1);
	CHECK(!life.rhythm.silent);
	/* Two days have not made it deaf: what it bears now is little more than before. */
	live(&life, 9 * WEEK + 12, NULL);
	CHECK_EQ(life.silent, 2);
}

/* Of one that is new, or was only tried out, nothing is said. */
static void test_not_known(void)
{
	struct life life = {.hour = 0};

	live(&life, 3, always);
	live(&life, 6 * WEEK, NULL);
	CHECK_EQ(life.silent, 0);
	CHECK_EQ(rhythm_bound(&life.rhythm), 0);
	life = (struct life){.hour = 0};
	live(&life, WEEK, always);
	live(&life, WEEK + 3 * DAY, NULL);
	CHECK_EQ(life.silent, 0);
}

/* Who is used less and less is told about a few times, and not for ever. */
static void test_used_less(void)
{
	struct life life = {.hour = 0};

	live(&life, 4 * WEEK, office);
	live(&life, 30 * WEEK, on_mondays);
	CHECK(life.silent <= 6);
	CHECK_EQ(life.silent, life.back);
}

static void test_hour_of(void)
{
	/* Thursday, 1 January 1970, and Friday, 27 November 2026, 17:54:44. */
	CHECK_EQ(rhythm_hour_of(0), 3 * DAY);
	CHECK_EQ(rhythm_hour_of(1795802084), 4 * DAY + 17);
}

/* Minutes as the two clocks show them, and what each look says. */
static void test_clock(void)
{
	enum { START = 1795802400 }; /* 18:00:00 */
	static const struct {
		int64_t wall_s;
		uint64_t monotonic_s;
		enum rhythm_time time;
	} looks[] = {
		{START + 600, 0, RHYTHM_OTHER}, /* in the middle of an hour */
		{START + 3595, 2995, RHYTHM_SAME},
		{START + 3600, 3000, RHYTHM_OTHER}, /* not watched whole */
		{START + 7203, 6603, RHYTHM_WHOLE},
		{START + 10805, 10205, RHYTHM_WHOLE},
		{START + 14400 + 90000, 10210, RHYTHM_OTHER}, /* the clock jumps a day ahead */
		{START + 14400 + 93600, 13810, RHYTHM_WHOLE},
		{START + 18000, 13815, RHYTHM_OTHER}, /* and back */
		{START + 21600, 13820, RHYTHM_OTHER}, /* an hour on, which took five seconds */
		{START + 25200, 17420, RHYTHM_WHOLE},
		{START + 25200 + 7200, 24620, RHYTHM_OTHER}, /* a look that comes after two hours */
		{0, 24625, RHYTHM_OTHER},
		{3600, 28225, RHYTHM_OTHER}, /* a machine without a clock: nothing is watched before it has one */
	};
	struct rhythm_watch watch = {0};
	unsigned hour = 0;

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		CHECK_EQ(rhythm_clock(&watch, (uint64_t)looks[i].wall_s, looks[i].monotonic_s * 1000000000, &hour),
			 looks[i].time);
	watch = (struct rhythm_watch){.hours = RHYTHM_PERIOD - 1};
	(void)rhythm_clock(&watch, START, 1, &hour);
	CHECK_EQ(rhythm_clock(&watch, START + 3600, 3600 * UINT64_C(1000000000), &hour), RHYTHM_NEXT);
	CHECK_EQ(hour, 4 * DAY + 18);
	CHECK_EQ(watch.hours, 0);
}

int main(void)
{
	RUN(test_table);
	RUN(test_weekend);
	RUN(test_back);
	RUN(test_not_known);
	RUN(test_used_less);
	RUN(test_hour_of);
	RUN(test_clock);
	return check_end();
}
