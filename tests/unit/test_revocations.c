/*
 * tests/unit/test_revocations.c - core/agents/revocations.c: authorities, users and lists are made here, in memory.
 */
#include "core/agents/revocations.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/check.h"

enum { DAY_S = 86400, MANY = 2000 };

struct party {
	EVP_PKEY *key;
	X509 *certificate;
	unsigned char *der;
	uint32_t length;
};

static int64_t now;

static void extend(X509 *certificate, const char *extensions)
{
	char name[64], value[200];
	int used = 0;

	while (sscanf(extensions, "%63[^=]=%199[^\n]%n", name, value, &used) == 2) {
		X509_EXTENSION *one = X509V3_EXT_conf(NULL, NULL, name, value);
		CHECK(one && X509_add_ext(certificate, one, -1) == 1);
		X509_EXTENSION_free(one);
		extensions += used;
		extensions += *extensions == '\n';
	}
}

/* `by` NULL: by itself. */
static struct party make(const char *name, uint64_t serial, const struct party *by, const char *extensions)
{
	struct party p = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
	X509_NAME *subject = X509_get_subject_name(p.certificate);

	X509_set_version(p.certificate, 2);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(p.certificate), serial);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(p.certificate, by ? X509_get_subject_name(by->certificate) : subject);
	X509_gmtime_adj(X509_getm_notBefore(p.certificate), -DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(p.certificate), DAY_S);
	X509_set_pubkey(p.certificate, p.key);
	extend(p.certificate, extensions);
	CHECK(X509_sign(p.certificate, by ? by->key : p.key, EVP_sha256()) > 0);
	p.length = (uint32_t)i2d_X509(p.certificate, &p.der);
	return p;
}

#define AUTHORITY "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"

static void forget(struct party *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->certificate);
	OPENSSL_free(p->der);
}

static struct span der(const struct party *p)
{
	return (struct span){(const char *)p->der, p->length};
}

/* ---- lists ------------------------------------------------------------------------------------------------------ */

enum { ENDLESS = -1000 };

struct making {
	int from_h, until_h; /* from now; ENDLESS: never */
	uint64_t serials[4];
	int reason;        /* -1: none */
	const char *scope; /* issuingDistributionPoint, as openssl's configuration has it */
	bool delta, strange;
	bool keyless, garbled; /* it does not say whose key has signed it; nobody can read until when it is */
};

static void say_key(X509_CRL *crl, const struct party *issuer)
{
	AUTHORITY_KEYID *of = AUTHORITY_KEYID_new();
	unsigned char key[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	CHECK(X509_pubkey_digest(issuer->certificate, EVP_sha1(), key, &length) == 1);
	of->keyid = ASN1_OCTET_STRING_new();
	ASN1_OCTET_STRING_set(of->keyid, key, (int)length);
	CHECK(X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier, of, 0, 0) == 1);
	AUTHORITY_KEYID_free(of);
}

