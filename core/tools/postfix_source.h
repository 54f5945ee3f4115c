/*
 * core/tools/postfix_source.h - what import_postfix.c and its parts ask of a directory of Postfix.
 */
#ifndef POSTRIDER_TOOLS_POSTFIX_SOURCE_H
#define POSTRIDER_TOOLS_POSTFIX_SOURCE_H

#include <stdint.h>

#include "core/tools/import_plan.h"
#include "core/tools/postfix_conf.h"
#include "core/tools/postfix_table.h"

struct postfix_source {
	struct import_plan *plan;
	struct postfix_conf conf;
	const char *directory;
	const char *last; /* the destination of what no route fits; NULL: by relayhost */
	bool own;         /* it is this machine's Postfix, not a copy */
	bool nested;      /* a list of networks in a file is being read */
};

enum postfix_kind { POSTFIX_PLAIN, POSTFIX_PATTERNS, POSTFIX_NETWORKS, POSTFIX_STATIC };

/* A table of a list of them. */
struct postfix_map {
	enum postfix_kind kind;
	struct postfix_table table;
	const char *file;  /* as in "transport", for places */
	const char *value; /* of POSTFIX_STATIC */
};

/* Worked out; NULL: not there, or not to be had, which is noted then. Belongs to the plan. */
const char *postfix_source_value(struct postfix_source *s, const struct postfix_service *service, const char *name);
/* The same, "" in place of NULL. */
const char *postfix_source_text(struct postfix_source *s, const struct postfix_service *service, const char *name);
bool postfix_source_yes(struct postfix_source *s, const struct postfix_service *service, const char *name);
/* False: not there, or no number. */
bool postfix_source_number(struct postfix_source *s, const char *name, uint64_t *number);
/* With a unit, s m h d w; `unit` where there is none. */
bool postfix_source_seconds(struct postfix_source *s, const char *name, char unit, uint64_t *seconds);
/* About a parameter, with its place and how it is written there. */
__attribute__((format(printf, 5, 6))) void postfix_source_note(struct postfix_source *s,
							       const struct postfix_service *service, const char *name,
							       const char *did, const char *here, ...);
/* The same about one that nobody knows: its value, which may be a password's, is not told. */
void postfix_source_note_unknown(struct postfix_source *s, const struct postfix_service *service, const char *name);
/* About an entry of a table. */
__attribute__((format(printf, 5, 6))) void postfix_source_note_entry(struct postfix_source *s,
								     const struct postfix_map *map,
								     const struct postfix_entry *entry, const char *did,
								     const char *here, ...);

typedef void postfix_map_fn(struct postfix_source *s, const struct postfix_map *map, void *context);
/* Each table that the parameter names, in order, as far as it can be read here; others are noted. */
void postfix_source_maps(struct postfix_source *s, const char *name, postfix_map_fn *fn, void *context);
/* One as it is written, "hash:/etc/postfix/transport", for the parameter `name`. False: noted. */
bool postfix_source_map(struct postfix_source *s, const char *name, const char *spec, struct postfix_map *map);
void postfix_source_map_end(struct postfix_map *map);
/* Where a path of /etc/postfix is looked for. */
const char *postfix_source_path(struct postfix_source *s, const char *path);

/* A domain or address of a table as a pattern of ours: "*@example.org", "*@*.example.org" for ".example.org", an
 * address as it is. NULL: it can be none. */
const char *postfix_source_pattern(struct postfix_source *s, const char *key);

/* The parts. */
void postfix_take_in(struct postfix_source *s);    /* listeners, certificates, clients */
void postfix_take_rules(struct postfix_source *s); /* restrictions and what is written anew */
void postfix_take_out(struct postfix_source *s);   /* destinations and routes */
void postfix_take_sign_in(struct postfix_source *s, struct import_destination *destination, const char *nexthop,
			  const char *host, unsigned port);
void postfix_take_tls(struct postfix_source *s, const struct postfix_service *service,
		      struct import_destination *destination, const char *nexthop);
void postfix_take_rest(struct postfix_source *s); /* what nobody asked for */

#endif
