/*
 * core/agents/dns_records.h - records as they are: the TLSA records of a host (RFC 6698, RFC 7672), and TXT records.
 *
 * Asked of the same agent as addresses (dns.h). TLSA records count only where DNSSEC proves them, and are asked for
 * only where the host's addresses are proven as well: hosts of zones that nobody signed would else suffer from name
 * servers that do not know what to say of TLSA (RFC 7672 2.1.3). A host that is an alias is looked for under the name
 * that the alias leads to, then under its own:
 *
 *     ADDRESSES -- proven --------------------------------> TLSA of the name at the end -- none --> TLSA of its own
 *         |  \---- not proven, but it is an alias -> ALIAS -- proven --> TLSA of its own name
 *         v                                            v
 *      NOTHING: DANE has no part in it              NOTHING
 *
 * What fails on the way, or should be proven and is not, is a failure of the whole: the host is not to be used then.
 * Which question comes next is found here, purely; dns.c asks.
 */
#ifndef POSTRIDER_AGENTS_DNS_RECORDS_H
#define POSTRIDER_AGENTS_DNS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/dns.h"
#include "core/agents/dns_exchangers.h"

enum {
	DNS_RECORDS_OCTETS = 8192, /* of an answer; more, or more records, is a failure */
	DNS_RECORDS_MAX = 64,
};

enum dns_records_kind { DNS_RECORDS_TLSA, DNS_RECORDS_TEXT };

/*
 * `base.name` is the host, or where the TXT records are; `base.port` is the port of TLSA. `base.question.result`:
 *   0         those in `block`, and of TLSA records: they are proven
 *   -ENOENT   there are none; of TLSA: or DANE has no part in it
 * and as with any name what went wrong, with `base.problem`. `base.secure` and `base.valid_ns` as there.
 */
struct dns_records_question {
	struct dns_question base;
	void *of; /* of who asks */
	enum dns_records_kind kind;
	char at[DNS_NAME_MAX + 1]; /* TLSA: under which of its names they are, the TLSA base domain */
	unsigned count;
	bool too_many; /* while it is answered */
	size_t length;
	uint8_t block[DNS_RECORDS_OCTETS]; /* each behind its length in two octets, the higher first; strings joined */
};

void dns_ask_records(struct dns *dns, struct asker *asker, struct dns_records_question *question);

/* One more record, or the strings of a TXT record, which are joined. False: it is none. */
bool dns_records_add(struct dns_records_question *question, const void *data, size_t length);
bool dns_records_add_text(struct dns_records_question *question, const void *data, size_t length);
/* The next record of a block; *at begins at 0. False: that was the last. */
bool dns_records_next(const struct dns_records_question *question, size_t *at, const uint8_t **data, size_t *length);

/* ---- which question comes next ---- */

enum dns_records_step {
	DNS_RECORDS_ADDRESSES,
	DNS_RECORDS_ALIAS,
	DNS_RECORDS_DATA,
	DNS_RECORDS_OWN, /* TLSA of its own name, as there are none under the other */
};

/* What a query came to. */
struct dns_records_fact {
	bool answered, failed, data, secure;
	const char *canonical; /* where an alias has led; NULL or "": it is none */
};

enum dns_records_go {
	DNS_RECORDS_WAIT,
	DNS_RECORDS_ASK,     /* `ask` */
	DNS_RECORDS_FOUND,   /* answered */
	DNS_RECORDS_NOTHING, /* there are none */
	DNS_RECORDS_FAILED,
};

enum dns_records_type { DNS_RECORDS_ASK_ADDRESSES, DNS_RECORDS_ASK_ALIAS, DNS_RECORDS_ASK_DATA };

struct dns_records_search {
	enum dns_records_step step;
	enum dns_records_type ask;   /* addresses: both kinds at once, as facts[0] and [1]; the others as facts[0] */
	char name[DNS_NAME_MAX + 3]; /* of what is to be asked */
};

enum dns_records_go dns_records_begin(struct dns_records_search *search, struct dns_records_question *question);
enum dns_records_go dns_records_go_on(struct dns_records_search *search, struct dns_records_question *question,
				      const struct dns_records_fact facts[2]);

#endif
