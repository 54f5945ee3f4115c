/*
 * core/trace/postfix.h - facts as the lines that Postfix would have written to syslog, so that what reads its log
 * (pflogsumm, fail2ban, logwatch, parsers of log collectors) reads this one as well.
 *
 *     Nov 28 00:00:26 relay postfix/smtpd[812]: 01KJ...: client=unknown[10.2.0.7]
 *
 * Which event becomes which line stands in postrider(8), log. Two things are not as Postfix has them, because an event
 * does not know them: a client's name is always "unknown", and nothing is said to be "removed". Text of strangers
 * cannot leave the place that it has in a line: neither another line nor another address in brackets comes of it.
 */
#ifndef POSTRIDER_TRACE_POSTFIX_H
#define POSTRIDER_TRACE_POSTFIX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/trace/fact.h"

struct postfix_style {
	const char *hostname; /* of the lines */
	unsigned long pid;
	bool utc; /* else in local time */
};

/* One line, without its end. */
typedef void postfix_line_fn(void *context, const char *line, size_t length);

/* Calls `emit` for each line that the fact is; none for many. */
void postfix_lines(const struct fact *fact, const struct postfix_style *style, postfix_line_fn *emit, void *context);

#endif
