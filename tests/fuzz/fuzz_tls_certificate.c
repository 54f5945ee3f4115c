/*
 * tests/fuzz/fuzz_tls_certificate.c - octets as certificates: the walk over the DER, name constraints, texts for
 * people, the search for a path, and the reading of PEM.
 *
 * The input is a list of certificates, each behind its length in two octets. The first is an anchor, the others are
 * what a peer sends. Then all of it once more as PEM.
 */
#include "tls/certificate.h"
#include "tls/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	tls_global_init();
	return 0;
}

static void within(const struct certificate *certificate, struct span span)
{
	assert(span.length == 0 || (span.at >= certificate->der.at &&
				    span.at + span.length <= certificate->der.at + certificate->der.length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span sent[PATH_SENT_MAX + 4];
	struct certificate items[PATH_SENT_MAX + 4];
	struct tls_certificate_text text;
	size_t count = 0;
	unsigned checks = 0;

	for (size_t at = 0; at + 2 <= size && count < PATH_SENT_MAX + 4;) {
		size_t length = (size_t)(data[at] << 8 | data[at + 1]);
		at += 2;
		length = length < size - at ? length : size - at;
		sent[count] = (struct span){data + at, length};
		if (certificate_parse(&items[count], data + at, length)) {
			within(&items[count], items[count].issuer);
			within(&items[count], items[count].subject);
			within(&items[count], items[count].key);
			within(&items[count], items[count].alternative_names);
			within(&items[count], items[count].name_constraints);
			name_constraints_allow(items[count].name_constraints, &items[count]);
			certificate_describe(&items[count], &text);
			assert(memchr(text.subject, '\0', sizeof(text.subject)) != NULL &&
			       memchr(text.names, '\0', sizeof(text.names)) != NULL);
		}
		tls_certificate_has_name(data + at, length, "mail.example.org");
		count++;
		at += length;
	}
	if (count > 1 && certificate_parse(&items[0], sent[0].at, sent[0].length)) {
		struct anchors anchors = {.items = items, .count = 1};
		struct path_request request = {.sent = sent + 1, .sent_count = count - 1, .anchors = &anchors};
		request.purpose = PURPOSE_SERVER;
		request.now = 1800000000;
		path_verify(&request, &checks);
		assert(checks <= PATH_CHECKS_MAX);
	}
	anchors_free(anchors_new((const char *)data, size));
	return 0;
}
