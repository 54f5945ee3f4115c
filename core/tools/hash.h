/*
 * core/tools/hash.h - `postrider hash NAME`: asks for a password and writes the line that users_file wants.
 *
 * From a terminal the password is asked for twice and not shown; otherwise it is the first line of the input. It is
 * never an argument, which everybody on the machine could read.
 */
#ifndef POSTRIDER_TOOLS_HASH_H
#define POSTRIDER_TOOLS_HASH_H

/* argv[0] is "hash". Returns the exit status. */
int hash_command(int argc, char **argv);

#endif
