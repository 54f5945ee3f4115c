/*
 * tests/unit/test_suspend.c - what an operator has suspended: the file's lines, which read what they wrote, what a
 * start makes of it, by clocks that were set meanwhile, and shards that do not wait for who reads it.
 */
#include "core/deliver/suspend.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/disk.h"
#include "core/config/config.h"
#include "tests/unit/check.h"

#define DAY_NS (86400 * CLOCK_NS_PER_S)

static void test_lines(void)
{
	static const struct {
		const char *line;
		bool ok;
	} table[] = {
		{"1 2 one - - -", true},
		{"1 0 one example.org root%20(0) moved%25%0A", true},
		{"18446744073709551615 0 %2D - - -", true},
		{"18446744073709551616 0 one - - -", false},
		{"1 2 - - - -", false},
		{"1 2 one - -", false},
		{"1 2 one - - - -", false},
		{"1 2 one - - ", false},
		{"1 2 one  - -", false},
		{"1  one - - -", false},
		{" 1 2 one - - -", false},
		{"1 2 one - - a%2", false},
		{"1 2 one - - a%00", false},
		{"1 2 one - - a%2d", false},
		{"1 2 one - - \t", false},
		{"1 2 one - - \303\274", false},
		{"", false},
	};
	char text[SUSPEND_LINE], out[SUSPEND_LINE];
	struct suspension one;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool ok = suspension_read(table[i].line, strlen(table[i].line), text, &one);
		CHECK_EQ(ok, table[i].ok);
		if (ok != table[i].ok)
			fprintf(stderr, "  %s\n", table[i].line);
		if (!ok)
			continue;
		size_t length = suspension_write(&one, out);
		CHECK(length == strlen(table[i].line) + 1 && memcmp(out, table[i].line, length - 1) == 0);
	}
	CHECK(suspension_read(table[1].line, strlen(table[1].line), text, &one));
	CHECK_STR(one.domain, "example.org");
	CHECK_STR(one.who, "root (0)");
	CHECK_STR(one.reason, "moved%\n");
}

static struct config_destination destinations[] = {{.name = "one"}, {.name = "two"}};
static struct config config = {.destinations = destinations, .destination_count = 2};

static void open_all(struct suspensions *s)
{
	*s = (struct suspensions){.count = 0};
	CHECK_EQ(suspensions_init(s, &config, 4), 0);
	CHECK_EQ(suspensions_load(s), 0);
	suspensions_follow(s, &config);
}

static bool holds(const struct suspensions *s, unsigned place)
{
	uint64_t next_ns = UINT64_MAX;

	return suspend_holds(s, place, clock_monotonic_ns(), &next_ns);
}

static void test_restart(void)
{
	const struct suspend_order all = {"two", "", SUSPEND_FOR_EVER, "it is down", "root"},
				   one = {"one", "Example.org", DAY_NS, "", "root"}, brief = {"one", "", 1, "", "root"},
				   unknown = {"later", "", DAY_NS, "", "root"};
	uint64_t since_ns;
	struct suspensions s;

	open_all(&s);
	CHECK_EQ(suspend_end(&s, "two", "", &since_ns), -ENOENT);
	CHECK_EQ(suspend_begin(&s, &all), 0);
	CHECK_EQ(suspend_begin(&s, &one), 0);
	CHECK_EQ(suspend_begin(&s, &unknown), 0);
	CHECK_EQ(suspend_begin(&s, &all), 0);
	CHECK_EQ(s.count, 3);
	CHECK(holds(&s, 1) && !holds(&s, 0));
	suspensions_deinit(&s);
	/* It is found again, by its destination's name wherever that stands. */
	destinations[0].name = (char *)(uintptr_t) "two";
	destinations[1].name = (char *)(uintptr_t) "one";
	open_all(&s);
	CHECK(holds(&s, 0) && !holds(&s, 1));
	CHECK(suspend_holds_domain(&s, "one", "example.org", clock_monotonic_ns()));
	CHECK(!suspend_holds_domain(&s, "one", "example.net", clock_monotonic_ns()));
	CHECK(!suspend_holds_domain(&s, "one", "example.org", clock_monotonic_ns() + 2 * DAY_NS));
	/* With a reload there is one of that name. */
	destinations[1].name = (char *)(uintptr_t) "later";
	suspensions_follow(&s, &config);
	CHECK(holds(&s, 1));
	destinations[1].name = (char *)(uintptr_t) "one";
	suspensions_follow(&s, &config);
	/* In place of none of a domain of it; and over at once. */
	CHECK_EQ(suspend_begin(&s, &brief), 0);
	CHECK(!holds(&s, 1));
	CHECK_EQ(suspend_end(&s, "one", "", &since_ns), -ENOENT);
	CHECK_EQ(suspend_end(&s, "two", "", &since_ns), 0);
	CHECK(!holds(&s, 0) && suspend_until_ns(&s, 0) > 0);
	suspensions_deinit(&s);
	open_all(&s);
	CHECK(!holds(&s, 0));
	CHECK_EQ(s.count, 2);
	suspensions_deinit(&s);
}

