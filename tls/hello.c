/*
 * tls/hello.c - see hello.h.
 */
#include "tls/hello.h"

#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

/* A number of so many octets. */
static bool take(struct input *in, unsigned octets, unsigned *value)
{
	if (in->left < octets)
		return false;
	for (*value = 0; octets > 0; octets--, in->at++, in->left--)
		*value = *value << 8 | *in->at;
	return true;
}

/* A vector whose length is written in so many octets. */
static bool take_vector(struct input *in, unsigned octets, struct input *out)
{
	unsigned length;

	if (!take(in, octets, &length) || length > in->left)
		return false;
	*out = (struct input){in->at, length};
	in->at += length;
	in->left -= length;
	return true;
}

static void note_suite(struct tls_hello *hello, unsigned suite)
{
	static const uint16_t ecdsa[] = {0xc02b, 0xc02c, 0xcca9, 0xc009, 0xc00a, 0xc023, 0xc024};
	static const uint16_t rsa[] = {0xc02f, 0xc030, 0xcca8, 0xc013, 0xc014, 0xc027, 0xc028};
	enum { EMPTY_RENEGOTIATION_INFO = 0x00ff, FALLBACK = 0x5600, GREASE_MASK = 0x0f0f, GREASE = 0x0a0a };

	for (unsigned i = 0; i < sizeof(ecdsa) / sizeof(ecdsa[0]); i++) {
		hello->ecdhe_ecdsa |= suite == ecdsa[i];
		hello->ecdhe_rsa |= suite == rsa[i];
	}
	if (suite == EMPTY_RENEGOTIATION_INFO || suite == FALLBACK || (suite & GREASE_MASK) == GREASE)
		return;
	if (hello->suite_count < TLS_HELLO_SUITES_MAX)
		hello->suites[hello->suite_count++] = (uint16_t)suite;
}

/* A host name: what is no name, or none that a certificate could have, is none (STL-10). */
static void note_name(struct tls_hello *hello, struct input name)
{
	if (name.left == 0 || name.left >= sizeof(hello->name) || hello->name[0] != '\0')
		return;
	for (size_t i = 0; i < name.left; i++) {
		uint8_t c = name.at[i];
		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')) {
			hello->name[0] = '\0';
			return;
		}
		hello->name[i] = (char)c;
	}
	hello->name[name.left] = '\0';
}

/* RFC 6066 3 */
static bool read_names(struct tls_hello *hello, struct input in)
{
	enum { HOST_NAME = 0 };
	struct input list, name;
	unsigned type;

	if (!take_vector(&in, 2, &list))
		return false;
	while (list.left > 0) {
		if (!take(&list, 1, &type) || !take_vector(&list, 2, &name))
			return false;
		if (type == HOST_NAME)
			note_name(hello, name);
	}
	return true;
}

static bool read_signatures(struct tls_hello *hello, struct input in)
{
	struct input list;
	unsigned scheme;

	if (!take_vector(&in, 2, &list))
		return false;
	hello->signatures_given = true;
	while (take(&list, 2, &scheme)) {
		hello->ecdsa_p256 |= scheme == 0x0403;
		hello->ecdsa_p384 |= scheme == 0x0503;
		hello->rsa |= scheme == 0x0401 || scheme == 0x0501 || scheme == 0x0601;
		hello->rsa_pss |= scheme == 0x0804 || scheme == 0x0805 || scheme == 0x0806;
	}
	return list.left == 0;
}

static bool read_groups(struct tls_hello *hello, struct input in)
{
	enum { P256 = 23, P384 = 24, X25519 = 29 };
	struct input list;
	unsigned group;

	if (!take_vector(&in, 2, &list))
		return false;
	hello->groups_given = true;
	while (take(&list, 2, &group))
		hello->group_known |= group == P256 || group == P384 || group == X25519;
	return list.left == 0;
}

static bool read_versions(struct tls_hello *hello, struct input in)
{
	enum { OLDEST = 0x0300, NEWEST = 0x0304 };
	struct input list;
	unsigned version;

	if (!take_vector(&in, 1, &list))
		return false;
	while (take(&list, 2, &version)) {
		if (version >= OLDEST && version <= NEWEST && version > hello->version)
			hello->version = (uint16_t)version;
	}
	return list.left == 0;
}

