/*
 * tests/sim/test_relay_sign_in.c - clients that come with TLS and passwords, right and wrong, while the verifier is
 * slow, silent or away, connections end in every step, users and listeners change, and the process dies at any moment.
 *
 * Beside the ledger: nothing of a client that may not relay is taken, who has the right password gets all his mail in,
 * and what was said before a handshake counts for nothing behind it (actor_entry.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "tests/sim/sim_verifier.h"
#include "tests/sim/test_relay.h"

enum { STEPS = 25, TAKEN_S = 5, CLEAR_PORT = 2525, STARTTLS_PORT = 2526, IMPLICIT_PORT = 2527, ATTEMPTS = 40 };

/* Who there is. `alice` has one password or the other, or is gone; `bob` is always there. */
enum { ALICE_FIRST, ALICE_SECOND, BOB, BOB_WRONG, NOBODY, ACCOUNTS };

struct world_of_users {
	struct rig rig;
	struct actor_account accounts[ACCOUNTS];
	struct actor_entry entries[RIG_CLIENTS_MAX];
	unsigned alice; /* 0, 1: that password; 2: gone */
	char more[200];
};

static char users_file[] = "/tmp/postrider-users-XXXXXX";

static void remove_users(void)
{
	(void)unlink(users_file);
}

static void write_users(unsigned alice)
{
	static const char rest[] = "$salt$0123456789012345678901234567890123456789012";
	static const char *const passwords[] = {"first", "second"};
	static bool made;
	FILE *file;

	if (!made) {
		int fd = mkstemp(users_file);
		if (fd < 0 || close(fd) < 0)
			abort();
		made = true;
		(void)atexit(remove_users);
	}
	file = fopen(users_file, "w");
	if (!file)
		abort();
	if (alice < 2)
		(void)fprintf(file, "alice@c.example:$y$j9T$%s$%.43s\n", passwords[alice], rest + 6);
	(void)fprintf(file, "bob@c.example:$y$j9T$builder$%.43s\n", rest + 6);
	if (fclose(file) != 0)
		abort();
}

/* ---- what is right now ------------------------------------------------------------------------------------------- */

static void set(struct actor_account *account, enum actor_right right)
{
	account->right = right;
	account->changes++;
}

/* While a reload is under way some shards go by the one, some by the other. */
static void nobody_knows(struct world_of_users *w)
{
	set(&w->accounts[ALICE_FIRST], ACTOR_EITHER);
	set(&w->accounts[ALICE_SECOND], ACTOR_EITHER);
}

static void by_the_file(struct world_of_users *w)
{
	set(&w->accounts[ALICE_FIRST], w->alice == 0 ? ACTOR_RIGHT : ACTOR_WRONG);
	set(&w->accounts[ALICE_SECOND], w->alice == 1 ? ACTOR_RIGHT : ACTOR_WRONG);
}

/* ---- clients ----------------------------------------------------------------------------------------------------- */

static const struct way {
	uint16_t port;
	const char *way;
} ways[] = {
	{CLEAR_PORT, "GEP"},       {CLEAR_PORT, "GEL"},      {CLEAR_PORT, "GE"},       {CLEAR_PORT, "GESEL"},
	{CLEAR_PORT, "GEPSE"}, /* what was signed in to is forgotten */
	{CLEAR_PORT, "GELSEP"},    {CLEAR_PORT, "GEPmSErP"}, {CLEAR_PORT, "GEPmSEr"},  {CLEAR_PORT, "GESnEP"},
	{CLEAR_PORT, "GEPSn"},     {CLEAR_PORT, "GEPI"},     {STARTTLS_PORT, "GESEP"}, {STARTTLS_PORT, "GESEL"},
	{STARTTLS_PORT, "GESE"},   {STARTTLS_PORT, "GE"},    {STARTTLS_PORT, "GEI"},   {STARTTLS_PORT, "GEmSErL"},
	{STARTTLS_PORT, "GESnEL"}, {IMPLICIT_PORT, "TGEP"},  {IMPLICIT_PORT, "TGEL"},  {IMPLICIT_PORT, "TGE"},
};

/* Behind the last handshake there is a login, so that who has the password gets all in. */
static bool ends_signed_in(const char *way)
{
	size_t last = strlen(way);

	while (last > 0 && way[last - 1] != 'S' && way[last - 1] != 'T' && way[last - 1] != 'P' && way[last - 1] != 'L')
		last--;
	return last > 0 && (way[last - 1] == 'P' || way[last - 1] == 'L') && !strchr(way, 'I');
}

