/*
 * core/control/control.h - whom commands ask while the relay runs: HTTP/1.1 with JSON on a socket of the file system.
 *
 * Who may open the socket may ask and act: its permissions decide (0660, `control.group`). Answers come from the shards
 * by visits (inquiry.h), from their counters, or from what others keep; nothing here is on the way of a message, and a
 * shard never waits for anybody here. Without `control.socket` nobody can ask; who watches for incidents
 * (incident_watch.h) is here as well, and without either there is no thread and no descriptor.
 *
 * Threads: libmicrohttpd's, one that accepts and one for each connection, of which there are 32 at most on the socket
 * and 32 over TCP (places.h); so a handler (handlers.h) may take its time, and harms nobody but who asked. And one of
 * ours (desk.h), that rings the shards' bells, and ends connections that take too long: a request has CONTROL_REQUEST_S
 * to arrive, and its answer CONTROL_ANSWER_S to be taken.
 *
 *     control_start()   the shards run, or are about to; takes users and operators of the configuration
 *     control_follow()  a reload was taken
 *     control_stop()    nobody is answered any more, the socket is gone
 *     control_free()    no shard runs any more
 */
#ifndef POSTRIDER_CONTROL_CONTROL_H
#define POSTRIDER_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct control;
struct control_more;
struct log;
struct relay;

enum {
	CONTROL_BODY_MAX = 1 << 20,
	CONTROL_MEMORY = 64 << 10, /* of a connection: request line and fields */
	CONTROL_SILENT_S = 10,
	CONTROL_REQUEST_S = 30,
	CONTROL_ANSWER_S = 600,
	CONTROL_FILES = 2 * 64 + 2 * 32 + 32, /* descriptors at most: both doors' (places.h), and those of handlers */
};

/* NULL where it cannot be had: `problem` says why, for people. Both logs are its own;
 * `more`: handlers of rooms above (handlers.h), or NULL. */
struct control *control_start(struct relay *relay, struct log *log, struct log *incident_log,
			      const struct control_more *more, char *problem, size_t size);
/* Whether that configuration needs one. */
bool control_wanted(const struct config *config);
/* Takes the users and operators of control.http of the next configuration, the rest of which may not change, and what
 * it says of incidents. NULL is nobody. */
void control_follow(struct control *control, struct config *next);
/* Every so often, by who starts and stops it: takes a certificate of control.http that was renewed. NULL is nobody. */
void control_look(struct control *control, uint64_t now_ns, struct log *log);
/* NULL is nobody. */
void control_stop(struct control *control);
void control_free(struct control *control);

#endif
