/*
 * core/config/schema_sender.h - under whose name mail goes: "sender" of destinations, "from" of clients.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_SENDER_H
#define POSTRIDER_CONFIG_SCHEMA_SENDER_H

#include <stdbool.h>

#include "core/config/reader.h"

extern const struct reader_choice schema_senders[];
/* The client's "from": into config->froms. */
reader_fn schema_from_read;
/* When all is read and clients have their names for good. */
bool schema_senders_finish(struct reader *r, const yaml_node_t *root);

#endif
