/*
 * tests/sim/test_relay_clients.c - the relay and what clients do that no book describes.
 */
#include <stdio.h>
#include <string.h>

#include "core/receive/session.h"
#include "core/stream/transport.h"
#include "tests/sim/actor_script.h"
#include "tests/sim/test_relay.h"

enum { SCRIPTS_MAX = 128, AHEAD_HELD_MAX = 600000 };

/* Scripts of one run. */
struct crowd {
	struct actor_script *scripts[SCRIPTS_MAX];
	unsigned count;
};

static struct actor_script *crowd_add(struct crowd *crowd, struct actor_script_config *config)
{
	config->address = world_address(RIG_PORT);
	crowd->scripts[crowd->count] = actor_script_start(config);
	return crowd->scripts[crowd->count++];
}

static void crowd_close(struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->count; i++)
		actor_script_close(crowd->scripts[i]);
}

static void crowd_free(struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->count; i++)
		actor_script_free(crowd->scripts[i]);
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), n = strlen(end);

	return length >= n && strcmp(text + length - n, end) == 0;
}

/*
 * More clients than content memory has blocks get their 354 and stop there, or send an octet now and then. The first
 * cost nothing, the second lose their session and what they held (SMG-05, DOS-01). Others fall silent in a chunk, or
 * between chunks, and hold a block each (BDT-04). Meanwhile nobody's DATA is refused.
 */
void scenario_dry(uint64_t seed)
{
#define BEFORE "EHLO slow.example\r\nMAIL FROM:<slow@client.example>\r\nRCPT TO:<slow@a.example>\r\n"
	static const struct {
		const char *text, *codes;
		bool trickling;
	} kinds[] = {
		{BEFORE "DATA\r\n", "354", false},
		{BEFORE "DATA\r\nx", "354", true},
		{BEFORE "BDAT 5000000\r\nx", "250 250 250", false},
		{BEFORE "BDAT 5000000\r\nx", "250 250 250", true},
		{BEFORE "BDAT 1\r\nx", "250 250 250 250", false},
	};
#undef BEFORE
	const size_t kind = seed % (sizeof(kinds) / sizeof(kinds[0]));
	bool trickling = kinds[kind].trickling;
	struct rig_options options = {
		.scenario = "dry",
		.seed = seed,
		.quiet = seed % 4 < 2,
		.clients = 3,
		.messages = 10,
		.content_max = 20000,
		.memory_mib = 1,
		.hop = {.pipelining = true, .chunking = true},
		/* Headers are held back until they are whole: no part of them can go to the spool. */
		.relaying = seed % 4 == 1 || seed % 4 == 2
				    ? "{ name: all, networks: [127.0.0.0/8], remove_headers: [X-None] }"
				    : NULL,
	};
	struct crowd crowd = {.count = 0};
	struct ledger_summary s;
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 1);
	while (crowd.count < 80) {
		struct actor_script_config script = {
			.delay_ns = rig_pick(seed, crowd.count, CLOCK_NS_PER_S),
			.text = kinds[kind].text,
			.length = strlen(kinds[kind].text),
			.trickle_ns = trickling ? CLOCK_NS_PER_S : 0,
		};
		(void)crowd_add(&crowd, &script);
	}
	(void)rig_run(&rig, NULL, 20 * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < crowd.count; i++) {
		if (!ends_with(actor_script_codes(crowd.scripts[i]), kinds[kind].codes))
			rig_fail(&rig, "client %u heard %s", i, actor_script_codes(crowd.scripts[i]));
	}
	rig_clients(&rig);
	/* Those that trickle have five minutes in advance. */
	if (rig_run(&rig, rig_clients_done, (trickling ? 400 : 60) * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "idle clients keep the memory");
	ledger_summarize(&rig.ledger, &s);
	if (s.refused || s.accepted != 30)
		rig_fail(&rig, "accepted %llu, refused %llu", (unsigned long long)s.accepted,
			 (unsigned long long)s.refused);
	/* Only the time in which they are read from counts for the rate; timeouts.data ends them all. */
	(void)rig_run(&rig, NULL, 2000 * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < crowd.count; i++) {
		char expected[64];
		snprintf(expected, sizeof(expected), "%s 421", kinds[kind].codes);
		if (!actor_script_ended(crowd.scripts[i], NULL, NULL) ||
		    !ends_with(actor_script_codes(crowd.scripts[i]), expected))
			rig_fail(&rig, "client %u is still there, or heard %s", i,
				 actor_script_codes(crowd.scripts[i]));
	}
	crowd_close(&crowd);
	rig_finish(&rig, 1);
	rig_close(&rig);
	crowd_free(&crowd);
}

