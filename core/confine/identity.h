/*
 * core/confine/identity.h - whose process this is: `user` in the configuration, for hosts whose service manager does
 * not see to it.
 *
 * Called before there is a second thread and before anything was opened but the configuration and the lists that it
 * names, so that nothing else is read as root: what the user may read at the start is what it may read when a
 * certificate is renewed. It keeps CAP_NET_BIND_SERVICE, as the unit for systemd gives it, because a reload may want
 * another low port; no program that it starts has it.
 */
#ifndef POSTRIDER_CONFINE_IDENTITY_H
#define POSTRIDER_CONFINE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

struct config;

/* Becomes config->user, if that is given and we are root, makes the spool's directory and the control socket's where
 * they are not there, as the user's, and has no_new_privs set. 0, or -errno with a sentence. */
int identity_take(const struct config *config, char *problem, size_t size);
/* Root, and nobody said otherwise. */
bool identity_is_root(void);

#endif
