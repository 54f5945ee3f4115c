/*
 * core/tools/import_plan.h - what another program's configuration comes to here: a configuration, files with secrets,
 * and a list of what could not be taken over. Pure: nothing is read or written but through the FILE of a writer.
 *
 * Texts belong to the plan from import_text() on, until import_plan_free(). Where there is no memory `no_memory` is
 * set, and what is built after that does not matter. All texts that get into the configuration are of printable ASCII
 * (import_plain()): who fills a plan notes what is not, and leaves it out.
 */
#ifndef POSTRIDER_TOOLS_IMPORT_PLAN_H
#define POSTRIDER_TOOLS_IMPORT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { IMPORT_NAME_SIZE = 65, IMPORT_DESTINATIONS_MAX = 256, IMPORT_ROUTES_MAX = 4096, IMPORT_NOTES_MAX = 10000 };

/* Lines of YAML, or items of a list in it. */
struct import_lines {
	char **list;
	size_t count;
};

struct import_mailbox {
	const char *user, *password_file, *sender; /* sender NULL: itself */
};

struct import_destination {
	char name[IMPORT_NAME_SIZE];
	const char *key;
	const char *comment; /* NULL: none */
	struct import_lines hosts;
	bool numeric;      /* one of them is an address, without a name */
	const char *mx_of; /* NULL: hosts, or mx */
	bool mx;
	const char *mode; /* none, opportunistic, required, verify, dane */
	bool implicit;    /* written where it is not the default */
	const char *ca_file, *certificate, *private_key, *server_name;
	struct import_lines fingerprints;
	const char *mechanism; /* NULL: any */
	struct import_mailbox *mailboxes;
	size_t mailbox_count;
	bool match; /* sender: match */
	uint64_t connections, recipients, messages_per_minute, messages_per_hour,
		messages_per_connection; /* 0: not said */
	const char *source, *source_name;
	const char *prefer;
};

struct import_secret {
	const char *name; /* of the file */
	char *text;       /* wiped by import_plan_free() */
};

struct import_note {
	const char *place; /* "main.cf:12" */
	const char *what;  /* what stands there */
	const char *did;   /* a sentence */
	const char *here;  /* what to do; a sentence */
};

struct import_plan {
	const char *hostname; /* NULL: the machine's own */
	bool validate;        /* dns.dnssec */
	uint64_t message_size_max, first_s, max_s, expire_s, delay_s, connect_s, recipients, connections_per_client;
	uint64_t connections, hops;
	bool has_delay;
	struct import_lines certificates, listeners, networks, clients, map, removed, routes, comments;
	const char *from_address, *from_name, *default_domain, *archive;
	bool complete;
	struct import_destination *destinations;
	size_t destination_count;
	struct import_secret *secrets;
	size_t secret_count;
	struct import_note *notes;
	size_t note_count, notes_left_out;
	size_t routes_left_out;
	bool finishing;               /* where all other mail goes is made now: a place was kept for that */
	struct import_lines patterns; /* of routes */
	struct import_lines texts;    /* owned */
	bool no_memory;
};

/* A text of its own. Never NULL. */
__attribute__((format(printf, 2, 3))) const char *import_text(struct import_plan *plan, const char *format, ...);
void import_line(struct import_plan *plan, struct import_lines *lines, const char *text);
__attribute__((format(printf, 5, 6))) void import_note(struct import_plan *plan, const char *place, const char *what,
						       const char *did, const char *here, ...);
/* The one of that key, or a new one with what is usual (*made) and a name like `name`, as two keys may come to the same
 * name; NULL: there are too many, or no memory. */
struct import_destination *import_destination(struct import_plan *plan, const char *key, const char *name, bool *made);
/* A name that a destination can have, from any text. */
void import_name(const char *text, char name[IMPORT_NAME_SIZE]);
/* The first of a pattern counts.
 * `key` is recipient or sender. `destination` or `refuse` is NULL. NULL `pattern`: all. */
void import_route(struct import_plan *plan, const char *key, const char *pattern, const char *destination,
		  const char *refuse);
/* The file's name: `name` with ".password" behind it. */
const char *import_secret(struct import_plan *plan, const char *name, const char *password);
void import_mailbox(struct import_plan *plan, struct import_destination *destination, const char *user,
		    const char *password_file, const char *sender);

/* The times of `retry` as `check` wants them: the first no longer than the last, nor than all of them. */
void import_settle_times(struct import_plan *plan, const char *place);
/* Where no name with a domain could be taken over, and this machine's own has none either: its name with
 * ".localdomain", so that there is a configuration, and a note. `name` is what the other program is called, or NULL. */
void import_complete_hostname(struct import_plan *plan, const char *place, const char *name);

/* Printable ASCII. */
bool import_plain(const char *text);
/* In double quotes, as YAML has it. */
const char *import_quoted(struct import_plan *plan, const char *text);

/* The configuration; `from` is said in its first line. */
void import_write_configuration(FILE *out, const struct import_plan *plan, const char *from);
/* The list, for people. */
void import_write_notes(FILE *out, const struct import_plan *plan, const char *from);
void import_plan_free(struct import_plan *plan);

#endif
