/*
 * tests/sim/actor_entry.c - see actor_entry.h.
 */
#include "tests/sim/actor_entry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/base64.h"
#include "tests/sim/sim_tls.h"

enum { ENTRY_TEXT_MAX = 256 };

void actor_entry_violation(struct actor_entry *entry, const char *what, const char *line)
{
	if (entry->violations++ == 0)
		snprintf(entry->problem, sizeof(entry->problem), "way %s at %u, %llu ns: %s: %.60s", entry->way,
			 entry->at, (unsigned long long)world_now_ns(), what, line);
}

/* A line: `before`, and the octets in base64. */
static void said(char *out, const char *before, const void *data, size_t length)
{
	char base64[ENTRY_TEXT_MAX - 16];

	assert(BASE64_LENGTH(length) <= sizeof(base64));
	snprintf(out, ENTRY_TEXT_MAX, "%s%.*s\r\n", before, (int)base64_encode(data, length, base64), base64);
}

static void plain(const struct actor_account *account, char *out)
{
	char response[ENTRY_TEXT_MAX / 2];
	int n = snprintf(response, sizeof(response), "%c%s%c%s", '\0', account->user, '\0', account->password);

	said(out, "AUTH PLAIN ", response, (size_t)n);
}

/* Now and then a step is the last one: in the middle of it, or a moment later. */
static enum actor_entry_go say(struct actor_entry *entry, struct world_connection *connection, const char *text)
{
	size_t length = strlen(text);

	if (!world_chance(entry->cut_rate)) {
		world_send(connection, text, length);
		return ENTRY_WAIT;
	}
	entry->cuts++;
	if (world_below(2)) {
		world_send(connection, text, 1 + (size_t)world_below(length));
		return ENTRY_CUT;
	}
	world_send(connection, text, length);
	return ENTRY_LATER;
}

static enum actor_entry_go hello(struct actor_entry *entry, struct world_connection *connection)
{
	entry->hello_due = true;
	return say(entry, connection, SIM_TLS_HELLO);
}

/* What a step says. */
static enum actor_entry_go step(struct actor_entry *entry, struct world_connection *connection)
{
	static const char *const behind[] = {"MAIL FROM:<behind@client.example>\r\n", "NOOP\r\n", "MAI", "\r\n", "E"};
	char text[ENTRY_TEXT_MAX];

	switch (entry->way[entry->at]) {
	case '\0':
		return ENTRY_IN;
	case 'T':
		return hello(entry, connection);
	case 'G':
		return ENTRY_WAIT;
	case 'E':
		return say(entry, connection, "EHLO client.example\r\n");
	case 'S':
		return say(entry, connection, "STARTTLS\r\n");
	case 'I':
		entry->injected = true;
		snprintf(text, sizeof(text), "STARTTLS\r\n%s", behind[world_below(sizeof(behind) / sizeof(behind[0]))]);
		return say(entry, connection, text);
	case 'L':
		return say(entry, connection, "AUTH LOGIN\r\n");
	case 'X':
	case 'x':
		return say(entry, connection, "XCLIENT ADDR=" ACTOR_BROUGHT " HELO=brought.example\r\n");
	case 'm':
		return say(entry, connection, "MAIL FROM:<before@client.example>\r\n");
	case 'r':
		return say(entry, connection, "RCPT TO:<r0.s99999999@a.example>\r\n");
	default:
		plain(entry->account, text);
		return say(entry, connection, text);
	}
}

static enum actor_entry_go next(struct actor_entry *entry, struct world_connection *connection)
{
	entry->at++;
	entry->first_said = false;
	return step(entry, connection);
}

/* By what the account was when the connection began; if it has changed since nobody can tell. */
static bool surely(const struct actor_entry *entry, enum actor_right right)
{
	return entry->account->changes == entry->at_begin.changes && entry->at_begin.right == right;
}

static enum actor_entry_go on_login(struct actor_entry *entry, struct world_connection *connection, const char *line)
{
	unsigned code = (unsigned)atoi(line);

	if (code == 235) {
		if (surely(entry, ACTOR_WRONG))
			actor_entry_violation(entry, "let in with a password that is none", line);
		entry->let_in++;
		entry->signed_in = true;
		return next(entry, connection);
	}
	if (code == 535) {
		if (surely(entry, ACTOR_RIGHT))
			actor_entry_violation(entry, "the right password was refused", line);
		entry->kept_out++;
		return next(entry, connection);
	}
	if (code == 334 && entry->way[entry->at] == 'L') {
		const char *what = entry->first_said ? entry->account->password : entry->account->user;
		char text[ENTRY_TEXT_MAX];
		said(text, "", what, strlen(what));
		entry->first_said = true;
		return say(entry, connection, text);
	}
	if (code / 100 != 4)
		actor_entry_violation(entry, "no such reply to AUTH", line);
	entry->put_off++;
	return ENTRY_LEAVE;
}

static enum actor_entry_go on_hello(struct actor_entry *entry, struct world_connection *connection, const char *line)
{
	entry->hello_due = false;
	if (strcmp(line, SIM_TLS_HELLO) != 0) {
		/* 421 in clear, or the end. */
		return ENTRY_LEAVE;
	}
	if (entry->injected)
		actor_entry_violation(entry, "a handshake behind commands that were behind STARTTLS", line);
	entry->secured++;
	entry->signed_in = false;
	return next(entry, connection);
}

void actor_entry_connect(struct actor_entry *entry)
{
	if (entry->account)
		entry->at_begin = *entry->account;
}

enum actor_entry_go actor_entry_begin(struct actor_entry *entry, struct world_connection *connection)
{
	entry->at = 0;
	entry->hello_due = entry->first_said = entry->injected = entry->signed_in = false;
	return step(entry, connection);
}

enum actor_entry_go actor_entry_line(struct actor_entry *entry, struct world_connection *connection, const char *line)
{
	bool good = line[0] == '2';

	if (entry->hello_due)
		return on_hello(entry, connection, line);
	if (strlen(line) > 3 && line[3] == '-')
		return ENTRY_WAIT;
	if (strncmp(line, "421", 3) == 0)
		return ENTRY_LEAVE;
	switch (entry->way[entry->at]) {
	case 'P':
	case 'L':
		return on_login(entry, connection, line);
	case 'S':
	case 'I':
		return strncmp(line, "220", 3) == 0 ? hello(entry, connection) : ENTRY_LEAVE;
	case 'X':
		entry->signed_in = good;
		entry->let_in += good;
		return good ? next(entry, connection) : ENTRY_LEAVE;
	case 'n':
	case 'r':
	case 'x':
		if (line[0] != '5')
			actor_entry_violation(entry, "what was said before counts", line);
		return next(entry, connection);
	case 'm':
		return next(entry, connection);
	default:
		return good ? next(entry, connection) : ENTRY_LEAVE;
	}
}
