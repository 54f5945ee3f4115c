/*
 * core/relay/connection_setup.c - from the connected socket to READY: greeting, EHLO, STARTTLS.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "core/relay/connection.h"
#include "core/relay/connection_private.h"
#include "core/relay/hold.h"
#include "core/shard/shard.h"

static void say_hello(struct connection *c, bool helo)
{
	char line[300];
	int n = snprintf(line, sizeof(line), "%s %.255s\r\n", helo ? "HELO" : "EHLO", connection_config(c)->hostname);

	c->helo = helo;
	/* What was learned before TLS is forgotten (RFC 3207 4.2). */
	memset(&c->extensions, 0, sizeof(c->extensions));
	smtp_reply_start(&c->parser, helo ? NULL : &c->extensions);
	connection_command(c, line, (size_t)n);
}

static void start_tls(struct connection *c)
{
	struct outbound *o = c->outbound;
	const char *name = o->destination->server_name ? o->destination->server_name : c->host->config->name;
	/* An address is no server name (RFC 6066 3). */
	struct tls_session *tls = tls_session_new(
		o->tls, c->host->config->numeric && !o->destination->server_name ? NULL : name, c->host->ticket);

	c->resuming = c->host->ticket != NULL;
	if (!tls) {
		connection_kill(c, STAGE_TLS, "out of memory for TLS");
		return;
	}
	/* An octet that came behind the reply to STARTTLS was never under TLS's protection. */
	if (!transport_secure(&c->transport, tls)) {
		connection_kill(c, STAGE_TLS, "the next hop sent data behind its reply to STARTTLS");
		return;
	}
}

void connection_on_connected(struct transport *t, int result)
{
	struct connection *c = container_of(t, struct connection, transport);
	char reason[160];

	if (result < 0) {
		snprintf(reason, sizeof(reason), "cannot connect: %s", strerror(-result));
		connection_kill(c, STAGE_CONNECT, reason);
		return;
	}
	if (c->outbound->destination->tls_implicit && c->outbound->destination->tls_mode != CONFIG_TLS_NONE) {
		connection_move(c, CONNECTION_HANDSHAKE);
		start_tls(c);
		return;
	}
	connection_move(c, CONNECTION_GREETING);
	smtp_reply_start(&c->parser, NULL);
	c->replies_due = 1;
}

void connection_on_secured(struct transport *t)
{
	struct connection *c = container_of(t, struct connection, transport);
	struct shard *shard = c->outbound->shard;
	struct tls_info info;

	tls_session_info(t->tls, &info);
	snprintf(c->tls_version, sizeof(c->tls_version), "%s", info.version);
	snprintf(c->tls_cipher, sizeof(c->tls_cipher), "%s", info.cipher);
	c->tls_resumed = info.resumed;
	c->tls_verified = info.verified;
	counter_add(info.resumed ? &shard->deliverer->counters.resumed : &shard->deliverer->counters.handshakes, 1);
	if (c->outbound->destination->tls_implicit) {
		connection_move(c, CONNECTION_GREETING);
		smtp_reply_start(&c->parser, NULL);
		c->replies_due = 1;
		return;
	}
	connection_move(c, CONNECTION_EHLO);
	say_hello(c, false);
}

struct manner {
	enum exchange_mode mode;
	bool across;
};

static struct manner manner_now(const struct connection *c)
{
	const struct lessons *lessons = &c->host->lessons;
	uint64_t now_ns = c->outbound->shard->now_ns;
	struct manner manner = {.mode = MODE_LOCKSTEP};

	if (!c->extensions.pipelining || lesson_in_force(lessons, LESSON_NO_PIPELINING, now_ns))
		return manner;
	manner.mode = MODE_PIPELINE;
	if (c->extensions.chunking && !lesson_in_force(lessons, LESSON_NO_CHUNKING, now_ns))
		manner.mode = MODE_CHUNKING;
	/* RFC 2920 3.1 allows it behind the dot as well. Some servers refuse it, and some take it for content, answer
	 * 250 and alter the mail; with BDAT the length leaves no doubt. */
	manner.across = (manner.mode == MODE_CHUNKING || c->outbound->destination->pipeline_across_messages) &&
			!lesson_in_force(lessons, LESSON_ALONE, now_ns);
	return manner;
}

bool connection_manner_stale(const struct connection *c)
{
	struct manner manner = manner_now(c);

	return manner.mode != c->mode || manner.across != c->across;
}

/* With DATA the next message's envelope may be under way behind the end of one, and no more. */
static unsigned in_flight_most(const struct connection *c)
{
	unsigned most = !c->across ? 1 : c->mode == MODE_PIPELINE ? 2 : UINT_MAX;

	return most < c->outbound->destination->messages_in_flight ? most
								   : c->outbound->destination->messages_in_flight;
}

