/*
 * core/tools/climb.h - one host, from its name to a test mail, with a rung for each step, until one breaks.
 *
 * What is said is decided by the relay's own engine (deliver/setup.h), TLS is the relay's (tls/tls.h), and so are names
 * (agents/dns.h) and what a refusal means (deliver/verdict.h): what holds here holds for the relay.
 */
#ifndef POSTRIDER_TOOLS_CLIMB_H
#define POSTRIDER_TOOLS_CLIMB_H

#include "core/base/ring.h"
#include "core/smtp/sasl.h"
#include "core/tools/ladder.h"
#include "core/tools/lookup.h"
#include "tls/tls.h"

struct config_words;

struct climb_target {
	const char *host; /* name or numeric address */
	uint16_t port;
	bool numeric;
	bool whole;                  /* nothing is put behind the name (dns.h) */
	struct ring_address address; /* where numeric */
	const char *hostname;        /* of this relay, for EHLO */
	bool tls, implicit;
	bool certificate;                        /* one of our own is shown */
	bool verified;                           /* the context demands it, or a fingerprint is */
	bool tls_if_offered;                     /* and where it is not, mail goes in clear */
	const struct config_words *fingerprints; /* one of these is enough, and needed; NULL: none are asked for */
	unsigned ignored;                        /* CONFIG_*: extensions */
	struct tls_context *context;             /* where `tls` */
	struct tls_context *bare;  /* the same without verification, to see what a host shows; nothing is said in it */
	const char *server_name;   /* NULL: the host's, unless numeric */
	const uint8_t *mechanisms; /* enum sasl_mechanism, in order */
	unsigned mechanism_count;  /* 0: nobody signs in */
	struct span user, secret;  /* who does; the secret is the caller's, and in no rung */
	bool mail;                 /* goes on to MAIL */
	const char *from, *to;     /* addresses; NULL: MAIL, and a test mail, are not tried */
	uint64_t wait_ns;          /* for each step */
};

/* False: a rung is broken. */
bool climb(struct ladder *ladder, struct lookup *lookup, const struct climb_target *target);

#endif
