/*
 * core/trace/replay.h - the trace told again as the events that it was made of, in the order of time.
 *
 * What a file of events has and the trace has not stays unsaid: connections of clients and next hops, and what
 * `sift.h` left out. Of an attempt for several recipients the trace knows how many it was for, and how each one's mail
 * stands now: so each is named in the attempt that can have done it, and those that were to be tried again in the ones
 * before.
 */
#ifndef POSTRIDER_TRACE_REPLAY_H
#define POSTRIDER_TRACE_REPLAY_H

#include "core/trace/search.h"

/* The fact and its texts are the reader's until he returns. False: no more. */
typedef bool replay_fn(void *context, const struct fact *fact);
/* Between two rows, when nothing of the trace is being read: the place to wait for others. False: no more. */
typedef bool replay_rest_fn(void *context);

/* What happened in that time, both included, also to messages that came before. Each attempt comes once for each of its
 * recipients, with that one alone. Rows are put in order first, in a file that SQLite makes for it where they are many.
 * While `fn` runs the trace is being read, and while that lasts the log beside it grows, until nothing more is written:
 * so who may have to wait, as for a pager, does it in `rest`. */
enum trace_status replay(struct search *search, uint64_t since_ms, uint64_t until_ms, replay_fn *fn,
			 replay_rest_fn *rest, void *context);

#endif
