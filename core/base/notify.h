/*
 * core/base/notify.h - what a service manager is told: sd_notify(3)'s protocol, without its library.
 *
 * The manager names a datagram socket in NOTIFY_SOCKET; each datagram is lines of KEY=VALUE. Nobody there is no error:
 * the program runs by hand, too. Never blocks: a manager that does not read loses a line of status.
 */
#ifndef POSTRIDER_BASE_NOTIFY_H
#define POSTRIDER_BASE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a service manager listens. */
bool notify_wanted(void);
/* 0: told, or nobody listens. A negative errno: the manager did not get it. */
int notify(const char *state);
/* The process is well (WatchdogSec= of systemd.service(5)). Nothing where the manager does not ask this process. */
void notify_well(void);

/*
 * The manager's descriptor store: what it keeps for the next process, and hands over at its start (handed.h). It keeps
 * copies, so these stay the caller's; one that it has already is kept once. How many it takes is its unit's
 * FileDescriptorStoreMax=; beyond that it keeps none, and does not say so.
 */
int notify_keep(const char *name, const int *fds, size_t count);
/* Closes its copies of that name, and returns when it has, but waits a second at most. */
int notify_forget(const char *name);

#endif
