/*
 * core/relay/status.h - the relay's state in one line, for whoever asks the service manager.
 */
#ifndef POSTRIDER_RELAY_STATUS_H
#define POSTRIDER_RELAY_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "core/relay/relay.h"

/* What the line before has counted, for the rates. Zero at first. */
struct status {
	uint64_t accepted, delivered, at_ns;
};

/* "31.2 messages/s in, 30.9 recipients/s out, 1204 queued, 12 sessions". For one thread; the shards may run. */
void status_format(struct status *last, const struct relay *relay, uint64_t now_ns, char *out, size_t size);

#endif
