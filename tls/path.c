/*
 * tls/path.c - builds a path from a peer's certificate to a trust anchor (RFC 4158, RFC 5280 section 6).
 *
 * What the peer sends is a heap to search, not a list to check: authorities may be missing at its end, stand in any
 * order, be there twice, or be cross-signed by somebody who is gone (RFC 8446 4.4.2). A path exists or it does not. The
 * search goes from the peer's certificate upwards, anchors first, depth first, and takes back what leads nowhere.
 *
 * Each step asks the issuer: is it an authority, may its key sign certificates, is it valid today, are its key and the
 * signature strong, is there nothing critical that is not understood. Then wolfSSL verifies the link, with a
 * certificate manager that knows this issuer and nobody else: signature, dates, and whatever else it looks at. A whole
 * path must keep the path lengths and name constraints of all its authorities, not only those of the direct issuer.
 *
 * An anchor is trusted as it is: its own signature and its issuer do not matter, its dates do. A peer's certificate
 * that is itself among the anchors is accepted without a path.
 *
 * Bounds: PATH_CHECKS_MAX signatures and PATH_STEPS_MAX steps for a handshake. A chain of names that all match each
 * other would else cost factorially many; whoever sends one is refused. No link is checked twice.
 */
#include "tls/certificate.h"

#include <string.h>
#include <wolfssl/options.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

struct search {
	const struct path_request *request;
	struct certificate sent[PATH_SENT_MAX];
	size_t count;
	const struct certificate *path[PATH_DEPTH_MAX + 1]; /* from the peer's certificate upwards */
	size_t length;
	int8_t links[PATH_SENT_MAX][PATH_SENT_MAX]; /* [issued][issuer]: 0 not checked, 1 good, -1 bad */
	unsigned checks, steps;
	int error;
};

/* Whatever went wrong on the way to an anchor says more than that there is none. */
static bool note(struct search *search, int error)
{
	if (search->error == 0 || search->error == ASN_NO_SIGNER_E)
		search->error = error;
	return false;
}

static int dates(const struct certificate *certificate, int64_t now)
{
	if (now < certificate->not_before)
		return ASN_BEFORE_DATE_E;
	return now > certificate->not_after ? ASN_AFTER_DATE_E : 0;
}

/* What every certificate of a path must be, whatever its place. */
static int sound(const struct search *search, const struct certificate *certificate)
{
	if (certificate->unknown_critical)
		return ASN_CRIT_EXT_E;
	if (certificate->weak_key)
		return RSA_KEY_SIZE_E;
	if (!(certificate->purposes & search->request->purpose))
		return EXTKEYUSE_AUTH_E;
	return dates(certificate, search->request->now);
}

static int may_issue(const struct search *search, const struct certificate *issuer, bool anchor)
{
	/* Anchors from before version 3 could not say that they are authorities. */
	bool old_anchor = anchor && issuer->version < 3;

	if (!issuer->authority && !old_anchor)
		return NOT_CA_ERROR;
	if (!(issuer->usages & KEY_USAGE_CERT_SIGN))
		return KEYUSAGE_E;
	return sound(search, issuer);
}

static int verify_link(const struct certificate *issued, const struct certificate *issuer)
{
	WOLFSSL_CERT_MANAGER *manager = wolfSSL_CertManagerNew();
	int rc = MEMORY_E;

	if (manager != NULL)
		rc = wolfSSL_CertManagerLoadCABuffer(manager, issuer->der.at, (long)issuer->der.length,
						     WOLFSSL_FILETYPE_ASN1);
	if (manager != NULL && rc == WOLFSSL_SUCCESS)
		rc = wolfSSL_CertManagerVerifyBuffer(manager, issued->der.at, (long)issued->der.length,
						     WOLFSSL_FILETYPE_ASN1);
	wolfSSL_CertManagerFree(manager);
	if (rc == WOLFSSL_SUCCESS)
		return 0;
	return rc < 0 ? rc : VERIFY_CERT_ERROR;
}

/* Whether `issuer` signed `issued`; *known remembers it, NULL: nothing does. */
static bool link_holds(struct search *search, const struct certificate *issued, const struct certificate *issuer,
		       int8_t *known)
{
	if (known != NULL && *known != 0)
		return *known > 0;
	if (search->checks >= PATH_CHECKS_MAX)
		return note(search, MAX_CHAIN_ERROR);
	search->checks++;
	int error = issued->weak_signature ? ASN_SIG_HASH_E : verify_link(issued, issuer);
	if (known != NULL)
		*known = error == 0 ? 1 : -1;
	return error == 0 || note(search, error);
}

