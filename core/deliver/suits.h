/*
 * core/deliver/suits.h - what a message needs of the connection that it goes over, where not every host has it: all
 * that REQUIRETLS asks for (strict_tls.h), or 8BITMIME, where its content must not be altered (converting.h).
 *
 * What a host lacks is remembered for a while, so that another one is looked for that has it (outbound_strict.c); the
 * message fails when none is left that might.
 */
#ifndef POSTRIDER_DELIVER_SUITS_H
#define POSTRIDER_DELIVER_SUITS_H

#include <stdbool.h>
#include <stdint.h>

struct attempt;
struct connection;
struct host;
struct outbound;

/* A bit for each of OUTBOUND_NEEDS_*. */
unsigned suits_needs(const struct attempt *a);
bool suits(const struct connection *c, unsigned needs);
/* It is not known to lack any of these. */
bool suits_host(const struct host *host, unsigned needs, uint64_t now_ns);
/* When a host other than this one may be asked that might have them; UINT64_MAX: there is none. */
uint64_t suits_other_ns(const struct outbound *o, unsigned needs, const struct host *lacking);
/* The connection is ready: what its host lacks is known. */
void suits_learn(const struct connection *c);
/* This one cannot carry the attempt's content as it is, and it must not be altered. True: another host might, and is
 * looked for from now on. */
bool suits_elsewhere(struct attempt *a, const struct connection *c);

#endif
