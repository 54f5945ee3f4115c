/*
 * core/config/schema_sign_in.h - the part of control.http that says who signs in.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_SIGN_IN_H
#define POSTRIDER_CONFIG_SCHEMA_SIGN_IN_H

#include "core/config/reader.h"

/* `client_crl`: a file that may be missing, as it is renewed every so often, and mail does not wait for it. */
reader_fn schema_sign_in_lists;
/* `operate`, `client_certificates`, `certificate_users`, `proxy`: into config->control.http.sign_in. */
reader_fn schema_sign_in_operate, schema_sign_in_certificates, schema_sign_in_certificate_users, schema_sign_in_proxy;
/* What they say together, in the mapping `node`. */
bool schema_sign_in_check(struct reader *r, const yaml_node_t *node, const struct config *config);

#endif
