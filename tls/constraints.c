/*
 * tls/constraints.c - name constraints of an authority against the names of a certificate below it (RFC 5280 4.2.1.10).
 *
 * DNS names, addresses and directory names are compared. A constraint of another kind is met only by certificates
 * without a name of that kind. Whatever is doubtful is outside.
 */
#include "tls/certificate.h"

#include <string.h>
#include <strings.h>

enum {
	NAME_DNS = 0x82,
	NAME_DIRECTORY = 0xa4,
	NAME_ADDRESS = 0x87,
	PERMITTED = 0xa0,
	EXCLUDED = 0xa1,
	SEQUENCE = 0x30
};

struct general_name {
	uint8_t kind;
	struct span value;
};

/* Whether `name` is `base` or a name below it; ".base" stands for those below only, "" for all. */
static bool dns_within(struct span name, struct span base)
{
	bool below_only = base.length > 0 && base.at[0] == '.';

	if (base.length == 0)
		return true;
	if (below_only) {
		base.at++;
		base.length--;
	}
	if (name.length < base.length ||
	    strncasecmp((const char *)name.at + name.length - base.length, (const char *)base.at, base.length) != 0)
		return false;
	if (name.length == base.length)
		return !below_only;
	return name.at[name.length - base.length - 1] == '.';
}

static bool address_within(struct span address, struct span range)
{
	if (range.length != 2 * address.length)
		return false;
	for (size_t i = 0; i < address.length; i++) {
		if ((address.at[i] ^ range.at[i]) & range.at[address.length + i])
			return false;
	}
	return true;
}

/* Directory names begin with the constraint's components; `base` is a whole Name, `name` one too. */
static bool directory_within(struct span name, struct span base)
{
	struct span name_parts, base_parts, whole;
	uint8_t tag;

	if (!der_take(&name, &tag, &name_parts, &whole) || !der_take(&base, &tag, &base_parts, &whole))
		return false;
	return name_parts.length >= base_parts.length &&
	       span_equal((struct span){name_parts.at, base_parts.length}, base_parts);
}

static bool within(struct general_name name, struct span base)
{
	switch (name.kind) {
	case NAME_DNS:
		return dns_within(name.value, base);
	case NAME_ADDRESS:
		return address_within(name.value, base);
	case NAME_DIRECTORY:
		return directory_within(name.value, base);
	default:
		return false;
	}
}

/* A wildcard touches what is excluded as soon as one of the names it stands for does. */
static bool touches(struct general_name name, struct span base)
{
	if (name.kind == NAME_DNS && name.value.length > 2 && name.value.at[0] == '*' && name.value.at[1] == '.') {
		struct span parent = {name.value.at + 2, name.value.length - 2};
		return dns_within(name.value, base) || dns_within(base, parent);
	}
	if (name.kind != NAME_DNS && name.kind != NAME_ADDRESS && name.kind != NAME_DIRECTORY)
		return true;
	return within(name, base);
}

/* Goes through the subtrees of one side. False if they are malformed; *hit: the name is in one, *relevant: there is one
 * of the name's kind. */
static bool search(struct span subtrees, struct general_name name, bool excluded, bool *hit, bool *relevant)
{
	struct span subtree, base, whole;
	uint8_t tag;

	*hit = *relevant = false;
	while (subtrees.length > 0) {
		/* A minimum or maximum behind the base is not used in this profile: refused. */
		if (!der_take(&subtrees, &tag, &subtree, &whole) || tag != SEQUENCE ||
		    !der_take(&subtree, &tag, &base, &whole) || subtree.length != 0)
			return false;
		if (tag != name.kind)
			continue;
		*relevant = true;
		*hit = *hit || (excluded ? touches(name, base) : within(name, base));
	}
	return true;
}

static bool name_allowed(struct span constraints, struct general_name name)
{
	struct span subtrees, whole;
	bool hit, relevant;
	uint8_t tag;

	while (constraints.length > 0) {
		if (!der_take(&constraints, &tag, &subtrees, &whole) || (tag != PERMITTED && tag != EXCLUDED) ||
		    !search(subtrees, name, tag == EXCLUDED, &hit, &relevant))
			return false;
		if (tag == EXCLUDED ? hit : relevant && !hit)
			return false;
	}
	return true;
}

/* The common names of a subject: where there is no DNS name, one may be taken for it (CVE-2026-6731). */
static bool common_names_allowed(struct span constraints, struct span subject)
{
	static const uint8_t common_name[] = {0x55, 0x04, 0x03};
	struct span name, set, pair, oid, value, whole;
	uint8_t tag;

	if (!der_take(&subject, &tag, &name, &whole))
		return false;
	while (name.length > 0) {
		if (!der_take(&name, &tag, &set, &whole))
			return false;
		while (set.length > 0) {
			if (!der_take(&set, &tag, &pair, &whole) || !der_take(&pair, &tag, &oid, &whole) ||
			    !der_take(&pair, &tag, &value, &whole))
				return false;
			if (span_equal(oid, (struct span){common_name, sizeof(common_name)}) &&
			    !name_allowed(constraints, (struct general_name){NAME_DNS, value}))
				return false;
		}
	}
	return true;
}

bool name_constraints_allow(struct span constraints, const struct certificate *certificate)
{
	struct span names = certificate->alternative_names, value, whole, subject = certificate->subject, parts;
	bool dns = false;
	uint8_t tag;

	while (names.length > 0) {
		if (!der_take(&names, &tag, &value, &whole) ||
		    !name_allowed(constraints, (struct general_name){tag, value}))
			return false;
		dns = dns || tag == NAME_DNS || tag == NAME_ADDRESS;
	}
	if (!der_take(&subject, &tag, &parts, &whole))
		return false;
	if (parts.length > 0 && !name_allowed(constraints, (struct general_name){NAME_DIRECTORY, certificate->subject}))
		return false;
	return dns || certificate->authority || common_names_allowed(constraints, certificate->subject);
}