/* ---- all kinds of hostile clients at once --------------------------------------------------------------------- */

#define HELLO "EHLO hostile.example\r\n"
#define ENVELOPE HELLO "MAIL FROM:<hostile@client.example>\r\nRCPT TO:<hostile@a.example>\r\n"

enum { FLOOD_COMMANDS = 5000 };

/* What it says, again and again, and how it ends. */
static const struct hostile {
	const char *text, *again;
	bool trickles, deaf;
	const char *end; /* the last reply; NULL: any */
} hostiles[] = {
	{HELLO "MAIL FR", NULL, true, false, "421"},     /* a command that does not end */
	{ENVELOPE "DATA\r\n", NULL, true, false, "421"}, /* a content that does not */
	{ENVELOPE, NULL, false, false, "421"},           /* silence in a transaction */
	{"", NULL, false, false, "421"},                 /* and before the first command */
	{HELLO, "RSET\r\n", false, false, "421"},        /* floods, and then silence */
	{HELLO, "NOOP\r\n", false, false, "421"},
	{HELLO, "MAIL FROM:<>\r\nRSET\r\n", false, false, "421"},
	{HELLO, "HELP\r\n", false, true, NULL},    /* nobody reads the answers */
	{HELLO, "XYZZY\r\n", false, false, "421"}, /* too many errors */
	{ENVELOPE, "RCPT TO:<a@a.example>\r\n", false, false, "421"},
};

enum { HOSTILES = sizeof(hostiles) / sizeof(hostiles[0]) };

static void siege(struct crowd *crowd, uint64_t seed)
{
	char *text = world_alloc(sizeof(ENVELOPE) + FLOOD_COMMANDS * 32);

	while (crowd->count < SCRIPTS_MAX) {
		const struct hostile *hostile = &hostiles[crowd->count % HOSTILES];
		struct actor_script_config script = {
			.delay_ns = rig_pick(seed, 100 + crowd->count, 2 * CLOCK_NS_PER_S),
			.text = text,
			.trickle_ns = hostile->trickles ? 5 * CLOCK_NS_PER_S : 0,
			.deaf = hostile->deaf,
		};
		char *end = stpcpy(text, hostile->text);
		for (unsigned i = 0; hostile->again && i < FLOOD_COMMANDS; i++)
			end = stpcpy(end, hostile->again);
		script.length = (size_t)(end - text);
		(void)crowd_add(crowd, &script);
	}
	world_release(text);
}

/*
 * DOS-01, DOS-03: a hundred clients that are slow, silent, or flood the relay with whatever is allowed or is not, all
 * at once. Those that behave are served beside them as if they were alone, and none of the others is there for long.
 */
void scenario_siege(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "siege",
		.seed = seed,
		.quiet = true,
		.clients = 4,
		.messages = 50,
		.content_max = 2000,
		.hop = {.pipelining = true, .chunking = true},
	};
	struct crowd crowd = {.count = 0};
	struct ledger_summary s;
	struct rig rig;

	rig_open(&rig, &options);
	if (rig_start(&rig, 1 + (unsigned)rig_pick(seed, 1, 3)) < 0)
		rig_fail(&rig, "does not start");
	siege(&crowd, seed);
	rig_clients(&rig);
	if (rig_run(&rig, rig_clients_done, 60 * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "they are in the way of others");
	ledger_summarize(&rig.ledger, &s);
	if (s.refused || s.accepted != 200)
		rig_fail(&rig, "accepted %llu, refused %llu", (unsigned long long)s.accepted,
			 (unsigned long long)s.refused);
	/* timeouts.command, from the last that they said; a content has as long in advance. */
	(void)rig_run(&rig, NULL, 900 * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < crowd.count; i++) {
		const struct hostile *hostile = &hostiles[i % HOSTILES];
		const char *codes = actor_script_codes(crowd.scripts[i]);
		if (!actor_script_ended(crowd.scripts[i], NULL, NULL) && !hostile->deaf)
			rig_fail(&rig, "client %u (%s) is still there, and heard %s", i,
				 hostile->again ? hostile->again : hostile->text, codes);
		else if (hostile->end && strlen(codes) < ACTOR_SCRIPT_CODES_MAX - 8 && !ends_with(codes, hostile->end))
			rig_fail(&rig, "client %u (%s) heard %s", i, hostile->again ? hostile->again : hostile->text,
				 codes);
	}
	crowd_close(&crowd);
	rig_finish(&rig, 1);
	rig_close(&rig);
	crowd_free(&crowd);
}

