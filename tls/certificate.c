/*
 * tls/certificate.c - reads a certificate's DER (RFC 5280 section 4.1; X.690).
 *
 * Only what a verdict needs. What is not DER, or has something twice, is no certificate. An extension that is marked
 * critical and not handled here or in path.c makes the certificate unusable (RFC 5280 4.2).
 */
#include "tls/certificate.h"

#include <string.h>
#include <time.h>

enum {
	BOOLEAN = 0x01,
	INTEGER = 0x02,
	BIT_STRING = 0x03,
	OCTET_STRING = 0x04,
	OID = 0x06,
	UTC_TIME = 0x17,
	GENERALIZED_TIME = 0x18,
	SEQUENCE = 0x30,
	VERSION = 0xa0,
	ISSUER_UNIQUE_ID = 0x81,
	SUBJECT_UNIQUE_ID = 0x82,
	EXTENSIONS = 0xa3,
};

/* An object identifier's content octets, as a string literal. */
#define IS_OID(span, octets) ((span).length == sizeof(octets) - 1 && memcmp((span).at, octets, sizeof(octets) - 1) == 0)

bool span_equal(struct span a, struct span b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

bool der_take(struct span *in, uint8_t *tag, struct span *content, struct span *whole)
{
	size_t header = 2, length;

	if (in->length < header || (in->at[0] & 0x1f) == 0x1f)
		return false;
	length = in->at[1];
	if (length >= 0x80) {
		size_t octets = length & 0x7f;
		if (octets == 0 || octets > 3 || in->length < header + octets || in->at[2] == 0)
			return false;
		length = 0;
		for (size_t i = 0; i < octets; i++)
			length = length << 8 | in->at[header + i];
		if (length < 0x80)
			return false; /* DER has one way to write a length. */
		header += octets;
	}
	if (length > in->length - header)
		return false;
	*tag = in->at[0];
	*content = (struct span){in->at + header, length};
	*whole = (struct span){in->at, header + length};
	in->at += header + length;
	in->length -= header + length;
	return true;
}

/* The next element, which must have this tag. */
static bool take(struct span *in, uint8_t wanted, struct span *content, struct span *whole)
{
	struct span ignored;
	uint8_t tag;

	return der_take(in, &tag, content, whole != NULL ? whole : &ignored) && tag == wanted;
}

/* The same if it is there; without it *content is empty. False if it is damaged. */
static bool take_optional(struct span *in, uint8_t wanted, struct span *content)
{
	*content = (struct span){in->at, 0};
	return in->length == 0 || in->at[0] != wanted || take(in, wanted, content, NULL);
}

static int digits(const uint8_t *at, int count)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		if (at[i] < '0' || at[i] > '9')
			return -1;
		value = value * 10 + (at[i] - '0');
	}
	return value;
}

/* RFC 5280 4.1.2.5: UTC, to the second. */
static bool take_time(struct span *in, int64_t *seconds)
{
	struct span text, whole;
	struct tm tm = {0};
	uint8_t tag;
	int year;

	if (!der_take(in, &tag, &text, &whole))
		return false;
	if (tag == UTC_TIME && text.length == 13) {
		year = digits(text.at, 2);
		year += year < 0 ? 0 : year < 50 ? 2000 : 1900;
		text.at += 2;
	} else if (tag == GENERALIZED_TIME && text.length == 15) {
		year = digits(text.at, 4);
		text.at += 4;
	} else {
		return false;
	}
	int month = digits(text.at, 2), day = digits(text.at + 2, 2), hour = digits(text.at + 4, 2);
	int minute = digits(text.at + 6, 2), second = digits(text.at + 8, 2);
	if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 ||
	    minute > 59 || second < 0 || second > 60 || text.at[10] != 'Z')
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	*seconds = timegm(&tm);
	return true;
}

