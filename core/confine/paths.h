/*
 * core/confine/paths.h - which files the process may still open: Landlock.
 *
 * The kernel holds this thread, and those that it starts, to a list of directories, whole trees each. Directories and
 * not files, because everything that is renewed is renewed by a rename: certificates, resolv.conf, the configuration.
 * Of each path in the configuration there is the directory that it is in, and, where links are on the way, the
 * directories that these are in and lead to, so that who swaps a link renews a certificate as well. What is written is
 * the spool, and what place_written() of paths.c has.
 *
 * It cannot be undone or widened: a reload that names a path elsewhere is refused (paths_inside(),
 * paths_not_writable()).
 */
#ifndef POSTRIDER_CONFINE_PATHS_H
#define POSTRIDER_CONFINE_PATHS_H

#include <stdbool.h>
#include <stddef.h>

struct config;

enum paths_state {
	PATHS_OFF,     /* not wished for */
	PATHS_LACKING, /* this kernel has no Landlock, or has it switched off */
	PATHS_HELD,
};

/* Makes the directories that are written and are not there, but for the control socket's, in those that they are to be
 * in, as who we are: what is made behind paths_hold() is granted to nobody. */
void paths_make(const struct config *config);
/* Those that it could not make; without the spool, as there is no start without it. */
struct paths_missing {
	char *directory;
	int error; /* errno */
};
const struct paths_missing *paths_missing(size_t *count);
/* What paths_hold() would come to, without its being done. */
bool paths_can_be_held(void);
/* Before there is a second thread. */
enum paths_state paths_hold(const struct config *config);
/* Whether the file may be read, as links lead now. True where nothing is held. */
bool paths_inside(const char *path);
/* The first place of `config` that would have to be written and may not be; NULL: all may. Static memory. */
const char *paths_not_writable(const struct config *config);

#endif
