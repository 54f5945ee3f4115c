/*
 * core/agents/revocations.c - see revocations.h.
 */
#include "core/agents/revocations.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/config/text_file.h"

enum { LISTS_MAX = 256, SERIAL_MAX = 30, KEYS_SEEN = 4, NEGATIVE = 0x80, TIME_SIZE = 40, NAME_SIZE = 256 };

struct entry {
	uint8_t length; /* and NEGATIVE */
	uint8_t serial[SERIAL_MAX];
	int8_t reason; /* RFC 5280 5.3.1; -1: not given */
	int64_t since;
};

struct list {
	X509_NAME *issuer;     /* owned, as all of these */
	ASN1_OCTET_STRING *of; /* which of that name's keys has signed it, as it says itself; NULL: it does not */
	GENERAL_NAMES *points; /* of what is distributed there alone; NULL: of all */
	bool users, issuers;   /* of these alone */
	int64_t begins, ends;  /* INT64_MAX: never */
	struct entry *entries; /* sorted by serial number */
	size_t count;
	unsigned char *der;
	size_t der_length;
	/* By whose key it is signed, and by whose not. */
	struct {
		uint8_t key[SHA256_DIGEST_LENGTH];
		bool is;
	} seen[KEYS_SEEN];
	unsigned seen_count; /* so many were ever looked at */
};

struct revocations {
	_Atomic(unsigned) references;
	size_t count;
	struct list *lists[LISTS_MAX]; /* owned */
};

static void free_list(struct list *list)
{
	if (!list)
		return;
	X509_NAME_free(list->issuer);
	ASN1_OCTET_STRING_free(list->of);
	GENERAL_NAMES_free(list->points);
	free(list->entries);
	OPENSSL_free(list->der);
	free(list);
}

struct revocations *revocations_none(void)
{
	struct revocations *r = calloc(1, sizeof(*r));

	if (r)
		atomic_init(&r->references, 1);
	return r;
}

struct revocations *revocations_reference(struct revocations *r)
{
	if (r)
		atomic_fetch_add(&r->references, 1);
	return r;
}

void revocations_free(struct revocations *r)
{
	if (!r || atomic_fetch_sub(&r->references, 1) > 1)
		return;
	for (size_t i = 0; i < r->count; i++)
		free_list(r->lists[i]);
	free(r);
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static void write_time(int64_t seconds, char out[TIME_SIZE])
{
	time_t shown = (time_t)seconds;
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&shown, &tm))
		(void)strftime(out, TIME_SIZE, "%Y-%m-%d %H:%M UTC", &tm);
}

