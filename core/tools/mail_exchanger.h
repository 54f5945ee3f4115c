/*
 * core/tools/mail_exchanger.h - the first MX host of a domain (RFC 5321 5.1), for a person who sets something up.
 *
 * By the C library's resolver, which waits; the relay itself does not deliver by MX yet.
 */
#ifndef POSTRIDER_TOOLS_MAIL_EXCHANGER_H
#define POSTRIDER_TOOLS_MAIL_EXCHANGER_H

#include <stdbool.h>

enum { MAIL_EXCHANGER_SIZE = 256 };

/* False: there is none, or no server answers. */
bool mail_exchanger(const char *domain, char host[MAIL_EXCHANGER_SIZE]);

#endif
