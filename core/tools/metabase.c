/*
 * core/tools/metabase.c - see metabase.h.
 */
#include "core/tools/metabase.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Enough for all that IIS writes; a file can be no longer anyway (import_files.h). */
enum { CHUNK = 1 << 20 };

struct reading {
	XML_Parser parser;
	struct metabase *base;
	unsigned depth, inside; /* the depth at which a key was opened; 0: in none */
	const char *problem;
};

static void stop(struct reading *r, const char *problem)
{
	if (!r->problem)
		r->problem = problem;
	XML_StopParser(r->parser, XML_FALSE);
}

static void add_property(struct reading *r, struct metabase_key *key, const char *name, const char *value)
{
	struct metabase_property *more;

	if (key->count == METABASE_PROPERTIES_MAX) {
		stop(r, "a key has more properties than any of a metabase");
		return;
	}
	more = realloc(key->properties, (key->count + 1) * sizeof(*more));
	if (!more) {
		stop(r, "out of memory");
		return;
	}
	key->properties = more;
	more[key->count] = (struct metabase_property){
		.name = strdup(name), .value = strdup(value), .line = XML_GetCurrentLineNumber(r->parser)};
	key->count++;
	if (!more[key->count - 1].name || !more[key->count - 1].value)
		stop(r, "out of memory");
}

static void add_key(struct reading *r, const char *class, const char **attributes)
{
	struct metabase_key *more, *key;

	if (r->base->count == METABASE_KEYS_MAX) {
		stop(r, "there are more keys than any metabase has");
		return;
	}
	more = realloc(r->base->keys, (r->base->count + 1) * sizeof(*more));
	if (!more) {
		stop(r, "out of memory");
		return;
	}
	r->base->keys = more;
	key = &more[r->base->count++];
	*key = (struct metabase_key){.class = strdup(class), .line = XML_GetCurrentLineNumber(r->parser)};
	for (; attributes[0]; attributes += 2) {
		if (strcasecmp(attributes[0], "Location") == 0 && !key->location)
			key->location = strdup(attributes[1]);
		else
			add_property(r, key, attributes[0], attributes[1]);
	}
	if (!key->class)
		stop(r, "out of memory");
}

static void on_start(void *context, const char *name, const char **attributes)
{
	struct reading *r = context;
	const char *custom = NULL, *value = NULL;

	r->depth++;
	if (strncasecmp(name, "IIsSmtp", 7) == 0) {
		r->inside = r->depth;
		add_key(r, name, attributes);
		return;
	}
	if (r->inside == 0 || strcasecmp(name, "Custom") != 0 || r->base->count == 0)
		return;
	for (; attributes[0]; attributes += 2) {
		if (strcasecmp(attributes[0], "Name") == 0)
			custom = attributes[1];
		if (strcasecmp(attributes[0], "Value") == 0)
			value = attributes[1];
	}
	if (custom && value)
		add_property(r, &r->base->keys[r->base->count - 1], custom, value);
}

static void on_end(void *context, const char *name)
{
	struct reading *r = context;

	(void)name;
	if (r->inside == r->depth)
		r->inside = 0;
	r->depth--;
}

static void on_doctype(void *context, const char *name, const char *system, const char *public, int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	stop(context, "it has a DOCTYPE, which no metabase has");
}

static bool parse(struct reading *r, const char *text, size_t length, char problem[METABASE_PROBLEM])
{
	enum XML_Status status = XML_STATUS_OK;

	do {
		int part = length < CHUNK ? (int)length : CHUNK;
		status = XML_Parse(r->parser, text, part, (size_t)part == length);
		text += part;
		length -= (size_t)part;
	} while (status == XML_STATUS_OK && length > 0);
	if (status == XML_STATUS_OK && !r->problem)
		return true;
	snprintf(problem, METABASE_PROBLEM, "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(r->parser),
		 r->problem ? r->problem : XML_ErrorString(XML_GetErrorCode(r->parser)));
	return false;
}

bool metabase_read(struct metabase *base, const char *text, size_t length, char problem[METABASE_PROBLEM])
{
	struct reading r = {.parser = XML_ParserCreate(NULL), .base = base};
	bool ok;

	*base = (struct metabase){0};
	snprintf(problem, METABASE_PROBLEM, "out of memory");
	if (!r.parser)
		return false;
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	ok = parse(&r, text, length, problem);
	XML_ParserFree(r.parser);
	if (!ok)
		metabase_free(base);
	return ok;
}

