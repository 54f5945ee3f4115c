/*
 * core/tools/incidents.h - `postrider incidents`: what is wrong now, since when, and what to do about it.
 */
#ifndef POSTRIDER_TOOLS_INCIDENTS_H
#define POSTRIDER_TOOLS_INCIDENTS_H

/* The exit status: 0: none is open, 1: some are. */
int incidents_command(int argc, char **argv);

#endif
