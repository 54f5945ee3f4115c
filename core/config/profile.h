/*
 * core/config/profile.h - what is known of a kind of old device: which quirks it has, and what to set in its menu.
 */
#ifndef POSTRIDER_CONFIG_PROFILE_H
#define POSTRIDER_CONFIG_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/config/config.h"

enum { CONFIG_PROFILES_MAX = 200 };

/* How a device can protect its connection; or'ed. */
enum profile_encryption { PROFILE_NONE = 1 << 0, PROFILE_STARTTLS = 1 << 1, PROFILE_IMPLICIT = 1 << 2 };

struct config_profile {
	char *name, *about, *updated;
	struct config_words sources;
	struct config_words menu; /* what to pick there, a sentence each */
	uint8_t quirks;           /* enum quirk, or'ed */
	uint8_t encryption;       /* enum profile_encryption; 0: not known */
	enum config_syntax syntax;
	enum config_tls_version tls; /* the newest that it speaks; 0: not known */
};

#endif
