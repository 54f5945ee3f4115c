/*
 * core/tools/explain.h - `postrider explain REPLY`: what a refusal means, what the relay does for it, and what to do.
 *
 * By the rules that decide in the relay, the built-in ones or with those of a configuration. Exit status: 0 where a
 * rule knows it, 1 where only its first digit says anything, 64 for a wrong command line, 78 for a configuration that
 * cannot be used.
 */
#ifndef POSTRIDER_TOOLS_EXPLAIN_H
#define POSTRIDER_TOOLS_EXPLAIN_H

/* argv[0] is "explain". */
int explain_command(int argc, char **argv);

#endif
