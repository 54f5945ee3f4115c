/*
 * tests/unit/test_device_keeper.c - what is known of devices, from shards that note it to the file and back, through
 * reloads; with threads, for ThreadSanitizer.
 */
#include "core/agents/device_keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/config/device_table.h"
#include "tests/unit/check.h"

static char file[] = "test_device_keeper.XXXXXX";

static struct device_table *table_of(const char *const *names)
{
	struct device_table *table = device_table_new();
	enum device_key taken;
	struct device other;

	for (; *names; names++) {
		const struct device device = {
			.name = *names, .user = *names, .owner = "", .place = "", .from = "", .file = "f"};
		CHECK_EQ(device_table_add(table, &device, &taken, &other), 0);
	}
	return table;
}

static struct device_facts found;

static bool on_device(void *context, const char *name, size_t length, const struct device_facts *facts)
{
	if (strlen(context) == length && memcmp(context, name, length) == 0)
		found = *facts;
	return true;
}

static bool look(const char *name)
{
	char text[8192];
	unsigned hours;
	FILE *f = fopen(file, "r");
	size_t n = f ? fread(text, 1, sizeof(text), f) : 0;

	if (f)
		fclose(f);
	found = (struct device_facts){.first_s = 0};
	return device_file_parse(text, n, &hours, on_device, (void *)(uintptr_t)name) == 0;
}

static void test_kept(void)
{
	static const char *const before[] = {"a", "b", NULL}, *const after[] = {"c", "B", NULL};
	struct device_table *one = table_of(before), *two = table_of(after);
	struct log *log = log_new(-1, 1 << 16);
	struct device_keeper *keeper = device_keeper_start(file, log);
	struct device_record **records = device_keeper_records(keeper, one), **next;

	device_keeper_follow(keeper, one, records);
	device_seen(records[1], 1000);
	device_seen_tls(records[1], "TLSv1.2");
	device_seen_mail(records[1], 1001, 4096);
	device_seen_refused(records[1], 1002, "550 5.7.1 A reply that is longer than what is kept of it, by far", 64);
	/* A reload: one stays, whatever its letters; one goes, one comes. */
	next = device_keeper_records(keeper, two);
	CHECK(next[1] == records[1] && next[0] != records[0]);
	device_keeper_follow(keeper, two, next);
	device_table_free(one);
	free(records);
	device_seen_mail(next[1], 1003, 4);
	device_keeper_stop(keeper);
	CHECK(look("B"));
	CHECK_EQ(found.first_s, 1000);
	CHECK_EQ(found.mail_s, 1003);
	CHECK_EQ(found.messages, 2);
	CHECK_EQ(found.octets, 4100);
	CHECK_EQ(found.refusals, 1);
	CHECK_STR(found.tls, "TLSv1.2");
	CHECK_STR(found.refusal, "550 5.7.1 A reply that is longer than what is k");
	CHECK(look("a") && found.messages == 0);
	free(next);
	/* The next process knows it. */
	keeper = device_keeper_start(file, log);
	next = device_keeper_records(keeper, two);
	CHECK_EQ(next[1]->messages, 2);
	device_keeper_follow(keeper, two, next);
	device_seen_mail(next[1], 1004, 1);
	device_keeper_stop(keeper);
	CHECK(look("B") && found.messages == 3);
	free(next);
	device_table_free(two);
	log_free(log);
}

/* A start without devices, and a reload that is refused when its records have been made, forget nothing. */
static void test_remembered(void)
{
	static const char *const nobody[] = {NULL}, *const names[] = {"B", NULL};
	struct device_table *empty = table_of(nobody), *table = table_of(names);
	struct log *log = log_new(-1, 1 << 16);
	struct device_keeper *keeper = device_keeper_start(file, log);
	struct device_record **records;

	CHECK(device_keeper_records(keeper, empty) == NULL);
	device_keeper_follow(keeper, empty, NULL);
	free(device_keeper_records(keeper, table));
	records = device_keeper_records(keeper, table);
	CHECK_EQ(records[0]->messages, 3);
	device_keeper_follow(keeper, table, records);
	device_keeper_stop(keeper);
	CHECK(look("B") && found.messages == 3);
	free(records);
	device_table_free(table);
	device_table_free(empty);
	log_free(log);
}

/* What is damaged is set aside as it is, and told once; from then on the file is one again. */
static void test_damaged(void)
{
	static const char damaged[] = "postrider-devices 1 100\nB\t17\n";
	static const char *const names[] = {"B", NULL};
	struct device_table *table = table_of(names);
	struct log *log = log_new(-1, 1 << 16);
	struct device_record **records;
	struct device_keeper *keeper;
	char kept[64], text[64] = "";
	FILE *f = fopen(file, "w");

	fputs(damaged, f);
	fclose(f);
	keeper = device_keeper_start(file, log);
	records = device_keeper_records(keeper, table);
	free(device_keeper_records(keeper, table));
	device_keeper_follow(keeper, table, records);
	device_seen_mail(records[0], 2000, 1);
	device_keeper_stop(keeper);
	CHECK(look("B") && found.messages == 1);
	snprintf(kept, sizeof(kept), "%s.damaged", file);
	f = fopen(kept, "r");
	CHECK(f != NULL);
	CHECK(f && fread(text, 1, sizeof(text) - 1, f) == sizeof(damaged) - 1);
	CHECK_STR(text, damaged);
	if (f)
		fclose(f);
	unlink(kept);
	free(records);
	device_table_free(table);
	log_free(log);
}