static void write_name(const X509_NAME *name, char out[NAME_SIZE])
{
	BIO *text = BIO_new(BIO_s_mem());
	char *data = NULL;
	long length = -1;

	if (text && X509_NAME_print_ex(text, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		length = BIO_get_mem_data(text, &data);
	if (length > 0)
		span_copy((struct span){data, (uint32_t)length}, out, NAME_SIZE);
	else
		snprintf(out, NAME_SIZE, "somebody without a name");
	BIO_free(text);
}

static const char *reason_text(int reason)
{
	static const char *const texts[] = {"",
					    "keyCompromise",
					    "cACompromise",
					    "affiliationChanged",
					    "superseded",
					    "cessationOfOperation",
					    "certificateHold",
					    "",
					    "removeFromCRL",
					    "privilegeWithdrawn",
					    "aACompromise"};

	return reason >= 0 && (size_t)reason < sizeof(texts) / sizeof(texts[0]) ? texts[reason] : "";
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* INT64_MAX where it says nothing. */
static int64_t seconds_of(const ASN1_TIME *at)
{
	struct tm tm = {.tm_mday = 1};

	return at && ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) : INT64_MAX;
}

static bool take_serial(const ASN1_INTEGER *serial, struct entry *out)
{
	int length = ASN1_STRING_length(serial);

	*out = (struct entry){.reason = -1};
	if (length < 0 || length > SERIAL_MAX)
		return false;
	memcpy(out->serial, ASN1_STRING_get0_data(serial), (size_t)length);
	out->length = (uint8_t)(length | (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? NEGATIVE : 0));
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct entry *one = a, *other = b;

	if (one->length != other->length)
		return one->length < other->length ? -1 : 1;
	return memcmp(one->serial, other->serial, SERIAL_MAX);
}

static const char *take_entries(struct list *list, X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(crl);
	int count = sk_X509_REVOKED_num(revoked);

	if (count <= 0)
		return NULL;
	list->entries = calloc((size_t)count, sizeof(*list->entries));
	if (!list->entries)
		return "out of memory";
	for (int i = 0; i < count; i++) {
		const X509_REVOKED *one = sk_X509_REVOKED_value(revoked, i);
		struct entry *entry = &list->entries[i];
		ASN1_ENUMERATED *reason;
		if (!take_serial(X509_REVOKED_get0_serialNumber(one), entry))
			return "a serial number in it is longer than 30 octets";
		entry->since = seconds_of(X509_REVOKED_get0_revocationDate(one));
		reason = X509_REVOKED_get_ext_d2i(one, NID_crl_reason, NULL, NULL);
		if (reason && ASN1_ENUMERATED_get(reason) >= 0 && ASN1_ENUMERATED_get(reason) < 100)
			entry->reason = (int8_t)ASN1_ENUMERATED_get(reason);
		ASN1_ENUMERATED_free(reason);
	}
	list->count = (size_t)count;
	qsort(list->entries, list->count, sizeof(*list->entries), compare);
	return NULL;
}

/* Which certificates it is about (RFC 5280 5.2.5). */
static const char *take_scope(struct list *list, X509_CRL *crl)
{
	int critical = -1;
	ISSUING_DIST_POINT *scope = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
	const char *problem = NULL;

	if (!scope)
		return critical == -1 ? NULL : "what it says of which certificates it is about cannot be read";
	list->users = scope->onlyuser > 0;
	list->issuers = scope->onlyCA > 0;
	if (scope->indirectCRL > 0)
		problem = "it is an indirect one, of what others have issued: take one of each issuer";
	else if (scope->onlyattr > 0)
		problem = "it is of attribute certificates alone";
	else if (scope->onlysomereasons)
		problem = "it is of some reasons alone: take one of all";
	else if (scope->distpoint && scope->distpoint->type != 0)
		problem = "it names where it is distributed relative to its issuer, which is not understood here";
	if (!problem && scope->distpoint) {
		list->points = scope->distpoint->name.fullname;
		scope->distpoint->name.fullname = NULL;
	}
	ISSUING_DIST_POINT_free(scope);
	return problem;
}

/* A list that is over at some time, and not to be seen at which, would be gone by for ever. */
static const char *take_times(struct list *list, const X509_CRL *crl)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	list->begins = seconds_of(X509_CRL_get0_lastUpdate(crl));
	list->ends = seconds_of(next);
	return next && list->ends == INT64_MAX ? "the time when it is over (nextUpdate) cannot be read" : NULL;
}

static void take_key(struct list *list, X509_CRL *crl)
{
	AUTHORITY_KEYID *key = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL);

	if (!key)
		return;
	list->of = key->keyid;
	key->keyid = NULL;
	AUTHORITY_KEYID_free(key);
}

/* What must be understood or the whole not gone by (RFC 5280 5.2). */
static const char *find_strange(const X509_CRL *crl)
{
	if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
		return "it is a list of changes (delta): take a whole one";
	for (int i = X509_CRL_get_ext_by_critical(crl, 1, -1); i >= 0; i = X509_CRL_get_ext_by_critical(crl, 1, i)) {
		int kind = OBJ_obj2nid(X509_EXTENSION_get_object(X509_CRL_get_ext(crl, i)));
		if (kind != NID_issuing_distribution_point && kind != NID_authority_key_identifier)
			return "it has a critical extension that is not understood here";
	}
	return NULL;
}

static const char *fill(struct list *list, X509_CRL *crl)
{
	const char *problem = find_strange(crl);
	int length;

	if (!problem)
		problem = take_scope(list, crl);
	if (!problem)
		problem = take_times(list, crl);
	if (!problem)
		problem = take_entries(list, crl);
	if (problem)
		return problem;
	take_key(list, crl);
	list->issuer = X509_NAME_dup(X509_CRL_get_issuer(crl));
	length = i2d_X509_CRL(crl, &list->der);
	list->der_length = length > 0 ? (size_t)length : 0;
	return list->issuer && length > 0 ? NULL : "out of memory";
}

