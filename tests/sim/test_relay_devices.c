/*
 * tests/sim/test_relay_devices.c - devices of an inventory over weeks, known by their address or by whom they sign in
 * as: what is counted of each, and who is told to be silent, through stops and kills of the process.
 *
 * Their keeper looks once in less than a minute here, and writes each time. So what a kill may take of its counts is
 * what came in that minute; and since what it tells is written in the same turn, each silence is told exactly once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/device_record.h"
#include "core/config/device_table.h"
#include "core/shard/snapshot.h"
#include "tests/sim/rig_keepers.h"
#include "tests/sim/sim_rounds.h"
#include "tests/sim/test_relay.h"

enum {
	DEVICES = 4, /* the first half by address */
	SLOW = 11,   /* a look in 55 s */
	LOOK_S = 5 * SLOW,
	/* Two weeks are to be watched; hours in which the process ended do not count. */
	LEARN_HOURS = 2 * 7 * 24 + 60,
	SILENT_HOURS = 16,
	SILENCES = 3,
};

static const char *const names[DEVICES] = {"Copier", "Scanner", "Backup", "Camera"};

struct office {
	struct rig rig;
	struct actor_account accounts[DEVICES];
	struct actor_entry entries[DEVICES];
	unsigned sent[DEVICES]; /* and answered 250, as far as the relay has to know it */
	unsigned silent[DEVICES], back[DEVICES];
	int away; /* the device that sends nothing; -1: none */
	uint64_t seed;
	char relaying[64], more[500];
};

/* ---- what is there ----------------------------------------------------------------------------------------------- */

static FILE *make(const char *name, char path[200])
{
	FILE *file;

	snprintf(path, 200, "%s/%s", rig_directory(), name);
	file = fopen(path, "w");
	if (!file)
		abort();
	return file;
}

static void write_files(struct office *o)
{
	static const char rest[] = "$0123456789012345678901234567890123456789012";
	char users[200], inventory[200];
	FILE *file = make("users", users);

	for (unsigned i = DEVICES / 2; i < DEVICES; i++)
		(void)fprintf(file, "%s@d.example:$y$j9T$secret%u%.44s\n", names[i], i, rest);
	(void)fclose(file);
	file = make("inventory", inventory);
	for (unsigned i = 0; i < DEVICES; i++) {
		(void)fprintf(file, "- { name: %s, ", names[i]);
		if (i < DEVICES / 2)
			(void)fprintf(file, "address: 127.0.0.%u }\n", 20 + i);
		else
			(void)fprintf(file, "user: %s@d.example }\n", names[i]);
	}
	(void)fclose(file);
	snprintf(o->relaying, sizeof(o->relaying), "{ name: devices, devices: true }");
	snprintf(o->more, sizeof(o->more), "users_file: %s\ndevices: %s", users, inventory);
}

static void set_up_devices(struct office *o)
{
	static char user[DEVICES][32], password[DEVICES][16];

	for (unsigned i = 0; i < DEVICES; i++) {
		snprintf(user[i], sizeof(user[i]), "%s@d.example", names[i]);
		snprintf(password[i], sizeof(password[i]), "secret%u", i);
		o->accounts[i] = (struct actor_account){user[i], password[i], ACTOR_RIGHT, 0};
		o->entries[i] =
			(struct actor_entry){.way = "GEP", .account = &o->accounts[i], .from = world_address(0)};
		o->entries[i].from.v4.sin_addr.s_addr = htonl(0x7f000000 + 20 + i);
	}
}

/* ---- what is known ----------------------------------------------------------------------------------------------- */

static unsigned counted(struct office *o, unsigned i)
{
	const struct rig *rig = &o->rig;

	return rig->relay.snapshot->devices[device_table_of_name(rig->config->devices, names[i])]->messages;
}

/* `lost`: the process was killed, and so much of each may have come in the minute before. */
static void compare(struct office *o, const unsigned lost[DEVICES])
{
	for (unsigned i = 0; i < DEVICES && o->rig.alive; i++) {
		unsigned known = counted(o, i);
		if (known > o->sent[i] || known + (lost ? lost[i] : 0) < o->sent[i])
			rig_fail(&o->rig, "%s has sent %u, and %u are known, %u of which may be lost", names[i],
				 o->sent[i], known, lost ? lost[i] : 0);
		o->sent[i] = known;
	}
}

static void compare_told(struct office *o)
{
	char text[80];

	for (unsigned i = 0; i < DEVICES; i++) {
		unsigned silent, back;
		snprintf(text, sizeof(text),
			 "\"event\":\"device_silent\",\"level\":\"warning\",\"shard\":-1,\"device\":\"%s\"", names[i]);
		silent = rig_keepers_told(&o->rig, text);
		snprintf(text, sizeof(text),
			 "\"event\":\"device_back\",\"level\":\"notice\",\"shard\":-1,\"device\":\"%s\"", names[i]);
		back = rig_keepers_told(&o->rig, text);
		if (silent != o->silent[i] || back != o->back[i])
			rig_fail(&o->rig, "%s: told to be silent %u times and back %u times, where it is %u and %u",
				 names[i], silent, back, o->silent[i], o->back[i]);
	}
	if (rig_keepers_told(&o->rig, "devices_damaged") > 0 || rig_keepers_told(&o->rig, "devices_unwritten") > 0)
		rig_fail(&o->rig, "what is known of devices could not be read, or not be written");
}

