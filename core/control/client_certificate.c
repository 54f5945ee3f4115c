/*
 * core/control/client_certificate.c - see client_certificate.h. libmicrohttpd has its TLS of GnuTLS: this file alone
 * knows it.
 */
#include "core/control/client_certificate.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/agents/revocations.h"

enum { CHAIN_MAX = 10, LINKS_MAX = 2 * CHAIN_MAX, NAMES_MAX = 100, NAME_SIZE = 1024, ISSUERS_MAX = 1000 };

struct client_trust {
	gnutls_x509_trust_list_t list;
	struct revocations *revocations; /* a reference; NULL: revoked ones are not known */
};

struct client_trust *client_trust_new(const char *pem, struct revocations *revocations, char *problem, size_t size)
{
	const gnutls_datum_t text = {(unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem)};
	struct client_trust *trust = calloc(1, sizeof(*trust));
	gnutls_x509_crt_t *issuers = NULL;
	unsigned count = 0;
	int r = trust ? gnutls_x509_crt_list_import2(&issuers, &count, &text, GNUTLS_X509_FMT_PEM, 0)
		      : GNUTLS_E_MEMORY_ERROR;

	if (r >= 0 && count > ISSUERS_MAX)
		r = GNUTLS_E_UNSUPPORTED_CERTIFICATE_TYPE;
	if (r >= 0)
		r = gnutls_x509_trust_list_init(&trust->list, 0);
	if (r < 0) {
		snprintf(problem, size, "%s", gnutls_strerror(r));
		for (unsigned i = 0; i < count; i++)
			gnutls_x509_crt_deinit(issuers[i]);
		gnutls_free(issuers);
		free(trust);
		return NULL;
	}
	/* Takes the certificates, each once. */
	r = gnutls_x509_trust_list_add_cas(trust->list, issuers, count, GNUTLS_TL_NO_DUPLICATES);
	gnutls_free(issuers);
	trust->revocations = revocations_reference(revocations);
	if (r > 0)
		return trust;
	snprintf(problem, size, "%s", r < 0 ? gnutls_strerror(r) : "there is no certificate in it");
	client_trust_free(trust);
	return NULL;
}

void client_trust_revoke(struct client_trust *trust, struct revocations *revocations)
{
	struct revocations *old = trust->revocations;

	trust->revocations = revocations_reference(revocations);
	revocations_free(old);
}

void client_trust_free(struct client_trust *trust)
{
	if (!trust)
		return;
	gnutls_x509_trust_list_deinit(trust->list, 1);
	revocations_free(trust->revocations);
	free(trust);
}

/* ---- what it says ----------------------------------------------------------------------------------------------- */

enum { KIND_SUBJECT = -1 };

struct client_name {
	int kind; /* a gnutls_x509_subject_alt_name_t, or KIND_SUBJECT */
	size_t length;
	char *text; /* may have any octets */
};

static void keep_name(struct client_certificate *out, int kind, const void *text, size_t length)
{
	struct client_name *name = &out->names[out->name_count];

	*name = (struct client_name){kind, length, malloc(length + 1)};
	if (!name->text)
		return;
	memcpy(name->text, text, length);
	out->name_count++;
}

static void keep_names(struct client_certificate *out, gnutls_x509_crt_t certificate)
{
	char name[NAME_SIZE];

	for (unsigned i = 0; i < NAMES_MAX; i++) {
		size_t size = sizeof(name);
		unsigned kind = 0;
		int r = gnutls_x509_crt_get_subject_alt_name2(certificate, i, name, &size, &kind, NULL);
		if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return;
		if (r >= 0)
			keep_name(out, (int)kind, name, size);
	}
}

static void describe(struct client_certificate *out, gnutls_x509_crt_t certificate)
{
	uint8_t digest[32];
	size_t length = sizeof(digest), n;
	gnutls_datum_t subject = {NULL, 0};

	if (gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256, digest, &length) == 0 &&
	    length == sizeof(digest)) {
		n = (size_t)snprintf(out->fingerprint, sizeof(out->fingerprint), "sha256:");
		for (size_t i = 0; i < sizeof(digest); i++)
			n += (size_t)snprintf(out->fingerprint + n, sizeof(out->fingerprint) - n, "%02x", digest[i]);
	}
	out->names = calloc(NAMES_MAX + 1, sizeof(*out->names));
	if (out->names)
		keep_names(out, certificate);
	if (gnutls_x509_crt_get_dn3(certificate, &subject, 0) == 0 && subject.size > 0) {
		snprintf(out->subject, sizeof(out->subject), "%.*s", (int)subject.size, (char *)subject.data);
		if (out->names)
			keep_name(out, KIND_SUBJECT, subject.data, subject.size);
	}
	gnutls_free(subject.data);
}

