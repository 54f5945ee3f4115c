/*
 * core/config/client_index.h - which client a session is, by its address, its listener and who has signed in, at a cost
 * that does not grow with the number of clients.
 *
 * A client is whoever has all that its entry names: is in one of its networks, is one of its users, has one of its
 * certificates, has come to one of its listeners. The first entry in the file's order that fits wins. Compiled into
 *
 *   networks     of entries that name nothing else: one table (network_table.h)
 *   gates        entries that name listeners, "*" as users, or devices: for each listener, or for all, and for those
 *                who have signed in, devices of the inventory, or everybody, a table of networks, and the first entry
 *                that names none
 *   names        entries that name users or certificates: by the hash of the user's name or of its "*@domain"; of the
 *                certificate's fingerprint, or of a name that an authority vouches for
 *
 * so a session costs at most nine searches in tables and one for each of its names. Immutable once made: any thread
 * may search.
 */
#ifndef POSTRIDER_CONFIG_CLIENT_INDEX_H
#define POSTRIDER_CONFIG_CLIENT_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/network_table.h"

struct config;
struct client_index;

/* Takes all entries' networks, by the client's index; sorts them on the way. NULL without memory. */
struct client_index *client_index_new(const struct config *config, struct network_entry *entries, size_t count,
				      network_unused_fn *unused, void *context);
void client_index_free(struct client_index *index); /* NULL is allowed */

/* What a session is known by. */
struct client_question {
	const struct ring_address *address;
	size_t listener;  /* its index */
	const char *user; /* NULL: nobody has signed in */
	/* Of its certificate: "sha256:" and 64 small digits, NULL: it showed none; and the names that an authority
	 * vouches for, each with its NUL, then an empty one, or NULL. */
	const char *fingerprint, *names;
	bool device; /* it is one of the inventory */
};

/* The client's index, or -1: it is none, and may not relay. */
int client_index_find(const struct client_index *index, const struct client_question *question);

#endif
