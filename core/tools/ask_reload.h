/*
 * core/tools/ask_reload.h - the command `postrider reload`: has the process that runs take its configuration over anew.
 *
 * With --config it is the process that has that configuration's spool; else the one that listens at the control socket
 * (ask.h), for those who may use that. Exit status: 0; 78 where it was refused, and the reason is said; 74 where there
 * is no such process or it does not answer, by the socket what ask.h answers then; 64 for wrong arguments.
 */
#ifndef POSTRIDER_TOOLS_ASK_RELOAD_H
#define POSTRIDER_TOOLS_ASK_RELOAD_H

/* argv[0] is "reload". */
int reload_command(int argc, char **argv);

#endif
