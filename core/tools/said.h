/*
 * core/tools/said.h - a reply of a mail server as people have it: pasted from a log, a bounce, or as it was sent.
 *
 *     550 5.7.64 TenantAttribution; Relay Access Denied
 *     host mail.example.org[192.0.2.1] said: 451 4.7.500 Server busy (in reply to RCPT TO command)
 *     Remote Server returned '550-5.7.1 one line 550 5.7.1 and the next'
 *     5.7.60 SMTP; Client does not have permissions to send as this sender
 *
 * Pure, and any text will do: what is no refusal is said to be none.
 */
#ifndef POSTRIDER_TOOLS_SAID_H
#define POSTRIDER_TOOLS_SAID_H

#include <stdbool.h>
#include <stddef.h>

#include "core/deliver/verdict.h"

enum { SAID_TEXT_MAX = 1000 };

struct said {
	unsigned code;
	bool staged; /* the text says when it was said: */
	enum stage stage;
	size_t length;
	char text[SAID_TEXT_MAX]; /* behind the code; lines are separated by '\n' */
};

/* False: there is no refusal in it. */
bool said_parse(const char *text, size_t length, struct said *said);

#endif
