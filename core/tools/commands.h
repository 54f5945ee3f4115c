/*
 * core/tools/commands.h - the program's commands that a person waits for: which name is whose.
 */
#ifndef POSTRIDER_TOOLS_COMMANDS_H
#define POSTRIDER_TOOLS_COMMANDS_H

/* Behind the program's own name; answers the exit status. */
typedef int command_fn(int argc, char **argv);
/* NULL: there is no such command here. */
command_fn *command_find(const char *name);
/* Whose name the program was started by (argv[0]); NULL: its own. */
command_fn *command_called(const char *path);
/* At the end of any command: `status`, or 74 after saying why what it wrote to standard output is not there. */
int command_end(int status);

#endif
