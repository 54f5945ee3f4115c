/*
 * core/relay/sockets_kept.h - listening sockets that outlive the process: the service manager's descriptor store
 * (sd_notify(3), FDSTORE) as listeners.h wants it.
 *
 * The sockets of all listeners are kept there from the start on, not at the stop: so they are there, with whoever waits
 * in them, also when the process is killed. The next process gets them with its start (core/base/handed.h). Without a
 * manager nothing of this happens, and a listener closes with its process.
 */
#ifndef POSTRIDER_RELAY_SOCKETS_KEPT_H
#define POSTRIDER_RELAY_SOCKETS_KEPT_H

#include <stddef.h>

#include "core/base/handed.h"
#include "core/base/log.h"

struct relay;

/* What was handed over is the relay's listeners' to take. Before shards start. */
void sockets_kept_begin(struct relay *relay, struct handed *handed);
/* When all have started and none runs: keeps what they have opened; tells of what was handed over and nobody took, and
 * where they cannot be kept. Returns how many were taken. */
size_t sockets_kept_started(struct relay *relay, struct log *log);
/* When a reload is taken: tells where what it has opened is not kept. */
void sockets_kept_followed(const struct relay *relay, struct log *log);

#endif
