/*
 * core/receive/session_private.h - what the files of an inbound session have for each other.
 */
#ifndef POSTRIDER_RECEIVE_SESSION_PRIVATE_H
#define POSTRIDER_RECEIVE_SESSION_PRIVATE_H

#include "core/base/line.h"
#include "core/receive/counts.h"
#include "core/receive/receiver.h"
#include "core/receive/session.h"
#include "core/shard/quota.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

enum { REPLY_ROOM = 640 }; /* no single reply is longer */

/* session.c */

/* The client's address. The socket may be gone, but its text says the same. */
bool receive_address(const struct session *s, struct ring_address *out);
/* It counts toward the limits no more, whatever is left of it. */
void receive_uncount(struct session *s);
/* Toward those of its address. */
void receive_uncount_peer(struct session *s);
void receive_arm_timer(struct session *s, uint64_t after_ns);
/* It is the client's turn to say something. */
void receive_arm_command(struct session *s);
/* timeouts.session is over. */
bool receive_too_long(const struct session *s);
/* The one place that moves the state. */
void receive_move(struct session *s, enum session_state state);
/* Its connection is closed or about to be: nothing can be said any more. */
static inline bool receive_over(const struct session *s)
{
	return s->state >= SESSION_CLOSED;
}
/* Content has begun and is not whole yet: also between the chunks of BDAT. */
static inline bool receive_content_begun(const struct session *s)
{
	return s->message && s->message->state == SUBMISSION_CONTENT;
}
/* Octets count, and not commands: also of a chunk that nobody wants. */
static inline bool receive_paced(const struct session *s)
{
	return s->state == SESSION_CHUNK || receive_content_begun(s);
}
/* The connection is of no more use: close now. Messages that are with their owners stay valid (P15). */
void receive_end(struct session *s, const char *reason);
/* Gives its memory back, if nothing needs it any more. */
void receive_free_when_alone(struct session *s);
void receive_drop_transaction(struct session *s);
/* What the client calls itself; nothing, if that is too long to be a name: its beginning might be somebody else's.
 * False: there is no memory, and the name before stays. */
bool receive_keep_name(struct session *s, struct span name);
/* The part of a line that there is, wiped. */
void receive_forget_line(struct session *s);

/* pace.c */

enum receive_pace { PACE_GOOD, PACE_TIMEOUT, PACE_TOO_SLOW };

/* Content begins, or a chunk that nobody wants: it has timeouts.data, and timeouts.command in advance. */
void receive_pace_begin(struct session *s);
/* Its time was up: is it still fast enough? If so, it has time again. */
enum receive_pace receive_pace_look(struct session *s);
/* Its client is not read from, and is again. */
void receive_pace_stop(struct session *s);
void receive_pace_go_on(struct session *s);

/* wait.c */

/* Reads no more from the client until what it waits for is there. Inside on_data: return what was consumed. */
void receive_wait(struct session *s, enum session_wait wait);
/* What it waits for may be there: a session that waits for just this reads on. */
void receive_go_on(struct session *s, enum session_wait wait);

/* reply.c */

/* May another command be taken, whose reply may need REPLY_ROOM octets? */
bool receive_can_reply(struct session *s);
/* Queues one whole reply, in order. There is room: receive_can_reply() was asked before the command was taken. */
void receive_reply(struct session *s, const char *text, size_t length);
void receive_greet(struct session *s);
/* The same for static text; every refusal goes this way, and is told (tell.h). */
void receive_reply_text(struct session *s, const char *text);
/* The reply to a command that is wrong, or 421 where it is one too many (errors_per_session, errors_per_minute). */
void receive_error(struct session *s, const char *reply);
/* Last words (or NULL: none), behind all that is owed, then FIN, then the connection is read to its end for a short
 * while, so that they are not lost to a reset. `reason` is static, for the session's event. */
void receive_finish(struct session *s, const char *reply, const char *reason);
/* All that is owed may be with the kernel: then FIN. */
void receive_say_fin(struct session *s);
/* The oldest messages may have been answered: sends their replies. */
void receive_message_answered(struct session *s);
/* Replies have left: a session that waits for that reads on, if the next one finds room. */
void receive_replies_left(struct session *s);

/* memory.c */

/* No block of content memory is left. */
bool receive_memory_dry(const struct shard *shard);
/* All sessions in content wait for memory. */
void receive_stop_readers(struct shard *shard);

/* content.c */

/* What follows is content: all of it (CONTENT: 354 is answered), or a chunk. Takes no memory, which comes with the
 * first octet. */
