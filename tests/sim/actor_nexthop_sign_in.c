/*
 * tests/sim/actor_nexthop_sign_in.c - a simulated next hop's STARTTLS and AUTH.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/base64.h"
#include "tests/sim/actor_nexthop_private.h"
#include "tests/sim/sim_tls.h"

/* A refusal that was said so lately may not have been heard when the same was said again. */
#define HOP_ON_THE_WAY_NS (2 * UINT64_C(1000000000))
/* A token that was fetched because another was refused is doubted no sooner (core/agents/token_cache.h). */
#define HOP_DOUBT_NS (300 * UINT64_C(1000000000))

/* The number of the mailbox from 1; 0: none has that name and password. */
static unsigned hop_who(const struct actor_logins *logins, const char *line)
{
	uint8_t said[256];
	unsigned mailbox = 0;
	size_t length = strlen(line);
	ssize_t n = length / 4 * 3 < sizeof(said) - 1 ? base64_decode(line, length, said) : -1;
	const char *text = (const char *)said;

	if (n < 2 || said[0] != 0)
		return 0;
	said[n] = '\0';
	if (sscanf(text + 1, "m%u@pool.example", &mailbox) != 1 || mailbox >= logins->count)
		return 0;
	return strcmp(text + 2 + strlen(text + 1), "secret") == 0 ? mailbox + 1 : 0;
}

static void hop_signed_in(struct hop_session *s, unsigned mailbox)
{
	struct actor_logins *logins = s->hop->config.logins;

	logins->right++;
	s->mailbox = mailbox;
	memcpy(logins->known[mailbox - 1].accepted, s->token, sizeof(s->token));
	if (++logins->connections[mailbox - 1] > logins->connections_max && logins->connections_max)
		logins->over++;
	hop_reply(s, "235 2.7.0 Welcome\r\n");
}

/* Who was let in with it before knows what a refusal means. Another one may be refused for itself, and says it again in
 * its pauses; but not for ever. */
static void hop_bad_token(struct actor_logins *logins, unsigned mailbox, const char token[32])
{
	uint64_t now_ns = world_now_ns();
	bool known = strcmp(logins->known[mailbox].token, token) == 0;

	logins->bad_tokens++;
	if (strcmp(logins->seen, token) != 0)
		logins->seen_ns = now_ns;
	memcpy(logins->seen, token, sizeof(logins->seen));
	if (known && logins->known[mailbox].refused_ns + HOP_ON_THE_WAY_NS < now_ns &&
	    (logins->known[mailbox].lost || logins->seen_ns + HOP_DOUBT_NS < now_ns) && logins->stale++ == 0)
		world_note("stale token", mailbox, now_ns);
	if (known)
		return;
	logins->known[mailbox].refused_ns = now_ns;
	logins->known[mailbox].lost = strcmp(logins->known[mailbox].accepted, token) == 0;
	memcpy(logins->known[mailbox].token, token, sizeof(logins->known[mailbox].token));
}

/* Whose it is; *good: and worth something. */
static unsigned hop_who_by_token(struct hop_session *s, const char *line, bool *good)
{
	struct actor_logins *logins = s->hop->config.logins;
	uint8_t said[512];
	char token[32];
	unsigned mailbox = 0;
	size_t length = strlen(line);
	ssize_t n = length / 4 * 3 < sizeof(said) - 1 ? base64_decode(line, length, said) : -1;

	said[n > 0 ? n : 0] = '\0';
	if (sscanf((const char *)said, "user=m%u@pool.example\1auth=Bearer %31[^\1]", &mailbox, token) != 2 ||
	    mailbox >= logins->count)
		return 0;
	*good = logins->token_good(token, strlen(token));
	memcpy(s->token, token, sizeof(token));
	return mailbox + 1;
}

/* RFC 7628 3.2.2: the reason comes first, and the client answers with nothing. */
static void hop_turn_away(struct hop_session *s, unsigned mailbox, bool good)
{
	struct actor_logins *logins = s->hop->config.logins;

	if (mailbox && !good)
		hop_bad_token(logins, mailbox - 1, s->token);
	actor_meter_add(&logins->failures, 1);
	s->challenged = logins->challenge;
	hop_reply(s, s->challenged ? "334 eyJzdGF0dXMiOiI0MDEifQ==\r\n" : "535 5.7.3 Authentication unsuccessful\r\n");
}

static void hop_auth(struct hop_session *s, const char *line)
{
	struct actor_logins *logins = s->hop->config.logins;
	bool good = true;
	unsigned mailbox = logins->token_good ? hop_who_by_token(s, line, &good) : hop_who(logins, line);

	logins->tries++;
	logins->wrong += mailbox == 0;
	if (world_chance(logins->silent))
		return;
	if (world_chance(logins->closed)) {
		hop_finish(s, world_below(2));
	} else if (world_chance(logins->later)) {
		actor_meter_add(&logins->failures, 1);
		hop_reply(s, "454 4.7.0 Temporary authentication failure\r\n");
	} else if (mailbox == 0 || !good || (logins->locked >> (mailbox - 1) & 1) || world_chance(logins->refused)) {
		hop_turn_away(s, mailbox, good);
	} else {
		hop_signed_in(s, mailbox);
	}
}

bool hop_starttls(struct hop_session *s, const char *line)
{
	const enum actor_tls tls = s->hop->config.tls;

	if (s->starting_tls) {
		if (strncmp(line, SIM_TLS_HELLO, SIM_TLS_HELLO_LENGTH - 2) != 0)
			hop_violation(s, "no hello of TLS", line);
		s->starting_tls = s->greeted = false;
		if (tls == ACTOR_TLS_SILENT)
			return true;
		if (tls == ACTOR_TLS_CLOSES) {
			hop_finish(s, false);
			return true;
		}
		s->secured = tls != ACTOR_TLS_BROKEN;
		hop_reply(s, s->secured ? SIM_TLS_HELLO : "250 what is TLS\r\n");
		return true;
	}
	if (tls == ACTOR_TLS_NONE || strncasecmp(line, "STARTTLS", 8) != 0)
		return false;
	s->hop->stats.starttls++;
	s->starting_tls = tls != ACTOR_TLS_REFUSED && tls != ACTOR_TLS_GONE;
	hop_reply(s, s->starting_tls ? "220 2.0.0 Ready\r\n" : "454 4.7.0 TLS not available\r\n");
	return true;
}

bool hop_sign_in(struct hop_session *s, const char *line)
{
	const struct actor_logins *logins = s->hop->config.logins;
	size_t prefix = logins->token_good ? 13 : 11;

	if (s->starting_tls) {
		if (strncmp(line, SIM_TLS_HELLO, SIM_TLS_HELLO_LENGTH - 2) != 0)
			hop_violation(s, "no hello of TLS", line);
		s->starting_tls = false;
		s->secured = true;
		s->greeted = false;
		hop_reply(s, SIM_TLS_HELLO);
	} else if (strncasecmp(line, "STARTTLS", 8) == 0) {
		s->starting_tls = true;
		hop_reply(s, "220 2.0.0 Ready\r\n");
	} else if (s->challenged) {
		if (line[0])
			hop_violation(s, "an answer to the reason of a refusal", line);
		s->challenged = false;
		hop_reply(s, "535 5.7.3 Authentication unsuccessful\r\n");
	} else if (strncasecmp(line, logins->token_good ? "AUTH XOAUTH2 " : "AUTH PLAIN ", prefix) == 0) {
		if (!s->secured || !s->greeted || s->mailbox)
			hop_violation(s, "AUTH out of order", "");
		hop_auth(s, line + prefix);
	} else {
		return false;
	}
	return true;
}
