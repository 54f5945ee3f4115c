/*
 * core/agents/dns_exchangers.h - which hosts take a domain's mail, as name servers say it (MX, RFC 5321 section 5.1).
 *
 * Asked of the same agent as addresses (dns.h). What is answered is in the order of preference; of those that are alike
 * who asks makes his own order. Pure but for dns_ask_exchangers().
 */
#ifndef POSTRIDER_AGENTS_DNS_EXCHANGERS_H
#define POSTRIDER_AGENTS_DNS_EXCHANGERS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/agents/dns.h"

enum {
	DNS_NAME_MAX = 253,      /* of a name in text, without a dot at its end */
	DNS_EXCHANGERS_MAX = 16, /* kept of an answer: the best */
};

struct dns_exchanger {
	uint16_t preference; /* the lower the better */
	char name[DNS_NAME_MAX + 1];
};

/*
 * `base.name` is the domain; `base.port` and addresses are without meaning. `base.question.result`:
 *   0         those in `list`; none: the domain takes no mail (a null MX, RFC 7505)
 *   -ENODATA  it has no MX, or none that is a name: its own host takes its mail, if it has an address (RFC 5321 5.1)
 *   -ENOENT   there is no such domain
 * and as with any name what went wrong, with `base.problem`. `base.valid_ns` as there.
 */
struct dns_exchangers_question {
	struct dns_question base;
	struct dns_exchanger list[DNS_EXCHANGERS_MAX];
	unsigned count;
	bool null; /* while it is answered: one was the null MX */
};

void dns_ask_exchangers(struct dns *dns, struct asker *asker, struct dns_exchangers_question *question);

/* The data of an MX record, uncompressed. False: it is none, or its name is no host's. A null MX has the name "". */
bool dns_exchanger_parse(const void *data, size_t length, struct dns_exchanger *out);
/* One more, to its place; those of least preference go where there is no room. */
void dns_exchangers_add(struct dns_exchangers_question *question, const struct dns_exchanger *one);

#endif