/* What is kept of a refusal ends between two characters. */
static void test_refusal_cut(void)
{
	static const char reply[] = "550 5.7.1 Diese Adresse gibt es nicht, fragen \xc3\xbc";
	struct device_record record = {.refusals = 0};

	device_seen_refused(&record, 1, reply, sizeof(reply) - 1);
	CHECK_STR(record.refusal, "550 5.7.1 Diese Adresse gibt es nicht, fragen ");
}

/* What a device may have in a minute: never one more at once, then one after the other, and what is given back. */
static void test_limits(void)
{
	static const unsigned mosts[] = {1, 2, 7, 59, 60, 599, 6000};
	const uint64_t begins[] = {0, 1, UINT32_MAX - UINT64_C(30000), UINT64_C(1) << 32};

	for (size_t i = 0; i < sizeof(mosts) / sizeof(mosts[0]); i++) {
		for (size_t k = 0; k < sizeof(begins) / sizeof(begins[0]); k++) {
			struct device_record record = {.refusals = 0};
			unsigned most = mosts[i], had = 0;
			uint64_t now_ns = begins[k] * 1000000, again_ns = (60000 / most + 1) * UINT64_C(1000000);
			while (device_take(&record, DEVICE_MESSAGES, now_ns, most, 1) && had < 10000)
				had++;
			CHECK_EQ(had, most);
			CHECK(device_take(&record, DEVICE_RECIPIENTS, now_ns, most, most));
			CHECK(device_take(&record, DEVICE_MESSAGES, now_ns + again_ns, most, 1));
			CHECK(!device_take(&record, DEVICE_MESSAGES, now_ns + again_ns, most, 1));
			device_give_back(&record, DEVICE_MESSAGES, most, 1);
			CHECK(device_take(&record, DEVICE_MESSAGES, now_ns + again_ns, most, 1));
			/* All of it is there after two minutes, and after weeks: where the clock has come round. */
			CHECK(device_take(&record, DEVICE_RECIPIENTS, now_ns + UINT64_C(121) * 1000000000, most, most));
			CHECK(device_take(&record, DEVICE_MESSAGES, now_ns + UINT64_C(2592000) * 1000000000, most,
					  most));
			CHECK(device_take(&record, DEVICE_MESSAGES, now_ns, 0, 100000));
		}
	}
}

static void test_none(void)
{
	struct log *log = log_new(-1, 1 << 16);
	struct device_keeper *keeper = device_keeper_start(file, log);

	CHECK(device_keeper_records(keeper, NULL) == NULL);
	CHECK(device_keeper_records(NULL, NULL) == NULL);
	device_keeper_follow(keeper, NULL, NULL);
	device_keeper_stop(keeper);
	device_keeper_stop(NULL);
	CHECK(look("B") && found.messages == 3); /* what nobody asked for was not written away */
	log_free(log);
}

enum { NOTES = 20000 };

static void *shard(void *context)
{
	for (unsigned i = 0; i < NOTES; i++) {
		device_seen(context, i);
		device_seen_mail(context, i, 1);
		device_seen_refused(context, i, i & 1 ? "450 one" : "550 other", 7);
	}
	return NULL;
}

/* Shards note while somebody reads as the keeper does, and while the keeper begins to. */
static void test_threads(void)
{
	static const char *const names[] = {"x", NULL};
	struct device_table *table = table_of(names);
	struct log *log = log_new(-1, 1 << 16);
	struct device_keeper *keeper = device_keeper_start(file, log);
	struct device_record **records = device_keeper_records(keeper, table);
	struct device_facts facts;
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, shard, records[0]), 0);
	for (unsigned i = 0; i < 1000; i++) {
		device_facts_of(records[0], &facts);
		CHECK(facts.refusal[0] == '\0' || strcmp(facts.refusal, "450 one") == 0 ||
		      strcmp(facts.refusal, "550 oth") == 0);
	}
	device_keeper_follow(keeper, table, records);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	device_keeper_stop(keeper);
	CHECK(look("x"));
	CHECK_EQ(found.messages, 2 * NOTES);
	CHECK_EQ(found.octets, 2 * NOTES);
	CHECK_EQ(found.refusals, 2 * NOTES);
	free(records);
	device_table_free(table);
	log_free(log);
}

int main(void)
{
	int fd = mkstemp(file);

	CHECK(fd >= 0 && close(fd) == 0 && unlink(file) == 0);
	RUN(test_kept);
	RUN(test_remembered);
	RUN(test_refusal_cut);
	RUN(test_none);
	RUN(test_threads);
	RUN(test_damaged);
	RUN(test_limits);
	CHECK_EQ(unlink(file), 0);
	return check_end();
}
