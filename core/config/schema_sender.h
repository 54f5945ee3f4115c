/*
 * core/config/schema_sender.h - under whose name mail goes: "sender" of destinations, "from" of clients.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_SENDER_H
#define POSTRIDER_CONFIG_SCHEMA_SENDER_H

#include <stdbool.h>

#include "core/config/reader.h"

struct config_mailbox;

extern const struct reader_choice schema_senders[];
/* A mailbox's "senders". */
extern const struct reader_list schema_mailbox_senders;
enum { SCHEMA_MAILBOX_SENDERS_MAX = 1000 };
void schema_mailbox_free_senders(struct config_mailbox *mailbox);
/* An address that may be written into MAIL FROM and From as it is. */
bool schema_address_valid(const char *text);
reader_fn schema_address_read;
void schema_from_free(struct config_from *from);
/* The client's "from": into config->froms. */
reader_fn schema_from_read;
/* When all is read and clients have their names for good. */
bool schema_senders_finish(struct reader *r, const yaml_node_t *root);

#endif
