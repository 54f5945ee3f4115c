/*
 * core/events/webhook.h - events about events that are posted to somebody.
 */
#ifndef POSTRIDER_EVENTS_WEBHOOK_H
#define POSTRIDER_EVENTS_WEBHOOK_H

#include "core/base/log.h"

struct event_webhook_failed {
	const char *host; /* of the URL: what stands behind it may be a secret */
	unsigned status;  /* 0: no answer */
	const char *problem;
	uint64_t failures, waiting, again_s;
	bool act; /* it does not mend itself */
};

void event_webhook_failed(struct log *log, const struct event_webhook_failed *w);
void event_webhook_ok(struct log *log, const char *host, uint64_t failures, uint64_t ms, uint64_t waiting);
void event_webhook_left_out(struct log *log, uint64_t count, const char *reason);
void event_webhook_unread(struct log *log, const char *directory, const char *problem);

#endif
