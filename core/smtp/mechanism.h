/*
 * core/smtp/mechanism.h - the mechanisms of AUTH (RFC 4954) that are known here, by their names.
 */
#ifndef POSTRIDER_SMTP_MECHANISM_H
#define POSTRIDER_SMTP_MECHANISM_H

#include "core/smtp/span.h"

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN, SASL_XOAUTH2, SASL_OAUTHBEARER };
enum { SASL_MECHANISMS = SASL_OAUTHBEARER + 1 };
#define SASL_BIT(mechanism) (1u << (mechanism))
/* Those that a token is given by, and no password. */
enum { SASL_BY_TOKEN = SASL_BIT(SASL_XOAUTH2) | SASL_BIT(SASL_OAUTHBEARER) };

/* "PLAIN". */
const char *sasl_name(enum sasl_mechanism mechanism);
/* By its name, in any case; -1: none of these. */
int sasl_by_name(struct span name);

#endif
