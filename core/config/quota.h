/*
 * core/config/quota.h - what one client, one address or all together may have in a second or a minute: what limits.*
 * of a client, limits.address and limits itself say of time. Whatever is 0 has no limit.
 */
#ifndef POSTRIDER_CONFIG_QUOTA_H
#define POSTRIDER_CONFIG_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

struct config_quota {
	unsigned connections_per_second, messages_per_minute, recipients_per_minute;
	unsigned errors_per_minute; /* of an address alone: where others count together, one would shut them all out */
	uint64_t octets_per_minute;
};

static inline bool config_quota_any(const struct config_quota *quota)
{
	return quota->connections_per_second || quota->messages_per_minute || quota->recipients_per_minute ||
	       quota->octets_per_minute || quota->errors_per_minute;
}

#endif