void receive_start_content(struct session *s, enum session_state state);
/* Takes some of it; returns how much. Less than all of it: the message has ended, or the session waits. */
size_t receive_content(struct session *s, const uint8_t *data, size_t length);
/* A message that is refused anyway is read to its end, but not kept. */
bool receive_keeps_content(const struct session *s);
/* May content be taken in now, *room octets at the block's end? If not, the session waits. */
bool receive_content_room(struct session *s, struct block **block, size_t *room);
/* Content of no octets: what we say before it. False: there is no memory. */
bool receive_content_empty(struct session *s);
/* So much has come into the block that receive_content_room() gave. */
void receive_content_came(struct session *s, struct block *block, size_t length);
/* Nothing more comes. */
void receive_content_ended(struct session *s);
/* Why what has come cannot become a message; NULL: so far it can. */
const char *receive_content_refusal(const struct session *s);
/* All of it is there, or `refusal` says why it is of no use: back to commands. */
void receive_finish_content(struct session *s, const char *refusal);
void receive_content_timer(struct session *s);
void receive_part_stored(struct session *s);

/* chunk.c */

/* The command, which frames what follows it whatever becomes of that. */
void receive_bdat(struct session *s, const struct smtp_command *command);
/* In SESSION_CHUNK: takes octets of the chunk, and none behind it; returns how many. */
size_t receive_chunk(struct session *s, const uint8_t *data, size_t length);

/* policy.c */

/* The sender in MAIL becomes another one where the client's entry says so; in `room`, of CONFIG_ADDRESS_MAX octets.
 * False: no memory. */
bool receive_map_sender(const struct session *s, char *room, struct span *sender);
/* Content begins: is its header held back? */
void receive_policy_begin(struct session *s);
/* While the header is held: so much of the content has come into the blocks. */
void receive_policy_take(struct session *s, const uint8_t *data, size_t length);
/* The content has ended, and with it its header, if it has not before. */
void receive_policy_end(struct session *s);
/* Others need the memory that a header that does not end holds: the message is refused with 451. */
void receive_policy_no_memory(struct session *s);

/* archive.c: all recipients are known; there may be one more */

void receive_archive(struct session *s);

/* serve.c: the callbacks of its submissions */

extern const struct submission_handlers receive_submissions;

/* admit.c */

/* One connection more in all; whose it is, receive_admit() says. False: that is one too many. */
bool receive_count(struct session *s);
/* The address that it is told by. */
void receive_name(struct session *s, const struct ring_address *peer);
/* The session begins, as that address's, or it is one too many; `room`: what receive_count() said. */
void receive_admit(struct session *s, const struct ring_address *peer, bool room);

/* It is that address's from now on. NULL, or the 421 where that has as many connections as it may. */
const char *receive_admit_brought(struct session *s, const struct ring_address *client);

/* xclient.c */

/* A line of EHLO's reply. */
void receive_offer_xclient(const struct session *s, struct line *reply);
void receive_xclient(struct session *s, const struct smtp_command *command);

/* proxied.c */

/* This peer is a load balancer that has to say whose the connection is. */
bool receive_proxied(const struct session *s, const struct ring_address *peer);
/* Its header is what comes first; nothing is said before that. */
void receive_expect_header(struct session *s, const struct ring_address *peer);
/* In SESSION_PROXY: takes octets of it, and none behind it. Returns how many. */
size_t receive_header(struct session *s, const uint8_t *data, size_t length);
void receive_header_late(struct session *s);

/* identify.c */

/* Which device of the inventory it is, by the user that has signed in or else its address; -1: none. */
int32_t receive_device(const struct session *s, const struct ring_address *address);
/* Which client it is, and which device, by all that is known of it now. NULL, or the 421 where that is a connection
 * more than one of them may have. */
const char *receive_identify(struct session *s);

/* charge.c: limits of a second or minute; refusals are static */

/* Each is had now, or a refusal: nothing is. MAIL; `size`: what it announces, or 0. */
const char *receive_charge_message(const struct session *s, uint64_t size);
/* One more of its message. */
const char *receive_charge_recipient(const struct session *s);
/* All of its message's content. */
const char *receive_charge_octets(const struct session *s);
/* The one that was had in this turn. */
void receive_give_back_unused(const struct session *s, enum quota_kind kind);
/* It is not taken after all: all that was had for it; `octets`: these as well. */
void receive_give_back_message(const struct session *s, const struct submission *m, bool octets);
/* A connection more of its client; NULL, or the 421 if it is one too many (and counted all the same). */
const char *receive_count_client(const struct session *s);
void receive_uncount_client(const struct session *s);
/* A connection more in this second, of its address and of all; NULL, or the 421. */
const char *receive_count_second(const struct session *s);
/* One error more, of the session and of its address. True: it is one too many. */
bool receive_count_error(struct session *s);
/* NULL, or the 421 where its address has no error left to make. */
const char *receive_errors_spent(const struct session *s);

/* seen.c: what is known of its device, if it is one */

