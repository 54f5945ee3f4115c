/*
 * tests/sim/actor_ledger.h - what the simulated clients sent and were told, and what the next hops got: the oracle.
 *
 * Every message has a sequence number, once in the world, never sent twice. Its content and recipients follow from
 * the number, so that a next hop can tell whether what it got is what was sent (RELIABILITY I1 to I4):
 *
 *     fate of a recipient        may be delivered     must be delivered or bounced
 *     LEDGER_UNSENT              no                   no
 *     LEDGER_REFUSED             no                   no      refused, or never completely sent
 *     LEDGER_UNKNOWN             yes                  no      sent, and the connection ended before the answer
 *     LEDGER_ACCEPTED            yes                  yes
 *
 * Messages from the null sender are reports: of each recipient's end there is one at most, which says what is true, and
 * of its delay another one. A next hop never refuses one for good.
 * The ledger lives outside the engine and survives its crashes.
 */
#ifndef POSTRIDER_SIM_ACTOR_LEDGER_H
#define POSTRIDER_SIM_ACTOR_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LEDGER_RECIPIENTS_MAX = 12,
	LEDGER_DOMAINS_MAX = 4,
	LEDGER_ARCHIVE = LEDGER_RECIPIENTS_MAX + 1,
	LEDGER_PEOPLE_MAX = 32
};

enum ledger_fate { LEDGER_UNSENT, LEDGER_REFUSED, LEDGER_UNKNOWN, LEDGER_ACCEPTED };

struct ledger_recipient {
	enum ledger_fate fate;
	unsigned delivered;  /* a next hop took it */
	unsigned failed;     /* a next hop refused it for good */
	uint64_t told, late; /* the reports of its end and of its delay, by their ids; 0: none */
};

struct ledger_message {
	struct ledger_recipient recipients[LEDGER_RECIPIENTS_MAX];
	unsigned recipient_count;
	struct ledger_recipient archive; /* number LEDGER_ARCHIVE, where there is one; its fate is the message's */
	uint64_t not_before_ns;          /* asked for by HOLDFOR (RFC 4865); 0: nothing was */
	uint64_t id_high, id_low;        /* as its client was told; 0: was not */
	uint64_t stopped_ns; /* an operator holds or has deleted it, since then nothing of it begins; 0: no */
	bool let_go;         /* an operator has, and was told so */
	bool deleted;        /* it may have been deleted: nobody need have it, and its sender may hear so */
	uint64_t header;     /* hash of the one that arrived first, where the relay writes some of it */
};

/* Where recipients are people who get more than one message. */
struct ledger_person {
	bool gone; /* no next hop knows it */
	bool ever; /* it has been in the list of those that are sent nothing, or is to be: nobody need refuse it */
	uint64_t listed_ns;  /* it is in that list, since then at least; 0: it is not */
	uint64_t refused_ns; /* the last time that a next hop did not know it */
};

struct ledger_config {
	uint64_t seed;
	size_t content_min, content_max;         /* octets, at least 64 */
	unsigned recipients_max;                 /* 1..LEDGER_RECIPIENTS_MAX */
	unsigned hold_s;                         /* half of the messages are to wait for up to so long; 0: none */
	bool eight_bit, seven_bit;               /* half of the messages have octets above 127; no next hop takes any */
	bool wishes;                             /* most messages ask for reports (RFC 3461) */
	const char *domains[LEDGER_DOMAINS_MAX]; /* recipients' domains, NULL-terminated when fewer */
	unsigned people;                         /* all recipients are of so many; 0: each is somebody else */
	const char *archive;                     /* who gets a copy of each message; NULL: nobody */
	const char *author; /* the domain that senders are mapped to; the relay then writes what the header lacks */
};

struct ledger {
	struct ledger_config config;
	struct ledger_message *messages;
	struct ledger_person people[LEDGER_PEOPLE_MAX];
	uint32_t count; /* sequence numbers handed out, from 0 */
	uint64_t altered, confused, notifications;
	bool may_expire; /* recipients may fail without a next hop's word */
	uint64_t digests;
	uint64_t repeated; /* reports that arrived again, each as it was */
	char problem[256]; /* the first alteration or confusion */
};

void ledger_init(struct ledger *ledger, const struct ledger_config *config);
void ledger_deinit(struct ledger *ledger);
uint32_t ledger_next(struct ledger *ledger); /* a new sequence number */

/* The content of a message, CRLF at its end, dots at the start of some lines; *length octets, world_release() it. */
uint8_t *ledger_content(const struct ledger *ledger, uint32_t sequence, size_t *length);
/* "r1.s17@domain", NUL-terminated. Of people "p3-aBcdEfghijklmnopqrst@domain": which message it is of is in the case of
 * its letters, in which no address differs from another for the list of those that are sent nothing. */
void ledger_address(const struct ledger *ledger, uint32_t sequence, unsigned recipient, char out[128]);
/* What is asked for of a recipient's reports, or of the message's (LEDGER_MESSAGE): " NOTIFY=... ORCPT=...", or "". */
enum { LEDGER_MESSAGE = LEDGER_RECIPIENTS_MAX };
void ledger_wishes(const struct ledger *ledger, uint32_t sequence, unsigned recipient, char out[128]);
/* For how long it is to wait, in seconds, as it is said now; 0: not at all. */
unsigned ledger_hold(struct ledger *ledger, uint32_t sequence, uint64_t now_ns);
/* A next hop is told of it: not before its time. */
void ledger_begins(struct ledger *ledger, uint32_t sequence, uint64_t now_ns);
/* The reverse; false if it is no such address. */
bool ledger_address_parse(const char *text, size_t length, uint32_t *sequence, unsigned *recipient);
bool ledger_is_archive(const struct ledger *ledger, const char *text, size_t length);
/* NULL: there is none of that number. */
struct ledger_recipient *ledger_recipient(struct ledger *ledger, uint32_t sequence, unsigned recipient);

/* The number of the message that this content is of; false: it has none. */
bool ledger_content_sequence(const uint8_t *content, size_t length, uint32_t *sequence);

/* A next hop got this content for `sequence`: is it right? Trace headers before it are allowed. */
bool ledger_content_check(struct ledger *ledger, uint32_t sequence, const uint8_t *content, size_t length);
void ledger_confused(struct ledger *ledger, const char *what, uint32_t sequence);
/* The person that it is; NULL: recipients are none. */
struct ledger_person *ledger_person(struct ledger *ledger, uint32_t sequence, unsigned recipient);
void ledger_person_address(const struct ledger *ledger, unsigned person, char out[128]);
/* A next hop is asked for it. True: nobody is there. */
bool ledger_nobody(struct ledger *ledger, uint32_t sequence, unsigned recipient, uint64_t now_ns);
/* Its sender asked not to hear of it where it fails. */
bool ledger_silent(const struct ledger *ledger, uint32_t sequence, unsigned recipient);
/* A report arrived. */
void ledger_notified(struct ledger *ledger, const uint8_t *content, size_t length);

struct ledger_summary {
	uint64_t accepted, refused, unknown; /* recipients by fate */
	uint64_t delivered;                  /* of those accepted: distinct */
	uint64_t failed;                     /* accepted, never delivered, refused for good by a next hop */
	uint64_t missing;                    /* accepted, not delivered, not failed: must still be queued */
	uint64_t duplicates;                 /* deliveries beyond the first */
	uint64_t phantoms;                   /* delivered although refused or never sent */
	uint64_t altered, confused, notifications;
};
void ledger_summarize(const struct ledger *ledger, struct ledger_summary *out);

#endif
