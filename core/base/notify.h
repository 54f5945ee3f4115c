/*
 * core/base/notify.h - what a service manager is told: sd_notify(3)'s protocol, without its library.
 *
 * The manager names a datagram socket in NOTIFY_SOCKET; each datagram is lines of KEY=VALUE. Nobody there is no error:
 * the program runs by hand, too. Never blocks: a manager that does not read loses a line of status.
 */
#ifndef POSTRIDER_BASE_NOTIFY_H
#define POSTRIDER_BASE_NOTIFY_H

#include <stdbool.h>

/* Whether a service manager listens. */
bool notify_wanted(void);
/* 0: told, or nobody listens. A negative errno: the manager did not get it. */
int notify(const char *state);

#endif
