/*
 * core/tools/ask_reload.h - the command `postrider reload`: has the process that runs take its configuration over anew.
 */
#ifndef POSTRIDER_TOOLS_ASK_RELOAD_H
#define POSTRIDER_TOOLS_ASK_RELOAD_H

struct config;

/* The exit status: 0, 78 where it was refused, 74 where there is no such process or it does not answer. */
int ask_reload(const struct config *config);
/* The same by the control socket (ask.h), for those who may use that; NULL: where it usually is. Or what ask.h answers
 * where nobody does. */
int ask_reload_by(const char *socket);

#endif
