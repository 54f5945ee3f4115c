/*
 * core/tools/token_look.h - fetches a token as the relay would, and says what it is good for.
 */
#ifndef POSTRIDER_TOOLS_TOKEN_LOOK_H
#define POSTRIDER_TOOLS_TOKEN_LOOK_H

#include <stdbool.h>

#include "core/agents/token_reply.h"
#include "core/config/oauth.h"
#include "core/tools/ladder.h"

/* `user`: the mailbox. False: there is none, and the rung says why. `reply` is the caller's to wipe in any case. */
bool token_look(struct ladder *ladder, const struct config_oauth *oauth, const char *user, struct token_reply *reply);

#endif
