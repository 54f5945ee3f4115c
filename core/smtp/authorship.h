/*
 * core/smtp/authorship.h - whether a header names as its authors only whom its sender may name (REL-03).
 *
 * Pure. It does not ask what From should mean, but what anybody might read in it: whatever looks like an address
 * counts, in a quoted name, a comment or an encoded word (RFC 2047) as well, and what cannot be read is no excuse. So
 * it refuses names that hold an "@" and no address; who binds authors wants that.
 */
#ifndef POSTRIDER_SMTP_AUTHORSHIP_H
#define POSTRIDER_SMTP_AUTHORSHIP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/span.h"

enum authorship {
	AUTHORSHIP_GOOD,
	AUTHORSHIP_NONE,       /* no From, or one without an address */
	AUTHORSHIP_SEVERAL,    /* more than one From, or Sender */
	AUTHORSHIP_UNREADABLE, /* an "@" with no address around it, or characters that hide what they are */
	AUTHORSHIP_FOREIGN,    /* somebody who is not allowed, in From or Sender */
};

typedef bool authorship_fn(const void *context, struct span address);

/* `header`: as fields_end() finds it. */
enum authorship authorship_check(const char *header, size_t length, authorship_fn *allowed, const void *context);

#endif
