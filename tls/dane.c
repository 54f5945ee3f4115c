/*
 * tls/dane.c - see dane.h.
 *
 * dane_check() is pure: what was shown and the records in, the result out. The walk to the key is its own, because what
 * is compared is the SubjectPublicKeyInfo as it stands, with its header, also in certificates that certificate.c would
 * not have; wolfSSL gives other octets for RSA and Ed25519 keys.
 *
 * A path to an authority is path.c's, with the authorities that were matched as its anchors: they must be authorities
 * and may sign, which wolfSSL would not ask of one it is told to trust. The host's own certificate is none of them:
 * what names that is DANE-EE.
 */
#include "tls/dane.h"

#include "tls/certificate.h"
#include "tls/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wolfssl/wolfcrypt/sha256.h>
#include <wolfssl/wolfcrypt/sha512.h>

enum { USAGE_TA = 2, USAGE_EE = 3 };
enum { SELECTOR_CERTIFICATE = 0, SELECTOR_KEY = 1, SELECTORS };
enum { MATCHING_FULL = 0, MATCHING_SHA256 = 1, MATCHING_SHA512 = 2, MATCHINGS };
enum { RECORD_HEADER = 3, SEQUENCE = 0x30, VERSION = 0xa0, CARRIED_MAX = 8 };

struct record {
	uint8_t usage, selector, matching;
	struct span data;
};

/* A certificate that was shown, and what records are compared with. */
struct shown {
	struct span of[SELECTORS]; /* the key is empty where the walk does not get there */
	uint8_t digest[SELECTORS][WC_SHA512_DIGEST_SIZE];
	uint8_t matching[SELECTORS]; /* which digest it is; 0: none yet */
};

/* The SubjectPublicKeyInfo with its header, or an empty span: Certificate, TBSCertificate, then past the version,
 * serial number, signature, issuer, validity and subject (RFC 5280 4.1). */
struct span dane_key(struct span der)
{
	const struct span none = {NULL, 0};
	struct span in = der, body, tbs, content, whole;
	uint8_t tag;

	if (!der_take(&in, &tag, &body, &whole) || tag != SEQUENCE || !der_take(&body, &tag, &tbs, &whole) ||
	    tag != SEQUENCE)
		return none;
	if (tbs.length > 0 && tbs.at[0] == VERSION && !der_take(&tbs, &tag, &content, &whole))
		return none;
	for (int i = 0; i < 5; i++) {
		if (!der_take(&tbs, &tag, &content, &whole))
			return none;
	}
	return der_take(&tbs, &tag, &content, &whole) && tag == SEQUENCE ? whole : none;
}

static size_t digest_size(unsigned matching)
{
	return matching == MATCHING_SHA256 ? WC_SHA256_DIGEST_SIZE : WC_SHA512_DIGEST_SIZE;
}

static bool whole_sequence(struct span data)
{
	struct span content, whole;
	uint8_t tag;

	return der_take(&data, &tag, &content, &whole) && tag == SEQUENCE && data.length == 0;
}

static bool usable(const struct record *record)
{
	if ((record->usage != USAGE_TA && record->usage != USAGE_EE) || record->selector >= SELECTORS)
		return false;
	if (record->matching == MATCHING_FULL)
		return whole_sequence(record->data);
	return record->matching < MATCHINGS && record->data.length == digest_size(record->matching);
}

/* The next one that is usable. */
static bool take_record(struct span *block, struct record *record)
{
	while (block->length >= 2) {
		size_t length = (size_t)(block->at[0] << 8 | block->at[1]);
		const uint8_t *data = block->at + 2;
		if (length > block->length - 2)
			return false;
		block->at += 2 + length;
		block->length -= 2 + length;
		if (length < RECORD_HEADER)
			continue;
		*record = (struct record){data[0], data[1], data[2], {data + RECORD_HEADER, length - RECORD_HEADER}};
		if (usable(record))
			return true;
	}
	return false;
}

unsigned tls_dane_usable(const uint8_t *records, size_t length)
{
	struct span block = {records, length};
	struct record record;
	unsigned count = 0;

	while (take_record(&block, &record))
		count++;
	return count;
}

/* The strongest digest that there is for this usage and selector. */
static unsigned strongest(struct span block, const struct record *like)
{
	struct record record;
	unsigned best = MATCHING_FULL;

	while (take_record(&block, &record)) {
		if (record.usage == like->usage && record.selector == like->selector && record.matching > best)
			best = record.matching;
	}
	return best;
}

static bool digest(struct shown *shown, unsigned selector, unsigned matching)
{
	struct span of = shown->of[selector];
	int rc;

	if (shown->matching[selector] == matching)
		return true;
	if (matching == MATCHING_SHA256)
		rc = wc_Sha256Hash(of.at, (word32)of.length, shown->digest[selector]);
	else
		rc = wc_Sha512Hash(of.at, (word32)of.length, shown->digest[selector]);
	shown->matching[selector] = rc == 0 ? (uint8_t)matching : 0;
	return rc == 0;
}

