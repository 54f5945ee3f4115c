/*
 * fuzz_smtp_tlsrpt.c - octets as the record that asks for TLS reports: what is taken holds to its bounds, and can be
 * said again in a record that is read alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void look_at(const struct tlsrpt_place *place)
{
	char host[TLSRPT_HOST_MAX + 1];
	uint16_t port;

	for (const char *at = place->text; *at; at++)
		need(*at > 0x20 && *at < 0x7f);
	if (place->mail) {
		need(strlen(place->text) <= TLSRPT_ADDRESS_MAX && strchr(place->text, '@') != NULL);
		return;
	}
	need(strncmp(place->text, "https://", 8) == 0);
	tlsrpt_host(place->text, host, &port);
	need(host[0] != '\0' && port > 0);
}

/* Percent signs of an address are written again. */
static size_t say(char *out, const struct tlsrpt_place *place)
{
	size_t n = (size_t)sprintf(out, "%s", place->mail ? "mailto:" : "");

	for (const char *at = place->text; *at; at++)
		n += (size_t)sprintf(out + n, place->mail && strchr("%?!", *at) ? "%%%02x" : "%c", *at);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char again[TLSRPT_PLACES_MAX * (3 * TLSRPT_PLACE_MAX + 10) + 100];
	static struct tlsrpt_places places, more;
	char *copy = malloc(size + 1);
	size_t n;

	need(copy != NULL);
	memcpy(copy, data, size);
	if (tlsrpt_record_parse(copy, size, &places) == TLSRPT_GOOD) {
		need(places.count > 0 && places.count <= TLSRPT_PLACES_MAX);
		n = (size_t)sprintf(again, "v=TLSRPTv1;rua=");
		for (unsigned i = 0; i < places.count; i++) {
			look_at(&places.list[i]);
			n += (size_t)sprintf(again + n, "%s", i ? "," : "");
			n += say(again + n, &places.list[i]);
		}
		need(tlsrpt_record_parse(again, n, &more) == TLSRPT_GOOD && more.count == places.count);
		for (unsigned i = 0; i < places.count; i++)
			need(strcmp(more.list[i].text, places.list[i].text) == 0);
	} else {
		need(places.count == 0);
	}
	free(copy);
	return 0;
}
