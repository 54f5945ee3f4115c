/*
 * core/control/steering.h - what requests that change something have in common: a body of JSON, who asks.
 */
#ifndef POSTRIDER_CONTROL_STEERING_H
#define POSTRIDER_CONTROL_STEERING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/control/request.h"

enum { STEERING_WHO = 96, STEERING_REASON_MAX = 199, STEERING_NAME_MAX = 255 };

/* The body, an object with no other keys than these (NULL-terminated); NULL: answered why not. */
json_t *steering_body(struct control_request *request, const char *const *keys);
/* A text of the body without control characters, `most` octets at most; *out is "" where it is not there. False:
 * answered why not. */
bool steering_text(struct control_request *request, const json_t *body, const char *key, size_t most, const char **out);
/* "uid 0, pid 4711", as an event tells it. */
void steering_who(const struct control_request *request, char out[STEERING_WHO]);

#endif
