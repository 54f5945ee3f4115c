/*
 * core/config/schema_auth.h - the part of a destination that says who signs in there.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_AUTH_H
#define POSTRIDER_CONFIG_SCHEMA_AUTH_H

#include <stdbool.h>

#include "core/config/reader.h"

enum { SCHEMA_MAILBOXES_MAX = 4096 }; /* of one destination */

/* "auth", into a struct config_destination, and the items of "mailboxes". */
reader_fn schema_auth_read;
extern const struct reader_list schema_mailboxes;
/* Between these, TLS and each other. What `auth` says by itself becomes the only mailbox. */
bool schema_auth_check(struct reader *r, const yaml_node_t *node, struct config_destination *destination);

/* The path of a file with a secret [char *]. "$CREDENTIALS_DIRECTORY/NAME" is what systemd hands to a service. */
reader_fn schema_auth_secret_file;

#endif
