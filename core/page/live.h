/*
 * core/page/live.h - what changes on a page while it is open: texts by a key, the same when it is rendered and when it
 * is streamed. A destination's state in one word, and how the relay is in one sentence.
 */
#ifndef POSTRIDER_PAGE_LIVE_H
#define POSTRIDER_PAGE_LIVE_H

#include <jansson.h>

#include "core/page/frame.h"
#include "core/page/pulse.h"
#include "core/page/shown.h"

struct live_state {
	enum frame_tone tone;
	const char *word; /* static */
};

/* Of a destination, as /v1/stats has it. */
struct live_state live_destination(const json_t *destination);

struct live_sentence {
	enum frame_tone tone;
	char text[400];
};
/* `ready`: what /readyz has said: 200, or not and a sentence; NULL: it was not asked. */
void live_sentence(const struct pulse_view *view, const char *not_ready, struct live_sentence *out);

/* {"texts": {KEY: TEXT}, "states": {DESTINATION: [TONE, WORD]}, "sentence": [TONE, TEXT], "numbers": {"t", "in", "out",
 * "queued"}} for a stream. NULL without memory. */
json_t *live_json(const struct pulse_view *view, const char *not_ready);

#endif
