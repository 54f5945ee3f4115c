/*
 * core/agents/device_record.h - what a process has seen of one device. Shards add and note, and never wait; the rest is
 * the keeper's (device_keeper.h).
 */
#ifndef POSTRIDER_AGENTS_DEVICE_RECORD_H
#define POSTRIDER_AGENTS_DEVICE_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/device_file.h"

struct device_record {
	/* Of the shards. */
	_Atomic(uint64_t) octets;
	_Atomic(uint64_t) tls; /* the octets of a version, as "TLSv1.3" */
	_Atomic(uint32_t) last_s, mail_s, messages, refusals, refused_s;
	_Atomic(unsigned) connections; /* at once; limits of an entry */
	_Atomic(bool) busy;            /* somebody writes or reads the refusal: who comes meanwhile does without */
	char refusal[DEVICE_REFUSAL_SIZE];
	/* Of the keeper's thread. */
	uint32_t first_s;
	uint32_t counted, before_s; /* messages, and the last one, when it looked last */
	bool sent;                  /* in this hour */
	struct device_rhythm rhythm;
};

/* A session of it has begun, at so many seconds since 1970; what its TLS is, a message that was accepted, a refusal. */
void device_seen(struct device_record *record, uint32_t wall_s);
void device_seen_tls(struct device_record *record, const char *version);
void device_seen_mail(struct device_record *record, uint32_t wall_s, uint64_t octets);
void device_seen_refused(struct device_record *record, uint32_t wall_s, const char *reply, size_t length);

/* For the keeper. */
void device_facts_of(struct device_record *record, struct device_facts *facts);
void device_take_facts(struct device_record *record, const struct device_facts *facts);

#endif
