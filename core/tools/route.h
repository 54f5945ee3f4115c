/*
 * core/tools/route.h - `postrider route ADDRESS`: what the relay would do with mail to an address, and why, from the
 * configuration alone. Nothing is sent, and no name is looked up.
 *
 * Exit status: 0: it would be taken, and goes; 1: it would be refused; 64: a wrong command line; 78: a configuration
 * that cannot be used.
 */
#ifndef POSTRIDER_TOOLS_ROUTE_H
#define POSTRIDER_TOOLS_ROUTE_H

/* argv[0] is "route". */
int route_command(int argc, char **argv);

#endif