bool client_certificate_is(const struct client_certificate *certificate, const char *written)
{
	static const struct {
		const char *prefix;
		int kind;
	} kinds[] = {
		{"subject:", KIND_SUBJECT},
		{"email:", GNUTLS_SAN_RFC822NAME},
		{"dns:", GNUTLS_SAN_DNSNAME},
		{"uri:", GNUTLS_SAN_URI},
	};
	size_t k = 0, length;

	if (strncmp(written, "sha256:", 7) == 0)
		return certificate->fingerprint[0] && strcmp(written, certificate->fingerprint) == 0;
	while (k < sizeof(kinds) / sizeof(kinds[0]) && strncmp(written, kinds[k].prefix, strlen(kinds[k].prefix)) != 0)
		k++;
	if (k == sizeof(kinds) / sizeof(kinds[0]))
		return false;
	written += strlen(kinds[k].prefix);
	length = strlen(written);
	for (size_t i = 0; i < certificate->name_count; i++) {
		const struct client_name *name = &certificate->names[i];
		if (name->kind == kinds[k].kind && name->length == length && memcmp(name->text, written, length) == 0)
			return true;
	}
	return false;
}

void client_certificate_free(struct client_certificate *certificate)
{
	for (size_t i = 0; i < certificate->name_count; i++)
		free(certificate->names[i].text);
	free(certificate->names);
	certificate->names = NULL;
	certificate->name_count = 0;
}

/* ---- whether it is good ----------------------------------------------------------------------------------------- */

/* Who has issued whom, as it was found while a chain was verified: both in DER, owned. */
struct links {
	struct {
		gnutls_datum_t certificate, issuer;
	} of[LINKS_MAX];
	unsigned count;
	bool whole; /* all that there were */
};

static _Thread_local struct links *noting; /* whose chain this thread verifies; NULL: nobody wants to know */

/* GnuTLS gives no context. */
static int note_link(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer, gnutls_x509_crl_t list, unsigned status)
{
	struct links *links = noting;
	bool kept = links && links->count < LINKS_MAX;

	if (!links || !issuer || status != 0)
		return 0;
	if (kept) {
		gnutls_datum_t *own = &links->of[links->count].certificate, *its = &links->of[links->count].issuer;
		*own = *its = (gnutls_datum_t){NULL, 0};
		links->count++;
		kept = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_DER, own) >= 0 &&
		       gnutls_x509_crt_export2(issuer, GNUTLS_X509_FMT_DER, its) >= 0;
	}
	links->whole &= kept;
	return 0;
}

static void free_links(struct links *links)
{
	for (unsigned i = 0; i < links->count; i++) {
		gnutls_free(links->of[i].certificate.data);
		gnutls_free(links->of[i].issuer.data);
	}
}

static bool same_octets(const gnutls_datum_t *a, const gnutls_datum_t *b)
{
	return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* Its issuer, that has another certificate; NULL: there was none. */
static const gnutls_datum_t *issuer_of(const struct links *links, const gnutls_datum_t *certificate)
{
	for (unsigned i = 0; i < links->count; i++) {
		if (same_octets(&links->of[i].certificate, certificate) &&
		    !same_octets(&links->of[i].issuer, certificate))
			return &links->of[i].issuer;
	}
	return NULL;
}

/* One of the file: where a chain may end. Its own issuer may stand there as well: *issuer, in DER, owned. */
static bool is_of_file(struct client_trust *trust, const gnutls_datum_t *der, gnutls_datum_t *issuer)
{
	gnutls_x509_crt_t certificate, above = NULL;
	bool is = false;

	*issuer = (gnutls_datum_t){NULL, 0};
	if (gnutls_x509_crt_init(&certificate) < 0)
		return false;
	if (gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER) >= 0) {
		gnutls_x509_trust_list_iter_t at = NULL;
		gnutls_x509_crt_t one;
		while (!is && gnutls_x509_trust_list_iter_get_ca(trust->list, &at, &one) >= 0) {
			is = gnutls_x509_crt_equals(one, certificate) != 0;
			gnutls_x509_crt_deinit(one);
		}
		gnutls_x509_trust_list_iter_deinit(at);
		if (is && gnutls_x509_crt_check_issuer(certificate, certificate) == 0 &&
		    gnutls_x509_trust_list_get_issuer(trust->list, certificate, &above, 0) >= 0 &&
		    gnutls_x509_crt_check_issuer(certificate, above) != 0)
			(void)gnutls_x509_crt_export2(above, GNUTLS_X509_FMT_DER, issuer);
	}
	gnutls_x509_crt_deinit(certificate);
	return is;
}

static struct span span_of(const gnutls_datum_t *der)
{
	return (struct span){(const char *)der->data, der->size};
}