static bool gets_in(const struct world_of_users *w, unsigned i)
{
	return w->entries[i].account == &w->accounts[BOB] && ends_signed_in(w->entries[i].way);
}

static void start_client(struct world_of_users *w, unsigned i, uint64_t seed)
{
	const struct way *way = &ways[rig_pick(seed, 100 + i, sizeof(ways) / sizeof(ways[0]))];
	static const enum actor_client_mode modes[] = {ACTOR_CLIENT_LOCKSTEP, ACTOR_CLIENT_GROUPED,
						       ACTOR_CLIENT_CHUNKED};
	struct actor_entry *entry = &w->entries[i];

	/* One of them always has to come through. */
	while (i == 0 && !ends_signed_in(way->way))
		way = way == ways ? &ways[sizeof(ways) / sizeof(ways[0]) - 1] : way - 1;
	*entry = (struct actor_entry){
		.way = way->way,
		.account = &w->accounts[i == 0 ? (uint64_t)BOB : rig_pick(seed, 120 + i, ACCOUNTS)],
		.from = world_address(0),
		.cut_rate = rig_pick(seed, 140, 3) ? 100000 : 0,
	};
	entry->from.v4.sin_addr.s_addr = htonl(0x7f000000 + 10 + i);
	struct actor_client_config client = {
		.address = world_address(way->port),
		.ledger = &w->rig.ledger,
		.mode = modes[rig_pick(seed, 160 + i, 3)],
		.window = 4,
		.messages = 60,
		.messages_per_connection = 1 + (unsigned)rig_pick(seed, 180 + i, 6),
		.abort_rate = rig_pick(seed, 141, 2) ? 5000 : 0,
		.retry_ns = CLOCK_NS_PER_S,
		.attempts_max = gets_in(w, i) ? 0 : ATTEMPTS,
		.entry = entry,
	};
	w->rig.clients[i] = actor_client_start(&client);
}

/* ---- what happens ------------------------------------------------------------------------------------------------ */

static void vary_verifier(void)
{
	struct sim_verifier_manner manner = {0};

	switch (world_below(5)) {
	case 0: /* the queue fills */
		manner.full = 300000;
		manner.delay_min_ns = 2 * CLOCK_NS_PER_S;
		manner.delay_max_ns = 6 * CLOCK_NS_PER_S;
		break;
	case 1: /* away */
		manner.silent = 1000000;
		break;
	case 2:
		manner.silent = 200000;
		manner.delay_max_ns = CLOCK_NS_PER_S;
		break;
	case 3:
		manner.delay_min_ns = manner.delay_max_ns = 80 * CLOCK_NS_PER_MS;
		break;
	default:
		break;
	}
	sim_verifier_set_manner(&manner);
}

#define CLEAR "{ name: clear, address: \"127.0.0.1:2525\", tls: offered, auth: offered, auth_in_clear: true }"
#define STARTTLS ", { name: starttls, address: \"127.0.0.1:2526\", tls: required, auth: required }"
#define IMPLICIT ", { name: implicit, address: \"127.0.0.1:2527\", tls: implicit, auth: required }"

static void reload(struct world_of_users *w, bool all)
{
	static const char *const listeners[] = {CLEAR STARTTLS IMPLICIT, CLEAR IMPLICIT STARTTLS, CLEAR,
						CLEAR IMPLICIT};
	static const char *const relaying[] = {"{ name: all, users: [\"*\"] }",
					       "{ name: bob, users: [bob@c.example], weight: 2 }, { name: rest, users: "
					       "[\"*\"] }"};

	w->alice = all ? 0 : (unsigned)world_below(3);
	w->rig.options.listeners = listeners[all ? 0 : world_below(4)];
	w->rig.options.relaying = relaying[world_below(2)];
	write_users(w->alice);
	nobody_knows(w);
	if (!rig_reload(&w->rig)) {
		if (!rig_broken(&w->rig))
			rig_fail(&w->rig, "a reload is refused");
	} else if (rig_run(&w->rig, rig_taken, TAKEN_S * CLOCK_NS_PER_S) == WORLD_DONE) {
		by_the_file(w);
	} else if (!rig_broken(&w->rig)) {
		rig_fail(&w->rig, "not all shards have taken the new configuration");
	}
}