/* ---- sessions that end while replies are owed ---------------------------------------------------------------- */

struct speech {
	char *text;
	size_t length, capacity;
};

static void say(struct speech *speech, const void *data, size_t length)
{
	if (speech->length + length > speech->capacity) {
		speech->capacity = 2 * (speech->length + length);
		speech->text = world_realloc(speech->text, speech->capacity);
	}
	memcpy(speech->text + speech->length, data, length);
	speech->length += length;
}

static void say_text(struct speech *speech, const char *text)
{
	say(speech, text, strlen(text));
}

/* One transaction with a message of the ledger, its first recipient only; without its end where `whole` is false. */
static void say_message(struct speech *speech, struct ledger *ledger, bool whole)
{
	uint32_t sequence = ledger_next(ledger);
	char address[128], line[256];
	size_t length;
	uint8_t *content = ledger_content(ledger, sequence, &length);

	ledger->messages[sequence].recipient_count = 1;
	ledger->messages[sequence].recipients[0].fate = whole ? LEDGER_ACCEPTED : LEDGER_REFUSED;
	ledger_address(ledger, sequence, 0, address);
	snprintf(line, sizeof(line), "MAIL FROM:<s%u@client.example>\r\nRCPT TO:<%s>\r\nDATA\r\n", sequence, address);
	say_text(speech, line);
	for (size_t at = 0, next; at < length; at = next) {
		const uint8_t *end = memchr(content + at, '\n', length - at);
		next = (size_t)(end - content) + 1;
		if (content[at] == '.')
			say_text(speech, ".");
		say(speech, content + at, next - at);
	}
	if (whole)
		say_text(speech, ".\r\n");
	world_release(content);
}

struct farewell {
	const char *name;
	unsigned messages;
	bool quit, half_close, stays, cut; /* cut: another message behind, without its end */
};

static const struct farewell farewells[] = {
	{"QUIT", 1, true, false, false, false},          {"QUIT, and stays", 1, true, false, true, false},
	{"QUIT and FIN", 1, true, true, false, false},   {"FIN", 1, false, true, false, false},
	{"QUIT behind 20", 20, true, true, true, false}, {"FIN in content", 2, false, true, false, true},
	{"says no more", 1, false, false, false, false},
};
enum { FAREWELLS = sizeof(farewells) / sizeof(farewells[0]) };

static void check_farewell(struct rig *rig, const struct farewell *f, const struct actor_script *script)
{
	char expected[ACTOR_SCRIPT_CODES_MAX] = "220 250";

	for (unsigned i = 0; i < f->messages; i++)
		strcat(expected, " 250 250 354 250");
	if (f->cut)
		strcat(expected, " 250 250 354");
	if (f->quit)
		strcat(expected, " 221");
	else if (!f->half_close)
		strcat(expected, " 421");
	if (!actor_script_ended(script, NULL, NULL))
		rig_fail(rig, "%s: still open, heard %s", f->name, actor_script_codes(script));
	else if (strcmp(actor_script_codes(script), expected) != 0)
		rig_fail(rig, "%s: heard %s instead of %s", f->name, actor_script_codes(script), expected);
}

/*
 * QUIT, FIN or silence behind messages whose commits take seconds, or longer than a client has for its next command:
 * every reply that is owed comes first, so that no client has to send again (RFC 9293 3.6).
 */
