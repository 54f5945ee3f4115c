/*
 * core/tools/lookup.h - asks the relay's own resolver (core/agents/dns.h) for a name, and waits for the answer.
 */
#ifndef POSTRIDER_TOOLS_LOOKUP_H
#define POSTRIDER_TOOLS_LOOKUP_H

#include "core/agents/dns.h"

struct lookup; /* the resolver, and the ring on which it answers */

/* NULL with a sentence in `problem`. */
struct lookup *lookup_open(const struct dns_settings *settings, struct ring_problem *problem);
void lookup_close(struct lookup *lookup);
/* question->name and port are given; the answer is there on return. 0 or -errno, as question.result. */
int lookup_name(struct lookup *lookup, struct dns_question *question);
/* The same for who takes a domain's mail. */
struct dns_exchangers_question;
int lookup_exchangers(struct lookup *lookup, struct dns_exchangers_question *question);
/* And for TLSA or TXT records. */
struct dns_records_question;
int lookup_records(struct lookup *lookup, struct dns_records_question *question);
/* The same of who fetches MTA-STS policies. */
struct sts;
struct sts_question;
int lookup_policy(struct lookup *lookup, struct sts *sts, struct sts_question *question);

#endif
