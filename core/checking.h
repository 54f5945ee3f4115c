/*
 * core/checking.h - the commands `postrider check`: the configuration and what it names, without a process that runs;
 * and `postrider version`: the program, and whether this machine can run it.
 *
 * Exit status: 0; 78 where it cannot be used; 64 for wrong arguments.
 */
#ifndef POSTRIDER_CHECKING_H
#define POSTRIDER_CHECKING_H

/* argv[0] is "check". */
int check_command(int argc, char **argv);
/* argv[0] is "version". */
int version_command(int argc, char **argv);

#endif
