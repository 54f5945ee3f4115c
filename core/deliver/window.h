/*
 * core/deliver/window.h - how many messages may be in flight on one connection (MODE_CHUNKING).
 *
 * A host that answers late needs many: 64 messages and 50 ms of delay are 1,280 messages/s at most. A host that is
 * simply slow gains nothing from more, and what is in flight when a connection breaks is sent again. So the window
 * starts small, and grows only while growing makes the answers come faster:
 *
 *     STEADY --limited, a round measured--> SETTLING --a round--> TRYING --a round measured--+
 *       ^ ^                                    ^                                             |
 *       | |                                    +------------- 1.3 times as fast -------------+
 *       | +-------- no faster: back to the window before, and no further try for a while ----+
 *
 * It is doubled, and made four times as large where the growth before made the answers as much faster: then only the
 * distance limits them. Of a step of four that helps by less than two of 1.3 would have, half is kept. A round is a
 * window's worth of answers and at least WINDOW_ROUND_NS; the one after a growth is the window's before, which was in
 * flight then. A round in which the window was not what limited the connection says nothing.
 */
#ifndef POSTRIDER_DELIVER_WINDOW_H
#define POSTRIDER_DELIVER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { WINDOW_START = 64, WINDOW_ROUND_NS = 20000000 };
#define WINDOW_HOLD_NS UINT64_C(5000000000)

enum window_state { WINDOW_STEADY, WINDOW_SETTLING, WINDOW_TRYING };

struct window {
	enum window_state state;
	unsigned limit, most; /* messages */
	unsigned before;      /* the limit before the try */
	unsigned answers;     /* in this round */
	bool limited;         /* in this round: something waited for room */
	uint64_t since_ns;    /* the round's beginning */
	uint64_t rate;        /* answers in 1,000 s before the try */
	uint64_t hold_ns;     /* no try before */
};

/* `most` >= 1; starts with `learned` on an earlier connection, with WINDOW_START if that is less (0: nothing). */
void window_init(struct window *w, unsigned learned, unsigned most, uint64_t now_ns);
/* Something could have been sent, had the window been larger. */
static inline void window_limited(struct window *w)
{
	w->limited = true;
}
/* A message was answered. */
void window_answered(struct window *w, uint64_t now_ns);

#endif
