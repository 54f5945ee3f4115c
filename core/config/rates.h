/*
 * core/config/rates.h - how much may go to one destination, or to each of its mailboxes: what limits.* of a destination
 * says of time. Whatever is 0 has no limit.
 */
#ifndef POSTRIDER_CONFIG_RATES_H
#define POSTRIDER_CONFIG_RATES_H

#include <stdbool.h>
#include <stdint.h>

enum config_pacing {
	CONFIG_PACING_EVEN,  /* spread over the minute or hour: the default */
	CONFIG_PACING_BURST, /* as fast as they come, until the minute's are spent */
};

struct config_limits {
	enum config_pacing pacing;
	unsigned messages_per_minute, messages_per_hour;
	uint64_t octets_per_minute;
	unsigned recipients_per_day;
};

static inline bool config_limited(const struct config_limits *limits)
{
	return limits->messages_per_minute || limits->messages_per_hour || limits->octets_per_minute ||
	       limits->recipients_per_day;
}

#endif
