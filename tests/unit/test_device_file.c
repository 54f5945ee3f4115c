/* tests/unit/test_device_file.c - what is known of devices, as text: there and back, and what is damaged. */
#include "core/agents/device_file.h"

#include <errno.h>

#include "tests/unit/check.h"

#define HEX "000000000000000000000000000000000000000000"
#define FACTS "1 2 3 4 5 TLSv1.3 6 7 8 9 10 11 12 2 13 1 " HEX " " HEX
#define LINE "copier\t" FACTS "\t550 no\n"

static struct device_facts told;
static char told_name[80];
static unsigned count;

static bool on_device(void *context, const char *name, size_t length, const struct device_facts *facts)
{
	snprintf(told_name, sizeof(told_name), "%.*s", (int)length, name);
	told = *facts;
	count++;
	return true;
}

static int parse(const char *text, unsigned *hours)
{
	count = 0;
	return device_file_parse(text, strlen(text), hours, on_device, NULL);
}

static void test_there_and_back(void)
{
	struct device_facts facts = {.first_s = 1,
				     .last_s = UINT32_MAX,
				     .mail_s = 3,
				     .messages = 4,
				     .octets = UINT64_MAX,
				     .refusals = 6,
				     .refused_s = 7,
				     .tls = "TLSv1.2",
				     .refusal = "550 5.7.1 Relaying not permitted",
				     .rhythm = {.gap = 8,
						.longest = {9, UINT16_MAX},
						.active = {11, 255},
						.periods = 3,
						.watched = RHYTHM_PERIOD,
						.silent = true,
						.hours = {{1, 2, 255}, {[20] = 128}}}};
	char text[4 * DEVICE_LINE_MAX], again[DEVICE_LINE_MAX];
	unsigned hours = 0;
	size_t n = device_file_head(17, text);

	n += device_file_line("Copier, 3rd floor: \xc3\xbc", &facts, text + n);
	n += device_file_end(1, text + n);
	CHECK_EQ(n, strlen(text));
	CHECK_EQ(parse(text, &hours), 0);
	CHECK_EQ(hours, 17);
	CHECK_EQ(count, 1);
	CHECK_STR(told_name, "Copier, 3rd floor: \xc3\xbc");
	/* Octets between members are nobody's: told apart by what is written of them. */
	(void)device_file_line("x", &facts, text);
	(void)device_file_line("x", &told, again);
	CHECK_STR(again, text);
	CHECK_EQ(told.octets, UINT64_MAX);
	CHECK_EQ(told.rhythm.hours[1][20], 128);
	/* A device of which nothing is known. */
	n = device_file_head(0, text);
	n += device_file_line("x", &(struct device_facts){.first_s = 0}, text + n);
	n += device_file_end(1, text + n);
	CHECK_EQ(parse(text, &hours), 0);
	CHECK_STR(told.tls, "");
	CHECK_STR(told.refusal, "");
}

/* The longest there is. */
static void test_longest(void)
{
	char name[65], out[DEVICE_LINE_MAX];
	struct device_facts facts;

	memset(name, 'n', 64);
	name[64] = '\0';
	memset(&facts, 0xff, sizeof(facts));
	memcpy(facts.tls, "TLSv1.3", sizeof(facts.tls));
	memset(facts.refusal, 'r', sizeof(facts.refusal) - 1);
	facts.refusal[sizeof(facts.refusal) - 1] = '\0';
	facts.rhythm.silent = true;
	CHECK(device_file_line(name, &facts, out) < DEVICE_LINE_MAX - 1);
}

static const struct {
	const char *text;
	int result;
} table[] = {
	{"postrider-devices 1 0\nend 0\n", 0},
	{"postrider-devices 1 0\n" LINE "end 1\n", 0},
	{"postrider-devices 1 0\n" LINE LINE "end 2\n", 0},
	/* A name like the last line's. */
	{"postrider-devices 1 0\nend 1\t" FACTS "\t\nend 1\n", 0},
	/* Cut off, or not this version's. */
	{"", -EBADMSG},
	{"postrider-devices 1 0\n", -EBADMSG},
	{"postrider-devices 1 0\n" LINE, -EBADMSG},
	{"postrider-devices 1 0\n" LINE "end 1", -EBADMSG},
	{"postrider-devices 1 0\n" LINE "end 2\n", -EBADMSG},
	{"postrider-devices 1 0\n" LINE "end 1\nx", -EBADMSG},
	{"postrider-devices 2 0\nend 0\n", -EBADMSG},
	{"postrider-devices 1 x\nend 0\n", -EBADMSG},
	{"postrider-devices 1 337\nend 0\n", -EBADMSG},
	{LINE "end 1\n", -EBADMSG},
	/* A line that is none. */
	{"postrider-devices 1 0\n\t" FACTS "\t\nend 1\n", -EBADMSG},
	{"postrider-devices 1 0\ncopier\t" FACTS "\nend 1\n", -EBADMSG},
	{"postrider-devices 1 0\ncopier\t" FACTS " 1\t\nend 1\n", -EBADMSG},
	{"postrider-devices 1 0\ncopier\t1 2\t\nend 1\n", -EBADMSG},
	{"postrider-devices 1 0\ncopier\t4294967296 2 3 4 5 - 6 7 8 9 10 11 12 2 13 1 " HEX " " HEX "\t\nend 1\n",
	 -EBADMSG},
	{"postrider-devices 1 0\ncopier\t1 2 3 4 99999999999999999999 - 6 7 8 9 10 11 12 2 13 1 " HEX " " HEX
	 "\t\nend 1\n",
	 -EBADMSG},
	{"postrider-devices 1 0\ncopier\t1 2 3 4 5 TLSv1.33 6 7 8 9 10 11 12 2 13 1 " HEX " " HEX "\t\nend 1\n",
	 -EBADMSG},
	{"postrider-devices 1 0\ncopier\t1 2 3 4 5 - 6 7 8 9 10 11 12 2 13 2 " HEX " " HEX "\t\nend 1\n", -EBADMSG},
	{"postrider-devices 1 0\ncopier\t1 2 3 4 5 - 6 7 8 9 10 11 12 2 13 1 " HEX " 00\t\nend 1\n", -EBADMSG},
	{"postrider-devices 1 0\ncopier\t" FACTS "\t\x01\nend 1\n", -EBADMSG},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		unsigned hours;
		int result = parse(table[i].text, &hours);
		if (result != table[i].result)
			printf("row %zu\n", i);
		CHECK_EQ(result, table[i].result);
	}
}

int main(void)
{
	RUN(test_there_and_back);
	RUN(test_longest);
	RUN(test_table);
	return check_end();
}