static void start(struct world_of_users *w)
{
	rig_begin(&w->rig, 1 + (unsigned)world_below(3));
	by_the_file(w);
}

static void step(struct world_of_users *w)
{
	(void)rig_run(&w->rig, rig_quiet, world_below(world_below(2) ? 2000 : 30000) * CLOCK_NS_PER_MS);
	switch (world_below(8)) {
	case 0:
		rig_crash(&w->rig, world_below(2) ? WORLD_KILL : WORLD_POWER_CUT);
		start(w);
		break;
	case 1:
		if (rig_stop(&w->rig))
			rig_audit(&w->rig, false);
		start(w);
		break;
	case 2:
	case 3:
		vary_verifier();
		break;
	default:
		reload(w, false);
		break;
	}
}

static void judge(struct world_of_users *w)
{
	for (unsigned i = 0; i < RIG_CLIENTS_MAX; i++) {
		struct actor_entry *entry = &w->entries[i];
		if (!entry->way)
			continue;
		if (entry->violations)
			rig_fail(&w->rig, "client %u, %u violations: %s", i, entry->violations, entry->problem);
		if (rig_log || rig_trace)
			fprintf(stderr, "client %u %s: %u in, %u kept out, %u put off, %u secured, %u cuts\n", i,
				entry->way, entry->let_in, entry->kept_out, entry->put_off, entry->secured,
				entry->cuts);
		if (gets_in(w, i) && entry->let_in == 0)
			rig_fail(&w->rig, "client %u never came in", i);
	}
}

void scenario_sign_in(uint64_t seed)
{
	static struct world_of_users w;
	struct rig_options options = {
		.scenario = "sign_in",
		.seed = seed,
		.quiet = rig_pick(seed, 1, 2),
		.content_max = rig_pick(seed, 2, 3) ? 4000 : 100000,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 3, 4),
		.listeners = CLEAR STARTTLS IMPLICIT,
		.relaying = "{ name: all, users: [\"*\"] }",
		.more = w.more,
	};
	unsigned clients = 3 + (unsigned)rig_pick(seed, 4, RIG_CLIENTS_MAX - 2);

	memset(&w, 0, sizeof(w));
	w.accounts[ALICE_FIRST] = (struct actor_account){.user = "alice@c.example", .password = "first"};
	w.accounts[ALICE_SECOND] = (struct actor_account){.user = "alice@c.example", .password = "second"};
	w.accounts[BOB] = (struct actor_account){.user = "bob@c.example", .password = "builder", .right = ACTOR_RIGHT};
	w.accounts[BOB_WRONG] = (struct actor_account){.user = "bob@c.example", .password = "guess"};
	w.accounts[NOBODY] = (struct actor_account){.user = "eve@c.example", .password = "builder"};
	write_users(0);
	snprintf(w.more, sizeof(w.more), "users_file: %s\ntls: { certificates: [{ certificate: %s }] }", users_file,
		 users_file);
	bad_hop(&options.hop, seed);
	rig_open(&w.rig, &options);
	vary_verifier();
	start(&w);
	for (unsigned i = 0; i < clients; i++)
		start_client(&w, i, seed);
	for (unsigned i = 0; i < STEPS && w.rig.alive && w.rig.failures == 0; i++)
		step(&w);
	sim_verifier_set_manner(&(struct sim_verifier_manner){.delay_max_ns = 100 * CLOCK_NS_PER_MS});
	if (w.rig.alive && rig_run(&w.rig, rig_taken, TAKEN_S * CLOCK_NS_PER_S) == WORLD_DONE)
		reload(&w, true);
	rig_heal(&w.rig);
	(void)rig_run(&w.rig, rig_quiet, 86400 * CLOCK_NS_PER_S);
	(void)rig_run(&w.rig, NULL, 900 * CLOCK_NS_PER_S);
	if (w.rig.alive && !rig_broken(&w.rig) && rig_snapshots(&w.rig) != 1)
		rig_fail(&w.rig, "%u configurations are in use when nothing is", rig_snapshots(&w.rig));
	rig_finish(&w.rig, 3);
	judge(&w);
	rig_close(&w.rig);
	sim_verifier_set_manner(&(struct sim_verifier_manner){0});
}