static bool matches(const struct record *record, struct shown *shown)
{
	struct span of = shown->of[record->selector];

	if (of.length == 0)
		return false;
	if (record->matching == MATCHING_FULL)
		return span_equal(of, record->data);
	return digest(shown, record->selector, record->matching) &&
	       memcmp(shown->digest[record->selector], record->data.at, record->data.length) == 0;
}

/* Whether a record of this usage names it. */
static bool named_by(struct span block, unsigned usage, struct shown *shown)
{
	struct span rest = block;
	struct record record;

	while (take_record(&rest, &record)) {
		if (record.usage != usage)
			continue;
		if (record.matching != MATCHING_FULL && record.matching != strongest(block, &record))
			continue;
		if (matches(&record, shown))
			return true;
	}
	return false;
}

static struct shown shown_of(struct span der)
{
	return (struct shown){.of = {[SELECTOR_CERTIFICATE] = der, [SELECTOR_KEY] = dane_key(der)}};
}

/* Authorities that the records name, of those above the host's own certificate, and those that the records carry. */
static void find_anchors(struct anchors *anchors, struct span block, const struct span *sent, size_t count)
{
	struct record record;
	unsigned carried = 0;

	for (size_t i = 1; i < count && i < PATH_SENT_MAX; i++) {
		struct shown shown = shown_of(sent[i]);
		if (!span_equal(sent[i], sent[0]) && named_by(block, USAGE_TA, &shown))
			anchors->count +=
				certificate_parse(&anchors->items[anchors->count], sent[i].at, sent[i].length);
	}
	while (carried < CARRIED_MAX && take_record(&block, &record)) {
		if (record.usage != USAGE_TA || record.selector != SELECTOR_CERTIFICATE ||
		    record.matching != MATCHING_FULL || span_equal(record.data, sent[0]))
			continue;
		carried++;
		anchors->count +=
			certificate_parse(&anchors->items[anchors->count], record.data.at, record.data.length);
	}
}

enum tls_dane_result dane_check(const struct span *sent, size_t count, const struct tls_tlsa *tlsa, int64_t now,
				int *error)
{
	struct certificate items[PATH_SENT_MAX + CARRIED_MAX];
	struct anchors anchors = {.items = items};
	struct path_request request = {
		.sent = sent, .sent_count = count, .anchors = &anchors, .purpose = PURPOSE_SERVER, .now = now};
	struct span block = {tlsa->records, tlsa->length};
	struct shown own;

	*error = 0;
	if (count == 0)
		return TLS_DANE_NO_MATCH;
	own = shown_of(sent[0]);
	if (named_by(block, USAGE_EE, &own))
		return TLS_DANE_EE;
	find_anchors(&anchors, block, sent, count);
	if (anchors.count == 0)
		return TLS_DANE_NO_MATCH;
	*error = path_verify(&request, NULL);
	if (*error != 0)
		return *error == ASN_AFTER_DATE_E ? TLS_DANE_EXPIRED : TLS_DANE_NO_PATH;
	for (const char *const *name = tlsa->names; *name != NULL; name++) {
		if (tls_certificate_has_name(sent[0].at, sent[0].length, *name))
			return TLS_DANE_TA;
	}
	return TLS_DANE_NO_NAME;
}

static void describe(enum tls_dane_result result, int error, const struct tls_tlsa *tlsa, char text[TLS_DANE_TEXT])
{
	switch (result) {
	case TLS_DANE_NO_MATCH:
		snprintf(text, TLS_DANE_TEXT, "none of its certificates is one that its TLSA records name");
		return;
	case TLS_DANE_NO_PATH:
	case TLS_DANE_EXPIRED:
		tls_error_text_of(error, text, TLS_DANE_TEXT);
		return;
	case TLS_DANE_NO_NAME:
		snprintf(text, TLS_DANE_TEXT, "certificate name mismatch: expected %.120s",
			 tlsa->names[0] != NULL ? tlsa->names[0] : "(none)");
		return;
	default:
		text[0] = '\0';
		return;
	}
}

enum tls_dane_result tls_session_dane(const struct tls_session *session, const struct tls_tlsa *tlsa,
				      char text[TLS_DANE_TEXT])
{
	struct span sent[PATH_SENT_MAX];
	size_t count = 0;
	int error;

	assert(session->handshake_done && !session->context->server);
	WOLFSSL_X509_CHAIN *chain = wolfSSL_get_peer_chain(session->wolf);
	int shown = chain != NULL && wolfSSL_session_reused(session->wolf) != 1 ? wolfSSL_get_chain_count(chain) : 0;
	for (int i = 0; i < shown && count < PATH_SENT_MAX; i++)
		sent[count++] =
			(struct span){wolfSSL_get_chain_cert(chain, i), (size_t)wolfSSL_get_chain_length(chain, i)};
	enum tls_dane_result result = dane_check(sent, count, tlsa, time(NULL), &error);
	describe(result, error, tlsa, text);
	return result;
}
