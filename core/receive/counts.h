/*
 * core/receive/counts.h - what a shard counts of a listener, as long as the process runs (core/shard/counts.h).
 */
#ifndef POSTRIDER_RECEIVE_COUNTS_H
#define POSTRIDER_RECEIVE_COUNTS_H

#include "core/base/counter.h"

struct listener_counts {
	counter sessions, sessions_refused;
	counter tls;                          /* handshakes that were completed */
	counter messages, recipients, octets; /* accepted */
	counter refused;                      /* recipients, and messages as a whole */
	counter signed_in, sign_ins_refused;
};

#endif
