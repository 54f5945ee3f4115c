/*
 * core/tools/setup_office365.h - the command `postrider setup office365`.
 *
 * Takes its answers from options, and asks for the others where somebody sits before it; never prompts else. Writes the
 * commands for the tenant's administrator and a configuration that `check` accepts, and overwrites nothing. Exit
 * status: 0; 1 where Microsoft does not accept it yet after --wait; 64 for an answer that is missing or cannot be used;
 * 73 where a file cannot be written.
 */
#ifndef POSTRIDER_TOOLS_SETUP_OFFICE365_H
#define POSTRIDER_TOOLS_SETUP_OFFICE365_H

/* argv[0] is "setup". */
int setup_command(int argc, char **argv);

#endif
