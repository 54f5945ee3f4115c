/*
 * core/config/schema_profile.h - `profile: NAME`, of a client or a device.
 *
 * Profiles are files NAME.yaml in the directory that POSTRIDER_PROFILES names, or else in /etc/postrider/profiles and
 * where they were installed. Each that is named is read once.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_PROFILE_H
#define POSTRIDER_CONFIG_SCHEMA_PROFILE_H

#include "core/config/reader.h"

/* [uint8_t: its number in config->profiles, from 1] */
reader_fn schema_profile;
/* The one of that name, for who has no file that names it: read into config->profiles if it is not there yet. False:
 * `problems` says why. */
bool schema_profile_take(struct config *config, const char *name, uint8_t *number, struct config_problems *problems);
void schema_profiles_free(struct config *config);

#endif
