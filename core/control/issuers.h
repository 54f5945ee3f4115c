/*
 * core/control/issuers.h - whose certificates users may sign in by (client_ca), and which of them are revoked
 * (client_crl): both files, read at the start and whenever they change.
 *
 * A list of a hundred thousand certificates takes half a second to read, so a thread of its own does, where it keeps
 * mail from nothing, and ends with it; but at the start, where mail waits until they are read. What cannot be used
 * changes nothing: those before are gone by, the lists until they are over, and it is read again after a minute, also
 * where no file has changed, as there may have been no memory or no descriptor for it. It is told once, and again where
 * it is for another reason. At the start there are no lists before: then whoever shows a certificate is refused, and
 * mail goes on.
 *
 *     issuers_begin()   before anybody is let in
 *     issuers_look()    every so often, by who begins and ends it
 *     issuers_end()     nobody is let in any more
 */
#ifndef POSTRIDER_CONTROL_ISSUERS_H
#define POSTRIDER_CONTROL_ISSUERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_trust;
struct config;
struct gate;
struct log;
struct revocations;

struct issuers {
	const struct config *config;
	struct gate *gate;
	struct revocations *revocations; /* those that are gone by; a reference; NULL: none are wanted */
	uint64_t look_ns;                /* when next */
	uint64_t made_of, seen;          /* what both files were like, when they were read and at the last look */
	uint64_t lists_of;               /* that of the lists that are gone by; 0: there were none to read */
	bool failed, again;              /* one of both could not be used; it is read again, as it was */
	uint64_t retry_ns;               /* when next, where it failed */
	int64_t told_ends;               /* of a list that is over then it was told; 0: of none */
	bool told_over;                  /* that it is, not that it will be */
	bool reading;                    /* the thread is there, and has what follows until it is done */
	pthread_t thread;
	_Atomic(bool) done;
	bool untold;                           /* `problem` is of the start */
	struct client_trust *trust;            /* what came of it; NULL: the issuers cannot be used */
	struct revocations *lists;             /* the same; NULL: `problem`, and `trust` has those before */
	char problem[512], trust_problem[512]; /* of the lists, and of the issuers; "": none */
	char told[512], trust_told[512];       /* what was told of them last */
	uint64_t taking, lists_taking;         /* what the files were like before they were read */
};

/* Nothing without client_ca. 0, or -errno with a problem: of the issuers, not of the lists. */
int issuers_begin(struct issuers *issuers, const struct config *config, struct gate *gate, char *problem, size_t size);
/* False: it is reading, or will; what it comes to is not yet in force. `wall_s`: seconds since 1970. */
bool issuers_look(struct issuers *issuers, uint64_t now_ns, int64_t wall_s, struct log *log);
/* When the first list is out of date, seconds since 1970; 0: there is none, or it never is. *ending: it is, or a
 * twentieth of its life is left; or there are to be lists and could not be read. For who looks. */
int64_t issuers_lists_end(const struct issuers *issuers, int64_t wall_s, bool *ending);
void issuers_end(struct issuers *issuers);

#endif
