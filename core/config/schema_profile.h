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
void schema_profiles_free(struct config *config);

#endif
