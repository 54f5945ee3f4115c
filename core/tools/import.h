/*
 * core/tools/import.h - `postrider import`: another program's configuration as one of ours, and a list of what could
 * not be taken over.
 */
#ifndef POSTRIDER_TOOLS_IMPORT_H
#define POSTRIDER_TOOLS_IMPORT_H

int import_command(int argc, char **argv);

#endif
