/*
 * core/tools/doctor.h - the commands `postrider doctor` and `postrider probe`.
 *
 * doctor looks at every destination of a configuration, or one, as the relay would use it; probe at any host, without
 * a configuration. Both climb (climb.h) and change nothing. Exit status: 0 where all holds, perhaps with warnings; 1
 * where something is broken; 64 for a wrong command line, 78 for a configuration that cannot be used, 69 where this
 * machine cannot look.
 */
#ifndef POSTRIDER_TOOLS_DOCTOR_H
#define POSTRIDER_TOOLS_DOCTOR_H

#include <stdbool.h>

/* argv[0] is the command's own name. */
int doctor_command(int argc, char **argv);
/* All of a configuration's destinations, in silence. False: `what` says what is broken first. */
enum { DOCTOR_WHAT = 1000 };
bool doctor_once(const char *file, char what[DOCTOR_WHAT]);
int probe_command(int argc, char **argv);

#endif
