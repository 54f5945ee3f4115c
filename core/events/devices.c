/*
 * core/events/devices.c - see devices.h.
 */
#include "core/events/devices.h"

#include <time.h>

static void device_fields(struct log_event *e, const struct event_device *d)
{
	time_t shown = (time_t)d->last_s;
	char text[32] = "";
	struct tm tm;

	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&shown, &tm));
	log_text(e, "device", d->name);
	if (d->place[0])
		log_text(e, "place", d->place);
	if (d->owner[0])
		log_text(e, "owner", d->owner);
	log_text(e, "last_message", text);
	log_number(e, "silent_s", d->silent_s);
}

void event_device_silent(struct log *log, const struct event_device *d)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "device_silent");
	device_fields(&e, d);
	log_end(&e);
}

void event_device_back(struct log *log, const struct event_device *d)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "device_back");
	device_fields(&e, d);
	log_end(&e);
}

void event_devices_silent(struct log *log, uint64_t count, uint64_t untold)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "devices_silent");
	log_number(&e, "count", count);
	log_number(&e, "untold", untold);
	log_end(&e);
}

static void file_fields(struct log_event *e, const char *file, const char *problem)
{
	log_text(e, "file", file);
	log_text(e, "problem", problem);
}

void event_devices_damaged(struct log *log, const char *file, const char *problem, const char *kept)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "devices_damaged");
	file_fields(&e, file, problem);
	if (kept)
		log_text(&e, "kept", kept);
	log_end(&e);
}

void event_devices_unwritten(struct log *log, const char *file, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "devices_unwritten");
	file_fields(&e, file, problem);
	log_end(&e);
}
