/*
 * core/control/handlers.c - see handlers.h.
 */
#include "core/control/handlers.h"

#include <string.h>

#include "core/control/desk.h"

static const struct control_handler handlers[] = {
	{"GET", "/metrics", CONTROL_VIEW, handle_metrics},
	{"GET", "/healthz", CONTROL_ANYBODY, handle_healthz},
	{"GET", "/readyz", CONTROL_ANYBODY, handle_readyz},
	{"GET", "/v1/status", CONTROL_VIEW, handle_status},
	{"GET", "/v1/stats", CONTROL_VIEW, handle_stats},
	{"GET", "/v1/devices", CONTROL_VIEW, handle_devices},
	{"GET", "/v1/errors", CONTROL_VIEW, handle_errors},
	{"GET", "/v1/queue/messages", CONTROL_VIEW, handle_queue_list},
	{"GET", "/v1/queue/ids", CONTROL_VIEW, handle_queue_ids},
	{"GET", "/v1/queue/messages/*", CONTROL_VIEW, handle_queue_show},
	{"GET", "/v1/queue/messages/*/content", CONTROL_OPERATE, handle_queue_content},
	{"GET", "/v1/queue/summary", CONTROL_VIEW, handle_queue_summary},
	{"POST", "/v1/queue/hold", CONTROL_OPERATE, handle_queue_hold},
	{"POST", "/v1/queue/release", CONTROL_OPERATE, handle_queue_release},
	{"POST", "/v1/queue/retry", CONTROL_OPERATE, handle_queue_retry},
	{"POST", "/v1/queue/delete", CONTROL_OPERATE, handle_queue_delete},
	{"POST", "/v1/destinations/*/suspend", CONTROL_OPERATE, handle_suspend},
	{"POST", "/v1/destinations/*/resume", CONTROL_OPERATE, handle_resume},
	{"GET", "/v1/destinations/*/why", CONTROL_VIEW, handle_why},
	{"POST", "/v1/reload", CONTROL_OPERATE, handle_reload},
	{"GET", "/v1/incidents", CONTROL_VIEW, handle_incidents},
	{"GET", "/v1/incidents/over", CONTROL_VIEW, handle_incidents_over},
	{"GET", "/v1/suspensions", CONTROL_VIEW, handle_suspensions},
	{"GET", "/v1/trace", CONTROL_VIEW, handle_trace},
	{"GET", "/v1/trace/*", CONTROL_VIEW, handle_trace_one},
	{"GET", "/v1/explain", CONTROL_VIEW, handle_explain},
	{"GET", "/v1/resources", CONTROL_VIEW, handle_resources},
	{"GET", "/v1/events", CONTROL_VIEW, handle_events},
	{"POST", "/v1/bundle", CONTROL_OPERATE, handle_bundle},
	{"GET", "/v1/sheet", CONTROL_VIEW, handle_sheet},
	{"GET", "/v1/profiles", CONTROL_VIEW, handle_profiles},
	{"GET", "/v1/doctor", CONTROL_VIEW, handle_doctor},
	{"POST", "/v1/doctor", CONTROL_OPERATE, handle_doctor_run},
	{"POST", "/v1/page", CONTROL_OPERATE, handle_link},
};

/* `*` is one segment that is not empty. */
static bool fits(const char *pattern, const char *path, char argument[], size_t size)
{
	argument[0] = '\0';
	while (*pattern == *path && *pattern != '\0' && *pattern != '*') {
		pattern++;
		path++;
	}
	if (*pattern == '*') {
		size_t length = strcspn(path, "/");
		if (length == 0 || length >= size)
			return false;
		memcpy(argument, path, length);
		argument[length] = '\0';
		pattern++;
		path += length;
	}
	return strcmp(pattern, path) == 0;
}

/* HEAD is a GET whose body stays here (RFC 9110 9.3.2); the library sends none. */
static bool takes(const struct control_handler *handler, const char *method)
{
	return strcmp(handler->method, strcmp(method, "HEAD") == 0 ? "GET" : method) == 0;
}

static const struct control_handler *find_in(const struct control_handler *list, size_t count,
					     struct control_request *request, bool *known)
{
	for (size_t i = 0; i < count; i++) {
		if (!fits(list[i].path, request->path, request->argument, sizeof(request->argument)))
			continue;
		if (takes(&list[i], request->method))
			return &list[i];
		request->allow = list[i].method;
		*known = true;
	}
	return NULL;
}

const struct control_handler *handlers_find(struct control_request *request, bool *known)
{
	const struct control_more *more = request->desk ? request->desk->more : NULL;
	const struct control_handler *found;

	*known = false;
	found = find_in(handlers, sizeof(handlers) / sizeof(handlers[0]), request, known);
	request->page = false;
	if (found || *known || !more)
		return found;
	found = find_in(more->handlers, more->count, request, known);
	request->page = found || *known;
	return found;
}
