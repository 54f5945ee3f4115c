/*
 * core/deliver/window.c - see window.h.
 */
#include "core/deliver/window.h"

#include <assert.h>

#include "core/base/clock.h"

void window_init(struct window *w, unsigned learned, unsigned most, uint64_t now_ns)
{
	unsigned start = learned > WINDOW_START ? learned : WINDOW_START;

	assert(most >= 1);
	*w = (struct window){
		.limit = most < start ? most : start,
		.most = most,
		.since_ns = now_ns,
	};
}

static void grow(struct window *w, unsigned factor, uint64_t rate)
{
	w->before = w->limit;
	w->rate = rate;
	w->limit = w->limit > w->most / factor ? w->most : factor * w->limit;
	w->state = WINDOW_SETTLING;
}

static void judge_try(struct window *w, uint64_t rate, uint64_t now_ns)
{
	bool helped = 10 * rate >= 13 * w->rate, by_two = w->limit <= 2 * w->before;

	w->state = WINDOW_STEADY;
	if (helped && (by_two || 100 * rate >= 169 * w->rate)) {
		/* Nine tenths of what the window grew by: a host that is late, and not yet at what it can do. */
		if (w->limit < w->most)
			grow(w, rate * w->before >= w->rate * w->limit / 10 * 9 ? 4 : 2, rate);
		return;
	}
	w->limit = helped ? 2 * w->before : w->before;
	w->hold_ns = now_ns + WINDOW_HOLD_NS;
}

/* The end of a round in which the window was full all along. */
static void judge(struct window *w, uint64_t rate, uint64_t now_ns)
{
	switch (w->state) {
	case WINDOW_STEADY:
		if (w->limit < w->most && now_ns >= w->hold_ns)
			grow(w, 2, rate);
		break;
	case WINDOW_SETTLING:
		w->state = WINDOW_TRYING;
		break;
	case WINDOW_TRYING:
		judge_try(w, rate, now_ns);
		break;
	}
}

void window_answered(struct window *w, uint64_t now_ns)
{
	uint64_t elapsed = now_ns - w->since_ns;
	unsigned round = w->state == WINDOW_SETTLING ? w->before : w->limit;

	w->answers++;
	if (w->answers < round || elapsed < WINDOW_ROUND_NS)
		return;
	if (w->limited)
		judge(w, w->answers * (1000 * CLOCK_NS_PER_S) / elapsed, now_ns);
	w->answers = 0;
	w->limited = false;
	w->since_ns = now_ns;
}
