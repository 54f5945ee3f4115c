/*
 * core/deliver/connection_private.h - shared between connection_open.c (socket and timer), connection_reply.c (octets
 * to replies), connection_setup.c (until READY), connection_tls.c, connection.c (life), connection_login.c (who signs
 * in) and connection_manner.c. Each calls those behind it only.
 */
#ifndef POSTRIDER_DELIVER_CONNECTION_PRIVATE_H
#define POSTRIDER_DELIVER_CONNECTION_PRIVATE_H

#include "core/deliver/connection.h"

const struct config *connection_config(const struct connection *c);
void connection_arm(struct connection *c, uint64_t after_ns);
void connection_arm_until(struct connection *c, uint64_t until_ns);
/* For this step of the set-up. */
void connection_arm_setup(struct connection *c);
/* One place moves the state. */
void connection_move(struct connection *c, enum connection_state state);
/* The set-up is over, well or not. */
void connection_setup_over(struct connection *c);
enum stage connection_stage(const struct connection *c);
/* A command of the connection itself, outside any attempt; `secret`: nothing of it stays in a buffer. */
void connection_command(struct connection *c, const char *text, size_t length, bool secret);

/* connection_setup.c */
/* c->asked is back. */
question_fn connection_on_token;
void connection_on_connected(struct transport *t, int result);
void connection_on_secured(struct transport *t);
/* A reply outside READY. `behind`: octets of input after it. */
void connection_on_setup_reply(struct connection *c, size_t behind);
/* The next hop has ended it before it was ready: whether EHLO is why, or was not. */
void connection_hello_unanswered(struct connection *c, struct span reason);

/* connection_tls.c */
enum { CONNECTION_TLS_REASON = 256 };
/* TLS is used where it is offered, and it is not known to fail there. */
bool connection_tls_if_offered(const struct connection *c);
void connection_start_tls(struct connection *c);
/* The handshake is over. False: what it came to is not enough, for that reason, and nothing may be said. */
bool connection_tls_done(struct connection *c, char reason[static CONNECTION_TLS_REASON]);
/* It goes on without TLS, or is refused for it: told where the host had TLS before. */
void connection_tls_missed(struct connection *c, const char *reason);
/* It is about to end, perhaps because TLS could not be begun: where mail may go in clear the next one does, and the
 * host is not to blame. `by_tls`: TLS says so itself. */
void connection_tls_failed(struct connection *c, bool by_tls, unsigned code, struct span reason);

/* connection_login.c */
/* SAID: `next` is to be said. ASKED: c->asked comes back. GONE: the configuration has its mailbox no more. NOT_NOW:
 * another connection finds out whether its login is accepted, or it was refused. */
enum connection_login { LOGIN_SAID, LOGIN_ASKED, LOGIN_GONE, LOGIN_NOT_NOW };
enum connection_login connection_sign_in(struct connection *c, struct setup_next *next);
/* What was given for want of another token is what its mailbox was refused with: it is not said again. */
bool connection_token_known(const struct connection *c);
/* There is no token: the answer to c->asked says why. */
void connection_no_token(struct connection *c);
/* What was given for signing in is given back. */
void connection_forget_token(struct connection *c);
/* What the reply repeats of the secret is unreadable from now on. */
void connection_conceal(struct connection *c);
/* Signing in was refused by the last reply. True: that is the mailbox's trouble, and the host is not to blame. */
bool connection_login_refused(struct connection *c);
/* A refusal with a ruling to HOLD. True: the mailbox may not send, and takes nothing for the time being. */
bool connection_mailbox_barred(struct connection *c, const struct delivery *d, const struct verdict_fact *fact,
			       const struct ruling *ruling);
/* A ruling to leave the mailbox alone (ACTION_LEAVE_MAILBOX), for its time at least: the others go on. */
void connection_mailbox_leave(struct connection *c, const struct verdict_fact *fact, const struct ruling *ruling);
/* A ruling to sign in anew (ACTION_SIGN_IN), with a fresh token. Where it has done that already, and nothing was sent
 * since, it may not send. */
void connection_sign_in_anew(struct connection *c, const struct verdict_fact *fact, const struct ruling *ruling);
/* It is signed in, or has sent a message. */
void connection_mailbox_well(struct connection *c, bool sent);

/* connection_manner.c */
/* How commands are sent, from what the host offers, what it has taught and what is configured. `stale`: it would be
 * another one now; it is chosen anew where nothing is in flight. */
bool connection_manner_stale(const struct connection *c);
void connection_manner_choose(struct connection *c);

/* connection_reply.c */
size_t connection_on_data(struct transport *t, const uint8_t *data, size_t length);
/* The oldest attempt waited for its reply for too long: what that teaches. */
void connection_unanswered(struct connection *c);

/* connection.c */
/* Its transport has closed, and its question is back. */
void connection_free(struct connection *c);
/* The host has said what becomes of a message: it is well again then, not when it has said hello. */
void connection_dealt_with(struct connection *c, const struct attempt *a);
/* All replies of the oldest attempt are in. */
void connection_attempt_over(struct connection *c, struct attempt *a);
/* RSET is not to be sent to this host, as was just learned: connections to it that need one take nothing more. A MAIL
 * without it would be refused as nested, and its recipients taken into the older envelope. */
void connection_no_resets(struct connection *c);
/* The next hop says that it takes no more messages here. */
void connection_told(struct connection *c, const struct smtp_reply_parser *reply);

#endif
