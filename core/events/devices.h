/*
 * core/events/devices.h - events of devices of the inventory: who is silent against its rhythm, and who is back.
 */
#ifndef POSTRIDER_EVENTS_DEVICES_H
#define POSTRIDER_EVENTS_DEVICES_H

#include <stdint.h>

#include "core/base/log.h"

/* Times are seconds since 1970, and seconds. */
struct event_device {
	const char *name, *place, *owner;
	uint64_t last_s, silent_s;
};
void event_device_silent(struct log *log, const struct event_device *device);
void event_device_back(struct log *log, const struct event_device *device);
/* So many in one hour; `untold`: of them, without an event of their own. */
void event_devices_silent(struct log *log, uint64_t count, uint64_t untold);

/* What was known of devices is lost, but for what comes from now on; `kept`: where the file is now, NULL: it could not
 * be put there. And: it cannot be written. */
void event_devices_damaged(struct log *log, const char *file, const char *problem, const char *kept);
void event_devices_unwritten(struct log *log, const char *file, const char *problem);

#endif
