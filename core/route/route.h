/*
 * core/route/route.h - which destination takes a recipient.
 */
#ifndef POSTRIDER_ROUTE_ROUTE_H
#define POSTRIDER_ROUTE_ROUTE_H

#include <stddef.h>

struct config;

/* Destination for a mailbox ("local@domain"), or -1: none. First match wins. */
int route_find(const struct config *config, const char *address, size_t length);
/* The destination of that name, or -1 (it may have gone from the configuration since the mail was accepted). */
int route_destination(const struct config *config, const char *name, size_t length);

#endif
