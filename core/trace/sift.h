/*
 * core/trace/sift.h - which lines of the events' stream the trace keeps, decided from their first octets.
 *
 * With `auto`, the default, a site of ordinary size has all of its mail in the trace. While more than SIFT_BULK
 * messages a second come, it has what went wrong, and of what went well one message in SIFT_SAMPLE, chosen by its id,
 * whole. What was begun is finished: of a message that is kept, or that went wrong once, everything is.
 *
 * For the thread that writes the log.
 */
#ifndef POSTRIDER_TRACE_SIFT_H
#define POSTRIDER_TRACE_SIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sift_detail { SIFT_OFF, SIFT_PROBLEMS, SIFT_ALL, SIFT_AUTO };

enum { SIFT_BULK = 100, SIFT_SAMPLE = 1024, SIFT_WATCHED = 1 << 17 };

struct sift {
	enum sift_detail detail;
	uint64_t second;
	unsigned accepted; /* in this second */
	bool bulk;
	uint64_t left_out;              /* messages, since the start */
	uint32_t watched[SIFT_WATCHED]; /* by hash: messages of which everything is kept */
};

/* Now and then, at least once a second: the time, from any clock that only goes forward. */
void sift_tick(struct sift *sift, uint64_t second);
/* A line as core/base/log.c writes it, without its end. */
bool sift_line(struct sift *sift, const char *line, size_t length);

#endif
