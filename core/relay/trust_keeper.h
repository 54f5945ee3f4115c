/*
 * core/relay/trust_keeper.h - who has signed in from where (core/receive/guard.h), kept through restarts.
 *
 * What an earlier process knew is read before the first client is answered. A thread writes what is new: ten seconds
 * after the last time at the earliest, a minute after it where the disk is slow; and once more at the end. So a crash
 * loses a minute of it, and a disk that is slow, full or hangs holds up nobody who signs in. Nothing of it is needed
 * for mail: what cannot be read is told, and learned anew.
 */
#ifndef POSTRIDER_RELAY_TRUST_KEEPER_H
#define POSTRIDER_RELAY_TRUST_KEEPER_H

struct guard;
struct log;

struct trust_keeper;

/* What its key is called behind the file's own name. */
#define TRUST_KEEPER_KEY ".key"

/* `path`: of the file. NULL without memory, or where no thread can be started. */
struct trust_keeper *trust_keeper_start(const char *path, struct guard *guard, struct log *log);
/* Writes the file once more, if there is something new. NULL is allowed. */
void trust_keeper_stop(struct trust_keeper *keeper);

#endif
