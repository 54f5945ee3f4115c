/*
 * core/deliver/steer_private.h - what steer_job.c (many) needs of steer.c (one).
 */
#ifndef POSTRIDER_DELIVER_STEER_PRIVATE_H
#define POSTRIDER_DELIVER_STEER_PRIVATE_H

#include "core/deliver/steer.h"

struct delivery;

/* One of deliverer->deleting, and what else of its mail is back from attempts, ends. False: not now; it stays there. */
bool steer_back(struct shard *shard, struct delivery *d);

#endif
