/*
 * core/deliver/attempt_private.h - shared between attempt.c (an attempt from its start to its end) and
 * attempt_content.c (its content). The first calls the second.
 */
#ifndef POSTRIDER_DELIVER_ATTEMPT_PRIVATE_H
#define POSTRIDER_DELIVER_ATTEMPT_PRIVATE_H

#include "core/deliver/attempt.h"

void attempt_free(struct attempt *a);
/* All of its content was said, or none of it will be. */
void attempt_stop_converting(struct attempt *a);
/* Told while the envelope is in memory. */
void attempt_tell_damage(const struct attempt *a, int error, const char *why, bool envelope);
/* Its content cannot be sent, and that is not the next hop's fault. False: the connection has to end by it. */
bool attempt_damaged(struct attempt *a, int error, const char *why);
/* The same before its first command: it is turned away. */
enum attempt_wrote attempt_damaged_before(struct attempt *a, int error, const char *why);
enum attempt_wrote attempt_no_memory(struct attempt *a);
/* All of its content is looked at, for a host that takes no 8-bit content. WRITTEN: a->converted says how it goes.
 * TURNED_AWAY: it is damaged, or *refusal says why it does not go. */
enum attempt_wrote attempt_look(struct attempt *a, const char **refusal);
/* The piece that the exchange asks for. WAITS: it is being read. */
enum attempt_wrote attempt_give_piece(struct attempt *a);
/* The exchange has gone on to another piece. */
void attempt_release_past(struct attempt *a);

#endif
