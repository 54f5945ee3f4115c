/*
 * core/agents/dns.h - names to addresses, and domains to the hosts that take their mail: the first agent.
 *
 * A name is looked for in /etc/hosts and, if it is not there, asked of the name servers: those of the configuration
 * (dns.servers), else those of /etc/resolv.conf, by UDP and TCP, A and AAAA at once. Short names are looked for in
 * resolv.conf's search list, unless they are whole; "localhost" needs no network. Both files are read again when they
 * change.
 *
 * Addresses come in the order in which they should be tried (a part of RFC 6724): those that this machine has a route
 * to, IPv6 before IPv4, unique local ones last. Those it has no route to are left out, unless there are no others.
 *
 * Where the settings say so, what servers answer is validated (DNSSEC, RFC 4035), here and not by them: `secure` is
 * proven, and what should be proven and is not is a failure, as if they had not answered. What is in no signed zone
 * is neither. Without validation nothing is secure.
 *
 * Strangers' names are no matter of the operator's: those wait for nobody else's. Of strangers' the oldest and the
 * newest take turns where there are more than are asked for at a time, and what is not answered in a moment goes on
 * apart, where it is in the way of nothing that may be answered at once.
 *
 * What servers answered is kept for as long as they allow, within the bounds below, here and by who asked. Servers that
 * fail or are silent are an answer as well: `problem` says it for people.
 *
 * Two implementations, chosen by the linker: dns.c over libunbound, and the simulation's actor.
 */
#ifndef POSTRIDER_AGENTS_DNS_H
#define POSTRIDER_AGENTS_DNS_H

#include "core/agents/agent.h"
#include "core/base/ring.h"

enum {
	DNS_ADDRESSES_MAX = 16,
	DNS_PROBLEM_SIZE = 200,
	DNS_QUESTIONS_MAX = 16384, /* at a time; further ones, and what had no turn in its time, are answered -EBUSY */
	DNS_TIMEOUT_MS = 10000,    /* a sane deadline: servers are asked again several times in it */
	DNS_VALID_MIN_S = 10,      /* an answer is good for its TTL, but at least and at most so long */
	DNS_VALID_MAX_S = 3600,
	DNS_NEGATIVE_MAX_S = 60, /* that there is no such name, or no address */
	DNS_FAILED_S = 5,        /* that servers failed, or did not answer */
};

struct dns_question {
	struct question question; /* result: 0 where there are addresses; -ENOENT: surely none; else what went wrong */
	const char *name;         /* of who asks; must stay until the question is back */
	uint16_t port;            /* in the addresses */
	bool lenient;       /* what is bogus is taken as if it was not signed: something else proves who answers */
	uint64_t wanted_ns; /* since when, to tell the oldest from the newest; 0: since now */
	bool strange;       /* a domain's, or one that the DNS gave: there may be thousands that nobody answers */
	bool doubtful;      /* strange, and was not answered the last time */
	bool brief; /* strange: -EAGAIN where there is no answer in a moment, for who asks to ask again as doubtful */
	bool whole; /* a name that the DNS gave, or a domain: nothing is put behind it, whatever resolv.conf says */
	bool exchangers; /* part of a struct dns_exchangers_question: who takes its mail (dns_exchangers.h) */
	bool records;    /* part of a struct dns_records_question: TLSA or TXT (dns_records.h) */

	/* The answer. */
	struct ring_address addresses[DNS_ADDRESSES_MAX];
	unsigned count;
	uint32_t own;      /* of the addresses, a bit for each that is this machine's */
	bool secure;       /* proven: the addresses, exchangers, or that there are none; never what is in a file */
	bool bogus;        /* not as its zone was signed: -EREMOTEIO is the result, or it was taken all the same */
	uint64_t valid_ns; /* for how long it is good, from now on; also if there are no addresses */
	char problem[DNS_PROBLEM_SIZE];
};

struct dns;

struct dns_settings {
	const char *const *servers; /* addresses, "192.0.2.53" or with a port "192.0.2.53@5353"; none: resolv.conf's */
	unsigned server_count;
	bool validate;           /* DNSSEC */
	const char *anchor;      /* file with DS or DNSKEY records of where trust begins; NULL: the root's, built in */
	const char *anchor_kept; /* file in which what follows from them is kept (RFC 5011); NULL: nowhere */
};

/* The settings are copied. NULL with errno set. */
struct dns *dns_start(const struct dns_settings *settings);
/* Waits for no answer; nothing comes back any more. */
void dns_stop(struct dns *dns);
/* All that was asked has come back. */
bool dns_idle(const struct dns *dns);
/* What was given up comes back now. Any thread; NULL: nothing. */
void dns_hasten(struct dns *dns);
void dns_ask(struct dns *dns, struct asker *asker, struct dns_question *question);

#endif
