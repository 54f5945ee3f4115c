/*
 * core/config/schema_identity.h - the part of the configuration that says who is a client beside his network, and
 * what he may send.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_IDENTITY_H
#define POSTRIDER_CONFIG_SCHEMA_IDENTITY_H

#include <stdbool.h>

#include "core/config/reader.h"

/* Fields of a client: users, certificates, listeners, allowed_senders, allowed_recipients. */
reader_fn schema_client_users, schema_client_certificates, schema_client_listeners, schema_client_senders,
	schema_client_recipients, schema_client_devices;
/* When all is read: the listeners and users that clients name. */
bool schema_identities_finish(struct reader *r, const yaml_node_t *root);
void schema_identity_free(struct config_client *client);

#endif
