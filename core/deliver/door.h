/*
 * core/deliver/door.h - how fast logins are said at a destination, by all its mailboxes and from all shards together.
 *
 *     CLOSED --a login is accepted--> OPEN --one is refused--> CLOSED
 *
 * Who guards logins counts the refused ones of an address too, whoever they are for: forty mailboxes with the same
 * wrong secret, said at once, look like somebody who tries passwords, and then all of them are locked out. While the
 * door is closed one login is said at a time; behind refusals in a row comes a pause as well, but for the first: a
 * second, twice as long with each more, half a minute at most. One that is accepted opens it, and nobody asks any
 * more. At the start it is closed, as nobody knows.
 *
 * What is signed in is not concerned. A mailbox has longer pauses of its own (mailbox.h): the door is for the others
 * beside it.
 */
#ifndef POSTRIDER_DELIVER_DOOR_H
#define POSTRIDER_DELIVER_DOOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	DOOR_LOGIN_MS = 30000, /* so long others wait for the answer to one */
	DOOR_PAUSE_MS = 1000,  /* x 2 */
	DOOR_PAUSE_MAX_MS = 30000,
	DOOR_POLL_MS = 100, /* lanes look whether one is over */
	DOOR_POLL_MAX_MS = 1000,
};

/* One word: the time before which nobody says one, whether that is because one is being said, and in the lowest bits
 * how many were refused in a row, or that it is open. Zeroed: closed, and nothing was refused. */
struct door {
	_Atomic(uint64_t) word;
};

/* For who is about to connect. False: not before *next_ns, which is only ever lowered. */
bool door_free(const struct door *door, uint64_t now_ns, uint64_t *next_ns);
/* Logins were refused in a row: each has its pause. */
bool door_refuses(const struct door *door);
/* For who is about to say one, which is *claim until door_leave(); zeroed before. False: not now. */
bool door_enter(struct door *door, uint64_t now_ns, uint64_t *claim);
/* That login is over, or the connection. */
void door_leave(struct door *door, uint64_t *claim);

void door_accepted(struct door *door);
/* `counts`: it was wrong. Else it may become right at once, by a fresh token, and is only not to be said together. */
void door_refused(struct door *door, bool counts, uint64_t now_ns);
/* What was wrong may have been mended: the next is said at once. */
void door_retry(struct door *door);

#endif