static X509_CRL *list_of(const struct party *issuer, const struct making *m)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *at = ASN1_TIME_set(NULL, now + m->from_h * 3600);

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->certificate));
	X509_CRL_set1_lastUpdate(crl, at);
	ASN1_TIME_set(at, now + m->until_h * 3600);
	if (m->garbled)
		ASN1_STRING_set(at, "991399999999Z", -1);
	if (m->until_h != ENDLESS)
		X509_CRL_set1_nextUpdate(crl, at);
	for (size_t i = 0; i < 4 && m->serials[i]; i++) {
		X509_REVOKED *one = X509_REVOKED_new();
		ASN1_INTEGER *serial = ASN1_INTEGER_new();
		ASN1_INTEGER_set_uint64(serial, m->serials[i]);
		X509_REVOKED_set_serialNumber(one, serial);
		ASN1_TIME_set(at, now - DAY_S);
		X509_REVOKED_set_revocationDate(one, at);
		if (m->reason >= 0) {
			ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
			ASN1_ENUMERATED_set(reason, m->reason);
			X509_REVOKED_add1_ext_i2d(one, NID_crl_reason, reason, 0, 0);
			ASN1_ENUMERATED_free(reason);
		}
		X509_CRL_add0_revoked(crl, one);
		ASN1_INTEGER_free(serial);
	}
	if (!m->keyless)
		say_key(crl, issuer);
	if (m->scope) {
		X509_EXTENSION *scope = X509V3_EXT_conf(NULL, NULL, "issuingDistributionPoint", m->scope);
		CHECK(scope && X509_CRL_add_ext(crl, scope, -1) == 1);
		X509_EXTENSION_free(scope);
	}
	if (m->delta || m->strange) {
		ASN1_INTEGER *number = ASN1_INTEGER_new();
		ASN1_INTEGER_set(number, 1);
		X509_CRL_add1_ext_i2d(crl, m->delta ? NID_delta_crl : NID_crl_number, number, 1, 0);
		ASN1_INTEGER_free(number);
	}
	X509_CRL_sort(crl);
	CHECK(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
	ASN1_TIME_free(at);
	return crl;
}

/* A text of them, in PEM. */
static void put(BIO *out, const struct party *issuer, const struct making *m)
{
	X509_CRL *crl = list_of(issuer, m);

	CHECK(PEM_write_bio_X509_CRL(out, crl) == 1);
	X509_CRL_free(crl);
}

static struct revocations *read(BIO *text, char *problem, size_t size)
{
	char *data;
	long length = BIO_get_mem_data(text, &data);
	struct revocations *r;

	problem[0] = '\0';
	r = revocations_new(data, (size_t)length, problem, size);
	BIO_free(text);
	return r;
}

static struct revocations *one(const struct party *issuer, const struct making *m)
{
	BIO *text = BIO_new(BIO_s_mem());
	struct revocations *r;
	char problem[300];

	put(text, issuer, m);
	r = read(text, problem, sizeof(problem));
	CHECK_STR(problem, "");
	CHECK(r != NULL);
	return r;
}

/* ---- cases ------------------------------------------------------------------------------------------------------ */

#define AT "http://pki.example.org/a.crl"
#define ELSEWHERE "http://pki.example.org/b.crl"

