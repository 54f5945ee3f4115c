/*
 * core/tools/doctor_bundle.h - `postrider doctor --bundle FILE`: what is known of a relay in one file
 * (core/agents/bundle.h), also of one that does not run.
 */
#ifndef POSTRIDER_TOOLS_DOCTOR_BUNDLE_H
#define POSTRIDER_TOOLS_DOCTOR_BUNDLE_H

#include <stddef.h>

/* A new file, for its owner alone, with what the doctor has said as JSON. 0, or the exit status after saying why. */
int doctor_bundle(const char *file, const char *config, const char *found, size_t length);

#endif
