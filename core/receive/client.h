/*
 * core/receive/client.h - who a client is.
 */
#ifndef POSTRIDER_RECEIVE_CLIENT_H
#define POSTRIDER_RECEIVE_CLIENT_H

#include "core/config/client_index.h"

struct config;

/* Client group of a session, or -1: may not relay. First match wins. */
int client_find(const struct config *config, const struct client_question *question);

#endif
