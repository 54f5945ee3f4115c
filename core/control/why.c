/*
 * core/control/why.c - GET /v1/destinations/NAME/why: what keeps mail of a destination from going now. Each shard says
 * what its lanes are at; here it becomes sentences, the one that stops most first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/control/inquiry.h"
#include "core/deliver/hold.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/outbound.h"
#include "core/deliver/slots.h"
#include "core/relay/ceiling.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"

enum { HOSTS = 8, LANES = 32, TEXT = 256, ANSWER_S = 2 };

struct why_host {
	char name[TEXT];
	unsigned failures;
	uint64_t blocked_ns; /* for so long; 0: it is not */
	bool held, unknown;  /* `unknown`: it has a name, and no address for it */
};

/* A lane, as it was when it was looked at. */
struct why_lane {
	size_t ready, deferred;
	unsigned connections, connecting, most, taken;
	uint64_t limited_ns, due_ns; /* for so long; UINT64_MAX: nothing waits for a time */
	bool suspended, away, site, slot_wanted;
	enum mailbox_use mailboxes;
	bool signs_in;
	char failure[TEXT];
	struct why_host hosts[HOSTS];
	unsigned host_count;
};

struct why {
	struct inquiry_part part;
	bool known, mx;
	char ceiling[512];
	struct why_lane *lanes; /* owned */
	unsigned lane_count, more;
	unsigned at; /* of deliverer_next() */
	bool began, no_memory;
};

/* ---- on a shard ------------------------------------------------------------------------------------------------- */

static uint64_t in_ns(const struct shard *shard, uint64_t then_ns)
{
	return then_ns > shard->now_ns ? then_ns - shard->now_ns : 0;
}

static void take_host(const struct shard *shard, struct why_lane *lane, const struct host *host)
{
	struct why_host *one = &lane->hosts[lane->host_count++];

	snprintf(one->name, sizeof(one->name), "%s", host->config->text);
	one->failures = host->failures;
	one->blocked_ns = in_ns(shard, host->blocked_until_ns);
	one->held = host->hold && hold_in_force(host->hold);
	one->unknown = host->addresses.count == 0;
}

static void take_lane(const struct shard *shard, struct why_lane *lane, const struct outbound *o)
{
	uint64_t due_ns = lane_next_due_ns(&o->lane);

	*lane = (struct why_lane){
		.ready = o->lane.ready.count + o->matching.waiting,
		.deferred = o->lane.heap_count,
		.connections = o->connection_count,
		.connecting = o->connecting,
		.most = o->most,
		.taken = atomic_load_explicit(&o->slots->taken, memory_order_relaxed),
		.limited_ns = in_ns(shard, o->limited_until_ns),
		.due_ns = due_ns == UINT64_MAX ? UINT64_MAX : in_ns(shard, due_ns),
		.suspended = o->suspended,
		.away = o->away,
		.site = o->mx != NULL,
		.slot_wanted = o->slot_wanted,
		.signs_in = o->mailboxes != NULL,
		.mailboxes = o->mailboxes ? mailbox_use(o->mailboxes, NULL) : MAILBOXES_USABLE,
	};
	snprintf(lane->failure, sizeof(lane->failure), "%s", o->failure);
	for (size_t i = 0; i < o->host_count && lane->host_count < HOSTS; i++)
		take_host(shard, lane, o->hosts[i]);
}

static void begin(struct why *why, struct shard *shard, const char *name)
{
	why->began = true;
	why->at = deliverer_first(shard->deliverer);
	why->lanes = calloc(LANES, sizeof(*why->lanes));
	why->no_memory = !why->lanes;
	for (size_t i = 0; i < shard->config->destination_count; i++) {
		const struct config_destination *destination = &shard->config->destinations[i];
		if (strcmp(destination->name, name) != 0 || destination->gone)
			continue;
		why->known = true;
		why->mx = destination->mx;
		if (!ceiling_text(destination, why->ceiling, sizeof(why->ceiling)))
			snprintf(why->ceiling, sizeof(why->ceiling),
				 "destination \"%.64s\" takes at most %u connections, and nothing else limits it",
				 destination->name, config_connections(destination));
	}
}

/* Those of sites without mail say nothing. */
static bool of_interest(const struct outbound *o, const char *name)
{
	return o->shard && o->destination && strcmp(o->destination->name, name) == 0 &&
	       (!o->mx || outbound_waiting(o) > 0);
}

static enum visit_step look(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	struct why *why = container_of(inquiry_part_of(visit), struct why, part);
	const char *name = inquiry_question(&why->part);
	struct visit_slice slice = {.until_ns = until_ns};

	if (!why->began)
		begin(why, shard, name);
	for (; !why->no_memory && why->known && why->at < deliverer_end(shard->deliverer);
	     why->at = deliverer_next(shard->deliverer, why->at)) {
		const struct outbound *o = &shard->deliverer->outbound[why->at];
		if (shard->draining || !inquiry_wanted(&why->part))
			break;
		if (visit_spent(&slice))
			return VISIT_MORE;
		if (!of_interest(o, name))
			continue;
		if (why->lane_count < LANES)
			take_lane(shard, &why->lanes[why->lane_count++], o);
		else
			why->more++;
	}
	return VISIT_DONE;
}

static void release(struct inquiry_part *part)
{
	free(container_of(part, struct why, part)->lanes);
}

