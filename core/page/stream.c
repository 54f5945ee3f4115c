/*
 * core/page/stream.c - GET /page/stream: the newest numbers, once a second, as server-sent events (WHATWG HTML, 9.2).
 *
 * Each watcher has the thread of its connection, which waits for numbers, writes them, and waits for the socket: a slow
 * one keeps nobody but itself, and the numbers it missed are kept nowhere. CONTROL_ANSWER_S ends each stream; a browser
 * asks again by itself, and is asked then who it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control/desk.h"
#include "core/control/within.h"
#include "core/page/live.h"
#include "core/page/page.h"
#include "core/page/pulse.h"

struct stream {
	struct desk *desk;
	struct pulse *pulse;
	uint64_t seen;
	char *text; /* owned; what is being written */
	size_t length, sent;
	unsigned silent; /* times that there was nothing */
};

enum { SILENT_MOST = 8 };

static void take(struct stream *stream, const struct pulse_view *view)
{
	const struct control_request asker = {.desk = stream->desk, .role = CONTROL_VIEW};
	unsigned status;
	json_t *ready = within_ask(&asker, "GET", "/readyz", NULL, NULL, &status),
	       *json = live_json(view, status == ANSWER_OK ? NULL : shown_text(ready, "text"));
	char *data = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int length = data ? asprintf(&stream->text, "data: %s\n\n", data) : -1;

	if (length < 0)
		stream->text = NULL;
	stream->length = length < 0 ? 0 : (size_t)length;
	stream->sent = 0;
	free(data);
	json_decref(json);
	json_decref(ready);
}

/* False: nothing is to be said yet. */
static bool fill(struct stream *stream)
{
	struct pulse_view view;

	free(stream->text);
	stream->text = NULL;
	stream->length = stream->sent = 0;
	if (pulse_next(stream->pulse, &stream->seen, &view)) {
		take(stream, &view);
		pulse_view_free(&view);
		stream->silent = 0;
	} else if (++stream->silent >= SILENT_MOST) {
		/* A comment: so that who has gone is noticed. */
		stream->text = strdup(":\n\n");
		stream->length = stream->text ? 3 : 0;
		stream->silent = 0;
	}
	return stream->length > 0;
}

static ssize_t read_stream(void *context, char *out, size_t size)
{
	struct stream *stream = context;

	bool there = stream->sent < stream->length || fill(stream);

	if (desk_stops(stream->desk))
		return 0;
	if (!there)
		return REQUEST_LATER;
	if (size > stream->length - stream->sent)
		size = stream->length - stream->sent;
	memcpy(out, stream->text + stream->sent, size);
	stream->sent += size;
	return (ssize_t)size;
}

static void end(void *context)
{
	struct stream *stream = context;

	pulse_leave(stream->pulse);
	free(stream->text);
	free(stream);
}

void page_stream(struct control_request *request)
{
	struct stream *stream;

	if (request->role < CONTROL_VIEW) {
		request_fail(request, ANSWER_FORBIDDEN, "sign in");
		return;
	}
	if (!pulse_watch(request->desk->more_context)) {
		request_fail(request, ANSWER_UNAVAILABLE, "%d watch already", PULSE_WATCHERS);
		return;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		pulse_leave(request->desk->more_context);
		return;
	}
	*stream = (struct stream){.desk = request->desk, .pulse = request->desk->more_context};
	request_stream(request, "text/event-stream", read_stream, end, stream);
}
