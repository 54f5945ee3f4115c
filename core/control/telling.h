/*
 * core/control/telling.h - the events of who asks: of each act, and of who is refused over TCP.
 *
 * For any thread: a log has one writer, so there is a lock.
 */
#ifndef POSTRIDER_CONTROL_TELLING_H
#define POSTRIDER_CONTROL_TELLING_H

#include <pthread.h>
#include <stdint.h>

struct control_request;
struct log;

struct telling {
	pthread_mutex_t lock; /* of the rest */
	struct log *log;
	uint64_t refused_next_ns, refused_untold;
};

void telling_init(struct telling *telling, struct log *log);
void telling_deinit(struct telling *telling);
/* Of every act, taken or refused. */
void telling_act(struct telling *telling, const struct control_request *request, uint64_t began_ns);
/* Of passwords, certificates and words of proxies that were not good, and of what somebody may not: one a second, so
 * that who guesses does not fill the log. */
void telling_refused(struct telling *telling, const struct control_request *request);

#endif