void scenario_farewell(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "farewell",
		.seed = seed,
		.plain = true, /* its clients are scripts */
		.quiet = seed % 2,
		.hop = {.pipelining = true, .chunking = true},
	};
	struct world_io_fault slow = {
		.operations = WORLD_IO_WRITE,
		.nth = 1,
		.count = 1 << 20,
		.delay_ns = (seed % 3 ? 1 + rig_pick(seed, 1, 30) : 400) * CLOCK_NS_PER_S,
	};
	struct crowd crowd = {.count = 0};
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)(seed % 2));
	world_fault_io(&slow);
	for (unsigned i = 0; i < FAREWELLS; i++) {
		const struct farewell *f = &farewells[i];
		struct speech speech = {.text = NULL};
		say_text(&speech, "EHLO script.example\r\n");
		for (unsigned n = 0; n < f->messages; n++)
			say_message(&speech, &rig.ledger, true);
		if (f->cut)
			say_message(&speech, &rig.ledger, false);
		if (f->quit)
			say_text(&speech, "QUIT\r\n");
		struct actor_script_config script = {
			.delay_ns = rig_pick(seed, 10 + i, CLOCK_NS_PER_S),
			.text = speech.text,
			.length = speech.length,
			.half_close = f->half_close,
			.stays = f->stays,
		};
		(void)crowd_add(&crowd, &script);
		world_release(speech.text);
	}
	(void)rig_run(&rig, NULL, 6000 * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < FAREWELLS; i++)
		check_farewell(&rig, &farewells[i], crowd.scripts[i]);
	crowd_close(&crowd);
	rig_finish(&rig, 2);
	rig_close(&rig);
	crowd_free(&crowd);
}

/* ---- clients that send far ahead ----------------------------------------------------------------------------- */

static size_t most_held;

/* Of octets that were received and wait to be used, how many were there at a time? Never done. */
static bool watch_held(void *context)
{
	const struct rig *rig = context;
	size_t held = 0;

	for (unsigned i = 0; i < rig->shard_count; i++)
		held += rig->shards[i].shard->transport->held_octets;
	if (held > most_held)
		most_held = held;
	return false;
}

enum ahead { OF_REPLIES, OF_354, OF_THE_DISK, AHEADS };

static void crowd_ahead(struct crowd *crowd, uint64_t seed, enum ahead ahead)
{
	const char *unit = ahead == OF_REPLIES ? "NOOP\r\n" : "It is sent as fast as may be.\r\n";
	struct speech start = {.text = NULL}, rest = {.text = NULL};

	say_text(&start, "EHLO ahead.example\r\n");
	if (ahead != OF_REPLIES)
		say_text(&start, "MAIL FROM:<ahead@client.example>\r\nRCPT TO:<b@a.example>\r\nDATA\r\n");
	for (unsigned n = 0; n < 400000 / strlen(unit); n++)
		say_text(ahead == OF_THE_DISK ? &rest : &start, unit);
	for (unsigned i = 0; i < 60; i++) {
		struct actor_script_config script = {
			.delay_ns = rig_pick(seed, i, CLOCK_NS_PER_S),
			.text = start.text,
			.length = start.length,
			.body = rest.text,
			.body_length = rest.length,
			.deaf = ahead == OF_REPLIES,
		};
		(void)crowd_add(crowd, &script);
	}
	world_release(start.text);
	world_release(rest.text);
}

/*
 * 60 clients send 400 KB each: commands whose replies they do not read, content without waiting for 354, or content as
 * it should be, while the disk hangs. What was received and cannot be used yet counts in memory_max; beyond it octets
 * stay in the sockets, and who does not wait for replies goes (I7, DOS-01).
 */
void scenario_ahead(uint64_t seed)
{
	enum ahead ahead = seed % AHEADS;
	struct rig_options options = {
		.scenario = "ahead",
		.seed = seed,
		.quiet = true,
		.clients = 3,
		.messages = 10,
		.memory_mib = 4,
		.hop = {.pipelining = true, .chunking = true},
	};
	struct world_io_fault hung = {
		.operations = WORLD_IO_WRITE, .nth = 1, .count = 1 << 20, .delay_ns = 300 * CLOCK_NS_PER_S};
	struct crowd crowd = {.count = 0};
	struct rig rig;

	most_held = 0;
	rig_open(&rig, &options);
	rig_begin(&rig, 1);
	if (ahead != OF_REPLIES)
		world_fault_io(&hung);
	crowd_ahead(&crowd, seed, ahead);
	(void)rig_run(&rig, watch_held, 60 * CLOCK_NS_PER_S);
	/* An eighth of the memory, and what came while that was noticed. */
	if (most_held == 0 || most_held > AHEAD_HELD_MAX)
		rig_fail(&rig, "%zu octets were held", most_held);
	world_faults_clear();
	if (ahead != OF_REPLIES)
		(void)rig_run(&rig, NULL, 400 * CLOCK_NS_PER_S);
	/* Whoever behaves is served meanwhile. */
	rig_clients(&rig);
	if (rig_run(&rig, rig_clients_done, 60 * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "they are in the way of others");
	crowd_close(&crowd);
	rig_finish(&rig, 1);
	rig_close(&rig);
	crowd_free(&crowd);
}
