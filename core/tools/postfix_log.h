/*
 * core/tools/postfix_log.h - `postrider log --format postfix`: events as the lines that Postfix would have written.
 *
 * Exit status: 0, 1 where no line came of it, 64 for a wrong command line, 66 for what cannot be read, 74 where the
 * lines cannot be written.
 */
#ifndef POSTRIDER_TOOLS_POSTFIX_LOG_H
#define POSTRIDER_TOOLS_POSTFIX_LOG_H

/* argv[0] is "log". */
int postfix_log_command(int argc, char **argv);

#endif
