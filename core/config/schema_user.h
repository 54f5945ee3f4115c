/*
 * core/config/schema_user.h - the part of the configuration that says who may sign in here.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_USER_H
#define POSTRIDER_CONFIG_SCHEMA_USER_H

#include <stdbool.h>

#include "core/config/reader.h"

/* "users_file": into config->users as well. */
reader_fn schema_users_read;
/* The users of a file that says whom it lets in; *out is the caller's in any case. False: said. */
struct user_table;
bool schema_user_table(struct reader *r, const struct reader_value *value, const char *path, struct user_table **out);
/* What listeners say of signing in, in the light of it. */
bool schema_users_finish(struct reader *r, const yaml_node_t *root);

#endif
