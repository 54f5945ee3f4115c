/*
 * core/agents/sts.h - MTA-STS policies of domains (RFC 8461): fetched by HTTPS, kept for as long as they say, also on
 * disk. An agent.
 *
 * Who asks has looked for the record at _mta-sts.DOMAIN, and says what it is; with it come the addresses of the
 * policy's host, from the same name servers that everything else is asked of.
 *
 *     sts_ask() -- there is a policy with this id, or no record that says another --> answered with it at once
 *        |------- none, and no record --> answered: there is none
 *        '------- a record with another id --> one fetch for all who ask --> a policy: it replaces the one before
 *                                                      '--> none: the one before as long as it is good, else none
 *
 * A policy that was fetched stays in force until its age is over, whatever becomes of the record or of its host (RFC
 * 8461 5.1): who can forge an answer must not be able to end it. It is fetched again long before that, while somebody
 * asks for it, so that there is no gap in which one could. After a fetch that failed the next is not made for minutes.
 *
 * What is kept is bounded (struct sts_bounds), however many domains there is mail for. Beyond that a policy is fetched
 * for who asks, is in force for him, and is forgotten; none that is kept goes for it, unless nobody has asked for it
 * for a week. Else who can send mail to a million domains could take another's policy away.
 *
 * Two implementations, chosen by the linker: sts.c over libcurl, and the simulation's actor.
 */
#ifndef POSTRIDER_AGENTS_STS_H
#define POSTRIDER_AGENTS_STS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/agent.h"
#include "core/agents/dns.h"
#include "core/smtp/mta_sts.h"

enum {
	STS_QUESTIONS_MAX = 16384, /* at a time; further ones are answered -EBUSY */
	STS_TIMEOUT_MS = 30000,    /* a sane deadline: a fetch takes no longer */
	STS_PROBLEM_SIZE = 300,
	STS_VALID_S = 3600,       /* an answer is good for at most so long */
	STS_RETRY_S = 300,        /* after a fetch that failed (RFC 8461 3.3) */
	STS_REFRESH_S = 24 * 3600 /* fetched again when it is so old, or half its age */
};

/* A policy as it was fetched. Immutable but for the count, and shared between threads. */
struct sts_policy {
	_Atomic(unsigned) users;
	uint64_t serial; /* of this process: another one has another */
	char id[MTA_STS_ID_MAX + 1];
	uint64_t fetched_s; /* seconds since 1970 */
	uint64_t end_s;     /* when its age is over */
	struct mta_sts_policy *policy;
	size_t length;
	char text[]; /* what was fetched */
};
void sts_policy_hold(struct sts_policy *policy);
void sts_policy_release(struct sts_policy *policy); /* NULL is fine */
/* NULL with *why: it is no policy, or out of memory. */
struct sts_policy *sts_policy_new(const char *id, uint64_t fetched_s, const char *text, size_t length,
				  const char **why);

/* RFC 8460 4.3.2: the policy's host is not to be trusted, does not answer with one, or what it answers is none. */
enum sts_trouble { STS_TROUBLE_NONE, STS_TROUBLE_FETCH, STS_TROUBLE_INVALID, STS_TROUBLE_WEBPKI };

struct sts; /* the agent */

struct sts_question {
	struct question question; /* given: fn and deadline */
	/* Given; texts stay until it is back. */
	const char *domain;
	const char *ca_file; /* whom the policy's host is trusted by; NULL: the system's authorities */
	bool recorded;       /* there is one record, and it has this id; else nothing is fetched */
	char id[MTA_STS_ID_MAX + 1];
	struct ring_address addresses[DNS_ADDRESSES_MAX]; /* of mta-sts.DOMAIN */
	unsigned address_count;

	/* The answer. `question.result`: 0, a policy is in force; -ENOENT, none is; else as any agent's, and it is not
	 * known. `problem`: why a fetch came to nothing; "": none did. */
	struct sts_policy *policy; /* the asker's to release */
	uint64_t valid_ns;
	enum sts_trouble trouble; /* what kind of problem that is */
	char problem[STS_PROBLEM_SIZE];
};

/* Of the policies that are kept: those in memory, which are fetched again before they are old, and files. */
struct sts_bounds {
	size_t entries, files;
};

/* `directory` has the policies that are kept, and is made for the first; copied. NULL with errno set. */
struct sts *sts_start(const char *directory);
struct sts *sts_start_within(const char *directory, struct sts_bounds bounds);
/* Waits for no answer; nothing comes back any more. */
void sts_stop(struct sts *sts);
/* What was given up comes back now. Any thread; NULL: nothing. */
void sts_hasten(struct sts *sts);
void sts_ask(struct sts *sts, struct asker *asker, struct sts_question *question);

#endif
