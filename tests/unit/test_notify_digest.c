/*
 * test_notify_digest.c - what goes into one message of many: never more than its envelope takes.
 */
#include <stdlib.h>

#include "core/deliver/notify_private.h"
#include "core/shard/shard.h"
#include "core/store/mail.h"
#include "queue/field.h"
#include "tests/unit/check.h"

static struct shard shard = {.now_ns = 1};
static struct notifier notifier = {.shard = &shard};
static struct mail mail;

static bool add(unsigned recipients, bool delays)
{
	const struct report_recipient failed = {.address = {"a@example.org", 13}, .code = 550, .text = {"5.1.1 no", 8}};
	struct notify_job job = {.items = &job.single, .count = 1, .to = "it@example.org"};
	bool added;

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
	list_init(&notifier.jobs);
	list_init(&notifier.digests);
	fill(1, false, NOTIFY_ITEMS_MAX);
	fill(1000, false, 1000);
	fill(1000, true, 500);
	fill(65535, false, 16);
	fill(65535, true, 8);
}

int main(void)
{
	RUN(test_room);
	return check_end();
}