/* False: `problem`. Takes `crl`. */
static bool add(struct revocations *r, X509_CRL *crl, char *problem, size_t size)
{
	struct list *list = calloc(1, sizeof(*list));
	const char *why = !list                   ? "out of memory"
			  : r->count == LISTS_MAX ? "there are more than 256 lists in it"
						  : fill(list, crl);
	char name[NAME_SIZE];

	if (why) {
		write_name(X509_CRL_get_issuer(crl), name);
		snprintf(problem, size, "the list of %s: %s", name, why);
		free_list(list);
	} else {
		r->lists[r->count++] = list;
	}
	X509_CRL_free(crl);
	return !why;
}

/* None is asked for one. */
static int no_password(char *out, int size, int written, void *context)
{
	return -1;
}

static bool read_pem(struct revocations *r, const char *text, size_t length, char *problem, size_t size)
{
	BIO *in = BIO_new_mem_buf(text, (int)length);
	X509_CRL *crl = NULL;
	bool whole;

	ERR_clear_error();
	while (in && (crl = PEM_read_bio_X509_CRL(in, NULL, no_password, NULL)) != NULL) {
		if (!add(r, crl, problem, size)) {
			BIO_free(in);
			return false;
		}
	}
	whole = in && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(in);
	if (!whole)
		snprintf(problem, size, "what is between its BEGIN and END lines cannot be read: is it whole?");
	else if (r->count == 0)
		snprintf(problem, size, "there is no list of revoked certificates (BEGIN X509 CRL) in it");
	return whole && r->count > 0;
}

static bool read_der(struct revocations *r, const char *text, size_t length, char *problem, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;
	X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)length);

	ERR_clear_error();
	if (crl && at == (const unsigned char *)text + length)
		return add(r, crl, problem, size);
	X509_CRL_free(crl);
	snprintf(problem, size, "it is no list of revoked certificates (CRL), neither in PEM nor in DER");
	return false;
}

struct revocations *revocations_new(const char *text, size_t length, char *problem, size_t size)
{
	static const char begin[] = "-----BEGIN";
	struct revocations *r = length <= REVOCATIONS_FILE_MAX ? revocations_none() : NULL;
	bool pem = length > 0 && memmem(text, length, begin, sizeof(begin) - 1);

	if (!r) {
		snprintf(problem, size, "out of memory");
		return NULL;
	}
	if (pem ? read_pem(r, text, length, problem, size) : read_der(r, text, length, problem, size))
		return r;
	revocations_free(r);
	return NULL;
}

struct revocations *revocations_read(const char *file, char *problem, size_t size)
{
	struct revocations *r = NULL;
	size_t length;
	bool opened;
	char *text;
	int error = text_file_read(file, REVOCATIONS_FILE_MAX, &text, &length, &opened);

	if (error == 0)
		r = revocations_new(text, length, problem, size);
	else
		snprintf(problem, size, "%s", strerror(-error));
	free(text);
	return r;
}

/* ---- looking ---------------------------------------------------------------------------------------------------- */

/* It may sign lists, and this one it has. */
static bool is_signed_by(struct list *list, X509 *issuer)
{
	uint8_t key[SHA256_DIGEST_LENGTH];
	const unsigned char *at = list->der;
	unsigned known = list->seen_count < KEYS_SEEN ? list->seen_count : KEYS_SEEN, length = sizeof(key);
	X509_CRL *crl;
	bool is;

	if ((X509_get_key_usage(issuer) & KU_CRL_SIGN) == 0 || !X509_pubkey_digest(issuer, EVP_sha256(), key, &length))
		return false;
	for (unsigned i = 0; i < known; i++) {
		if (memcmp(list->seen[i].key, key, sizeof(key)) == 0)
			return list->seen[i].is;
	}
	crl = d2i_X509_CRL(NULL, &at, (long)list->der_length);
	is = crl && X509_get0_pubkey(issuer) && X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	/* What failed for want of memory is looked at again. */
	if (crl) {
		memcpy(list->seen[list->seen_count % KEYS_SEEN].key, key, sizeof(key));
		list->seen[list->seen_count++ % KEYS_SEEN].is = is;
	}
	X509_CRL_free(crl);
	return is;
}

static bool names_meet(const GENERAL_NAMES *some, const GENERAL_NAMES *others)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(some); i++) {
		for (int j = 0; j < sk_GENERAL_NAME_num(others); j++) {
			if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(some, i), sk_GENERAL_NAME_value(others, j)) == 0)
				return true;
		}
	}
	return false;
}

/* A certificate that does not say where to look for lists may be in any of its issuer's: some authorities name the
 * place in their lists alone. */
