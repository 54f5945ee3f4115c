/*
 * core/receive/client.c - see client.h.
 */
#include "core/receive/client.h"

#include "core/config/config.h"

int client_find(const struct config *config, const struct client_question *question)
{
	return client_index_find(config->index, question);
}
