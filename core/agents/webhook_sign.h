/*
 * core/agents/webhook_sign.h - signatures of what is posted, as Standard Webhooks 1.0 has them, so that who receives
 * finds a library: HMAC-SHA256 over `ID.TIMESTAMP.BODY`, in base64 behind "v1,".
 *
 * A secret is `whsec_` and base64, or any other line of 16 octets at least; a file has one, or two while it is being
 * replaced: then there is a signature by each, with a space between them.
 */
#ifndef POSTRIDER_AGENTS_WEBHOOK_SIGN_H
#define POSTRIDER_AGENTS_WEBHOOK_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

enum { WEBHOOK_SECRETS = 2, WEBHOOK_SECRET_LEAST = 16, WEBHOOK_SECRET_MOST = 256, WEBHOOK_SIGNATURE_SIZE = 112 };

/* False: there is no secret in it, one that is too short or too long, or more than two. */
bool webhook_sign(const char *secrets, size_t length, const char *id, int64_t timestamp, struct span body,
		  char out[WEBHOOK_SIGNATURE_SIZE]);

#endif
