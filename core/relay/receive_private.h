/*
 * core/relay/receive_private.h - shared between receive.c (the session's life), receive_content.c (messages as they
 * arrive) and receive_command.c (what each command does).
 */
#ifndef POSTRIDER_RELAY_RECEIVE_PRIVATE_H
#define POSTRIDER_RELAY_RECEIVE_PRIVATE_H

#include "core/relay/receive.h"

enum { REPLY_ROOM = 384 }; /* no single reply is longer */

/* Queues one whole reply, in order. There is room: receive_can_reply() was asked before the command was taken. */
void receive_reply(struct session *s, const char *text, size_t length);
/* The same for static text; every refusal goes this way, and is told (events.h). */
void receive_reply_text(struct session *s, const char *text);
/* Last words (or NULL: none), behind all that is owed, then FIN, then the connection is read to its end for a short
 * while, so that they are not lost to a reset. `reason` is static, for the session's event. */
void receive_finish(struct session *s, const char *reply, const char *reason);
void receive_drop_transaction(struct session *s);
/* The connection is of no more use: close now. Messages that are with their owners stay valid (P15). */
void receive_end(struct session *s, const char *reason);
void receive_arm_timer(struct session *s, uint64_t after_ns);
/* Reads no more from the client until what it waits for is there. Inside on_data: return what was consumed. */
void receive_wait(struct session *s, enum session_wait wait);
/* What it waits for may be there: a session that waits for just this reads on. */
void receive_go_on(struct session *s, enum session_wait wait);
/* 354 is answered: what follows is content. Takes no memory, which comes with the first octet. */
void receive_start_content(struct session *s);
/* The callbacks of its submissions. */
extern const struct submission_handlers receive_submissions;
/* The oldest messages may have been answered: sends their replies. */
void receive_message_answered(struct session *s);
void receive_part_stored(struct session *s);
/* Takes some of it; returns how much. Less than all of it: the message has ended, or the session waits. */
size_t receive_content(struct session *s, const uint8_t *data, size_t length);
void receive_content_timer(struct session *s);
/* Its client is not read from, and is again. */
void receive_content_waits(struct session *s);
void receive_content_goes_on(struct session *s);
/* No block of content memory is left. */
bool receive_memory_dry(const struct shard *shard);
/* All sessions in content wait for memory. */
void receive_stop_readers(struct shard *shard);
/* A line that is refused, but by which a client means to begin content: DATA or BDAT, whatever is wrong with it. What
 * follows must not be read as commands. */
bool receive_begins_content(const char *line, size_t length);
/* The reply to a command that is wrong, or 421 where it is one too many (limits.errors_per_session). */
void receive_error(struct session *s, const char *reply);
/* One complete line, without CRLF. */
void receive_command(struct session *s, const char *line, size_t length);

#endif