void connection_manner_choose(struct connection *c)
{
	struct manner manner = manner_now(c);

	c->mode = manner.mode;
	c->across = manner.across;
	window_init(&c->window, c->host->window, in_flight_most(c), c->outbound->shard->now_ns);
}

static void become_ready(struct connection *c)
{
	struct outbound *o = c->outbound;

	connection_move(c, CONNECTION_READY);
	c->proven = true;
	connection_setup_over(c);
	c->host->setup_ns = o->shard->now_ns - c->opened_ns;
	c->idle_since_ns = o->shard->now_ns;
	connection_manner_choose(c);
	c->careful_until = c->host->cautious ? CONNECTION_CAREFUL : 0;
	connection_arm(c, o->destination->idle_timeout_ns);
	outbound_wake(o->shard, o->index);
}

/* Refused before MAIL, for what we are. Not where others of its connections are served at this time: then it is one
 * too many, or one of several machines behind that address. */
static void hold_if_ours(struct connection *c, const struct verdict_fact *fact)
{
	struct ruling ruling = verdict_judge(fact, NULL);
	const struct list *link;

	if (ruling.verdict != VERDICT_HOLD)
		return;
	for (link = c->outbound->connections.next; link != &c->outbound->connections; link = link->next) {
		const struct connection *other = container_of(link, struct connection, link);
		if (other->host == c->host && other->state == CONNECTION_READY && other->answered > 0)
			return;
	}
	(void)hold_refused(c->outbound, c->host, NULL, fact, &ruling);
}

/* What the operator knows better. */
static void ignore_extensions(struct connection *c)
{
	unsigned ignored = c->outbound->destination->ignored_extensions;
	struct smtp_extensions *x = &c->extensions;

	x->pipelining = x->pipelining && !(ignored & CONFIG_PIPELINING);
	x->chunking = x->chunking && !(ignored & CONFIG_CHUNKING);
	x->size_given = x->size_given && !(ignored & CONFIG_SIZE);
	x->eight_bit_mime = x->eight_bit_mime && !(ignored & CONFIG_8BITMIME);
	x->enhanced_codes = x->enhanced_codes && !(ignored & CONFIG_ENHANCEDSTATUSCODES);
}

static void after_hello(struct connection *c)
{
	bool want_tls = c->outbound->destination->tls_mode != CONFIG_TLS_NONE && !c->transport.tls;

	if (!want_tls) {
		become_ready(c);
		return;
	}
	if (!c->extensions.starttls) {
		const char *reason = "TLS is required, but the next hop does not offer STARTTLS";
		hold_if_ours(c, &(struct verdict_fact){STAGE_STARTTLS, 0, span_text(reason)});
		connection_leave(c, STAGE_STARTTLS, reason);
		return;
	}
	connection_move(c, CONNECTION_STARTTLS);
	smtp_reply_start(&c->parser, NULL);
	connection_command(c, "STARTTLS\r\n", 10);
}

static void refuse(struct connection *c, const char *what)
{
	const struct verdict_fact fact = {connection_stage(c), c->parser.code, {c->parser.text, c->parser.text_length}};
	char reason[SMTP_REPLY_TEXT_MAX + 80];

	hold_if_ours(c, &fact);
	snprintf(reason, sizeof(reason), "%s: %u %.*s", what, c->parser.code, (int)c->parser.text_length,
		 c->parser.text);
	if (c->parser.code == 421)
		connection_kill(c, connection_stage(c), reason);
	else
		connection_leave(c, connection_stage(c), reason);
}

/* A reply during set-up. `behind`: octets of input after it. */
void connection_on_setup_reply(struct connection *c, size_t behind)
{
	unsigned code = c->parser.code;
	bool positive = code >= 200 && code < 300; /* the first digit decides (RFC 5321 4.2.1) */

	switch (c->state) {
	case CONNECTION_GREETING:
		if (!positive) {
			refuse(c, "refused by the next hop");
			return;
		}
		connection_move(c, CONNECTION_EHLO);
		say_hello(c, false);
		return;
	case CONNECTION_EHLO:
		if (positive) {
			ignore_extensions(c);
			after_hello(c);
		} else if (!c->helo && code >= 500 && code != 521 && code != 554 &&
			   (c->outbound->destination->tls_mode == CONFIG_TLS_NONE || c->transport.tls)) {
			say_hello(c, true);
		} else {
			refuse(c, "EHLO refused by the next hop");
		}
		return;
	case CONNECTION_STARTTLS:
		if (!positive) {
			refuse(c, "STARTTLS refused by the next hop");
		} else if (behind > 0) {
			connection_kill(c, STAGE_STARTTLS, "the next hop sent data behind its reply to STARTTLS");
		} else {
			connection_move(c, CONNECTION_HANDSHAKE);
			start_tls(c);
		}
		return;
	case CONNECTION_QUITTING:
		connection_kill(c, STAGE_QUIT, "quit");
		return;
	default:
		connection_kill(c, connection_stage(c), "a reply without a command");
		return;
	}
}
