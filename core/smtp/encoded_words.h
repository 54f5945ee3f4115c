/*
 * core/smtp/encoded_words.h - what a field with encoded words (RFC 2047) says, for people to read.
 *
 * In UTF-8 as far as the words are; what is in another character set, or is no encoded word after all, stays as it
 * stands. Whoever shows it escapes what must not be shown. Pure.
 */
#ifndef POSTRIDER_SMTP_ENCODED_WORDS_H
#define POSTRIDER_SMTP_ENCODED_WORDS_H

#include <stddef.h>

#include "core/smtp/span.h"

/* Of an unfolded value. Returns what was written, cut at `room`. */
size_t encoded_words_read(struct span value, char *out, size_t room);

#endif
