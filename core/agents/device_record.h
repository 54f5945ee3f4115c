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

enum device_limit { DEVICE_MESSAGES, DEVICE_RECIPIENTS, DEVICE_LIMITS };

struct device_record {
	/* Of the shards. */
	_Atomic(uint64_t) octets;
	_Atomic(uint64_t) tls; /* the octets of a version, as "TLSv1.3" */
	_Atomic(uint32_t) last_s, mail_s, messages, refusals, refused_s;
	/* When all of a minute's messages and recipients will have come back, in ms of the monotonic clock. */
	_Atomic(uint32_t) back_ms[DEVICE_LIMITS];
	_Atomic(uint16_t) connections; /* at once, where its entry has a limit */
	_Atomic(bool) busy;            /* somebody writes or reads the refusal: who comes meanwhile does without */
	/* Of the keeper's thread. */
	bool sent; /* in this hour */
	uint32_t first_s;
	uint32_t counted, before_s;        /* messages, and the last one, when it looked last */
	char refusal[DEVICE_REFUSAL_SIZE]; /* of who has set `busy` */
	struct device_rhythm rhythm;
};

/*
 * `n` of the `most` (0: no limit) that it may have in a minute: it may have them at once, and is then given them back
 * evenly, so never twice as many in any minute. False: they are not to be had now. Any thread.
 */
bool device_take(struct device_record *record, enum device_limit limit, uint64_t now_ns, unsigned most, unsigned n);
/* Taken less than a minute ago, and not used. */
void device_give_back(struct device_record *record, enum device_limit limit, unsigned most, unsigned n);

/* A session of it has begun, at so many seconds since 1970; what its TLS is, a message that was accepted, a refusal. */
void device_seen(struct device_record *record, uint32_t wall_s);
void device_seen_tls(struct device_record *record, const char *version);
void device_seen_mail(struct device_record *record, uint32_t wall_s, uint64_t octets);
void device_seen_refused(struct device_record *record, uint32_t wall_s, const char *reply, size_t length);

/* For the keeper. */
void device_facts_of(struct device_record *record, struct device_facts *facts);
void device_take_facts(struct device_record *record, const struct device_facts *facts);

#endif