static bool read_extensions(struct tls_hello *hello, struct input in)
{
	enum { SERVER_NAME = 0, SUPPORTED_GROUPS = 10, SIGNATURE_ALGORITHMS = 13, SUPPORTED_VERSIONS = 43 };
	struct input content;
	unsigned type;

	while (in.left > 0) {
		bool good = true;
		if (!take(&in, 2, &type) || !take_vector(&in, 2, &content))
			return false;
		if (type == SERVER_NAME)
			good = read_names(hello, content);
		else if (type == SUPPORTED_GROUPS)
			good = read_groups(hello, content);
		else if (type == SIGNATURE_ALGORITHMS)
			good = read_signatures(hello, content);
		else if (type == SUPPORTED_VERSIONS)
			good = read_versions(hello, content);
		if (!good)
			return false;
	}
	return true;
}

static bool read_body(struct tls_hello *hello, struct input in)
{
	enum { RANDOM_SIZE = 32 };
	struct input suites, ignored, extensions;
	unsigned version, suite;

	if (!take(&in, 2, &version) || in.left < RANDOM_SIZE)
		return false;
	hello->version = (uint16_t)version;
	in.at += RANDOM_SIZE;
	in.left -= RANDOM_SIZE;
	if (!take_vector(&in, 1, &ignored) || !take_vector(&in, 2, &suites) || !take_vector(&in, 1, &ignored))
		return false;
	while (take(&suites, 2, &suite))
		note_suite(hello, suite);
	if (suites.left > 0)
		return false;
	if (in.left == 0)
		return true;
	return take_vector(&in, 2, &extensions) && in.left == 0 && read_extensions(hello, extensions);
}

enum { HEADER = 4 };

/* How long the message says that it is, with its header; that alone while it is not there. */
static size_t announced(const uint8_t *message, size_t used)
{
	return used < HEADER ? HEADER : HEADER + ((size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3]);
}

/* The handshake message out of its records: how many octets of it are there, UINT32_MAX if they are none. What is
 * behind it is not looked at. */
static size_t unwrap(struct input in, uint8_t message[TLS_HELLO_MAX + HEADER])
{
	enum { HANDSHAKE = 22, RECORD_MAX = 16384 };
	size_t used = 0;
	unsigned type, version, length;

	while (in.left > 0 && used < announced(message, used) && used < TLS_HELLO_MAX + HEADER) {
		if (in.at[0] != HANDSHAKE)
			return UINT32_MAX;
		if (!take(&in, 1, &type) || !take(&in, 2, &version) || !take(&in, 2, &length))
			return used;
		if (length == 0 || length > RECORD_MAX || version >> 8 != 3)
			return UINT32_MAX;
		size_t n = length < in.left ? length : in.left;
		if (n > TLS_HELLO_MAX + HEADER - used)
			n = TLS_HELLO_MAX + HEADER - used;
		memcpy(message + used, in.at, n);
		used += n;
		if (length > in.left)
			return used;
		in.at += length;
		in.left -= length;
	}
	return used;
}

enum tls_hello_state tls_hello_read(const uint8_t *octets, size_t length, struct tls_hello *hello)
{
	enum { CLIENT_HELLO = 1 };
	uint8_t message[TLS_HELLO_MAX + HEADER];
	size_t used = unwrap((struct input){octets, length}, message);

	memset(hello, 0, sizeof(*hello));
	if (used == UINT32_MAX || (used > 0 && message[0] != CLIENT_HELLO))
		return TLS_HELLO_BAD;
	if (used < HEADER)
		return length < TLS_HELLO_RECORDS_MAX ? TLS_HELLO_MORE : TLS_HELLO_BAD;
	size_t size = announced(message, used) - HEADER;
	if (size > TLS_HELLO_MAX)
		return TLS_HELLO_BAD;
	if (used < HEADER + size)
		return length < TLS_HELLO_RECORDS_MAX ? TLS_HELLO_MORE : TLS_HELLO_BAD;
	return read_body(hello, (struct input){message + HEADER, size}) ? TLS_HELLO_WHOLE : TLS_HELLO_BAD;
}
