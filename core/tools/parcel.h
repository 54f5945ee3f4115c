/*
 * core/tools/parcel.h - a message outside of a spool: NAME.eml, as it came, and NAME.json, its envelope: whom it is for
 * and what became of it (dist/postrider.8, FILES OF EXPORTED MAIL).
 *
 * `queue export` and `spool export` write them, `queue import` reads them, which may have been written by anybody:
 * whoever gets a parcel gets what SMTP can say, and nothing else (PAR-02).
 */
#ifndef POSTRIDER_TOOLS_PARCEL_H
#define POSTRIDER_TOOLS_PARCEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

enum { PARCEL_ENVELOPE_MAX = 64 << 20, PARCEL_PROBLEM = 256 };

enum parcel_status { PARCEL_WAITS, PARCEL_HELD, PARCEL_DELIVERED, PARCEL_FAILED, PARCEL_ELSEWHERE };

struct parcel_recipient {
	const char *address;
	enum parcel_status status;
	const char *notify, *orcpt; /* as in RCPT; "": not said */
};

struct parcel {
	const char *id; /* "": not said */
	const char *sender;
	const char *ret, *envid;  /* as in MAIL; "": not said */
	bool eight_bit, smtputf8; /* BODY=8BITMIME, SMTPUTF8 */
	bool require_tls;
	char hold_until[24]; /* as in HOLDUNTIL; "": at once */
	bool size_known;
	uint64_t size;
	struct parcel_recipient *recipients; /* owned */
	size_t count;
	json_t *json; /* owned: the texts are its */
};

/* False, with a sentence: it is no envelope, or says what has no meaning. Nothing is the caller's then. */
bool parcel_read(const char *text, size_t length, struct parcel *out, char problem[PARCEL_PROBLEM]);
void parcel_free(struct parcel *parcel);
size_t parcel_count(const struct parcel *parcel, enum parcel_status status);

/* The envelope to be written of a message as /v1/queue/messages/ID has it; NULL: no memory. */
json_t *parcel_of_answer(const json_t *message);

#endif