/* ---- sentences -------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static void say(json_t *list, const char *by, uint64_t for_ns, const char *format,
						      ...)
{
	char text[1024];
	va_list arguments;
	size_t i;
	json_t *one;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* Shards find the same out, each for itself. */
	json_array_foreach(list, i, one)
	{
		if (strcmp(json_string_value(json_object_get(one, "say")), text) == 0)
			return;
	}
	json_array_append_new(list, json_pack("{ss so so}", "by", by, "say", request_text(span_text(text)), "until",
					      for_ns ? request_time(clock_wall_ns() + for_ns) : json_null()));
}

static void say_host(json_t *list, const struct why_lane *lane, const struct why_host *host)
{
	if (host->held)
		say(list, "set_up", host->blocked_ns,
		    "%s refuses what this relay is or how it is set up; one message is tried from time to time: see "
		    "setup_refused in the events, and postrider doctor",
		    host->name);
	else if (host->unknown && host->blocked_ns)
		say(list, "dns", host->blocked_ns, "no address of %s is known: see name_failed in the events",
		    host->name);
	else if (host->blocked_ns)
		say(list, "back_off", host->blocked_ns, "%s failed %u times in a row, and is left alone: %s",
		    host->name, host->failures, lane->failure[0] ? lane->failure : "see host_failed in the events");
}

static void say_lane(json_t *list, const struct why_lane *lane)
{
	if (lane->suspended)
		say(list, "suspended", 0, "an operator has suspended it: postrider destination list says who and why");
	if (lane->signs_in && lane->mailboxes != MAILBOXES_USABLE)
		say(list, "sign_in", 0, "%s",
		    lane->mailboxes == MAILBOXES_STOPPED ? "nobody can sign in there, and somebody has to act: see "
							   "mailbox_refused in the events, and "
							   "postrider credentials status"
							 : "nobody can sign in there for the moment");
	for (unsigned i = 0; i < lane->host_count; i++)
		say_host(list, lane, &lane->hosts[i]);
	if (lane->limited_ns)
		say(list, "limits", lane->limited_ns, "its limits let nothing more go before");
	if (lane->away)
		say(list, "fallback", 0, "its mail goes by its fallback meanwhile");
	if (lane->ready > 0 && lane->most > 0 && lane->taken >= lane->most)
		say(list, "connections", 0, "all of the %u connections that it may have are in use", lane->most);
}

struct sums {
	json_int_t ready, deferred, connections, connecting, more;
	uint64_t due_ns;
	bool known, mx;
	const char *ceiling;
};

static void add_up(struct sums *sums, json_t *list, const struct why *why)
{
	sums->known |= why->known;
	sums->mx |= why->mx;
	sums->more += why->more;
	if (why->known)
		sums->ceiling = why->ceiling;
	for (unsigned i = 0; i < why->lane_count; i++) {
		const struct why_lane *lane = &why->lanes[i];
		sums->ready += (json_int_t)lane->ready;
		sums->deferred += (json_int_t)lane->deferred;
		sums->connections += lane->connections;
		sums->connecting += lane->connecting;
		if (lane->due_ns < sums->due_ns)
			sums->due_ns = lane->due_ns;
		say_lane(list, lane);
	}
}

static json_t *answer_json(const struct sums *sums, json_t *list, const char *name, json_t *missing)
{
	if (json_array_size(list) == 0 && sums->ready == 0 && sums->deferred > 0)
		say(list, "retry", sums->due_ns,
		    "all that is here was refused for now, and waits for its next attempt");
	else if (json_array_size(list) == 0)
		say(list, "nothing", 0,
		    sums->ready > 0 ? "nothing: mail goes as fast as the next hop takes it" : "nothing waits here");
	return json_pack("{so so ss sI sI sI sI so sI so}", "destination", request_text(span_text(name)), "limited",
			 list, "ceiling", sums->ceiling, "ready", sums->ready, "deferred", sums->deferred,
			 "connections", sums->connections, "connecting", sums->connecting, "due",
			 sums->due_ns == UINT64_MAX ? json_null() : request_time(clock_wall_ns() + sums->due_ns),
			 "left_out", sums->more, "missing", missing);
}

void handle_why(struct control_request *request)
{
	static const struct inquiry_kind kind = {
		.size = sizeof(struct why), .fn = look, .release = release, .forget = free};
	unsigned shards = request->desk->relay->shard_count;
	char *name = strdup(request->argument);
	struct inquiry *inquiry = name ? inquiry_new(request->desk, &kind, name) : NULL;
	json_t *list = json_array(), *missing = json_array();
	struct sums sums = {.due_ns = UINT64_MAX, .ceiling = ""};

	if (!inquiry || !list || !missing) {
		if (!inquiry)
			free(name);
		else
			inquiry_end(inquiry);
		json_decref(list);
		json_decref(missing);
		request_answer(request, ANSWER_OK, NULL);
		return;
	}
	inquiry_ask_all(inquiry);
	(void)inquiry_wait(inquiry, ANSWER_S * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < shards; i++) {
		struct inquiry_part *part = inquiry_part(inquiry, i);
		if (part)
			add_up(&sums, list, container_of(part, struct why, part));
		else
			json_array_append_new(missing, json_integer(i));
	}
	if (sums.known || json_array_size(missing) > 0) {
		request_answer(request, ANSWER_OK, answer_json(&sums, list, request->argument, missing));
	} else {
		request_fail(request, ANSWER_NOT_FOUND, "there is no destination \"%.64s\" in the configuration",
			     request->argument);
		json_decref(list);
		json_decref(missing);
	}
	inquiry_end(inquiry);
}
