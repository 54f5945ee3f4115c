/*
 * core/receive/seen.c - what is noted of the device that a session is (core/agents/device_record.h): a few additions,
 * and nothing for who is none.
 */
#include <string.h>

#include "core/agents/device_record.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

static uint32_t wall_s(void)
{
	return (uint32_t)(clock_wall_ns() / CLOCK_NS_PER_S);
}

static struct device_record *record_of(const struct session *s)
{
	return s->device >= 0 && s->snapshot->devices ? s->snapshot->devices[s->device] : NULL;
}

void receive_seen(const struct session *s)
{
	struct device_record *record = record_of(s);
	struct tls_info tls = {.version = ""};

	if (!record)
		return;
	if (s->transport.secured && s->transport.tls)
		tls_session_info(s->transport.tls, &tls);
	device_seen(record, wall_s());
	device_seen_tls(record, tls.version);
}

void receive_seen_mail(const struct session *s, uint64_t octets)
{
	struct device_record *record = record_of(s);

	if (record)
		device_seen_mail(record, wall_s(), octets);
}

void receive_seen_refused(const struct session *s, const char *reply)
{
	struct device_record *record = record_of(s);

	if (record)
		device_seen_refused(record, wall_s(), reply, strcspn(reply, "\r\n"));
}

static unsigned limit_of(const struct session *s)
{
	struct device device;

	device_table_get(s->snapshot->config->devices, (size_t)s->device, &device);
	return device.connections;
}

bool receive_device_enter(struct session *s)
{
	struct device_record *record = record_of(s);
	unsigned limit = record && s->counted ? limit_of(s) : 0;

	if (limit == 0)
		return true;
	s->device_counted = true;
	return atomic_fetch_add_explicit(&record->connections, 1, memory_order_relaxed) < limit;
}

void receive_device_leave(struct session *s)
{
	if (!s->device_counted)
		return;
	s->device_counted = false;
	atomic_fetch_sub_explicit(&record_of(s)->connections, 1, memory_order_relaxed);
}
