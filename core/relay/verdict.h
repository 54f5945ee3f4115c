/*
 * core/relay/verdict.h - the only place that decides what a fact means for a recipient: sent, defer or fail.
 * Protocol code reports what happened; it never decides. Pure functions, a table in the tests.
 */
#ifndef POSTRIDER_RELAY_VERDICT_H
#define POSTRIDER_RELAY_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

enum verdict { VERDICT_SENT, VERDICT_DEFER, VERDICT_FAIL };

enum stage {
	STAGE_CONNECT,
	STAGE_TLS,
	STAGE_GREETING,
	STAGE_EHLO,
	STAGE_STARTTLS,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_CONTENT,
	STAGE_QUIT,
};
const char *stage_name(enum stage stage);

/* A reply of the next hop at a stage. Replies before MAIL speak of the host or of our set-up, not of the message: they
 * never fail a message for good. */
enum verdict verdict_reply(enum stage stage, unsigned code);

/*
 * Older than the schedule allows: `age_ns` by the wall clock, less what the clock has jumped since the process started;
 * and at least two attempts (or failed connections); and a process that has been up for as long as the mail may get, an
 * hour at most. So neither a jumping clock nor a wrong one at the start ends a message (RELIABILITY SYS-06).
 */
bool verdict_expired(uint64_t age_ns, uint64_t uptime_ns, uint64_t expire_ns, unsigned attempts_seen);

#endif
