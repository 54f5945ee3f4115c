/*
 * core/deliver/tell.h - what the delivering side tells the operator: gathers the facts for core/events.
 */
#ifndef POSTRIDER_DELIVER_TELL_H
#define POSTRIDER_DELIVER_TELL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/span.h"
#include "core/deliver/fallback.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/verdict.h"

struct attempt;
struct config_host;
struct config_source;
struct connection;
struct delivery;
struct host;
struct host_address;
struct outbound;
struct shard;
struct outcome;

void tell_connection(const struct connection *c, enum stage stage, const char *reason);
/* One of several addresses; or all there are. */
void tell_address_failed(const struct outbound *o, const struct host *host, const struct host_address *address,
			 enum stage stage, const char *reason, uint64_t backoff_ns);
void tell_host_failed(const struct outbound *o, const struct host *host, const struct host_address *address,
		      enum stage stage, const char *reason, uint64_t backoff_ns);
/* It takes messages again. */
void tell_host_ok(const struct outbound *o, const struct host *host);
/* Which hosts take the destination's mail, where that has changed; why nobody knows; and one that is not believed. */
void tell_exchangers(const struct outbound *o, const char *domain, const struct config_host *hosts, size_t count);
void tell_exchangers_failed(const struct outbound *o, const char *domain, const char *problem, bool kept,
			    uint64_t again_ns);
/* Nobody knows where a domain's mail is to go; what was known stays in force where it was `kept`. */
void tell_domain_failed(const struct outbound *o, const char *domain, const char *problem, bool kept,
			uint64_t again_ns);
void tell_exchanger_refused(const struct outbound *o, const char *domain, const char *host);
/* What this relay is, or its set-up, is refused; and accepted again (hold.h). */
void tell_setup_refused(const struct outbound *o, const struct host *host, const struct verdict_fact *fact,
			const struct ruling *ruling);
/* The day's recipients are spent; what was spent before is not known where the file was `damaged`. */
void tell_budget_spent(const struct outbound *o, const char *whose, unsigned allowed, bool damaged, uint64_t wait_s);
void tell_budget_unwritten(const struct outbound *o, int error);
/* Less is sent to the host, the mailbox or the destination: so many times less than the limits allow. */
void tell_slowed(const struct outbound *o, const struct host *host, const struct mailbox *mailbox, const char *scope,
		 unsigned times, const struct verdict_fact *fact, const struct ruling *ruling);
void tell_setup_accepted(const struct outbound *o, const struct host *host, uint64_t since_ns);
/* Its mailbox is held: by this reply, for so long. And it is well again (mailbox.h). */
void tell_mailbox_held(const struct connection *c, enum mailbox_trouble trouble, const struct verdict_fact *fact,
		       const struct ruling *ruling, uint64_t again_ns);
void tell_mailbox_ok(const struct connection *c, uint64_t held_ns);
/* This machine does not have that source address, as the system says; and has it again, `since_ns` not. */
void tell_source_failed(const struct outbound *o, const struct config_source *source, int error);
void tell_source_ok(const struct outbound *o, const struct config_source *source, uint64_t since_ns);
/* From now on and for a while this host is dealt with without something that it offers: what it answered. */
void tell_fallback(const struct connection *c, enum lesson lesson, enum stage stage, unsigned code, struct span text);
/* The host spoke TLS ("tls") or could prove who it is ("proof") at `had_ns`, and now it does not, for that reason. */
void tell_tls_lost(const struct connection *c, const char *what, const char *reason, uint64_t had_ns);
/* The domain has another MTA-STS policy; its policy could not be fetched, and whether one is in force all the same. */
struct sts_policy;
void tell_sts_policy(const struct outbound *o, const char *domain, const struct sts_policy *policy);
void tell_sts_failed(const struct outbound *o, const char *domain, const char *problem, bool in_force);
/* Mail of the lane's destination takes the other path, for `why`; and its own again. */
void tell_path_changed(const struct outbound *o, const char *why);
void tell_path_restored(const struct outbound *o);
void tell_attempt(const struct attempt *a, const struct outcome *outcome);
/* Once for each message and reason. */
void tell_deferred(const struct outbound *o, const struct delivery *d, const struct outcome *outcome);
void tell_expired(const struct outbound *o, const struct delivery *d, const struct outcome *outcome);
/* `envelope`: that can be read. */
void tell_damaged(const struct attempt *a, const char *why, bool envelope);
/* What may pass by itself: no memory, no descriptors. */
void tell_unreadable(const struct attempt *a, const char *why);
/* Of what operators have suspended: what has come to its end. */
void tell_suspensions_over(struct shard *shard);

#endif
