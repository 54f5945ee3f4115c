/*
 * core/smtp/header.h - reads a field from the header of a message (RFC 5322 2.2), for the log.
 *
 * Pure. Nothing is decided by what is found, so a header that is none gives no field rather than an error.
 */
#ifndef POSTRIDER_SMTP_HEADER_H
#define POSTRIDER_SMTP_HEADER_H

#include <stddef.h>

/*
 * The value of the first field of that name (in lower case) before the first empty line, unfolded, without white space
 * around it, cut at `capacity`. `content` may be the beginning of a message: a field whose line is not complete in it
 * is not found. Returns the value's length; 0: none, or an empty one. The value may hold any octet but CR and LF.
 */
size_t header_value(const char *content, size_t length, const char *name, char *out, size_t capacity);

#endif
