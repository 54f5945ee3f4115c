/*
 * core/deliver/suppress.h - the suppression list and mail that was accepted: who came into it meanwhile is sent
 * nothing, and whom a next hop does not know comes into it, where the message's client asks for that
 * (`suppression: feed`).
 */
#ifndef POSTRIDER_DELIVER_SUPPRESS_H
#define POSTRIDER_DELIVER_SUPPRESS_H

#include <stdbool.h>

#include "core/smtp/reply.h"

struct attempt;

/* Before it goes to a connection: those of its recipients are left out that are in the list by now. NULL, or why nobody
 * is left. */
const char *suppress_withhold(struct attempt *a);
/* The recipient was refused by itself, and that is his result. */
void suppress_refused(const struct attempt *a, unsigned index, const struct smtp_reply_parser *reply);

#endif
