/*
 * core/tools/presets.h - `postrider presets [NAME]`: what presets there are, or what one says.
 *
 * Exit status: 0; 64 for a wrong command line; 69 where there is none, or none of that name.
 */
#ifndef POSTRIDER_TOOLS_PRESETS_H
#define POSTRIDER_TOOLS_PRESETS_H

/* argv[0] is "presets". */
int presets_command(int argc, char **argv);

#endif
