/*
 * core/control/within.c - see within.h.
 */
#include "core/control/within.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"

static void run(struct control_request *request)
{
	uint64_t began_ns = clock_monotonic_ns();
	const struct control_handler *handler;
	bool known;

	handler = handlers_find(request, &known);
	if (!handler)
		request_fail(request, ANSWER_NOT_FOUND, "this version of postrider does not know that path");
	else if (handler->role > request->role)
		request_fail(request, ANSWER_FORBIDDEN, "you may look and not act");
	else
		handler->fn(request);
	if (!request->answer)
		request_answer(request, ANSWER_UNAVAILABLE, NULL);
	if (handler && handler->role == CONTROL_OPERATE)
		request->desk->tell(request, began_ns);
}

json_t *within_ask(const struct control_request *outer, const char *method, const char *path,
		   const struct request_given *values, json_t *body, unsigned *status)
{
	static const struct request_given none[] = {{NULL, NULL}};
	struct control_request inner = {.desk = outer->desk,
					.method = method,
					.path = path,
					.peer = outer->peer,
					.remote = outer->remote,
					.address = outer->address,
					.proxied = outer->proxied,
					.proxy = outer->proxy,
					.by = outer->by,
					.role = outer->role,
					.given = values ? values : none};

	memcpy(inner.user, outer->user, sizeof(inner.user));
	inner.body = body ? json_dumps(body, JSON_COMPACT) : NULL;
	inner.body_length = inner.body ? strlen(inner.body) : 0;
	if (!body || inner.body)
		run(&inner);
	json_decref(body);
	free(inner.body);
	*status = inner.answer ? inner.status : ANSWER_UNAVAILABLE;
	return inner.answer;
}

json_t *within_get(const struct control_request *outer, const char *path, const struct request_given *values)
{
	unsigned status;

	return within_ask(outer, "GET", path, values, NULL, &status);
}
