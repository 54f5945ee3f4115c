/*
 * core/control/inquiry.h - a question to one shard or to all: visits that are sent together, and waited for.
 *
 *     inquiry = inquiry_new(request->desk, &kind, question);
 *     inquiry_ask_all(inquiry);
 *     inquiry_wait(inquiry, 2 * CLOCK_NS_PER_S);
 *     for each shard: part = inquiry_part(inquiry, shard)      NULL: it has not answered, and is named in the answer
 *     inquiry_end(inquiry);
 *
 * A part is a structure of the kind's, which begins with struct inquiry_part: the shard's thread alone has it from
 * inquiry_ask() until it is back. Question and parts stay where they are until all that was asked is back, also where
 * nobody waits any more; a visit looks whether somebody does (inquiry_wanted()), and ends early. In `question` nothing
 * may change meanwhile; what shards need of the configuration they take from their own snapshot.
 *
 * For threads beside the shards; an inquiry belongs to one of them.
 */
#ifndef POSTRIDER_CONTROL_INQUIRY_H
#define POSTRIDER_CONTROL_INQUIRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/shard/visit.h"

struct desk;
struct inquiry;
struct shard;

struct inquiry_part {
	struct visit visit;
	struct inquiry *inquiry;
	struct shard *shard;
	_Atomic(unsigned) steps; /* calls of fn */
	_Atomic(bool) back;
	bool asked;
};

struct inquiry_kind {
	size_t size; /* of a part; zeroed when it is asked */
	visit_fn *fn;
	void (*release)(
		struct inquiry_part *part); /* what it has; NULL: nothing. Of each that was asked, when it is back */
	void (*forget)(void *question);     /* NULL: the question is nobody's */
};

static inline struct inquiry_part *inquiry_part_of(struct visit *visit)
{
	return (struct inquiry_part *)((char *)visit - offsetof(struct inquiry_part, visit));
}

/* NULL without memory; then the question is the caller's still. */
struct inquiry *inquiry_new(struct desk *desk, const struct inquiry_kind *kind, void *question);
/* A shard may be asked again when it is back; then its part begins anew. */
void inquiry_ask(struct inquiry *inquiry, unsigned shard);
void inquiry_ask_all(struct inquiry *inquiry);
/* Until all that were asked are back. False: some are not. */
bool inquiry_wait(struct inquiry *inquiry, uint64_t wait_ns);
/* The same, but not for shards none of which has done anything of it for `still_ns`: what takes long may, and who is
 * stuck is not waited for. Nor where whoever asks has gone (request_gone()): he is looked for when it takes a second. A
 * `request` of NULL is nobody's. */
struct control_request;
bool inquiry_wait_moving(struct inquiry *inquiry, const struct control_request *request, uint64_t wait_ns,
			 uint64_t still_ns);
/* The shard's answer; NULL: it was not asked, or is not back. */
struct inquiry_part *inquiry_part(struct inquiry *inquiry, unsigned shard);
/* How many were asked and are not back; the first of them. */
unsigned inquiry_missing(struct inquiry *inquiry, unsigned *first);
void inquiry_end(struct inquiry *inquiry);

/* On the shards. */
void *inquiry_question(const struct inquiry_part *part);
bool inquiry_wanted(const struct inquiry_part *part);

/* For control.c: no shard runs any more, and nobody asks. */
void inquiries_end(struct desk *desk);

#endif
