/*
 * core/agents/tls_report_text.h - a report about TLS in its forms (RFC 8460 4, 5): as JSON, compressed, and as a mail.
 *
 * Facts in, octets out; nothing here knows clocks or networks.
 */
#ifndef POSTRIDER_AGENTS_TLS_REPORT_TEXT_H
#define POSTRIDER_AGENTS_TLS_REPORT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "core/agents/tls_count.h"

#define TLS_REPORT_TYPE "application/tlsrpt+gzip"
enum { TLS_REPORT_ID_SIZE = 320, TLS_REPORT_ADDRESS_SIZE = 46 };

struct tls_report_facts {
	const char *organization, *contact, *from; /* of the configuration */
	const char *submitter;                     /* this relay's name */
	uint64_t start_s, end_s;                   /* of what it covers, both included; seconds since 1970 */
	const struct tls_domain_count *domain;
	/* From which address of this machine one goes to that one; false: nobody knows. NULL: nobody is asked. */
	bool (*source)(const char *to, char out[TLS_REPORT_ADDRESS_SIZE]);
};

/* The same for the same domain and day, so that one that comes twice can be known for it. */
void tls_report_id(const struct tls_report_facts *facts, char id[TLS_REPORT_ID_SIZE]);
/* From malloc, with its NUL; NULL: no memory. */
char *tls_report_json(const struct tls_report_facts *facts);
/* From malloc, *length octets; NULL: no memory. */
char *tls_report_gzip(const char *text, size_t *length);
/* A message to that address, whole, CRLF. `now_s`: its date. From malloc, *length octets; NULL: no memory. */
char *tls_report_letter(const struct tls_report_facts *facts, const char *to, uint64_t now_s, const char *report,
			size_t report_length, size_t *length);

#endif