/* Who has issued it, owned; none: it is of the file, and nobody there is above it. False: it cannot be seen. */
static bool find_issuer(struct client_trust *trust, const struct links *links, const gnutls_datum_t *certificate,
			gnutls_datum_t *issuer)
{
	const gnutls_datum_t *noted = issuer_of(links, certificate);

	if (!noted)
		return is_of_file(trust, certificate, issuer);
	*issuer = (gnutls_datum_t){gnutls_malloc(noted->size), noted->size};
	if (issuer->data)
		memcpy(issuer->data, noted->data, noted->size);
	return issuer->data != NULL;
}

/* From the one that was shown up to one of the file, each is to be good. One that is in the file itself has nobody
 * above it who could revoke it, but where that one is in the file as well. */
static bool none_revoked(struct client_trust *trust, const struct links *links, const gnutls_datum_t *shown,
			 char *problem, size_t size)
{
	char say[REVOCATIONS_SAY] = "whether it is revoked cannot be seen";
	gnutls_datum_t at = *shown, issuer = {NULL, 0}, above = {NULL, 0};
	bool good = links->whole, end = false;

	for (unsigned n = 0; good && !end; n++) {
		good = n < LINKS_MAX && find_issuer(trust, links, &at, &issuer);
		end = good && !issuer.data;
		if (good && !end)
			good = revocations_look(trust->revocations, span_of(&at), span_of(&issuer), time(NULL), say) ==
			       REVOCATIONS_GOOD;
		gnutls_free(above.data);
		at = above = issuer;
		issuer = (gnutls_datum_t){NULL, 0};
	}
	gnutls_free(above.data);
	if (!good)
		snprintf(problem, size, "%s", say);
	return good;
}

/* Signatures, times, what issuers may issue (name constraints), and that it is for clients. */
static bool is_issued(struct client_trust *trust, gnutls_x509_crt_t *chain, unsigned count, char *problem, size_t size)
{
	gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
					 .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
	gnutls_datum_t said = {NULL, 0};
	unsigned status = 0;
	int r;

	r = gnutls_x509_trust_list_verify_crt2(trust->list, chain, count, &purpose, 1, 0, &status, note_link);
	if (r >= 0 && status == 0)
		return true;
	if (r < 0)
		snprintf(problem, size, "%s", gnutls_strerror(r));
	else if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &said, 0) == 0)
		snprintf(problem, size, "%.*s", (int)said.size, (char *)said.data);
	else
		snprintf(problem, size, "it is not trusted");
	gnutls_free(said.data);
	return false;
}

static bool verify(struct client_trust *trust, gnutls_x509_crt_t *chain, unsigned count, const gnutls_datum_t *shown,
		   char *problem, size_t size)
{
	struct links links = {.whole = true};
	bool good;

	noting = trust->revocations ? &links : NULL;
	good = is_issued(trust, chain, count, problem, size);
	noting = NULL;
	good = good && (!trust->revocations || none_revoked(trust, &links, shown, problem, size));
	free_links(&links);
	return good;
}

static unsigned import(const gnutls_datum_t *shown, unsigned count, gnutls_x509_crt_t chain[CHAIN_MAX])
{
	unsigned n = 0;

	while (n < count && gnutls_x509_crt_init(&chain[n]) == 0) {
		if (gnutls_x509_crt_import(chain[n], &shown[n], GNUTLS_X509_FMT_DER) < 0) {
			gnutls_x509_crt_deinit(chain[n]);
			break;
		}
		n++;
	}
	return n;
}

enum client_certificate_state client_certificate_read(struct client_trust *trust, void *session,
						      struct client_certificate *out)
{
	unsigned count = 0, taken = 0;
	const gnutls_datum_t *shown = session ? gnutls_certificate_get_peers(session, &count) : NULL;
	gnutls_x509_crt_t chain[CHAIN_MAX];
	bool good = false;

	*out = (struct client_certificate){.names = NULL};
	if (!shown || count == 0)
		return CLIENT_CERTIFICATE_NONE;
	if (count > CHAIN_MAX)
		snprintf(out->problem, sizeof(out->problem), "a chain has at most %d certificates", CHAIN_MAX);
	else if ((taken = import(shown, count, chain)) < count)
		snprintf(out->problem, sizeof(out->problem), "it cannot be read");
	else
		good = verify(trust, chain, count, &shown[0], out->problem, sizeof(out->problem));
	/* The first one is who asks; the others only prove it. */
	if (taken > 0)
		describe(out, chain[0]);
	for (unsigned i = 0; i < taken; i++)
		gnutls_x509_crt_deinit(chain[i]);
	return good ? CLIENT_CERTIFICATE_GOOD : CLIENT_CERTIFICATE_BAD;
}