static const struct {
	struct making list;
	const char *user; /* extensions */
	enum revocations_state state;
	const char *word;
} looked_at[] = {
	{{.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1}, "", REVOCATIONS_GOOD, ""},
	{{.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1},
	 "",
	 REVOCATIONS_REVOKED,
	 "CN=alice was revoked on 2"},
	{{.from_h = -1, .until_h = 24, .serials = {7, 42, 43}, .reason = 1},
	 "",
	 REVOCATIONS_REVOKED,
	 "(keyCompromise)"},
	{{.from_h = -1, .until_h = 24, .serials = {7, 42, 43}, .reason = 6},
	 "",
	 REVOCATIONS_REVOKED,
	 "(certificateHold)"},
	{{.from_h = -1, .until_h = 24, .serials = {7, 42, 43}, .reason = 7}, "", REVOCATIONS_REVOKED, "UTC"},
	{{.from_h = -1, .until_h = 24, .serials = {0}, .reason = -1}, "", REVOCATIONS_GOOD, ""},
	{{.from_h = -1, .until_h = ENDLESS, .serials = {0}, .reason = -1}, "", REVOCATIONS_GOOD, ""},
	{{.from_h = -48, .until_h = -24, .serials = {7}, .reason = -1},
	 "",
	 REVOCATIONS_OUT_OF_DATE,
	 "of what CN=issuer has revoked is out of date"},
	{{.from_h = -48, .until_h = -24, .serials = {42}, .reason = -1}, "", REVOCATIONS_REVOKED, "revoked"},
	{{.from_h = 5, .until_h = 24, .serials = {7}, .reason = -1}, "", REVOCATIONS_GOOD, ""},
	{{.from_h = 5, .until_h = 24, .serials = {42}, .reason = -1}, "", REVOCATIONS_REVOKED, "revoked"},
	{{.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1, .scope = "critical,onlyuser:TRUE"},
	 "",
	 REVOCATIONS_GOOD,
	 ""},
	{{.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1, .scope = "critical,onlyuser:TRUE"},
	 "",
	 REVOCATIONS_REVOKED,
	 "revoked"},
	{{.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1, .scope = "critical,onlyCA:TRUE"},
	 "",
	 REVOCATIONS_NONE,
	 "no list of what CN=issuer"},
	{{.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1, .scope = "critical,onlyCA:TRUE"},
	 AUTHORITY,
	 REVOCATIONS_REVOKED,
	 "revoked"},
	{{.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1, .scope = "critical,onlyuser:TRUE"},
	 AUTHORITY,
	 REVOCATIONS_NONE,
	 "no list"},
	{{.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1, .scope = "critical,fullname:URI:" AT},
	 "",
	 REVOCATIONS_REVOKED,
	 "revoked"},
	{{.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1, .scope = "critical,fullname:URI:" AT},
	 "",
	 REVOCATIONS_GOOD,
	 ""},
	{{.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1, .scope = "critical,fullname:URI:" AT},
	 "crlDistributionPoints=URI:" AT,
	 REVOCATIONS_GOOD,
	 ""},
	{{.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1, .scope = "critical,fullname:URI:" AT},
	 "crlDistributionPoints=URI:" ELSEWHERE ",URI:" AT,
	 REVOCATIONS_GOOD,
	 ""},
	{{.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1, .scope = "critical,fullname:URI:" AT},
	 "crlDistributionPoints=URI:" ELSEWHERE,
	 REVOCATIONS_NONE,
	 "no list"},
};

static void test_what_is_good(void)
{
	char say[REVOCATIONS_SAY];

	for (size_t i = 0; i < sizeof(looked_at) / sizeof(looked_at[0]); i++) {
		struct party issuer = make("issuer", 1, NULL, AUTHORITY),
			     alice = make("alice", 42, &issuer, looked_at[i].user);
		struct revocations *r = one(&issuer, &looked_at[i].list);
		/* Twice: what was seen of a signature is known then. */
		for (unsigned n = 0; r && n < 2; n++) {
			CHECK_EQ(revocations_look(r, der(&alice), der(&issuer), now, say), looked_at[i].state);
			CHECK(strstr(say, looked_at[i].word) && (looked_at[i].word[0] || !say[0]));
		}
		if (check_failures > 0)
			fprintf(stderr, "row %zu: %s\n", i, say);
		revocations_free(r);
		forget(&alice);
		forget(&issuer);
	}
}

/* A list counts for who has signed it, whatever name it bears; one that must not sign lists has none. */
static void test_whose_it_is(void)
{
	struct party issuer = make("issuer", 1, NULL, AUTHORITY), other = make("other", 1, NULL, AUTHORITY),
		     same = make("issuer", 1, NULL, AUTHORITY),
		     may_not = make("issuer", 1, NULL, "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n"),
		     says_nothing = make("issuer", 1, NULL, "basicConstraints=critical,CA:TRUE\n");
	static const struct making good = {.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1},
				   bad = {.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1};
	const struct {
		const struct party *of, *signs;
		const struct making *list;
		enum revocations_state state;
	} rows[] = {
		{&issuer, &issuer, &good, REVOCATIONS_GOOD},
		{&issuer, &other, &good, REVOCATIONS_NONE},
		{&issuer, &same, &good, REVOCATIONS_UNSIGNED},
		{&issuer, &same, &bad, REVOCATIONS_UNSIGNED},
		{&may_not, &may_not, &good, REVOCATIONS_UNSIGNED},
		{&says_nothing, &says_nothing, &bad, REVOCATIONS_REVOKED},
	};
	char say[REVOCATIONS_SAY];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct party alice = make("alice", 42, rows[i].of, "");
		struct revocations *r = one(rows[i].signs, rows[i].list);
		CHECK_EQ(revocations_look(r, der(&alice), der(rows[i].of), now, say), rows[i].state);
		revocations_free(r);
		forget(&alice);
	}
	forget(&issuer);
	forget(&other);
	forget(&same);
	forget(&may_not);
	forget(&says_nothing);
}

