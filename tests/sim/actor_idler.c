/*
 * tests/sim/actor_idler.c - see actor_idler.h.
 *
 * What it sends is never a whole message, so nothing of it may ever be delivered.
 */
#include "tests/sim/actor_idler.h"

static const char dialogue[] = "EHLO idle.example\r\nMAIL FROM:<idle@client.example>\r\nRCPT TO:<idle@a.example>\r\n"
			       "RCPT TO:<idle@b.example>\r\nDATA\r\nSubject: never finished\r\n\r\nAnd so it";

struct actor_idler {
	struct ring_address address;
	size_t octets;
	size_t deaf; /* commands of one that reads nothing */
	bool ended;
};

static void idler_on_open(struct world_connection *connection, void *context)
{
	struct actor_idler *idler = context;

	if (idler->deaf)
		world_pause(connection, true);
	for (size_t i = 0; i < idler->deaf; i++)
		world_send(connection, "HELP\r\n", 6);
	if (idler->octets)
		world_send(connection, dialogue, idler->octets);
}

static void idler_on_data(struct world_connection *connection, void *context, const uint8_t *data, size_t length)
{
}

static void idler_on_end(struct world_connection *connection, void *context, int error)
{
	struct actor_idler *idler = context;

	idler->ended = true;
	if (!error)
		world_disconnect(connection);
}

static const struct world_actor idler_actor = {
	.on_open = idler_on_open, .on_data = idler_on_data, .on_end = idler_on_end};

static void idler_connect(void *context)
{
	struct actor_idler *idler = context;

	(void)world_connect(&idler->address, NULL, &idler_actor, idler);
}

struct actor_idler *actor_idler_start(const struct ring_address *address, uint64_t delay_ns, size_t octets)
{
	struct actor_idler *idler = world_alloc(sizeof(*idler));

	idler->address = *address;
	idler->octets = octets % sizeof(dialogue);
	world_after(delay_ns, idler_connect, idler);
	return idler;
}

struct actor_idler *actor_idler_start_deaf(const struct ring_address *address, uint64_t delay_ns, size_t commands)
{
	struct actor_idler *idler = actor_idler_start(address, delay_ns, 0);

	idler->deaf = commands;
	return idler;
}

bool actor_idler_ended(const struct actor_idler *idler)
{
	return idler->ended;
}

void actor_idler_free(struct actor_idler *idler)
{
	world_release(idler);
}
