/*
 * core/base/journal.h - events as entries of the systemd journal, by its own protocol (systemd, "Native Journal
 * Protocol"): each is a datagram to the journal's socket, so that its fields can be searched for.
 *
 *     MESSAGE            the line as it is: who reads `journalctl -o cat` reads the same as from a file
 *     PRIORITY           6 to 3, of "level"
 *     SYSLOG_IDENTIFIER  postrider
 *     POSTRIDER_ID, ...  each key of the event, in capitals; a list or an object as its JSON
 *
 * Nothing here waits for a journal for longer than is said. An entry that is too large for a datagram goes by a sealed
 * file in memory.
 */
#ifndef POSTRIDER_BASE_JOURNAL_H
#define POSTRIDER_BASE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/log.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Room for the entry of any event. */
enum { JOURNAL_ENTRY_MAX = 8 * LOG_EVENT_MAX };

/* What the descriptor leads to is the journal, as JOURNAL_STREAM says (systemd.exec(5)). */
bool journal_is_stream(int fd);

/* An entry of a line without its end: one object, as log.h writes them. Of a line that is none, and behind what cannot
 * be understood, there are no fields beside MESSAGE. Returns the length; a field that finds no room is left out. */
size_t journal_entry(const char *line, size_t length, char out[JOURNAL_ENTRY_MAX]);

struct journal {
	const char *path;
	int fd;          /* -1: not connected */
	bool behind;     /* it took nothing for JOURNAL_PATIENCE_MS: until it takes again nobody waits for it */
	bool took;       /* the last one */
	uint64_t missed; /* entries; who tells of them begins anew */
	/* How long it was waited for since then, all in all: one that takes something now and then is not waited for
	 * each time. */
	uint64_t since_ms, waited_ms;
	char entry[JOURNAL_ENTRY_MAX];
};

/* It is waited for so long within so long. */
enum { JOURNAL_PATIENCE_MS = 1000, JOURNAL_WITHIN_MS = 10000 };

/* `path` stays. Whether somebody is there is seen when something is sent. */
void journal_init(struct journal *journal, const char *path);
void journal_deinit(struct journal *journal);
/* One line, without its end. False: it did not go there, and is counted. */
bool journal_send(struct journal *journal, const char *line, size_t length);

#endif