/* An authority that has changed its key has a list of each; one that was added behind an older one counts beside it. */
static void test_several(void)
{
	struct party before = make("issuer", 1, NULL, AUTHORITY), after = make("issuer", 2, NULL, AUTHORITY),
		     above = make("root", 1, NULL, AUTHORITY), alice = make("alice", 42, &before, ""),
		     bob = make("bob", 43, &after, "");
	static const struct making over = {.from_h = -48, .until_h = -24, .serials = {7}, .reason = -1},
				   good = {.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1},
				   later = {.from_h = -1, .until_h = 48, .serials = {7}, .reason = -1},
				   endless = {.from_h = -1, .until_h = ENDLESS, .serials = {1, 2}, .reason = -1};
	BIO *text = BIO_new(BIO_s_mem());
	char problem[300], say[REVOCATIONS_SAY];
	struct revocations_sum sum;
	struct revocations *r;

	BIO_puts(text, "Revoked by hand\n");
	put(text, &before, &over);
	PEM_write_bio_X509(text, before.certificate);
	put(text, &after, &good);
	put(text, &before, &later);
	put(text, &above, &endless);
	r = read(text, problem, sizeof(problem));
	CHECK_STR(problem, "");
	CHECK_EQ(revocations_look(r, der(&alice), der(&before), now, say), REVOCATIONS_GOOD);
	CHECK_EQ(revocations_look(r, der(&bob), der(&after), now, say), REVOCATIONS_GOOD);
	CHECK_EQ(revocations_look(r, der(&alice), (struct span){"x", 1}, now, say), REVOCATIONS_UNREADABLE);
	revocations_sum(r, &sum);
	CHECK_EQ(sum.lists, 4);
	CHECK_EQ(sum.revoked, 5);
	CHECK_STR(sum.issuer, "CN=issuer");
	CHECK_EQ(sum.ends, now + 24 * 3600);
	CHECK_EQ(sum.begins, now - 3600);
	revocations_free(revocations_reference(r));
	revocations_free(r);
	revocations_free(NULL);
	r = revocations_none();
	CHECK_EQ(revocations_look(r, der(&alice), der(&before), now, say), REVOCATIONS_NONE);
	revocations_free(r);
	forget(&before);
	forget(&after);
	forget(&above);
	forget(&alice);
	forget(&bob);
}

