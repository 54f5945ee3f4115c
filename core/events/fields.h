/*
 * core/events/fields.h - fields that many events have.
 */
#ifndef POSTRIDER_EVENTS_FIELDS_H
#define POSTRIDER_EVENTS_FIELDS_H

#include "core/base/log.h"
#include "core/smtp/trace.h"

/* Of a message, as the client was told. */
void event_id_field(struct log_event *e, struct message_id id);

#endif
