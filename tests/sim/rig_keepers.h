/*
 * tests/sim/rig_keepers.h - threads of the process that keep something beside the spool: what is known of devices, and
 * the list of those that are sent nothing. Their code runs as it is (sim_rounds.h); their files lie on the machine's
 * own disk, in a directory that is there for one run.
 */
#ifndef POSTRIDER_SIM_RIG_KEEPERS_H
#define POSTRIDER_SIM_RIG_KEEPERS_H

#include "tests/sim/relay_rig.h"

/* For relay_rig.c. 0 or -errno. */
int rig_keepers_start(struct rig *rig);
void rig_keepers_stop(struct rig *rig);

/* A directory of the run, which is made and is empty; and that it goes, with all files in it. */
const char *rig_directory(void);
void rig_directory_remove(void);
/* Events of keepers with this text in them, in this run. */
unsigned rig_keepers_told(struct rig *rig, const char *text);
/* Before a crash, which else takes along what was said last. */
void rig_keepers_listen(struct rig *rig);

#endif
