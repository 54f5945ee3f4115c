/*
 * tests/sim/test_echo.h - an echo server on ring.h and clients for it, to test the simulated kernel with.
 *
 * The server has shards as the relay has: each with its ring, its listener on the shared port, its turn. Clients send
 * a known stream and compare what comes back.
 */
#ifndef POSTRIDER_SIM_TEST_ECHO_H
#define POSTRIDER_SIM_TEST_ECHO_H

#include "tests/sim/world.h"

enum { ECHO_SHARDS_MAX = 4 };

struct echo_result {
	enum world_end end;
	uint64_t hash, now_ns;
	unsigned clients_done, clients_reset;
	uint64_t wrong_octets;
	unsigned accepted[ECHO_SHARDS_MAX];
	uint64_t short_sends, recv_ended_early, buffer_shortages;
	size_t leaked; /* allocations of the server left after it stopped */
};

struct echo_server;
struct echo_client;

struct echo_server *echo_server_start(uint16_t port, unsigned shards);
/* Closes every connection and ring, in the order P11 asks for. */
void echo_server_stop(struct echo_server *server);
struct echo_client *echo_clients_start(uint16_t port, unsigned count, uint64_t octets);
bool echo_clients_done(void *clients);
void echo_clients_free(struct echo_client *clients);
void echo_collect(struct echo_server *server, struct echo_client *clients, unsigned count, struct echo_result *result);
/* Two shards, `count` clients with `octets` each, until all is echoed and the server has stopped. */
void echo_scenario(uint16_t port, unsigned count, uint64_t octets, struct echo_result *result);

#endif
