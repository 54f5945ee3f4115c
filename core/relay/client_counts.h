/*
 * core/relay/client_counts.h - where it is counted what clients have that have limits of their own.
 *
 * A client keeps its count over reloads, by its name. Counts stay until the process ends: sessions point to them.
 */
#ifndef POSTRIDER_RELAY_CLIENT_COUNTS_H
#define POSTRIDER_RELAY_CLIENT_COUNTS_H

struct relay;
struct snapshot;

/* For the clients of `snapshot`; one that had a limit in `before` (NULL: there was none) goes on from where it is. 0 or
 * -ENOMEM. */
int client_counts_make(struct relay *relay, const struct snapshot *before, struct snapshot *snapshot);
void client_counts_free(struct relay *relay);

#endif
