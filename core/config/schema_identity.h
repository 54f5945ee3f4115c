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
	schema_client_recipients, schema_client_devices, schema_client_quota;
/* What a client says of this kind is rare: it is beside the client, made where it is not there yet. NULL: no memory. */
struct config_client_terms *schema_client_terms(struct reader *r, const struct reader_value *value,
						struct config_client *client);
/* The value of a client's key, in the file's list of clients, or NULL. */
const yaml_node_t *schema_client_node(struct reader *r, const yaml_node_t *root, size_t client, const char *key);
/* When all is read: the listeners and users that clients name. */
bool schema_identities_finish(struct reader *r, const yaml_node_t *root);
void schema_identity_free(struct config_client *client);

#endif
