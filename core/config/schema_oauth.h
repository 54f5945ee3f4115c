/*
 * core/config/schema_oauth.h - `oauth` of a destination or a mailbox: see oauth.h.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_OAUTH_H
#define POSTRIDER_CONFIG_SCHEMA_OAUTH_H

#include "core/config/oauth.h"
#include "core/config/reader.h"

/* [struct config_oauth *, owned by the object; config_oauth_free()] */
reader_fn schema_oauth_read;

#endif
