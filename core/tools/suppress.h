/*
 * core/tools/suppress.h - `postrider suppress`: the list of addresses that no mail goes to, edited and shown. A relay
 * that runs takes over what was changed within a second.
 */
#ifndef POSTRIDER_TOOLS_SUPPRESS_H
#define POSTRIDER_TOOLS_SUPPRESS_H

/* Answers the exit status. */
int suppress_command(int argc, char **argv);

#endif
