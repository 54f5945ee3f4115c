/*
 * tls/describe.c - what a certificate says, as text for people.
 *
 * Nothing here judges: names are shown as they are written, cut where there is no room, and whatever is no printable
 * text becomes "?". peer_name.c decides which names a certificate stands for.
 */
#include "tls/certificate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { SET = 0x31, SEQUENCE = 0x30, OID = 0x06, DNS_NAME = 0x82, IP_ADDRESS = 0x87 };

static const char cut_mark[] = "...";

/* Text that grows in an array of fixed size; what does not fit is replaced by the mark, once. */
struct text {
	char *at;
	size_t length, size;
	bool cut;
};

static void put(struct text *text, const uint8_t *octets, size_t length)
{
	if (text->cut)
		return;
	if (length > text->size - sizeof(cut_mark) - text->length) {
		text->cut = true;
		memcpy(text->at + text->length, cut_mark, sizeof(cut_mark));
		return;
	}
	for (size_t i = 0; i < length; i++) {
		/* UTF-8 stays as it is; the other encodings of RFC 5280 4.1.2.4 are ASCII, or not in use. */
		bool control = octets[i] < ' ' || octets[i] == 0x7f;
		text->at[text->length++] = control ? '?' : (char)octets[i];
	}
	text->at[text->length] = '\0';
}

static void put_string(struct text *text, const char *string)
{
	put(text, (const uint8_t *)string, strlen(string));
}

static void put_separator(struct text *text)
{
	if (text->length > 0)
		put_string(text, ", ");
}

/* RFC 4519's names of what stands in distinguished names; others are shown as "?". */
static const char *attribute_name(struct span oid)
{
	static const struct {
		uint8_t last; /* of 2.5.4.x */
		const char *name;
	} names[] = {{3, "CN"}, {5, "serialNumber"}, {6, "C"}, {7, "L"}, {8, "ST"}, {10, "O"}, {11, "OU"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (oid.length == 3 && oid.at[0] == 0x55 && oid.at[1] == 0x04 && oid.at[2] == names[i].last)
			return names[i].name;
	}
	return "?";
}

/* The next "attribute = value" of a Name (RFC 5280 4.1.2.4), across its sets. False at the end. */
static bool next_attribute(struct span *name, struct span *set, struct span *oid, struct span *value)
{
	struct span pair, whole;
	uint8_t tag;

	while (set->length == 0) {
		if (!der_take(name, &tag, set, &whole) || tag != SET)
			return false;
	}
	return der_take(set, &tag, &pair, &whole) && tag == SEQUENCE && der_take(&pair, &tag, oid, &whole) &&
	       tag == OID && der_take(&pair, &tag, value, &whole);
}

static void put_subject(struct text *text, struct text *common_name, struct span subject)
{
	struct span name, whole, set = {NULL, 0}, oid, value;
	uint8_t tag;

	if (!der_take(&subject, &tag, &name, &whole))
		return;
	while (next_attribute(&name, &set, &oid, &value)) {
		const char *attribute = attribute_name(oid);
		put_separator(text);
		put_string(text, attribute);
		put_string(text, "=");
		put(text, value.at, value.length);
		if (strcmp(attribute, "CN") == 0) {
			put_separator(common_name);
			put(common_name, value.at, value.length);
		}
	}
}

static void put_names(struct text *text, struct span names)
{
	char address[INET6_ADDRSTRLEN];
	struct span name, whole;
	uint8_t tag;

	while (der_take(&names, &tag, &name, &whole)) {
		bool v6 = name.length == sizeof(struct in6_addr), v4 = name.length == sizeof(struct in_addr);
		if (tag == DNS_NAME) {
			put_separator(text);
			put(text, name.at, name.length);
		} else if (tag == IP_ADDRESS && (v4 || v6)) {
			put_separator(text);
			put_string(text, inet_ntop(v6 ? AF_INET6 : AF_INET, name.at, address, sizeof(address)));
		}
	}
}

void certificate_describe(const struct certificate *certificate, struct tls_certificate_text *text)
{
	char common_name_text[sizeof(text->names)] = "", issuer_name_text[sizeof(text->names)] = "";
	struct text subject = {.at = text->subject, .size = sizeof(text->subject)};
	struct text names = {.at = text->names, .size = sizeof(text->names)};
	struct text common_name = {.at = common_name_text, .size = sizeof(common_name_text)};
	struct text issuer = {.at = text->issuer, .size = sizeof(text->issuer)};
	struct text issuer_name = {.at = issuer_name_text, .size = sizeof(issuer_name_text)};

	text->subject[0] = text->issuer[0] = text->names[0] = '\0';
	text->not_before = certificate->not_before;
	text->not_after = certificate->not_after;
	text->for_server = (certificate->purposes & PURPOSE_SERVER) != 0;
	text->for_client = (certificate->purposes & PURPOSE_CLIENT) != 0;
	put_subject(&subject, &common_name, certificate->subject);
	put_subject(&issuer, &issuer_name, certificate->issuer);
	put_names(&names, certificate->alternative_names);
	/* As peer_name.c does: the common name counts where there is nothing else. */
	if (text->names[0] == '\0')
		memcpy(text->names, common_name_text, sizeof(common_name_text));
}
