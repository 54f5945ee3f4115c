/*
 * core/smtp/utf8.h - is text UTF-8, and does it need to be (RFC 3629).
 */
#ifndef POSTRIDER_SMTP_UTF8_H
#define POSTRIDER_SMTP_UTF8_H

#include <stdbool.h>

#include "core/smtp/span.h"

/* It has octets above 127. */
bool utf8_needed(struct span text);
/* How many octets the character above 127 at its start has; 0: there is none. */
uint32_t utf8_character(struct span text);
/* Whole characters in their shortest form, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(struct span text);

#endif
