/*
 * tests/sim/actor_script.c - see actor_script.h.
 */
#include "tests/sim/actor_script.h"

#include <string.h>

struct actor_script {
	struct actor_script_config config;
	uint8_t *text, *body, *later;
	struct world_connection *connection; /* NULL: not yet, or no more */
	bool greeted, ended, closed;
	uint64_t ended_ns;
	int error;
	char line[ACTOR_SCRIPT_REPLIES_MAX];
	size_t line_length;
	char codes[ACTOR_SCRIPT_CODES_MAX];
	size_t codes_length;
};

static void script_trickle(void *context)
{
	struct actor_script *s = context;

	if (!s->connection)
		return;
	world_send(s->connection, "x", 1);
	world_after(s->config.trickle_ns, script_trickle, s);
}

static void script_later(void *context)
{
	struct actor_script *s = context;

	if (s->connection)
		world_send(s->connection, s->later, s->config.later_length);
}

static void script_speak(struct actor_script *s)
{
	s->greeted = true;
	if (s->config.length)
		world_send(s->connection, s->text, s->config.length);
	if (s->config.half_close)
		world_half_close(s->connection);
	if (s->config.deaf)
		world_pause(s->connection, true);
	if (s->config.trickle_ns)
		world_after(s->config.trickle_ns, script_trickle, s);
	if (s->later)
		world_after(s->config.later_ns, script_later, s);
}

static void script_on_open(struct world_connection *connection, void *context)
{
}

static void script_line(struct actor_script *s)
{
	if (s->line_length < 4 || s->line[3] == '-' || s->codes_length + 4 >= sizeof(s->codes))
		return;
	if (s->codes_length)
		s->codes[s->codes_length++] = ' ';
	memcpy(s->codes + s->codes_length, s->line, 3);
	s->codes_length += 3;
	if (s->body && memcmp(s->line, "354", 3) == 0)
		world_send(s->connection, s->body, s->config.body_length);
}

static void script_on_data(struct world_connection *connection, void *context, const uint8_t *data, size_t length)
{
	struct actor_script *s = context;

	for (size_t i = 0; i < length; i++) {
		if (s->line_length < sizeof(s->line))
			s->line[s->line_length++] = (char)data[i];
		if (data[i] != '\n')
			continue;
		script_line(s);
		s->line_length = 0;
	}
	if (!s->greeted && s->codes_length)
		script_speak(s);
}

static void script_on_end(struct world_connection *connection, void *context, int error)
{
	struct actor_script *s = context;

	s->ended = true;
	s->ended_ns = world_now_ns();
	s->error = error;
	if (!error && s->config.stays)
		return;
	s->connection = NULL;
	if (!error)
		world_disconnect(connection);
}

static const struct world_actor script_actor = {
	.on_open = script_on_open, .on_data = script_on_data, .on_end = script_on_end};

static void script_connect(void *context)
{
	struct actor_script *s = context;

	s->connection = world_connect(&s->config.address, NULL, &script_actor, s);
}

static uint8_t *script_copy(const void *text, size_t length)
{
	uint8_t *copy = text ? world_alloc(length + 1) : NULL;

	if (copy)
		memcpy(copy, text, length);
	return copy;
}

struct actor_script *actor_script_start(const struct actor_script_config *config)
{
	struct actor_script *s = world_alloc(sizeof(*s));

	s->config = *config;
	s->text = script_copy(config->text, config->length);
	s->body = script_copy(config->body, config->body_length);
	s->later = script_copy(config->later, config->later_length);
	world_after(config->delay_ns, script_connect, s);
	return s;
}

const char *actor_script_codes(const struct actor_script *script)
{
	return script->codes;
}

bool actor_script_ended(const struct actor_script *script, uint64_t *when_ns, int *error)
{
	if (when_ns)
		*when_ns = script->ended_ns;
	if (error)
		*error = script->error;
	return script->ended;
}

bool actor_script_sent(const struct actor_script *script)
{
	return script->greeted && (!script->connection || world_send_queued(script->connection) == 0);
}

void actor_script_close(struct actor_script *script)
{
	if (script->connection)
		world_disconnect(script->connection);
	script->connection = NULL;
}

void actor_script_free(struct actor_script *script)
{
	world_release(script->text);
	world_release(script->body);
	world_release(script->later);
	world_release(script);
}
