/*
 * core/tools/state.h - `postrider status`: does it run, and how does it go?
 */
#ifndef POSTRIDER_TOOLS_STATE_H
#define POSTRIDER_TOOLS_STATE_H

int status_command(int argc, char **argv);
/* `postrider stats`: what was counted since the start, and what each destination is at. */
int stats_command(int argc, char **argv);
/* `postrider why DESTINATION`: what keeps its mail from going. */
int why_command(int argc, char **argv);

#endif
