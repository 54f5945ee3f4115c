/*
 * core/receive/proxied.c - sessions behind a load balancer: it says in front of all whose the connection is (PROXY
 * protocol, core/smtp/proxy.h), and that is the client's address for everything from then on.
 *
 * Until then nothing is said, and the connection counts toward those of all, but nobody's. Octets behind the header are
 * the client's, whatever they came together with. A balancer that goes without having said anything only looked whether
 * somebody listens; one that says anything else, or nothing for too long, is told of, as its clients get nowhere.
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/receive/session_private.h"
#include "core/receive/tell.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "core/smtp/proxy.h"

/* It is on its way with the connection; a lost segment is sent again after one second, and three. */
enum { HEADER_S = 10 };

bool receive_proxied(const struct session *s, const struct ring_address *peer)
{
	const struct config_listener *listener = &s->snapshot->config->listeners[s->listener];

	for (size_t i = 0; i < listener->proxy_count; i++) {
		if (network_contains(&listener->proxies[i], peer))
			return true;
	}
	return false;
}

void receive_expect_header(struct session *s, const struct ring_address *peer)
{
	uint64_t most = HEADER_S * CLOCK_NS_PER_S, command = s->snapshot->config->timeouts.command_ns;

	receive_name(s, peer);
	receive_move(s, SESSION_PROXY);
	receive_arm_timer(s, command < most ? command : most);
}

static void lost(struct session *s, const char *problem)
{
	struct ring_address peer;
	uint32_t untold;

	if (receive_address(s, &peer) && refusals_tell(&s->shard->receiver->refusals, &peer, s->shard->now_ns, &untold))
		tell_no_proxy_header(s, problem, untold);
	receive_end(s, "no PROXY header");
}

void receive_header_late(struct session *s)
{
	lost(s, s->header_left > 0 ? "its PROXY header has no end" : "no PROXY header came");
}

static void begin(struct session *s, const struct ring_address *client)
{
	receive_move(s, SESSION_GREETING);
	receive_admit(s, client, true);
}

/* All of the header has come, or what is left of it does not count. */
static void take(struct session *s, const struct proxy_header *header, bool told)
{
	struct ring_address own;

	if (told)
		receive_name(s, &header->client);
	if (s->header_left > 0)
		return;
	/* By its text: only the octets of an address count, and not its port. */
	if (receive_address(s, &own))
		begin(s, &own);
	else
		receive_end(s, "no PROXY header");
}

static size_t skip(struct session *s, size_t length)
{
	size_t n = length < s->header_left ? length : s->header_left;

	s->header_left -= (uint16_t)n;
	if (s->header_left == 0)
		take(s, NULL, false);
	return n;
}

size_t receive_header(struct session *s, const uint8_t *data, size_t length)
{
	size_t before = s->line_length, n = length < PROXY_HEAD_MAX - before ? length : PROXY_HEAD_MAX - before;
	struct proxy_header header = {.length = 0};
	enum proxy_result result;

	if (s->header_left > 0)
		return skip(s, length);
	if (before > 0) {
		memcpy(s->line + before, data, n);
		data = (const uint8_t *)s->line;
	}
	result = proxy_parse(data, before + n, &header);
	if (result == PROXY_WRONG) {
		lost(s, "it began with something else than a PROXY header");
		return n;
	}
	if (result == PROXY_MORE) {
		if (before == 0 && !(s->line = pool_acquire(&s->shard->receiver->lines))) {
			receive_end(s, "out of memory");
			return n;
		}
		if (before == 0)
			memcpy(s->line, data, n);
		s->line_length = (uint16_t)(before + n);
		return n;
	}
	s->line_length = 0;
	receive_forget_line(s);
	n = header.length - before < n ? header.length - before : n;
	s->header_left = (uint16_t)(header.length - before - n);
	take(s, &header, result == PROXY_TOLD);
	return n;
}
