/*
 * core/control/suspending.c - POST /v1/destinations/NAME/suspend and resume, GET /v1/suspensions
 * (core/deliver/suspend.h).
 *
 * The file is written by the thread of the request; then each shard looks, so that nothing is begun any more when it is
 * answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/control/inquiry.h"
#include "core/control/steering.h"
#include "core/deliver/mx.h"
#include "core/deliver/outbound.h"
#include "core/deliver/suspend.h"
#include "core/events/steering.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"

enum { ANSWER_S = 10, FOR_MOST_S = 366 * 86400 };

/* What shards are to look at, and the first of them tells. */
struct look {
	char destination[STEERING_NAME_MAX + 1], domain[MX_NAME_SIZE];
	char reason[STEERING_REASON_MAX + 1], who[STEERING_WHO];
	uint64_t for_s, ms;
	bool resumed;
};

static void tell(struct log *log, const struct look *look)
{
	const struct event_suspended facts = {
		.destination = look->destination,
		.domain = look->domain,
		.who = look->who,
		.reason = look->reason,
		.for_s = look->for_s,
	};

	if (look->resumed)
		event_destination_resumed(log, look->destination, look->domain, look->who, look->ms);
	else
		event_destination_suspended(log, &facts);
}

static enum visit_step visit(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	const struct look *look = inquiry_question(inquiry_part_of(visit));

	if (shard->index == 0)
		tell(shard->log, look);
	outbound_look(shard, look->destination, look->domain);
	return VISIT_DONE;
}

/* Shards that did not look are named: they will when they can. */
static void answer(struct control_request *request, const struct look *look)
{
	static const struct inquiry_kind asked = {.size = sizeof(struct inquiry_part), .fn = visit, .forget = free};
	struct look *question = malloc(sizeof(*question));
	unsigned shards = request->desk->relay->shard_count;
	struct inquiry *inquiry;
	json_t *missing;

	if (question)
		*question = *look;
	inquiry = question ? inquiry_new(request->desk, &asked, question) : NULL;
	if (!inquiry) {
		free(question);
		return;
	}
	inquiry_ask_all(inquiry);
	(void)inquiry_wait(inquiry, ANSWER_S * CLOCK_NS_PER_S);
	missing = json_array();
	for (unsigned s = 0; s < shards; s++) {
		if (!inquiry_part(inquiry, s))
			json_array_append_new(missing, json_integer(s));
	}
	inquiry_end(inquiry);
	request_answer(request, ANSWER_OK,
		       json_pack("{ss ss* so}", "destination", look->destination, "domain",
				 look->domain[0] ? look->domain : NULL, "missing", missing));
}

/* Which destination, and of it which domain. */
static bool take(struct control_request *request, const json_t *body, struct look *look)
{
	struct suspensions *all = &request->desk->relay->deliverers.suspensions;
	char address[STEERING_NAME_MAX + 3];
	const char *domain, *reason;
	bool mx = false;

	if (!steering_text(request, body, "domain", STEERING_NAME_MAX - 10, &domain) ||
	    !steering_text(request, body, "reason", STEERING_REASON_MAX, &reason))
		return false;
	snprintf(look->destination, sizeof(look->destination), "%s", request->argument);
	snprintf(look->reason, sizeof(look->reason), "%s", reason);
	steering_who(request, look->who);
	snprintf(address, sizeof(address), "x@%s", domain);
	if (domain[0] && !mx_domain(span_text(address), look->domain)) {
		request_fail(request, ANSWER_BAD, "\"%.60s\" is no domain", domain);
		return false;
	}
	if (look->resumed)
		return true;
	if (!suspend_knows(all, look->destination, &mx)) {
		request_fail(request, ANSWER_NOT_FOUND, "there is no destination %.60s", look->destination);
		return false;
	}
	if (domain[0] && !mx) {
		request_fail(
			request, ANSWER_BAD,
			"%.60s sends all its mail to the same hosts: a domain can only be suspended where mx: true",
			look->destination);
		return false;
	}
	return true;
}

static bool take_time(struct control_request *request, const json_t *body, struct look *look)
{
	const json_t *value = json_object_get(body, "for_s");

	if (!value || json_is_null(value))
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > FOR_MOST_S) {
		request_fail(request, ANSWER_BAD, "\"for_s\" is to be seconds, from 1 to %d", FOR_MOST_S);
		return false;
	}
	look->for_s = (uint64_t)json_integer_value(value);
	return true;
}

static void suspend(struct control_request *request, struct look *look)
{
	const struct suspend_order order = {
		.destination = look->destination,
		.domain = look->domain,
		.for_ns = look->for_s ? look->for_s * CLOCK_NS_PER_S : SUSPEND_FOR_EVER,
		.reason = look->reason,
		.who = look->who,
	};
	int r = suspend_begin(&request->desk->relay->deliverers.suspensions, &order);

	if (r == 0)
		answer(request, look);
	else if (r == -EXFULL)
		request_fail(request, ANSWER_CONFLICT, "%d are suspended: resume some first", SUSPEND_MAX);
	else
		request_fail(request, ANSWER_UNAVAILABLE, "it cannot be written beside the spools: %s", strerror(-r));
}

void handle_suspend(struct control_request *request)
{
	static const char *const keys[] = {"for_s", "reason", "domain", NULL};
	json_t *body = steering_body(request, keys);
	struct look look = {.resumed = false};

	if (body && take(request, body, &look) && take_time(request, body, &look))
		suspend(request, &look);
	json_decref(body);
}

void handle_resume(struct control_request *request)
{
	static const char *const keys[] = {"domain", "reason", NULL};
	json_t *body = steering_body(request, keys);
	struct look look = {.resumed = true};
	uint64_t since_ns = 0;
	int r;

	if (body && take(request, body, &look)) {
		r = suspend_end(&request->desk->relay->deliverers.suspensions, look.destination, look.domain,
				&since_ns);
		look.ms = since_ns / CLOCK_NS_PER_MS;
		if (r == 0)
			answer(request, &look);
		else if (r == -ENOENT)
			request_fail(request, ANSWER_NOT_FOUND, "%.60s%s%.60s is not suspended", look.destination,
				     look.domain[0] ? ", domain " : "", look.domain);
		else
			request_fail(request, ANSWER_UNAVAILABLE, "it cannot be written beside the spools: %s",
				     strerror(-r));
	}
	json_decref(body);
}

static void add(void *context, const struct suspension *one)
{
	json_array_append_new(context,
			      json_pack("{so so so so so so}", "destination", request_text(span_text(one->destination)),
					"domain", one->domain[0] ? request_text(span_text(one->domain)) : json_null(),
					"since", request_time(one->since_wall_ns), "until",
					request_time(one->until_wall_ns), "who", request_text(span_text(one->who)),
					"reason", request_text(span_text(one->reason))));
}

void handle_suspensions(struct control_request *request)
{
	json_t *list = json_array();

	if (list)
		suspend_each(&request->desk->relay->deliverers.suspensions, add, list);
	request_answer(request, ANSWER_OK, list ? json_pack("{so}", "suspensions", list) : NULL);
}
