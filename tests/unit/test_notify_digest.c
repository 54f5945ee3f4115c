/*
 * test_notify_digest.c - what goes into one message of many: never more than its envelope takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/deliver/notify_private.h"
#include "core/shard/shard.h"
#include "core/store/mail.h"
#include "queue/field.h"
#include "tests/unit/check.h"

static struct shard shard = {.now_ns = 1};
static struct notifier notifier = {.shard = &shard};
static struct mail mail;

static char to[32] = "it@example.org";

static bool add(unsigned recipients, bool delays)
{
	const struct report_recipient failed = {.address = {"a@example.org", 13}, .code = 550, .text = {"5.1.1 no", 8}};
	struct notify_job job = {.items = &job.single, .count = 1};
	bool added;

	memcpy(job.to, to, sizeof(to));
	job.envelope.sender = (struct span){"scan@example.org", 16};
	job.single =
		(struct notify_item){.mail = &mail, .octets = (recipients + 7) / 8, .ends = true, .delays = delays};
	job.single.end = calloc(2, job.single.octets);
	added = notify_digest_add(&notifier, &job, &failed, 0);
	if (!added)
		free(job.single.end);
	return added;
}

/* Mails of so many recipients until one does not fit. */
static void fill(unsigned recipients, bool delays, unsigned least)
{
	size_t one = (delays ? 2u : 1u) * (FIELD_HEADER + ENVELOPE_REPORT_HEAD + (recipients + 7) / 8);
	struct notify_digest *d;
	uint64_t next_ns = UINT64_MAX;
	unsigned count = 0;

	while (count <= NOTIFY_ITEMS_MAX && add(recipients, delays))
		count++;
	CHECK(count >= least && count <= NOTIFY_ITEMS_MAX);
	/* Beside them the envelope has what every message's has. */
	CHECK(count * one <= SPOOL_ENVELOPE_MAX - ENVELOPE_OVERHEAD - 2 * NOTIFY_ADDRESS_MAX);
	/* It waits for no others, and then there is room again. */
	d = notify_digest_due(&notifier, &next_ns);
	CHECK(d != NULL);
	if (d)
		notify_digest_emptied(&notifier, d, false);
	CHECK(add(recipients, delays));
	CHECK(notify_digest_due(&notifier, &next_ns) == NULL);
	notify_digests_free(&notifier, true);
}

static void test_room(void)
{
	fill(1, false, NOTIFY_ITEMS_MAX);
	fill(1000, false, 1000);
	fill(1000, true, 500);
	fill(65535, false, 16);
	fill(65535, true, 8);
}

/* More addresses than there are places: one that has had its own of this hour, or has nothing to say, makes room. */
static void test_places(void)
{
	struct notify_digest *first;

	for (unsigned i = 0; i < NOTIFY_DIGESTS_MAX; i++) {
		snprintf(to, sizeof(to), "it%u@example.org", i);
		CHECK(add(1, false));
	}
	snprintf(to, sizeof(to), "one@example.org");
	CHECK(!add(1, false));
	first = container_of(notifier.digests.next, struct notify_digest, link);
	first->not_before_ns = notifier.shard->now_ns + 1000;
	mail.reporting = true;
	CHECK(add(1, false));
	/* Its mail is owed as before, and is not read before its time. */
	CHECK(!mail.reporting && mail.waits_as > 0);
	CHECK_EQ(notifier.denied_until_ns[mail.waits_as], 1001);
	snprintf(to, sizeof(to), "two@example.org");
	CHECK(!add(1, false));
	notify_digest_emptied(&notifier, container_of(notifier.digests.next, struct notify_digest, link), false);
	CHECK(add(1, false));
	CHECK_EQ(notifier.digest_count, NOTIFY_DIGESTS_MAX);
	notify_digests_free(&notifier, true);
}

/* Mail of somebody who has too much is passed over, but for a little of it, until his time; that of others is not. */
static void test_who_waits(void)
{
	struct mail his = {.recipients = 1}, others = {.recipients = 1};
	unsigned passed = 0, i;

	notify_deny(&notifier, &his, "it@example.org", 1000);
	for (i = 0; i < 10000; i++) {
		passed += notify_waits(&notifier, &his);
		CHECK(!notify_waits(&notifier, &others));
	}
	CHECK(passed > 9500 && passed < 10000);
	notify_deny(&notifier, &others, "him@example.org", 500);
	CHECK(others.waits_as != his.waits_as);
	shard.now_ns = 1000;
	for (i = 0; i < 1000; i++)
		CHECK(!notify_waits(&notifier, &his) && !notify_waits(&notifier, &others));
}

int main(void)
{
	list_init(&notifier.jobs);
	list_init(&notifier.digests);
	RUN(test_places);
	RUN(test_who_waits);
	RUN(test_room);
	return check_end();
}