static bool is_about(const struct list *list, X509 *certificate)
{
	bool issuer = X509_check_ca(certificate) > 0, meet = false;
	CRL_DIST_POINTS *points;

	if (issuer ? list->users : list->issuers)
		return false;
	if (!list->points)
		return true;
	points = X509_get_ext_d2i(certificate, NID_crl_distribution_points, NULL, NULL);
	for (int i = 0; !meet && i < sk_DIST_POINT_num(points); i++) {
		const DIST_POINT *point = sk_DIST_POINT_value(points, i);
		meet = point->distpoint && point->distpoint->type == 0 &&
		       names_meet(list->points, point->distpoint->name.fullname);
	}
	meet |= !points && X509_get_ext_by_NID(certificate, NID_crl_distribution_points, -1) < 0;
	CRL_DIST_POINTS_free(points);
	return meet;
}

static const struct entry *find(const struct list *list, const X509 *certificate)
{
	struct entry key;

	/* One that is longer than any here is none of these. */
	if (list->count == 0 || !take_serial(X509_get0_serialNumber(certificate), &key))
		return NULL;
	return bsearch(&key, list->entries, list->count, sizeof(key), compare);
}

static void say_revoked(const struct entry *entry, const X509 *certificate, char *say)
{
	char name[NAME_SIZE], since[TIME_SIZE];
	const char *reason = reason_text(entry->reason);

	write_name(X509_get_subject_name(certificate), name);
	write_time(entry->since, since);
	snprintf(say, REVOCATIONS_SAY, "%s was revoked on %s%s%s%s", name, since, reason[0] ? " (" : "", reason,
		 reason[0] ? ")" : "");
}

static void say_why(enum revocations_state state, int64_t ends, const X509 *certificate, char *say)
{
	char name[NAME_SIZE], over[TIME_SIZE];

	write_name(X509_get_issuer_name(certificate), name);
	write_time(ends, over);
	switch (state) {
	case REVOCATIONS_GOOD:
		say[0] = '\0';
		break;
	case REVOCATIONS_OUT_OF_DATE:
		snprintf(say, REVOCATIONS_SAY,
			 "the list of what %s has revoked is out of date since %s: put a new one in its place", name,
			 over);
		break;
	case REVOCATIONS_UNSIGNED:
		snprintf(say, REVOCATIONS_SAY,
			 "the list of what %s has revoked is not signed by the key of who issued this, or that one may "
			 "not sign lists (keyUsage without cRLSign)",
			 name);
		break;
	default:
		snprintf(say, REVOCATIONS_SAY, "there is no list of what %s has revoked", name);
		break;
	}
}

/* What the lists of that name come to. */
struct finding {
	enum revocations_state state;
	int64_t ends; /* of those that are signed, the last */
};

/* NULL: it is not revoked. */
static const struct entry *go_through(struct revocations *r, X509 *certificate, X509 *issuer, int64_t now_s,
				      struct finding *f)
{
	const X509_NAME *name = X509_get_issuer_name(certificate);

	*f = (struct finding){.state = REVOCATIONS_NONE};
	for (size_t i = 0; i < r->count; i++) {
		struct list *list = r->lists[i];
		const struct entry *entry;
		if (X509_NAME_cmp(list->issuer, name) != 0 || !is_about(list, certificate))
			continue;
		if (!is_signed_by(list, issuer)) {
			if (f->state == REVOCATIONS_NONE)
				f->state = REVOCATIONS_UNSIGNED;
			continue;
		}
		/* Also by one that is over: what was revoked is that still. */
		entry = find(list, certificate);
		if (entry)
			return entry;
		if (list->ends > f->ends)
			f->ends = list->ends;
		if (list->ends > now_s)
			f->state = REVOCATIONS_GOOD;
		else if (f->state != REVOCATIONS_GOOD)
			f->state = REVOCATIONS_OUT_OF_DATE;
	}
	return NULL;
}

static X509 *certificate_of(struct span der)
{
	const unsigned char *at = (const unsigned char *)der.data;
	X509 *certificate = d2i_X509(NULL, &at, (long)der.length);

	ERR_clear_error();
	return certificate;
}