static bool self_issued(const struct certificate *certificate)
{
	return span_equal(certificate->issuer, certificate->subject);
}

/* The authorities' conditions on all that stands below them. The anchor may be the path's last certificate itself. */
static bool conditions_hold(struct search *search, const struct certificate *anchor)
{
	int below = 0; /* authorities under this one, without those that only changed their key */

	for (size_t i = 1; i <= search->length; i++) {
		const struct certificate *authority = i < search->length ? search->path[i] : anchor;
		if (authority == NULL)
			break;
		if (authority->path_length >= 0 && below > authority->path_length)
			return note(search, ASN_PATHLEN_INV_E);
		for (size_t j = 0; j < i && authority->name_constraints.length > 0; j++) {
			if (!name_constraints_allow(authority->name_constraints, search->path[j]))
				return note(search, ASN_NAME_INVALID_E);
		}
		if (!self_issued(authority))
			below++;
	}
	return true;
}

static bool at_anchor(struct search *search)
{
	const struct certificate *last = search->path[search->length - 1];
	const struct anchors *anchors = search->request->anchors;

	for (size_t i = 0; i < anchors->count; i++) {
		const struct certificate *anchor = &anchors->items[i];
		if (span_equal(anchor->der, last->der) && conditions_hold(search, NULL))
			return true;
		if (!span_equal(anchor->subject, last->issuer))
			continue;
		int error = may_issue(search, anchor, true);
		if (error != 0)
			note(search, error);
		else if (link_holds(search, last, anchor, NULL) && conditions_hold(search, anchor))
			return true;
	}
	return false;
}

/* Not twice the same authority: by name and key, as a cross-signed one comes in several certificates. */
static bool in_path(const struct search *search, const struct certificate *certificate)
{
	for (size_t i = 0; i < search->length; i++) {
		if (span_equal(search->path[i]->subject, certificate->subject) &&
		    span_equal(search->path[i]->key, certificate->key))
			return true;
	}
	return false;
}

static bool extend(struct search *search)
{
	const struct certificate *last = search->path[search->length - 1];
	size_t issued = (size_t)(last - search->sent);

	if (++search->steps > PATH_STEPS_MAX)
		return note(search, MAX_CHAIN_ERROR);
	if (at_anchor(search))
		return true;
	if (search->length == PATH_DEPTH_MAX)
		return note(search, MAX_CHAIN_ERROR);
	for (size_t i = 1; i < search->count; i++) {
		const struct certificate *issuer = &search->sent[i];
		if (!span_equal(issuer->subject, last->issuer) || in_path(search, issuer))
			continue;
		int error = may_issue(search, issuer, false);
		if (error != 0) {
			note(search, error);
			continue;
		}
		if (!link_holds(search, last, issuer, &search->links[issued][i]))
			continue;
		search->path[search->length++] = issuer;
		if (extend(search))
			return true;
		search->length--;
	}
	return false;
}

int path_verify(const struct path_request *request, unsigned *checks)
{
	struct search search;

	memset(&search, 0, sizeof(search));
	search.request = request;
	for (size_t i = 0; i < request->sent_count && search.count < PATH_SENT_MAX; i++) {
		bool good = certificate_parse(&search.sent[search.count], request->sent[i].at, request->sent[i].length);
		if (good)
			search.count++;
		else if (i == 0)
			return ASN_PARSE_E;
		/* Others that are no certificates are of no use, and no harm. */
	}
	if (search.count == 0)
		return NO_PEER_CERT;
	search.path[search.length++] = &search.sent[0];
	search.error = sound(&search, &search.sent[0]);
	if (search.error == 0 && !(search.sent[0].usages & KEY_USAGE_SIGNATURE))
		search.error = KEYUSAGE_E;
	bool found = search.error == 0 && extend(&search);
	if (checks != NULL)
		*checks = search.checks;
	if (found)
		return 0;
	if (search.error != 0)
		return search.error;
	return self_issued(&search.sent[0]) ? ASN_SELF_SIGNED_E : ASN_NO_SIGNER_E;
}