/* A session has begun, or it is known now whose it is, or TLS has begun. */
void receive_seen(const struct session *s);
void receive_seen_mail(const struct session *s, uint64_t octets);
/* `reply`: with its CRLF. */
void receive_seen_refused(const struct session *s, const char *reply);

/* One connection more, or less, of its device, where that has a limit of its own. False: one too many. */
bool receive_device_enter(struct session *s);
void receive_device_leave(struct session *s);

/* auth.c */

/* Where its listener is counted. */
static inline struct listener_counts *receive_counts(const struct session *s)
{
	return counted_block(s->snapshot->listener_counts[s->listener], s->shard->index);
}

/* A recipient, or a message as a whole. */
static inline void receive_count_refused(const struct session *s)
{
	counter_add(&s->shard->receiver->counters.refused, 1);
	counter_add(&receive_counts(s)->refused, 1);
}

/* Its listener offers AUTH, and not in clear where it must not. */
bool receive_auth_offered(const struct session *s);
/* Nobody has signed in, or who has is still there in the newest configuration, with the same password. */
bool receive_sign_in_holds(const struct session *s);
void receive_auth(struct session *s, const struct smtp_command *command);
/* In SESSION_AUTH: one complete line, without CRLF; one that ends in LF alone; octets of one that is too long. */
void receive_auth_line(struct session *s, const char *line, size_t length);
void receive_auth_bare_line(struct session *s);
void receive_auth_discard(struct session *s, size_t length, bool complete);

/* envelope.c */

void receive_hello(struct session *s, const struct smtp_command *command);
void receive_mail(struct session *s, const struct smtp_command *command);
void receive_recipient(struct session *s, const struct smtp_command *command);
/* The route of one; NULL: none. */
const struct config_route *receive_route(const struct session *s, struct span recipient);

/* wishes.c: how a sender wants a message to be carried (core/smtp/parameters.h) */

/* What of it this client may ask for, as lines of EHLO's reply. */
void receive_offer_wishes(const struct session *s, struct line *reply);
/* The reply where something was asked that was not offered; NULL: nothing was. */
const char *receive_refuse_wishes(const struct session *s, const struct smtp_mail_parameters *mail);
/* Into the message, before its first recipient. False: no memory. */
bool receive_note_wishes(struct submission *m, const struct smtp_mail_parameters *mail);

/* command.c */

/* A line that is refused, but by which a client means to begin content: DATA or BDAT, whatever is wrong with it. What
 * follows must not be read as commands. */
bool receive_begins_content(const char *line, size_t length);
/* One complete line, without CRLF. */
void receive_command(struct session *s, const char *line, size_t length);

/* secure.c */

/* Its listener speaks TLS from the first octet. */
bool receive_implicit(const struct session *s);
/* EHLO offers STARTTLS. */
bool receive_offers_tls(const struct session *s);
/* This command is refused until there is TLS. */
bool receive_wants_tls(const struct session *s, enum smtp_verb verb);
/* The command; then receive_answer_starttls() is told how many octets came behind it. */
void receive_starttls(struct session *s);
void receive_answer_starttls(struct session *s, size_t behind);
/* 220 may be with the kernel: then TLS begins. */
void receive_begin_tls(struct session *s);
/* TLS begins with the next octet. */
void receive_handshake(struct session *s);
/* Octets have come for the handshake: is it this session's turn? If not, it waits for that. */
bool receive_may_handshake(struct session *s);
/* It came to nothing; `error`: NULL: as the engine says. */
void receive_tell_handshake(struct session *s, const char *error);
/* Its time is up. */
void receive_handshake_late(struct session *s);
/* It is there: what was said before is forgotten. */
void receive_secured(struct session *s);

/* quirks.c */

/* What is forgiven this session's client or device beyond its syntax: enum quirk, or'ed; 0 for most. */
unsigned receive_quirks(const struct session *s);
/* It is known already, by its address, as a device whose profile says that it knows nothing newer than what its
 * listener speaks with such devices alone. */
bool receive_old_tls(const struct session *s);
/* What kind of syntax it may use: only who may relay, or may yet say so, is worth forgiving. */
enum smtp_syntax receive_syntax(const struct session *s);
/* As content_scan_data() of its scanner, with what its client's quirks need. */
enum content_result receive_scan(struct session *s, const uint8_t *data, size_t length, size_t *consumed, uint8_t *out,
				 size_t capacity, size_t *written);
/* The same for octets of a chunk: all of them are content, and dots are left alone. */
void receive_scan_chunk(struct session *s, const uint8_t *data, size_t length, size_t *consumed, uint8_t *out,
			size_t capacity, size_t *written);

/* line.c: takes octets up to the end of a line; returns how many */

size_t receive_line(struct session *s, const uint8_t *data, size_t length);

#endif
