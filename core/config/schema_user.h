/*
 * core/config/schema_user.h - the part of the configuration that says who may sign in here.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_USER_H
#define POSTRIDER_CONFIG_SCHEMA_USER_H

#include <stdbool.h>

#include "core/config/reader.h"

/* "users_file": into config->users as well. */
reader_fn schema_users_read;
/* What listeners say of signing in, in the light of it. */
bool schema_users_finish(struct reader *r, const yaml_node_t *root);

#endif
