/*
 * core/relay/certificates.h - the relay's own certificates while it runs: renewed files are noticed and used, and an
 * end that comes near is told.
 *
 * Files are looked at every two seconds, by what the system says of them; when they are as they were a look before, and
 * not as they were when they were read, the listeners' contexts are made anew. A pair that cannot be used changes
 * nothing: what was there before goes on, and it is told once. Sessions keep what they began with.
 */
#ifndef POSTRIDER_RELAY_CERTIFICATES_H
#define POSTRIDER_RELAY_CERTIFICATES_H

#include <stddef.h>
#include <stdint.h>

struct log;
struct relay;

struct certificates {
	uint64_t look_ns, dates_ns; /* when next */
	uint64_t seen, refused;     /* files as they were at the last look; as they could not be used */
	struct certificate_told *told;
	size_t told_count;
};

/* Looks, if it is time; `wall_s`: seconds since 1970. Always from one thread, that of reloads. */
void certificates_look(struct certificates *certificates, struct relay *relay, uint64_t now_ns, int64_t wall_s,
		       struct log *log);
void certificates_deinit(struct certificates *certificates);

#endif
