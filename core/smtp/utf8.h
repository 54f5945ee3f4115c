/*
 * core/smtp/utf8.h - is text UTF-8, and does it need to be (RFC 3629).
 */
#ifndef POSTRIDER_SMTP_UTF8_H
#define POSTRIDER_SMTP_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "core/smtp/span.h"

/* It has octets above 127. */
bool utf8_needed(struct span text);
/* How many octets the character above 127 at its start has; 0: there is none. */
uint32_t utf8_character(struct span text);
/* Whole characters in their shortest form, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(struct span text);

/* The number of the character at its start, which may be of ASCII, and how many octets it has; 0 octets: there is none,
 * or it is no UTF-8. */
uint32_t utf8_code(struct span text, uint32_t *octets);
/* Terminals and readers do what it says, or nobody sees it: controls, also those that UTF-8 has beside ASCII's, marks
 * that turn the direction (UAX 9), what has no width, tags. From strangers it is never written as it came. */
bool utf8_obeyed(uint32_t code);
/* Columns on a terminal, as the C library counts them for UTF-8: 2 for wide ones, 0 for what stands over the one
 * before; -1: it does not know the character, and nobody can say. */
int utf8_columns(uint32_t code);

#endif
