/*
 * core/agents/incident.h - what goes wrong for longer than a moment, told once when it begins and once when it is over:
 * the state of each, and nothing else. No clock, no file, no thread.
 *
 *            bad              bad for so long           well
 *     none ------> SUSPECTED ----------------> OPEN ------------> CALMING -- well for so long --> none
 *       ^              |                        ^                    |
 *       '--- well -----'                        '------- bad --------'
 *
 * Who flaps stays one incident for as long as he does not rest. There are INCIDENTS_MAX at most; what finds no place is
 * counted, and has one as soon as it is bad again and there is room.
 */
#ifndef POSTRIDER_AGENTS_INCIDENT_H
#define POSTRIDER_AGENTS_INCIDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INCIDENTS_MAX = 256, INCIDENT_NOTES_MAX = 64, INCIDENT_SUBJECT_SIZE = 256, INCIDENT_PROBLEM_SIZE = 400 };

enum incident_kind {
	INCIDENT_DESTINATION_DOWN,
	INCIDENT_NO_DELIVERY,
	INCIDENT_OLD_MAIL,
	INCIDENT_SETUP_REFUSED,
	INCIDENT_SIGN_IN_REFUSED,
	INCIDENT_TOKEN_ENDING,
	INCIDENT_CERTIFICATE_ENDING,
	INCIDENT_SPOOL_FILLING,
	INCIDENT_BUDGET_NEARLY_SPENT,
	INCIDENT_DEVICE_SILENT,
	INCIDENT_KINDS
};

enum incident_state { INCIDENT_SUSPECTED, INCIDENT_OPEN, INCIDENT_CALMING };

struct incident {
	enum incident_kind kind;
	enum incident_state state;
	char subject
		[INCIDENT_SUBJECT_SIZE]; /* whom it is about: a destination, DESTINATION/MAILBOX, a file, a device */
	char problem[INCIDENT_PROBLEM_SIZE]; /* what was last said, or measured */
	uint64_t since_ns;                   /* it has been in this state for so long */
	uint64_t opened_wall_ms;             /* OPEN, CALMING */
	uint64_t again;                      /* how often it was bad again while it calmed */
	bool restored; /* open when the process before ended, or when words were lost, and not said since */
	bool told;     /* its opening, to whom it is mailed */
};

/* What somebody is to be told of one. */
struct incident_note {
	struct incident incident;
	uint64_t closed_wall_ms; /* 0: it was opened */
};

struct incident_notes {
	struct incident_note list[INCIDENT_NOTES_MAX];
	size_t count;
	uint64_t more; /* that found no place in the list */
};

struct incidents {
	struct incident list[INCIDENTS_MAX];
	size_t count;
	uint64_t left_out; /* sightings without a place, since the start */
	/* How long it is to be bad, and well, by kind. */
	uint64_t after_ns[INCIDENT_KINDS], calm_ns[INCIDENT_KINDS];
	/* One was opened or closed; it is still in the list. */
	void (*opened)(void *context, struct incident *incident);
	void (*closed)(void *context, const struct incident *incident);
	void *context;
};

/* It is bad; once, or as often as somebody looks. */
void incidents_bad(struct incidents *incidents, enum incident_kind kind, const char *subject, const char *problem,
		   uint64_t now_ns, uint64_t wall_ms);
/* It is well; `at_once`: nobody need wait whether it stays so. */
void incidents_well(struct incidents *incidents, enum incident_kind kind, const char *subject, bool at_once,
		    uint64_t now_ns);
/* Time has passed. */
void incidents_tick(struct incidents *incidents, uint64_t now_ns, uint64_t wall_ms);
/* It was open when the process ended. False: there is no room, or it is there. */
bool incidents_restore(struct incidents *incidents, const struct incident *incident, uint64_t now_ns);
/* Words were lost: one of those that are open may be over. */
void incidents_doubt(struct incidents *incidents);
/* NULL: there is none. */
struct incident *incidents_find(struct incidents *incidents, enum incident_kind kind, const char *subject);

/* WHOLE/PART, or WHOLE where `part` is "", as it stands in an incident: as far as there is room. */
void incident_subject(const char *whole, const char *part, char out[INCIDENT_SUBJECT_SIZE]);

static inline bool incident_is_open(const struct incident *incident)
{
	return incident->state != INCIDENT_SUSPECTED;
}

/* "destination_down"; of metrics, events and answers. */
const char *incident_name(enum incident_kind kind);
/* INCIDENT_KINDS: there is none of that name. */
enum incident_kind incident_kind_of(const char *name);
/* For people: what it is, and what to do about it. */
const char *incident_title(enum incident_kind kind);
const char *incident_fix(enum incident_kind kind);

#endif