static void lay_down(const char *text)
{
	int directory = disk_directory_open(config.spool.directory, true), fd;

	(void)disk_unlink(directory, "suspended");
	fd = disk_open(directory, "suspended", DISK_CREATE | DISK_WRITE);
	CHECK(disk_write(fd, text, strlen(text), 0) == (int64_t)strlen(text));
	disk_close(fd);
	disk_close(directory);
}

/* The clock was set while the process did not run: back, and it does not last for longer than it was to; or ahead. */
static void test_clocks(void)
{
	uint64_t wall_ns = clock_wall_ns(), now_ns;
	struct suspensions s;
	char text[512];

	snprintf(text, sizeof(text), "%llu %llu one - - -\n%llu %llu two - - -\n",
		 (unsigned long long)(wall_ns + 900 * DAY_NS), (unsigned long long)(wall_ns + 901 * DAY_NS),
		 (unsigned long long)(wall_ns - 2 * DAY_NS), (unsigned long long)(wall_ns - DAY_NS));
	lay_down(text);
	destinations[0].name = (char *)(uintptr_t) "one";
	destinations[1].name = (char *)(uintptr_t) "two";
	open_all(&s);
	now_ns = clock_monotonic_ns();
	CHECK(holds(&s, 0) && suspend_until_ns(&s, 0) <= now_ns + DAY_NS);
	CHECK(!holds(&s, 1));
	suspensions_deinit(&s);
}

/* What cannot be understood is not passed over. */
static void test_damaged(void)
{
	static const char *const texts[] = {"1 2 one - - -", "nonsense\n", "1 0 one - - -\n\n"};
	struct suspensions s;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		lay_down(texts[i]);
		s = (struct suspensions){.count = 0};
		CHECK_EQ(suspensions_init(&s, &config, 4), 0);
		CHECK_EQ(suspensions_load(&s), -EBADMSG);
		suspensions_deinit(&s);
	}
}

static void look_meanwhile(void *context, const struct suspension *one)
{
	char destination[SUSPEND_NAME], domain[SUSPEND_NAME];
	struct suspensions *s = context;
	uint64_t now_ns = clock_monotonic_ns();

	CHECK_STR(one->destination, "two");
	CHECK(suspend_holds_domain(s, "two", "b.example", now_ns));
	CHECK(!suspend_holds_domain(s, "two", "c.example", now_ns));
	CHECK(!suspend_over(s, now_ns, destination, domain));
}

static void count_one(void *context, const struct suspension *one)
{
	*(unsigned *)context += one->destination[0] != '\0';
}

/* Shards go on while somebody reads all of it, however long that takes him; and where no domain of such a name is
 * suspended they do not even ask for the lock. These would wait for ever. */
static void test_readers(void)
{
	const struct suspend_order all = {"two", "", SUSPEND_FOR_EVER, "", "root"},
				   one = {"two", "B.example", SUSPEND_FOR_EVER, "", "root"};
	uint64_t since_ns;
	struct suspensions s;
	unsigned count = 0;

	lay_down("");
	open_all(&s);
	CHECK_EQ(suspend_begin(&s, &all), 0);
	CHECK_EQ(suspend_begin(&s, &one), 0);
	suspend_each(&s, look_meanwhile, &s);
	pthread_mutex_lock(&s.lock);
	CHECK(!suspend_holds_domain(&s, "two", "c.example", clock_monotonic_ns()));
	pthread_mutex_unlock(&s.lock);
	/* And while somebody changes it, who reads it does not wait for his disk. */
	pthread_mutex_lock(&s.acts);
	suspend_each(&s, count_one, &count);
	pthread_mutex_unlock(&s.acts);
	CHECK_EQ(count, 2);
	CHECK_EQ(suspend_end(&s, "two", "b.example", &since_ns), 0);
	pthread_mutex_lock(&s.lock);
	CHECK(!suspend_holds_domain(&s, "two", "b.example", clock_monotonic_ns()));
	pthread_mutex_unlock(&s.lock);
	CHECK_EQ(suspend_end(&s, "two", "", &since_ns), 0);
	suspensions_deinit(&s);
}

int main(void)
{
	char directory[] = "/tmp/test_suspend_XXXXXX", command[64];

	config.spool.directory = mkdtemp(directory);
	RUN(test_lines);
	RUN(test_restart);
	RUN(test_clocks);
	RUN(test_damaged);
	RUN(test_readers);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	CHECK_EQ(system(command), 0);
	return check_end();
}
