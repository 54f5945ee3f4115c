/*
 * tests/unit/test_key_pair.c - core/agents/key_pair.c: what it makes is taken by the TLS engine, and says what it
 * should.
 */
#include "core/agents/key_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/check.h"
#include "tls/tls.h"

enum { DAYS = 400, DAY_S = 24 * 3600 };

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	CHECK(file != NULL);
	CHECK(fputs(text, file) >= 0 && fclose(file) == 0);
}

static void look_at(const char *certificate)
{
	size_t count;
	struct tls_certificate_text *text = tls_certificates_read(certificate, "localhost", &count);
	int64_t now = time(NULL);

	CHECK(text != NULL);
	CHECK_EQ(count, 1);
	CHECK(strcmp(text->subject, "CN=postrider on relay.example.org") == 0);
	CHECK(strcmp(text->subject, text->issuer) == 0);
	CHECK(text->not_before < now && text->not_before >= now - 2 * 3600);
	CHECK(text->not_after > now + (DAYS - 1) * (int64_t)DAY_S && text->not_after <= now + DAYS * (int64_t)DAY_S);
	free(text);
}

static void test_made(void)
{
	char directory[] = "/tmp/postrider-key-pair-XXXXXX", key[64], certificate[64];
	struct tls_problem problem;
	struct tls_context_config config = {.certificate_file = certificate, .private_key_file = key};
	struct tls_context *context;
	struct key_pair pair, other;
	char *text;

	tls_global_init();
	CHECK(mkdtemp(directory) != NULL);
	snprintf(key, sizeof(key), "%s/key", directory);
	snprintf(certificate, sizeof(certificate), "%s/certificate", directory);
	CHECK(key_pair_make("postrider on relay.example.org", DAYS, &pair));
	CHECK(key_pair_make("postrider on relay.example.org", DAYS, &other));
	CHECK(strcmp(pair.certificate_text, other.certificate_text) != 0);
	put(key, pair.private_key);
	put(certificate, pair.certificate);
	look_at(certificate);
	context = tls_context_new(&config, &problem);
	CHECK(context != NULL);
	tls_context_free(context);
	text = key_pair_certificate_text(certificate);
	CHECK(text != NULL && strcmp(text, pair.certificate_text) == 0 && !strchr(text, '\n'));
	free(text);
	CHECK(key_pair_certificate_text(key) == NULL);
	/* Another one's key is noticed. */
	put(key, other.private_key);
	CHECK(tls_context_new(&config, &problem) == NULL);
	key_pair_wipe(&pair);
	key_pair_wipe(&other);
	CHECK(pair.private_key == NULL);
	unlink(key);
	unlink(certificate);
	rmdir(directory);
}

int main(void)
{
	RUN(test_made);
	return check_end();
}
