/*
 * core/smtp/mta_sts.h - what a domain says of TLS for its mail, MTA-STS (RFC 8461): the record in the DNS that says
 * there is a policy and which one, the policy itself, and whether a host is one of those that it names.
 *
 * Pure: text in, facts out. The record only says when to fetch: what counts is the policy, which comes over HTTPS.
 */
#ifndef POSTRIDER_SMTP_MTA_STS_H
#define POSTRIDER_SMTP_MTA_STS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MTA_STS_ID_MAX = 32,
	MTA_STS_POLICY_MAX = 64 << 10, /* octets (RFC 8461 3.3) */
	MTA_STS_AGE_MAX_S = 31557600,  /* a year (RFC 8461 3.2); more is taken for it */
	MTA_STS_PATTERN_MAX = 253 + 2, /* "*." and a name */
};

/* One TXT record at _mta-sts.DOMAIN, its strings joined. */
enum mta_sts_record {
	MTA_STS_OTHER, /* about something else: as if it was not there */
	MTA_STS_BAD,   /* it is meant to be one, and cannot be read */
	MTA_STS_GOOD,
};
enum mta_sts_record mta_sts_record_parse(const char *text, size_t length, char id[MTA_STS_ID_MAX + 1]);

enum mta_sts_mode {
	MTA_STS_NONE,    /* the domain has had a policy, and has none any more */
	MTA_STS_TESTING, /* what does not fit is reported, and mail goes all the same */
	MTA_STS_ENFORCE,
};

struct mta_sts_policy {
	enum mta_sts_mode mode;
	uint32_t max_age_s; /* from when it was fetched */
	unsigned pattern_count;
	size_t length;   /* of all patterns */
	char patterns[]; /* hosts, each with its NUL: "mail.example.org", "*.example.org" */
};

/* From malloc. NULL: it is no policy, and *why says so, or "out of memory" (static text). */
struct mta_sts_policy *mta_sts_policy_parse(const char *text, size_t length, const char **why);
/* Whether the host, by its name in the MX record, is one that the policy names (RFC 8461 4.1). */
bool mta_sts_policy_names(const struct mta_sts_policy *policy, const char *host);
/* "enforce" */
const char *mta_sts_mode_name(enum mta_sts_mode mode);

#endif