/* ---- an hour ----------------------------------------------------------------------------------------------------- */

static void nothing(void *context)
{
}

static void pass(struct rig *rig, uint64_t ns)
{
	world_after(ns, nothing, NULL);
	(void)rig_run(rig, NULL, ns);
}

static void send_mail(struct office *o, unsigned came[DEVICES])
{
	struct rig *rig = &o->rig;

	for (unsigned i = 0; i < DEVICES; i++) {
		struct actor_client_config client = {
			.address = world_address(RIG_PORT),
			.ledger = &rig->ledger,
			.mode = ACTOR_CLIENT_LOCKSTEP,
			.window = 1,
			.messages = 1 + (unsigned)world_below(2),
			.retry_ns = CLOCK_NS_PER_S,
			.entry = i < DEVICES / 2 ? NULL : &o->entries[i],
			.from = &o->entries[i].from,
		};
		if ((int)i != o->away)
			rig->clients[i] = actor_client_start(&client);
	}
	(void)rig_run(rig, rig_clients_done, 300 * CLOCK_NS_PER_S);
	if (!rig_clients_done(rig))
		rig_fail(rig, "devices do not get their mail in");
	for (unsigned i = 0; i < DEVICES; i++) {
		came[i] = rig->clients[i] ? actor_client_accepted(rig->clients[i]) : 0;
		o->sent[i] += came[i];
	}
	rig_clients_free(rig);
}

static void begin(struct office *o)
{
	(void)rig_begin(&o->rig, 1 + (unsigned)world_below(3));
}

static void restart(struct office *o, bool kill, const unsigned *lost)
{
	rig_keepers_listen(&o->rig);
	if (kill)
		rig_crash(&o->rig, world_below(2) ? WORLD_KILL : WORLD_POWER_CUT);
	else if (rig_stop(&o->rig))
		rig_audit(&o->rig, false);
	begin(o);
	compare(o, kill ? lost : NULL);
}

/* To the next one, in which each sends that is there; one of so many (0: none) sees the process's end. */
static void hour(struct office *o, unsigned rarely)
{
	uint64_t hour_ns = 3600 * CLOCK_NS_PER_S, end_ns = (clock_wall_ns() / hour_ns + 1) * hour_ns;
	static const unsigned none[DEVICES];
	unsigned came[DEVICES], what = rarely ? (unsigned)world_below(2 * rarely) : 2;

	pass(&o->rig, world_below(40) * 60 * CLOCK_NS_PER_S);
	send_mail(o, came);
	if (what == 0)
		restart(o, true, came);
	pass(&o->rig, 2 * LOOK_S * CLOCK_NS_PER_S);
	if (what == 1)
		restart(o, world_below(2), none);
	pass(&o->rig, end_ns - clock_wall_ns() + CLOCK_NS_PER_S);
	compare(o, NULL);
}

static void fall_silent(struct office *o, unsigned i)
{
	o->away = (int)i;
	o->silent[i]++;
	for (unsigned h = 0; h < SILENT_HOURS && o->rig.alive && o->rig.failures == 0; h++)
		hour(o, 12);
	/* And in all hours between it is told no second time. */
	compare_told(o);
	o->away = -1;
	o->back[i]++;
	/* A kill may take the mail along with which it came back: then it is back with the next. */
	for (unsigned h = 0; h < 3 && o->rig.alive && o->rig.failures == 0; h++)
		hour(o, h < 2 ? 6 : 0);
	compare_told(o);
}

void scenario_devices(uint64_t seed)
{
	static struct office o;
	struct rig_options options = {
		.scenario = "devices",
		.seed = seed,
		.quiet = true,
		.content_max = 500,
		.plain = true,
		.listeners = "{ name: lan, address: \"127.0.0.1:2525\", auth: offered, auth_in_clear: true }",
		.relaying = o.relaying,
		.more = o.more,
		.hop = {.pipelining = true},
	};
	unsigned first = (unsigned)rig_pick(seed, 1, DEVICES);

	memset(&o, 0, sizeof(o));
	o.away = -1;
	write_files(&o);
	set_up_devices(&o);
	sim_rounds_slow(SLOW);
	rig_open(&o.rig, &options);
	begin(&o);
	for (unsigned h = 0; h < LEARN_HOURS && o.rig.alive && o.rig.failures == 0; h++)
		hour(&o, 40);
	compare_told(&o);
	for (unsigned n = 0; n < SILENCES && o.rig.failures == 0; n++)
		fall_silent(&o, (first + n) % DEVICES);
	rig_finish(&o.rig, 2);
	compare_told(&o);
	rig_close(&o.rig);
	sim_rounds_slow(1);
	rig_directory_remove();
}