void metabase_free(struct metabase *base)
{
	for (size_t i = 0; i < base->count; i++) {
		for (size_t j = 0; j < base->keys[i].count; j++) {
			free(base->keys[i].properties[j].name);
			free(base->keys[i].properties[j].value);
		}
		free(base->keys[i].properties);
		free(base->keys[i].class);
		free(base->keys[i].location);
	}
	free(base->keys);
	*base = (struct metabase){0};
}

const struct metabase_property *metabase_find(const struct metabase_key *key, const char *name)
{
	for (size_t i = 0; key && i < key->count; i++) {
		if (strcasecmp(key->properties[i].name, name) == 0)
			return &key->properties[i];
	}
	return NULL;
}

/* ---- lists of addresses ------------------------------------------------------------------------------------- */

struct octets {
	unsigned char *list;
	size_t length;
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Blanks between digits are borne: attributes are broken in lines by hand. */
static bool read_octets(const char *digits, struct octets *out)
{
	int high = -1;

	*out = (struct octets){.list = malloc(strlen(digits) / 2 + 1)};
	for (; out->list && *digits; digits++) {
		int value = digit(*digits);
		if (value < 0 && *digits != ' ')
			return false;
		if (value < 0)
			continue;
		if (high >= 0)
			out->list[out->length++] = (unsigned char)(16 * high + value);
		high = high < 0 ? value : -1;
	}
	return out->list && high < 0;
}

/* The number at an offset. False: it lies beyond the end. */
static bool number(const struct octets *o, size_t at, uint32_t *out)
{
	if (at > o->length || o->length - at < 4)
		return false;
	*out = (uint32_t)o->list[at] | (uint32_t)o->list[at + 1] << 8 | (uint32_t)o->list[at + 2] << 16 |
	       (uint32_t)o->list[at + 3] << 24;
	return true;
}

/* An address stands in the order of the network. */
static uint32_t address_at(const struct octets *o, size_t at)
{
	return (uint32_t)o->list[at] << 24 | (uint32_t)o->list[at + 1] << 16 | (uint32_t)o->list[at + 2] << 8 |
	       (uint32_t)o->list[at + 3];
}

/* A group at `at`: its networks behind those that are there. */
static bool read_group(const struct octets *o, size_t at, struct metabase_network **list, size_t *count)
{
	struct metabase_network *more;
	uint32_t family, entries, size, offset;

	if (!number(o, at, &family) || !number(o, at + 4, &entries) || !number(o, at + 8, &size) ||
	    !number(o, at + 16, &offset) || family != 2 || size != 4)
		return false;
	offset &= 0x7fffffffu;
	if (entries == 0)
		return true;
	if (offset > o->length || (o->length - offset) / 4 < entries || entries > METABASE_NETWORKS_MAX ||
	    *count + entries > METABASE_NETWORKS_MAX)
		return false;
	more = realloc(*list, (*count + entries) * sizeof(*more));
	if (!more)
		return false;
	*list = more;
	for (uint32_t i = 1; i < entries; i++)
		more[(*count)++] = (struct metabase_network){.address = address_at(o, offset + 4 * i),
							     .mask = address_at(o, offset)};
	return true;
}

static bool read_list(const struct octets *o, uint32_t at, struct metabase_network **list, size_t *count)
{
	uint32_t groups;

	at &= 0x7fffffffu;
	if (!number(o, at, &groups) || groups > o->length / 20)
		return false;
	for (uint32_t i = 0; i < groups; i++) {
		if (!read_group(o, at + 8 + 20 * (size_t)i, list, count))
			return false;
	}
	return true;
}

bool metabase_list_read(struct metabase_list *list, const char *digits)
{
	uint32_t at[4], names[2] = {0, 0};
	struct octets o;
	bool ok;

	*list = (struct metabase_list){0};
	ok = read_octets(digits, &o);
	for (size_t i = 0; i < 4; i++)
		ok = ok && number(&o, 4 * i, &at[i]);
	ok = ok && read_list(&o, at[0], &list->denied, &list->denied_count) &&
	     read_list(&o, at[1], &list->granted, &list->granted_count) && number(&o, at[2] & 0x7fffffffu, &names[0]) &&
	     number(&o, at[3] & 0x7fffffffu, &names[1]);
	list->names = names[0] > 0 || names[1] > 0;
	free(o.list);
	if (!ok)
		metabase_list_free(list);
	return ok;
}

void metabase_list_free(struct metabase_list *list)
{
	free(list->granted);
	free(list->denied);
	*list = (struct metabase_list){0};
}