static bool weak_signature(struct span oid)
{
	return !(IS_OID(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b") || /* RSA with SHA-256, SHA-384, SHA-512 */
		 IS_OID(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c") ||
		 IS_OID(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d") ||
		 IS_OID(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a") || /* RSASSA-PSS: for wolfSSL to judge */
		 IS_OID(oid, "\x2a\x86\x48\xce\x3d\x04\x03\x02") ||     /* ECDSA with the same */
		 IS_OID(oid, "\x2a\x86\x48\xce\x3d\x04\x03\x03") || IS_OID(oid, "\x2a\x86\x48\xce\x3d\x04\x03\x04") ||
		 IS_OID(oid, "\x2b\x65\x70") || IS_OID(oid, "\x2b\x65\x71")); /* Ed25519, Ed448 */
}

/* RSA: the modulus in bits; other keys: whether the curve is one of those that are strong enough. */
static bool read_key(struct span key, bool *weak)
{
	enum { RSA_OCTETS_MIN = 2048 / 8 };
	struct span body, algorithm, oid, curve, bits, numbers, modulus;

	*weak = true;
	if (!take(&key, SEQUENCE, &body, NULL) || !take(&body, SEQUENCE, &algorithm, NULL) ||
	    !take(&algorithm, OID, &oid, NULL) || !take(&body, BIT_STRING, &bits, NULL) || body.length != 0 ||
	    bits.length < 2 || bits.at[0] != 0)
		return false;
	if (IS_OID(oid, "\x2b\x65\x70") || IS_OID(oid, "\x2b\x65\x71")) {
		*weak = false;
	} else if (IS_OID(oid, "\x2a\x86\x48\xce\x3d\x02\x01")) {
		if (!take(&algorithm, OID, &curve, NULL))
			return true; /* Explicit parameters: RFC 5480 forbids them. */
		*weak = !(IS_OID(curve, "\x2a\x86\x48\xce\x3d\x03\x01\x07") || /* P-256, P-384, P-521 */
			  IS_OID(curve, "\x2b\x81\x04\x00\x22") || IS_OID(curve, "\x2b\x81\x04\x00\x23"));
	} else if (IS_OID(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")) {
		bits.at++;
		bits.length--;
		if (!take(&bits, SEQUENCE, &numbers, NULL) || !take(&numbers, INTEGER, &modulus, NULL))
			return false;
		while (modulus.length > 0 && modulus.at[0] == 0) {
			modulus.at++;
			modulus.length--;
		}
		*weak = modulus.length < RSA_OCTETS_MIN || (modulus.length == RSA_OCTETS_MIN && modulus.at[0] < 0x80);
	}
	return true;
}

static bool read_basic_constraints(struct certificate *certificate, struct span value)
{
	struct span body, flag, length;

	if (!take(&value, SEQUENCE, &body, NULL) || value.length != 0 || !take_optional(&body, BOOLEAN, &flag) ||
	    !take_optional(&body, INTEGER, &length) || body.length != 0)
		return false;
	certificate->has_basic_constraints = true;
	certificate->authority = flag.length == 1 && flag.at[0] == 0xff;
	if (length.length > 1 || (length.length == 1 && length.at[0] > 0x7f))
		return false; /* Negative, or longer than any path. */
	if (length.length == 1)
		certificate->path_length = length.at[0];
	return true;
}

static bool read_key_usage(struct certificate *certificate, struct span value)
{
	struct span bits;

	if (!take(&value, BIT_STRING, &bits, NULL) || value.length != 0 || bits.length < 1)
		return false;
	uint8_t first = bits.length > 1 ? bits.at[1] : 0;
	certificate->usages = (first & 0x80 ? KEY_USAGE_SIGNATURE : 0) | (first & 0x04 ? KEY_USAGE_CERT_SIGN : 0);
	return true;
}

static bool read_purposes(struct certificate *certificate, struct span value)
{
	struct span body, oid;

	if (!take(&value, SEQUENCE, &body, NULL) || value.length != 0)
		return false;
	certificate->purposes = 0;
	while (body.length > 0) {
		if (!take(&body, OID, &oid, NULL))
			return false;
		if (IS_OID(oid, "\x2b\x06\x01\x05\x05\x07\x03\x01"))
			certificate->purposes |= PURPOSE_SERVER;
		else if (IS_OID(oid, "\x2b\x06\x01\x05\x05\x07\x03\x02"))
			certificate->purposes |= PURPOSE_CLIENT;
		else if (IS_OID(oid, "\x55\x1d\x25\x00")) /* any */
			certificate->purposes |= PURPOSE_SERVER | PURPOSE_CLIENT;
	}
	return true;
}

static bool read_sequence(struct span value, struct span *content)
{
	return take(&value, SEQUENCE, content, NULL) && value.length == 0;
}

enum known {
	BASIC_CONSTRAINTS = 1,
	KEY_USAGE = 2,
	PURPOSES = 4,
	ALTERNATIVE_NAMES = 8,
	CONSTRAINTS = 16,
	POLICIES = 32
};

static bool read_extension(struct certificate *certificate, struct span oid, bool critical, struct span value,
			   unsigned *seen)
{
	unsigned bit = 0;
	bool good = true;

	if (IS_OID(oid, "\x55\x1d\x13")) {
		bit = BASIC_CONSTRAINTS;
		good = read_basic_constraints(certificate, value);
	} else if (IS_OID(oid, "\x55\x1d\x0f")) {
		bit = KEY_USAGE;
		good = read_key_usage(certificate, value);
	} else if (IS_OID(oid, "\x55\x1d\x25")) {
		bit = PURPOSES;
		good = read_purposes(certificate, value);
	} else if (IS_OID(oid, "\x55\x1d\x11")) {
		bit = ALTERNATIVE_NAMES;
		good = read_sequence(value, &certificate->alternative_names);
	} else if (IS_OID(oid, "\x55\x1d\x1e")) {
		bit = CONSTRAINTS;
		/* Constraints that constrain nothing are a mistake, not a permission (RFC 5280 4.2.1.10). */
		good = read_sequence(value, &certificate->name_constraints) && certificate->name_constraints.length > 0;
	} else if (IS_OID(oid, "\x55\x1d\x20")) {
		bit = POLICIES; /* Any policy is acceptable, so there is nothing to do for it. */
	} else if (critical) {
		certificate->unknown_critical = true;
	}
	if (*seen & bit)
		return false;
	*seen |= bit;
	return good;
}

static bool read_extensions(struct certificate *certificate, struct span list)
{
	struct span body, extension, oid, critical, value;
	unsigned seen = 0;

	if (!take(&list, SEQUENCE, &body, NULL) || list.length != 0)
		return false;
	while (body.length > 0) {
		if (!take(&body, SEQUENCE, &extension, NULL) || !take(&extension, OID, &oid, NULL) ||
		    !take_optional(&extension, BOOLEAN, &critical) || !take(&extension, OCTET_STRING, &value, NULL) ||
		    extension.length != 0)
			return false;
		if (!read_extension(certificate, oid, critical.length == 1 && critical.at[0] != 0, value, &seen))
			return false;
	}
	return true;
}

/* What stands in front of the extensions. */
static bool read_fields(struct certificate *certificate, struct span *tbs, struct span *algorithm)
{
	struct span version, number, serial, name, validity, key;

	if (!take_optional(tbs, VERSION, &version))
		return false;
	certificate->version = 1;
	if (version.length > 0) {
		if (!take(&version, INTEGER, &number, NULL) || number.length != 1 || number.at[0] > 2)
			return false;
		certificate->version = number.at[0] + 1u;
	}
	return take(tbs, INTEGER, &serial, NULL) && take(tbs, SEQUENCE, &name, algorithm) &&
	       take(tbs, SEQUENCE, &name, &certificate->issuer) && take(tbs, SEQUENCE, &validity, NULL) &&
	       take_time(&validity, &certificate->not_before) && take_time(&validity, &certificate->not_after) &&
	       take(tbs, SEQUENCE, &name, &certificate->subject) && take(tbs, SEQUENCE, &key, &certificate->key);
}

bool certificate_parse(struct certificate *certificate, const uint8_t *der, size_t length)
{
	struct span in = {der, length}, body, tbs, algorithm, same, parameters, oid, signature, extensions;

	memset(certificate, 0, sizeof(*certificate));
	certificate->der = in;
	certificate->path_length = -1;
	certificate->purposes = PURPOSE_SERVER | PURPOSE_CLIENT;
	certificate->usages = KEY_USAGE_SIGNATURE | KEY_USAGE_CERT_SIGN;
	if (!take(&in, SEQUENCE, &body, NULL) || in.length != 0 || !take(&body, SEQUENCE, &tbs, NULL) ||
	    !take(&body, SEQUENCE, &parameters, &algorithm) || !take(&body, BIT_STRING, &signature, NULL) ||
	    body.length != 0)
		return false;
	/* A signature is whole octets. Not every wolfSSL looks, and nothing is signed that says so: one certificate
	 * would have several fingerprints. */
	if (signature.length < 2 || signature.at[0] != 0)
		return false;
	/* The algorithm stands inside and outside what is signed: RFC 5280 4.1.1.2 wants it the same. */
	if (!read_fields(certificate, &tbs, &same) || !span_equal(algorithm, same) ||
	    !take(&parameters, OID, &oid, NULL) || !read_key(certificate->key, &certificate->weak_key))
		return false;
	certificate->weak_signature = weak_signature(oid);
	if (!take_optional(&tbs, ISSUER_UNIQUE_ID, &same) || !take_optional(&tbs, SUBJECT_UNIQUE_ID, &same) ||
	    !take_optional(&tbs, EXTENSIONS, &extensions) || tbs.length != 0)
		return false;
	if (extensions.length > 0 && certificate->version != 3)
		return false;
	return extensions.length == 0 || read_extensions(certificate, extensions);
}
