/*
 * core/events/signed_in.h - events of what is kept of clients that have signed in.
 */
#ifndef POSTRIDER_EVENTS_SIGNED_IN_H
#define POSTRIDER_EVENTS_SIGNED_IN_H

#include "core/base/log.h"

/* Nobody is known until he signs in anew; and: it cannot be written. */
void event_signed_in_unread(struct log *log, const char *file, const char *problem);
void event_signed_in_unwritten(struct log *log, const char *file, const char *problem);

#endif