enum revocations_state revocations_look(struct revocations *r, struct span certificate_der, struct span issuer_der,
					int64_t now_s, char say[REVOCATIONS_SAY])
{
	X509 *certificate = certificate_of(certificate_der), *issuer = certificate_of(issuer_der);
	struct finding f = {.state = REVOCATIONS_UNREADABLE};
	const struct entry *entry = NULL;

	if (!certificate || !issuer) {
		snprintf(say, REVOCATIONS_SAY, "whether it is revoked cannot be seen: it cannot be read");
	} else {
		entry = go_through(r, certificate, issuer, now_s, &f);
		if (entry)
			say_revoked(entry, certificate, say);
		else
			say_why(f.state, f.ends, certificate, say);
	}
	X509_free(certificate);
	X509_free(issuer);
	return entry ? REVOCATIONS_REVOKED : f.state;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

static bool same_points(const GENERAL_NAMES *some, const GENERAL_NAMES *others)
{
	if (sk_GENERAL_NAME_num(some) != sk_GENERAL_NAME_num(others))
		return false;
	for (int i = 0; i < sk_GENERAL_NAME_num(some); i++) {
		if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(some, i), sk_GENERAL_NAME_value(others, i)) != 0)
			return false;
	}
	return true;
}

/* It is about all that the other one is about. */
static bool covers(const struct list *list, const struct list *other)
{
	return (!list->users || other->users) && (!list->issuers || other->issuers) &&
	       (!list->points || (other->points && same_points(list->points, other->points)));
}

static bool same_key(const struct list *a, const struct list *b)
{
	return a->of && b->of ? ASN1_OCTET_STRING_cmp(a->of, b->of) == 0 : !a->of && !b->of;
}

/* Another one of that issuer and of that key, about as much, is over later, or is the same and stands before. `by`:
 * who has signed it, and both are; NULL: what they say of that. */
static bool is_outlived(const struct revocations *r, size_t index, X509 *by)
{
	const struct list *list = r->lists[index];

	for (size_t i = 0; i < r->count; i++) {
		struct list *other = r->lists[i];
		if (i != index && X509_NAME_cmp(other->issuer, list->issuer) == 0 && covers(other, list) &&
		    (other->ends > list->ends || (other->ends == list->ends && i < index)) &&
		    (by ? is_signed_by(other, by) : same_key(other, list)))
			return true;
	}
	return false;
}

static void tell_authority(struct revocations *r, X509 *authority, int64_t now_s, bool *of_some,
			   struct revocations_authority *out)
{
	bool unsigned_one = false, signed_one = false;

	*out = (struct revocations_authority){.subject = out->subject};
	for (size_t i = 0; i < r->count; i++) {
		struct list *list = r->lists[i];
		if (X509_NAME_cmp(list->issuer, X509_get_subject_name(authority)) != 0)
			continue;
		of_some[i] = true;
		if (!is_signed_by(list, authority)) {
			unsigned_one = true;
			continue;
		}
		out->revoked += list->count;
		if (!is_outlived(r, i, authority) && (!signed_one || list->ends < out->ends)) {
			out->ends = list->ends;
			signed_one = true;
		}
	}
	if (signed_one)
		out->state = out->ends > now_s ? REVOCATIONS_GOOD : REVOCATIONS_OUT_OF_DATE;
	else
		out->state = unsigned_one ? REVOCATIONS_UNSIGNED : REVOCATIONS_NONE;
}

size_t revocations_authorities(struct revocations *r, const char *pem, size_t length, int64_t now_s, revocations_fn *fn,
			       void *context)
{
	BIO *in = BIO_new_mem_buf(pem, (int)length);
	bool of_some[LISTS_MAX] = {false};
	char name[NAME_SIZE];
	size_t strangers = 0;
	X509 *authority;

	while (in && (authority = PEM_read_bio_X509(in, NULL, no_password, NULL)) != NULL) {
		struct revocations_authority told = {.subject = name};
		write_name(X509_get_subject_name(authority), name);
		tell_authority(r, authority, now_s, of_some, &told);
		fn(context, &told);
		X509_free(authority);
	}
	ERR_clear_error();
	BIO_free(in);
	for (size_t i = 0; i < r->count; i++)
		strangers += !of_some[i];
	return strangers;
}

void revocations_sum(const struct revocations *r, struct revocations_sum *out)
{
	const struct list *first = NULL;

	*out = (struct revocations_sum){.lists = r->count, .ends = INT64_MAX};
	for (size_t i = 0; i < r->count; i++) {
		out->revoked += r->lists[i]->count;
		if ((!first || r->lists[i]->ends < first->ends) && !is_outlived(r, i, NULL))
			first = r->lists[i];
	}
	if (!first)
		return;
	write_name(first->issuer, out->issuer);
	out->begins = first->begins;
	out->ends = first->ends;
}
