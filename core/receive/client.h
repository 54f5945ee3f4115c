/*
 * core/receive/client.h - who a client is.
 */
#ifndef POSTRIDER_RECEIVE_CLIENT_H
#define POSTRIDER_RECEIVE_CLIENT_H

struct config;
struct ring_address;

/* Client group of an address, or -1: may not relay. First match wins. */
int client_find(const struct config *config, const struct ring_address *address);

#endif
