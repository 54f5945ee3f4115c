/*
 * core/relay/ceiling.h - how much a destination can take by its configuration, in words: for `check`.
 */
#ifndef POSTRIDER_RELAY_CEILING_H
#define POSTRIDER_RELAY_CEILING_H

#include <stdbool.h>
#include <stddef.h>

struct config_destination;

/* One sentence. False: nothing but connections limits it, and there is nothing to say. */
bool ceiling_text(const struct config_destination *destination, char *out, size_t size);

#endif
