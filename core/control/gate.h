/*
 * core/control/gate.h - signing in over TCP: whether a password is a user's, and who has to wait.
 *
 * A verification takes 80 ms and 16 MiB on purpose, so one is made at a time, GATE_WAITING requests wait for it at
 * most, and who signed in within the hour is known by a keyed hash (core/receive/known.h), which takes microseconds: a
 * scraper signs in with each request. Guessing is counted as that of SMTP's clients is (core/receive/guard.h), apart
 * from it.
 *
 * Users and who of them may act are those of the newest configuration: one who is gone is let in no more from the next
 * request on, though he was known.
 *
 * For any thread that may wait.
 */
#ifndef POSTRIDER_CONTROL_GATE_H
#define POSTRIDER_CONTROL_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/ring.h"

struct config;
struct gate;

enum { GATE_WAITING = 4 };

enum gate_answer {
	GATE_IN,
	GATE_WRONG,  /* not before *wait_ms is he to hear of it */
	GATE_LOCKED, /* too many wrong ones: nothing was looked at */
	GATE_BUSY,   /* not now */
};

/* Takes users and operators of config->control.http. NULL without memory. */
struct gate *gate_new(struct config *config);
void gate_free(struct gate *gate); /* NULL is allowed */
/* NUL-terminated; the password is the caller's to wipe. */
enum gate_answer gate_ask(struct gate *gate, const struct ring_address *address, const char *user, const char *password,
			  unsigned *wait_ms);
/* One of `operate`. */
bool gate_may_act(struct gate *gate, const char *user);
/* A reload: takes those of another configuration. */
void gate_follow(struct gate *gate, struct config *config);

#endif
