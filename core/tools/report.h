/*
 * core/tools/report.h - `postrider report --since TIME`: what came and what became of it, in figures, from the trace.
 *
 * Exit status: 0; 1: there was nothing in that time; 64: a wrong command line; 66: there is no file that can be read;
 * 74: standard output cannot be written; 78: a configuration that cannot be used, or keeps no trace.
 */
#ifndef POSTRIDER_TOOLS_REPORT_H
#define POSTRIDER_TOOLS_REPORT_H

/* argv[0] is "report". */
int report_command(int argc, char **argv);

#endif
