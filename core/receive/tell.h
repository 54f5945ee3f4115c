/*
 * core/receive/tell.h - what a session tells the operator: gathers the facts for core/events.
 */
#ifndef POSTRIDER_RECEIVE_TELL_H
#define POSTRIDER_RECEIVE_TELL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/span.h"

struct session;
struct smtp_command;
struct submission;

/* `quiet`: sessions of this peer before, in which it wanted nothing and which made no event. */
void tell_session(const struct session *s, uint32_t quiet);
/* TLS did not come about; `error`: NULL: as the engine says. `untold`: as below. */
void tell_handshake_failed(const struct session *s, const char *error, uint32_t untold);
/* A load balancer has not begun with a PROXY header; what it did instead. `untold`: as below. */
void tell_no_proxy_header(const struct session *s, const char *problem, uint32_t untold);
/* Of AUTH; the exchange is still there. `known`: without a verification. */
void tell_signed_in(const struct session *s, bool known);
/* `untold`: as below. */
void tell_sign_in_refused(const struct session *s, const char *reply, const char *reason, uint32_t untold);
void tell_accepted(const struct session *s, const struct submission *m);
/* A message that has no copy for its client's archive, and why. Once a minute at most. */
void tell_archive_left_out(const struct session *s, struct span archive, const char *problem);
void tell_not_stored(const struct session *s, const struct submission *m);
/* `command`: as far as it could be read; verb UNKNOWN for none. `untold`: refusals of this peer that made no event. */
void tell_refused(const struct session *s, const struct smtp_command *command, const char *reply, uint32_t untold);

#endif
