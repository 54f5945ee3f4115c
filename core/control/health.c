/*
 * core/control/health.c - GET /metrics, /healthz, /readyz: for programs that watch this one.
 *
 * /healthz asks no shard: whoever restarts what is not healthy must not do so for a disk that is slow.
 */
#include <stdio.h>
#include <string.h>

#include "core/control/desk.h"
#include "core/control/exposition.h"
#include "core/control/handlers.h"
#include "core/control/metrics.h"
#include "core/control/scrape.h"
#include "core/relay/relay.h"

void handle_metrics(struct control_request *request)
{
	bool open_metrics = exposition_wanted(request_header(request, "Accept"));
	size_t length;
	char *text = metrics_text(request->desk->scrape, open_metrics, &length);

	if (text)
		request_take_text(request, ANSWER_OK, exposition_type(open_metrics), text, length);
	else
		request_answer(request, ANSWER_UNAVAILABLE, NULL);
}

static void answer(struct control_request *request, const char *problem)
{
	static const char plain[] = "text/plain; charset=utf-8";
	char text[256];

	snprintf(text, sizeof(text), "%s\n", problem ? problem : "ok");
	request_take_text(request, problem ? ANSWER_UNAVAILABLE : ANSWER_OK, plain, strdup(text), strlen(text));
}

void handle_healthz(struct control_request *request)
{
	unsigned stuck = atomic_load_explicit(&request->desk->relay->stuck, memory_order_relaxed);

	answer(request, stuck > 0 ? "a shard hangs or spins: see shard_stuck in the events" : NULL);
}

void handle_readyz(struct control_request *request)
{
	const char *problem;

	scrape_begin(request->desk->scrape, false);
	problem = metrics_not_ready(request->desk->scrape);
	scrape_end(request->desk->scrape);
	answer(request, problem);
}