static void test_what_is_none(void)
{
	static const struct making
		good = {.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1},
		delta = {.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1, .delta = true},
		strange = {.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1, .strange = true},
		indirect = {.from_h = -1,
			    .until_h = 24,
			    .serials = {7},
			    .reason = -1,
			    .scope = "critical,indirectCRL:TRUE"},
		some = {.from_h = -1,
			.until_h = 24,
			.serials = {7},
			.reason = -1,
			.scope = "critical,onlysomereasons:keyCompromise"},
		garbled = {.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1, .garbled = true},
		relative = {.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1, .scope = "critical,onlyAA:TRUE"};
	static const struct {
		const struct making *list;
		const char *word;
	} rows[] = {
		{&delta, "the list of CN=issuer: it is a list of changes"},
		{&strange, "critical extension"},
		{&indirect, "indirect"},
		{&some, "some reasons"},
		{&relative, "attribute"},
		{&garbled, "(nextUpdate) cannot be read"},
	};
	static const char *const texts[] = {"",
					    "x",
					    "none\n",
					    "\x30\x03\x02\x01\x01",
					    "-----BEGIN X509 CRL-----\n",
					    "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
					    "-----BEGIN X509 CRL-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
					    "AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n-----END X509 "
					    "CRL-----\n",
					    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
	struct party issuer = make("issuer", 1, NULL, AUTHORITY);
	char problem[300], *data;
	BIO *text;
	long length;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text = BIO_new(BIO_s_mem());
		put(text, &issuer, &good);
		put(text, &issuer, rows[i].list);
		CHECK(read(text, problem, sizeof(problem)) == NULL);
		CHECK(strstr(problem, rows[i].word) != NULL);
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		problem[0] = '\0';
		CHECK(revocations_new(texts[i], strlen(texts[i]), problem, sizeof(problem)) == NULL);
		CHECK(problem[0] != '\0');
	}
	/* A file that is half there is none, wherever it ends, though what is before is whole. */
	text = BIO_new(BIO_s_mem());
	put(text, &issuer, &good);
	put(text, &issuer, &good);
	length = BIO_get_mem_data(text, &data);
	for (long cut = length / 2 + 30; cut < length - 2; cut++)
		CHECK(revocations_new(data, (size_t)cut, problem, sizeof(problem)) == NULL);
	BIO_free(text);
	forget(&issuer);
}

static void test_der(void)
{
	static const struct making list = {.from_h = -1, .until_h = 24, .serials = {42}, .reason = -1};
	struct party issuer = make("issuer", 1, NULL, AUTHORITY), alice = make("alice", 42, &issuer, "");
	X509_CRL *crl = list_of(&issuer, &list);
	unsigned char *octets = NULL;
	int length = i2d_X509_CRL(crl, &octets);
	char problem[300], say[REVOCATIONS_SAY];
	struct revocations *r = revocations_new((char *)octets, (size_t)length, problem, sizeof(problem));

	CHECK_EQ(revocations_look(r, der(&alice), der(&issuer), now, say), REVOCATIONS_REVOKED);
	revocations_free(r);
	for (int cut = 0; cut < length; cut++)
		CHECK(revocations_new((char *)octets, (size_t)cut, problem, sizeof(problem)) == NULL);
	OPENSSL_free(octets);
	X509_CRL_free(crl);
	forget(&alice);
	forget(&issuer);
}

/* Each another one. */
static int64_t number(int i)
{
	return ((int64_t)1 << (12 + i % 40)) + i;
}

/* Numbers of all lengths, also those below zero, which some authorities have given. */
static void test_serials(void)
{
	struct party issuer = make("issuer", 1, NULL, AUTHORITY), user = make("u", 1, &issuer, "");
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *at = ASN1_TIME_set(NULL, now);
	char problem[300], say[REVOCATIONS_SAY];
	unsigned char *octets = NULL;
	struct revocations *r;
	int length;

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer.certificate));
	X509_CRL_set1_lastUpdate(crl, at);
	for (int i = 0; i < MANY; i++) {
		X509_REVOKED *revoked = X509_REVOKED_new();
		ASN1_INTEGER *serial = ASN1_INTEGER_new();
		ASN1_INTEGER_set_int64(serial, (i % 2 ? -1 : 1) * number(i));
		X509_REVOKED_set_serialNumber(revoked, serial);
		X509_REVOKED_set_revocationDate(revoked, at);
		X509_CRL_add0_revoked(crl, revoked);
		ASN1_INTEGER_free(serial);
	}
	X509_CRL_sign(crl, issuer.key, EVP_sha256());
	length = i2d_X509_CRL(crl, &octets);
	r = revocations_new((char *)octets, (size_t)length, problem, sizeof(problem));
	CHECK(r != NULL);
	for (int i = 0; r && i < MANY; i += 97) {
		for (int other = 0; other < 2; other++) {
			struct party one_of;
			ASN1_INTEGER_set_int64(X509_get_serialNumber(user.certificate),
					       ((i % 2 ? -1 : 1) * number(i)) * (other ? -1 : 1));
			X509_sign(user.certificate, issuer.key, EVP_sha256());
			one_of = (struct party){.certificate = user.certificate};
			one_of.length = (uint32_t)i2d_X509(user.certificate, &one_of.der);
			CHECK_EQ(revocations_look(r, der(&one_of), der(&issuer), now, say),
				 other ? REVOCATIONS_GOOD : REVOCATIONS_REVOKED);
			OPENSSL_free(one_of.der);
		}
	}
	revocations_free(r);
	OPENSSL_free(octets);
	X509_CRL_free(crl);
	ASN1_TIME_free(at);
	forget(&user);
	forget(&issuer);
}

