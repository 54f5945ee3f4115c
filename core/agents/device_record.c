/*
 * core/agents/device_record.c - see device_record.h.
 */
#include "core/agents/device_record.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/span.h"

enum { MINUTE_MS = 60000 };

void device_seen(struct device_record *record, uint32_t wall_s)
{
	atomic_store_explicit(&record->last_s, wall_s, memory_order_relaxed);
}

void device_seen_tls(struct device_record *record, const char *version)
{
	uint64_t octets = 0;
	size_t length = strlen(version);

	memcpy(&octets, version, length < sizeof(octets) ? length : sizeof(octets) - 1);
	atomic_store_explicit(&record->tls, octets, memory_order_relaxed);
}

void device_seen_mail(struct device_record *record, uint32_t wall_s, uint64_t octets)
{
	atomic_store_explicit(&record->mail_s, wall_s, memory_order_relaxed);
	atomic_fetch_add_explicit(&record->octets, octets, memory_order_relaxed);
	atomic_fetch_add_explicit(&record->messages, 1, memory_order_relaxed);
}

void device_seen_refused(struct device_record *record, uint32_t wall_s, const char *reply, size_t length)
{
	atomic_fetch_add_explicit(&record->refusals, 1, memory_order_relaxed);
	atomic_store_explicit(&record->refused_s, wall_s, memory_order_relaxed);
	if (atomic_exchange_explicit(&record->busy, true, memory_order_acquire))
		return;
	/* Words of a configuration may have more than ASCII. */
	span_copy((struct span){reply, (uint32_t)length}, record->refusal, sizeof(record->refusal));
	atomic_store_explicit(&record->busy, false, memory_order_release);
}

/* How long one takes to come back; rounded up, so that there are never more. */
static uint32_t interval_ms(unsigned most)
{
	return (MINUTE_MS + most - 1) / most;
}

/* 0: nothing was taken yet. The clock's 32 bits come round after seven weeks: what seems to be further ahead than
 * anything can be is past. */
static uint32_t owed_ms(uint32_t back_ms, uint32_t now_ms, uint32_t most_ms)
{
	return back_ms != 0 && back_ms - now_ms <= most_ms ? back_ms - now_ms : 0;
}

bool device_take(struct device_record *record, enum device_limit limit, uint64_t now_ns, unsigned most, unsigned n)
{
	uint32_t now_ms = (uint32_t)(now_ns / CLOCK_NS_PER_MS), back_ms, owed, all_ms;

	if (most == 0)
		return true;
	back_ms = atomic_load_explicit(&record->back_ms[limit], memory_order_relaxed);
	all_ms = most * interval_ms(most);
	do {
		owed = owed_ms(back_ms, now_ms, all_ms);
		if (owed + n * interval_ms(most) > all_ms)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&record->back_ms[limit], &back_ms,
							now_ms + owed + n * interval_ms(most), memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

void device_give_back(struct device_record *record, enum device_limit limit, unsigned most, unsigned n)
{
	if (most > 0)
		atomic_fetch_sub_explicit(&record->back_ms[limit], n * interval_ms(most), memory_order_relaxed);
}

void device_facts_of(struct device_record *record, struct device_facts *facts)
{
	uint64_t tls = atomic_load_explicit(&record->tls, memory_order_relaxed);

	*facts = (struct device_facts){
		.first_s = record->first_s,
		.last_s = atomic_load_explicit(&record->last_s, memory_order_relaxed),
		.mail_s = atomic_load_explicit(&record->mail_s, memory_order_relaxed),
		.messages = atomic_load_explicit(&record->messages, memory_order_relaxed),
		.refusals = atomic_load_explicit(&record->refusals, memory_order_relaxed),
		.refused_s = atomic_load_explicit(&record->refused_s, memory_order_relaxed),
		.octets = atomic_load_explicit(&record->octets, memory_order_relaxed),
		.rhythm = record->rhythm,
	};
	memcpy(facts->tls, &tls, sizeof(facts->tls));
	/* A shard has it for some nanoseconds. */
	while (atomic_exchange_explicit(&record->busy, true, memory_order_acquire))
		;
	memcpy(facts->refusal, record->refusal, sizeof(facts->refusal));
	atomic_store_explicit(&record->busy, false, memory_order_release);
}

void device_take_facts(struct device_record *record, const struct device_facts *facts)
{
	uint64_t tls;

	memcpy(&tls, facts->tls, sizeof(tls));
	record->first_s = facts->first_s;
	record->last_s = facts->last_s;
	record->mail_s = facts->mail_s;
	record->messages = record->counted = facts->messages;
	record->refusals = facts->refusals;
	record->refused_s = facts->refused_s;
	record->octets = facts->octets;
	record->tls = tls;
	memcpy(record->refusal, facts->refusal, sizeof(record->refusal));
	record->rhythm = facts->rhythm;
	record->before_s = facts->mail_s;
}
