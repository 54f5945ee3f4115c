/*
 * core/smtp/tlsrpt.h - where a domain wants reports about TLS for its mail (RFC 8460 3): the record at
 * _smtp._tls.DOMAIN in the DNS.
 *
 * Pure: text in, facts out. Whoever can write into a domain's zone chooses these places, so that only so many of them
 * are kept, and nothing of them is taken that is no plain address or no URL of a host by its name.
 */
#ifndef POSTRIDER_SMTP_TLSRPT_H
#define POSTRIDER_SMTP_TLSRPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TLSRPT_PLACES_MAX = 8,   /* of one record; the first count */
	TLSRPT_PLACE_MAX = 1000, /* octets of one; a longer one is none */
	TLSRPT_ADDRESS_MAX = 254,
	TLSRPT_HOST_MAX = 253,
};

struct tlsrpt_place {
	bool mail;                       /* an address; else a URL that begins with "https://" */
	char text[TLSRPT_PLACE_MAX + 1]; /* without "mailto:", and decoded */
};

struct tlsrpt_places {
	unsigned count;
	unsigned others; /* that cannot be used, or are too many */
	struct tlsrpt_place list[TLSRPT_PLACES_MAX];
};

/* One TXT record, its strings joined. */
enum tlsrpt_record {
	TLSRPT_OTHER, /* about something else: as if it was not there */
	TLSRPT_BAD,   /* it is meant to be one, and names no place that can be used */
	TLSRPT_GOOD,
};
enum tlsrpt_record tlsrpt_record_parse(const char *text, size_t length, struct tlsrpt_places *out);

/* The host and port of such a URL. */
void tlsrpt_host(const char *url, char host[TLSRPT_HOST_MAX + 1], uint16_t *port);

#endif