struct told {
	unsigned count;
	enum revocations_state states[4];
	size_t revoked[4];
};

static void note(void *context, const struct revocations_authority *authority)
{
	struct told *told = context;

	CHECK(strncmp(authority->subject, "CN=", 3) == 0);
	told->states[told->count] = authority->state;
	told->revoked[told->count++] = authority->revoked;
}

static void test_authorities(void)
{
	struct party a = make("a", 1, NULL, AUTHORITY), b = make("b", 1, NULL, AUTHORITY),
		     c = make("c", 1, NULL, AUTHORITY), other_c = make("c", 1, NULL, AUTHORITY),
		     d = make("d", 1, NULL, AUTHORITY), below = make("below", 5, &a, AUTHORITY);
	static const struct making good = {.from_h = -1, .until_h = 24, .serials = {7, 8}, .reason = -1},
				   over = {.from_h = -48, .until_h = -24, .serials = {7}, .reason = -1};
	BIO *text = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
	struct told told = {0};
	struct revocations *r;
	char problem[300], *data;
	long length;

	put(text, &a, &good);
	put(text, &b, &over);
	put(text, &other_c, &good);
	put(text, &below, &good);
	r = read(text, problem, sizeof(problem));
	PEM_write_bio_X509(pem, a.certificate);
	PEM_write_bio_X509(pem, b.certificate);
	PEM_write_bio_X509(pem, c.certificate);
	PEM_write_bio_X509(pem, d.certificate);
	length = BIO_get_mem_data(pem, &data);
	CHECK_EQ(revocations_authorities(r, data, (size_t)length, now, note, &told), 1);
	CHECK_EQ(told.count, 4);
	CHECK_EQ(told.states[0], REVOCATIONS_GOOD);
	CHECK_EQ(told.revoked[0], 2);
	CHECK_EQ(told.states[1], REVOCATIONS_OUT_OF_DATE);
	CHECK_EQ(told.states[2], REVOCATIONS_UNSIGNED);
	CHECK_EQ(told.states[3], REVOCATIONS_NONE);
	revocations_free(r);
	BIO_free(pem);
	forget(&a);
	forget(&b);
	forget(&c);
	forget(&other_c);
	forget(&d);
	forget(&below);
}

