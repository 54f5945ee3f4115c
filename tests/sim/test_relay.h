/*
 * tests/sim/test_relay.h - the scenarios of the whole relay. Each runs one seed and reports through rig_fail().
 */
#ifndef POSTRIDER_SIM_TEST_RELAY_H
#define POSTRIDER_SIM_TEST_RELAY_H

#include "core/base/clock.h"
#include "tests/sim/relay_rig.h"

struct scenario {
	const char *name;
	void (*fn)(uint64_t seed);
	unsigned seeds;   /* its own number */
	unsigned seed_ms; /* what one takes, about: parts are made by this */
};

/* What to print if the program stops here. */
void run_label(const char *scenario, uint64_t seed, const char *what, uint64_t n);

/* test_relay_days.c: no faults of our own machine. */
void scenario_quiet(uint64_t seed);
void scenario_random(uint64_t seed);
void scenario_parts(uint64_t seed);
void scenario_outage(uint64_t seed);
void scenario_weekend(uint64_t seed);
void scenario_stall(uint64_t seed);
void scenario_starved(uint64_t seed);
void scenario_spin(uint64_t seed);
void scenario_budget(uint64_t seed);
void scenario_full(uint64_t seed);
void scenario_expiry(uint64_t seed);
/* test_relay_clients.c: clients that do what no book describes. */
void scenario_dry(uint64_t seed);
void scenario_farewell(uint64_t seed);
void scenario_ahead(uint64_t seed);
void scenario_siege(uint64_t seed);
/* test_relay_hosts.c: several addresses, several hosts, late greetings. */
void scenario_hosts(uint64_t seed);
/* test_relay_limits.c: rates, over all shards and lives. */
void scenario_limits(uint64_t seed);
void scenario_day(uint64_t seed);
void scenario_unwritten(uint64_t seed);

/* test_relay_policy.c: messages that become others as they come in. */
void scenario_policy(uint64_t seed);
/* test_relay_pool.c: mailboxes, and the other path. */
void scenario_pool(uint64_t seed);
void scenario_spent(uint64_t seed);
void scenario_logins(uint64_t seed);
void scenario_changed(uint64_t seed);
void scenario_paths(uint64_t seed);
void scenario_pool_reload(uint64_t seed);
/* test_relay_logins.c: mailboxes that are not let in, or not by that token; and what goes another way. */
void scenario_wrong(uint64_t seed);
void scenario_put_off(uint64_t seed);
void scenario_tokens(uint64_t seed);
void scenario_match(uint64_t seed);
void scenario_other_path(uint64_t seed);
void scenario_anew(uint64_t seed);
/* test_relay_names.c: names that are answered late, wrongly or not at all. */
void scenario_names(uint64_t seed);
/* test_relay_sites.c: mail to the MX of its recipients' domains. */
void scenario_sites(uint64_t seed);
void scenario_silence(uint64_t seed);
void scenario_crowded(uint64_t seed);
/* test_relay_sessions.c: next hops that end connections. */
void scenario_sessions(uint64_t seed);
void scenario_unreset(uint64_t seed);
void scenario_leaving(uint64_t seed);
void scenario_closers(uint64_t seed);
/* test_relay_sign_in.c: TLS and passwords of clients. */
void scenario_sign_in(uint64_t seed);

/* test_relay_brought.c: sessions that proxies bring, and mail that is to wait. */
void scenario_brought(uint64_t seed);
/* test_relay_slots.c: connections, shared by all shards. */
void scenario_slots(uint64_t seed);
/* test_relay_quota.c: what clients may send in a minute. */
void scenario_quota(uint64_t seed);
void scenario_held(uint64_t seed);
/* test_relay_apart.c: each recipient's own fate. */
void scenario_apart(uint64_t seed);
/* test_relay_seven_bit.c: 8-bit content for hosts that take none. */
void scenario_seven_bit(uint64_t seed);
/* test_relay_told.c: reports. */
void scenario_told(uint64_t seed);
void scenario_told_meanwhile(uint64_t seed);
void scenario_told_full(uint64_t seed);
/* test_relay_listed.c: those who are sent nothing. */
void scenario_listed(uint64_t seed);
/* test_relay_look.c: the queue is listed. */
void scenario_look(uint64_t seed);
/* test_relay_steer.c: an operator's orders. */
void scenario_steer(uint64_t seed);
void scenario_orders(uint64_t seed);
void scenario_stopped(uint64_t seed);
void scenario_back(uint64_t seed);
void scenario_moved(uint64_t seed);
/* test_relay_newer.c: what a later version wrote. */
void scenario_newer(uint64_t seed);
/* test_relay_devices.c: devices of the inventory, over weeks. */
void scenario_devices(uint64_t seed);
/* test_relay_hold.c: a set-up that next hops refuse. */
void scenario_hold(uint64_t seed);
/* test_relay_tls.c: TLS that comes and goes. */
void scenario_tls(uint64_t seed);
/* test_relay_damage.c: a disk that gives back something else. */
void scenario_damage(uint64_t seed);
void scenario_damage_refused(uint64_t seed);
/* test_relay_space.c: what the log takes. */
void scenario_space(uint64_t seed);
/* test_relay_faults.c: crashes, disks, memory. */
void scenario_crash(uint64_t seed);
void scenario_crash_io(uint64_t seed);
void scenario_disk(uint64_t seed);
void scenario_reshard(uint64_t seed);
void scenario_narrowed(uint64_t seed);
void scenario_reload(uint64_t seed);
void scenario_renamed(uint64_t seed);
void scenario_full_reshard(uint64_t seed);
void scenario_held_apart(uint64_t seed);
void scenario_memory(uint64_t seed);

/* A bad next hop, drawn from the seed. */
void bad_hop(struct actor_nexthop_config *hop, uint64_t seed);

#endif
