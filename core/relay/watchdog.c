/*
 * core/relay/watchdog.c - see watchdog.h.
 */
#include "core/relay/watchdog.h"

#include "core/base/clock.h"

static bool in_order(const struct watchdog *w, const struct watchdog_sample *now)
{
	return now->turns != w->last.turns || now->waits_until_ns > now->now_ns;
}

/* The turns of a second at least; nothing to say before. */
static bool spins(struct watchdog *w, const struct watchdog_sample *now, bool *counted)
{
	uint64_t span_ns = now->now_ns - w->window.now_ns;
	uint64_t turns = now->turns - w->window.turns, empty = now->empty_turns - w->window.empty_turns;

	*counted = span_ns >= WATCHDOG_STUCK_MS * CLOCK_NS_PER_MS;
	if (!*counted)
		return false;
	w->window = *now;
	return empty / WATCHDOG_SPIN_TURNS >= span_ns / CLOCK_NS_PER_S && empty >= WATCHDOG_SPIN_TURNS &&
	       empty > WATCHDOG_SPIN_RATIO * (turns - empty);
}

static enum watchdog_state judge(struct watchdog *w, const struct watchdog_sample *now)
{
	/* A wait that is over counts from its end. */
	uint64_t since_ns = w->moved_ns > now->waits_until_ns ? w->moved_ns : now->waits_until_ns;
	bool counted;

	if (in_order(w, now))
		w->moved_ns = now->now_ns;
	else if (now->now_ns - since_ns >= WATCHDOG_STUCK_MS * CLOCK_NS_PER_MS)
		return WATCHDOG_HANGS;
	if (spins(w, now, &counted))
		return WATCHDOG_SPINS;
	/* Between two counts it is what it was; one that hung and goes on does so. */
	return w->state == WATCHDOG_SPINS && !counted ? WATCHDOG_SPINS : WATCHDOG_WELL;
}

struct watchdog_report watchdog_look(struct watchdog *w, const struct watchdog_sample *now)
{
	struct watchdog_report report = {false, w->state, 0};
	enum watchdog_state state;

	if (now->now_ns - w->last.now_ns > WATCHDOG_PAUSE_MS * CLOCK_NS_PER_MS) {
		w->last = w->window = *now;
		w->moved_ns = now->now_ns;
		return report;
	}
	state = judge(w, now);
	w->last = *now;
	report.ms = (now->now_ns - w->stuck_ns) / CLOCK_NS_PER_MS;
	if (state == w->state) {
		report.tell = state != WATCHDOG_WELL && now->now_ns - w->told_ns >= WATCHDOG_AGAIN_S * CLOCK_NS_PER_S;
	} else {
		report.tell = true;
		report.state = state;
		if (w->state == WATCHDOG_WELL) {
			w->stuck_ns = now->now_ns - WATCHDOG_STUCK_MS * CLOCK_NS_PER_MS;
			report.ms = WATCHDOG_STUCK_MS;
		}
	}
	w->state = state;
	if (report.tell)
		w->told_ns = now->now_ns;
	return report;
}