/* Of one authority: a list that is over counts as over, but for what another one of its own is about as well. */
static void test_outlived(void)
{
#define OVER .from_h = -48, .until_h = -24, .reason = -1
#define GOOD .from_h = -1, .until_h = 24, .reason = -1
	static const struct {
		struct making first, second;
		bool over;
	} rows[] = {
		{{OVER}, {GOOD}, false},
		{{GOOD}, {OVER}, false},
		{{GOOD}, {GOOD}, false},
		{{OVER}, {OVER}, true},
		{{OVER, .keyless = true}, {GOOD, .keyless = true}, false},
		{{OVER, .scope = "critical,onlyuser:TRUE"}, {GOOD, .scope = "critical,onlyuser:TRUE"}, false},
		{{OVER, .scope = "critical,onlyuser:TRUE"}, {GOOD, .scope = "critical,onlyCA:TRUE"}, true},
		{{GOOD, .scope = "critical,onlyuser:TRUE"}, {OVER, .scope = "critical,onlyCA:TRUE"}, true},
		{{OVER, .scope = "critical,onlyuser:TRUE"}, {GOOD}, false},
		{{OVER}, {GOOD, .scope = "critical,onlyuser:TRUE"}, true},
		{{OVER, .scope = "critical,fullname:URI:" AT}, {GOOD, .scope = "critical,fullname:URI:" AT}, false},
		{{OVER, .scope = "critical,fullname:URI:" AT},
		 {GOOD, .scope = "critical,fullname:URI:" ELSEWHERE},
		 true},
		{{OVER, .scope = "critical,fullname:URI:" AT}, {GOOD}, false},
		{{OVER}, {GOOD, .scope = "critical,fullname:URI:" AT}, true},
	};
#undef OVER
#undef GOOD
	struct party issuer = make("issuer", 1, NULL, AUTHORITY);
	struct revocations_sum sum;
	char problem[300], *data;
	BIO *pem = BIO_new(BIO_s_mem());
	long length;

	PEM_write_bio_X509(pem, issuer.certificate);
	length = BIO_get_mem_data(pem, &data);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		BIO *text = BIO_new(BIO_s_mem());
		struct told told = {0};
		struct revocations *r;
		put(text, &issuer, &rows[i].first);
		put(text, &issuer, &rows[i].second);
		r = read(text, problem, sizeof(problem));
		CHECK_STR(problem, "");
		revocations_sum(r, &sum);
		CHECK_EQ(sum.ends, now + (rows[i].over ? -24 : 24) * 3600);
		CHECK_EQ(revocations_authorities(r, data, (size_t)length, now, note, &told), 0);
		CHECK_EQ(told.states[0], rows[i].over ? REVOCATIONS_OUT_OF_DATE : REVOCATIONS_GOOD);
		if (check_failures > 0)
			fprintf(stderr, "row %zu\n", i);
		revocations_free(r);
	}
	BIO_free(pem);
	forget(&issuer);
}

/* An authority that has changed its key: the list of the one does not renew that of the other. */
static void test_keys(void)
{
	struct party before = make("issuer", 1, NULL, AUTHORITY), after = make("issuer", 2, NULL, AUTHORITY),
		     alice = make("alice", 42, &before, "");
	static const struct making over = {.from_h = -48, .until_h = -24, .serials = {7}, .reason = -1},
				   good = {.from_h = -1, .until_h = 24, .serials = {7}, .reason = -1};
	BIO *text = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
	char problem[300], say[REVOCATIONS_SAY], *data;
	struct told told = {0};
	struct revocations_sum sum;
	struct revocations *r;
	long length;

	put(text, &before, &over);
	put(text, &after, &good);
	PEM_write_bio_X509(pem, before.certificate);
	PEM_write_bio_X509(pem, after.certificate);
	length = BIO_get_mem_data(pem, &data);
	r = read(text, problem, sizeof(problem));
	CHECK_EQ(revocations_look(r, der(&alice), der(&before), now, say), REVOCATIONS_OUT_OF_DATE);
	revocations_sum(r, &sum);
	CHECK_EQ(sum.ends, now - 24 * 3600);
	CHECK_EQ(revocations_authorities(r, data, (size_t)length, now, note, &told), 0);
	CHECK_EQ(told.states[0], REVOCATIONS_OUT_OF_DATE);
	CHECK_EQ(told.states[1], REVOCATIONS_GOOD);
	revocations_free(r);
	BIO_free(pem);
	forget(&before);
	forget(&after);
	forget(&alice);
}

int main(void)
{
	now = time(NULL);
	RUN(test_what_is_good);
	RUN(test_whose_it_is);
	RUN(test_several);
	RUN(test_what_is_none);
	RUN(test_der);
	RUN(test_serials);
	RUN(test_authorities);
	RUN(test_outlived);
	RUN(test_keys);
	return check_end();
}
