/*
 * core/receive/pace.c - how fast content must come, on the whole (DOS-01).
 *
 * limits.octets_per_second_min of octets buy a second, and at most timeouts.command in advance. The default is half of
 * what a modem of 9600 bit/s brings.
 */
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

/* The timer of content: when what the octets have bought is used up, or timeouts.data. */
static void pace_arm(struct session *s, uint64_t bought_ns)
{
	uint64_t now_ns = s->shard->now_ns;
	uint64_t left_ns = s->content_deadline_ns > now_ns ? s->content_deadline_ns - now_ns : 0;

	s->content_look_ns = now_ns + bought_ns;
	receive_arm_timer(s, bought_ns < left_ns ? bought_ns : left_ns);
}

void receive_pace_begin(struct session *s)
{
	const struct config *config = s->snapshot->config;

	s->content_deadline_ns = s->shard->now_ns + config->timeouts.data_ns;
	s->content_seen = s->transport.octets_in;
	pace_arm(s, config->timeouts.command_ns);
}

enum receive_pace receive_pace_look(struct session *s)
{
	uint64_t octets = s->transport.octets_in - s->content_seen;
	uint64_t most_ns = s->snapshot->config->timeouts.command_ns;
	uint64_t least = s->snapshot->config->limits.octets_per_second_min;

	if (s->shard->now_ns >= s->content_deadline_ns)
		return PACE_TIMEOUT;
	if (octets < least)
		return PACE_TOO_SLOW;
	s->content_seen = s->transport.octets_in;
	/* Without a minimum its time is up to the deadline. */
	pace_arm(s, octets < most_ns / CLOCK_NS_PER_S * least ? octets * CLOCK_NS_PER_S / least : most_ns);
	return PACE_GOOD;
}

/* While we do not read it is not the client that is slow. */
void receive_pace_stop(struct session *s)
{
	uint64_t now_ns = s->shard->now_ns, left_ns = s->content_look_ns > now_ns ? s->content_look_ns - now_ns : 0;

	pace_arm(s, UINT64_MAX - now_ns);
	s->content_look_ns = left_ns;
}

void receive_pace_go_on(struct session *s)
{
	if (receive_content_begun(s))
		list_append(&s->shard->receiver->content_readers, &s->place);
	pace_arm(s, s->content_look_ns);
}
