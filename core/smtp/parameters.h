/*
 * core/smtp/parameters.h - parameters of MAIL and RCPT that say how a message is to be carried: reports (RFC 3461,
 * 6533), who submitted it (RFC 4954 5), only over TLS that is verified (RFC 8689), not before (RFC 4865).
 *
 * Pure: values are checked, and kept as they came. Whether one was offered to this client the session knows.
 */
#ifndef POSTRIDER_SMTP_PARAMETERS_H
#define POSTRIDER_SMTP_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/smtp/span.h"
#include "core/smtp/syntax.h"

enum {
	PARAMETERS_ENVID_MAX = 100, /* RFC 3461 4.4 */
	PARAMETERS_ORCPT_MAX = 500, /* 4.2 */
	PARAMETERS_HOLD_DIGITS = 9, /* RFC 4865 4.1 */
	PARAMETERS_NOTIFY_SIZE = 32,
};

enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HEADERS };
/* Of NOTIFY, or'ed; 0: it was not said. */
enum { SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2, SMTP_NOTIFY_FAILURE = 4, SMTP_NOTIFY_DELAY = 8 };

struct smtp_mail_parameters {
	struct span envid; /* xtext, as it came; empty: not said */
	uint8_t ret;       /* enum smtp_ret */
	bool auth;         /* AUTH was said: a statement of others, whom nobody trusts here */
	bool require_tls;
	bool hold_for, hold_until; /* HOLDFOR or HOLDUNTIL was said; then */
	uint64_t hold;             /* seconds, or seconds since 1970; at most INT64_MAX */
	uint8_t seen;              /* private: what was said, also where its value was let go */
};

struct smtp_rcpt_parameters {
	struct span orcpt; /* type, ";", xtext or (RFC 6533) utf-8-addr-xtext, as it came; empty: not said */
	bool orcpt_wide;   /* it has letters as they are (utf-8-addr-unitext), which need SMTPUTF8 */
	uint8_t notify;    /* SMTP_NOTIFY_* */
	uint8_t seen;
};

enum parameter_result {
	PARAMETER_UNKNOWN,
	PARAMETER_TAKEN,
	PARAMETER_BAD, /* its value is no such value, or it is there twice */
};

/*
 * `given`: there is a "=", and `value` may not be empty then. Tolerant: what is asked of reports or said of the
 * submitter and is no valid value is let go, because devices say it without having looked at EHLO, and a message
 * without it is worth more than none.
 */
enum parameter_result parameter_of_mail(struct smtp_mail_parameters *out, enum smtp_syntax syntax, struct span keyword,
					struct span value, bool given);
enum parameter_result parameter_of_rcpt(struct smtp_rcpt_parameters *out, enum smtp_syntax syntax, struct span keyword,
					struct span value, bool given);

/* The value of NOTIFY that says so; "" where nothing was said. Returns `out`. */
const char *parameter_notify_text(unsigned notify, char out[PARAMETERS_NOTIFY_SIZE]);

/* The same ORCPT for anybody, also without SMTPUTF8: each letter as "\x{...}". False: it would be too long. */
bool parameter_orcpt_ascii(struct span orcpt, char room[PARAMETERS_ORCPT_MAX], struct span *out);

#endif
