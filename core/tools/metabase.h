/*
 * core/tools/metabase.h - the metabase of IIS 6 (MetaBase.xml, and what iiscnfg /export writes): what it says of SMTP.
 *
 * Each key is an element, such as IIsSmtpServer, with its place in the attribute Location and its properties in the
 * others; further ones stand in elements Custom inside it. Properties with several values have them between blanks.
 * Entities of a DOCTYPE are not expanded: a file that has one is refused, as no metabase has.
 *
 * RelayIpList and IPSecurity are octets in hexadecimal digits, little-endian: four offsets with their highest bit set
 * (addresses that are denied, that are granted, and the same for names), flags, and then the lists. A list of addresses
 * is the number of its groups, a number of addresses, and for each group: family (2), count, size of each (4), first,
 * offset; at the offset the mask and behind it the addresses.
 */
#ifndef POSTRIDER_TOOLS_METABASE_H
#define POSTRIDER_TOOLS_METABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	METABASE_KEYS_MAX = 10000,
	METABASE_PROPERTIES_MAX = 1000,
	METABASE_NETWORKS_MAX = 100000,
	METABASE_PROBLEM = 200
};

struct metabase_property {
	char *name, *value;
	unsigned long line;
};

struct metabase_key {
	char *class, *location; /* "IIsSmtpServer", "/LM/SmtpSvc/1" */
	struct metabase_property *properties;
	size_t count;
	unsigned long line;
};

struct metabase {
	struct metabase_key *keys;
	size_t count;
};

/* False with a sentence in `problem`; then there is nothing to free. */
bool metabase_read(struct metabase *base, const char *text, size_t length, char problem[METABASE_PROBLEM]);
void metabase_free(struct metabase *base);
/* By its name, in either case of letters; NULL: it has none of that. */
const struct metabase_property *metabase_find(const struct metabase_key *key, const char *name);

/* One entry of a list of addresses: IPv4 in host order. */
struct metabase_network {
	uint32_t address, mask;
};

struct metabase_list {
	struct metabase_network *granted, *denied;
	size_t granted_count, denied_count;
	bool names; /* there are names of domains as well */
};

/* False: the octets are no such list, it has more than METABASE_NETWORKS_MAX, or no memory. */
bool metabase_list_read(struct metabase_list *list, const char *digits);
void metabase_list_free(struct metabase_list *list);

#endif
