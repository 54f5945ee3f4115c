/*
 * core/tools/journal.h - what of a directory was handed over already: DIR/import.journal, a line for each step, on the
 * disk before the next one.
 *
 *     sent NAME HELO     the end of it is about to be sent; HELO is said for this one alone
 *     done NAME ID       the relay has it, as ID
 *     not NAME           the relay does not have it
 *
 * So what is only `sent` is in doubt, and nothing else ever is. One process at a time has the journal.
 */
#ifndef POSTRIDER_TOOLS_JOURNAL_H
#define POSTRIDER_TOOLS_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>

struct journal {
	int fd;
	json_t *entries; /* owned: NAME -> HELO in doubt, or true: done */
};

/* 0, or -errno: -EWOULDBLOCK: somebody else imports from there; -EBADMSG: it is no journal. */
int journal_open(struct journal *journal, int directory);
void journal_close(struct journal *journal);
bool journal_done(const struct journal *journal, const char *name);
/* The HELO; NULL: it is not in doubt. */
const char *journal_doubt(const struct journal *journal, const char *name);
/* On the disk when they return. 0 or -errno. */
int journal_sent(struct journal *journal, const char *name, const char *helo);
int journal_is_done(struct journal *journal, const char *name, const char *id);
int journal_is_not(struct journal *journal, const char *name);

#endif
