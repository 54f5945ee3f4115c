/*
 * core/relay/window.c - see window.h.
 */
#include "core/relay/window.h"

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

static void double_it(struct window *w, uint64_t rate)
{
	w->rate = rate;
	w->limit = w->limit > w->most / 2 ? w->most : 2 * w->limit;
	w->state = WINDOW_SETTLING;
}

/* The end of a round in which the window was full all along. */
static void judge(struct window *w, uint64_t rate, uint64_t now_ns)
{
	switch (w->state) {
	case WINDOW_STEADY:
		if (w->limit < w->most && now_ns >= w->hold_ns)
			double_it(w, rate);
		break;
	case WINDOW_SETTLING:
		w->state = WINDOW_TRYING;
		break;
	case WINDOW_TRYING:
		if (rate >= w->rate + w->rate * 3 / 10) {
			w->state = WINDOW_STEADY;
			judge(w, rate, now_ns);
		} else {
			w->limit = w->limit / 2 < WINDOW_START ? WINDOW_START : w->limit / 2;
			w->state = WINDOW_STEADY;
			w->hold_ns = now_ns + WINDOW_HOLD_NS;
		}
		break;
	}
}

void window_answered(struct window *w, uint64_t now_ns)
{
	uint64_t elapsed = now_ns - w->since_ns;

	w->answers++;
	if (w->answers < w->limit || elapsed < WINDOW_ROUND_NS)
		return;
	if (w->limited)
		judge(w, w->answers * CLOCK_NS_PER_S / elapsed, now_ns);
	w->answers = 0;
	w->limited = false;
	w->since_ns = now_ns;
}
