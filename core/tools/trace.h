/*
 * core/tools/trace.h - `postrider trace`: the life of each message, from the trace's file alone.
 *
 * Exit status: 0; 1: nothing was found; 64: a wrong command line; 66: there is no file that can be read; 74: standard
 * output cannot be written; 78: a configuration that cannot be used, or keeps no trace.
 */
#ifndef POSTRIDER_TOOLS_TRACE_H
#define POSTRIDER_TOOLS_TRACE_H

/* argv[0] is "trace". */
int trace_command(int argc, char **argv);

#endif
