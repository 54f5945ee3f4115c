/*
 * core/control/incident_terms.h - what the configuration says of incidents, copied, so that the thread that watches has
 * it whatever is reloaded.
 */
#ifndef POSTRIDER_CONTROL_INCIDENT_TERMS_H
#define POSTRIDER_CONTROL_INCIDENT_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;

struct incident_terms {
	bool watched;
	char *hostname, *mail, *from; /* owned; mail NULL: nobody */
	unsigned mails_per_hour, spool_percent, budget_percent;
	uint64_t calm_ns, down_ns, no_delivery_ns, old_mail_ns, certificate_ns;
	/* Owned; destinations by name. */
	struct incident_destination {
		char *name;
		size_t index; /* in the configuration, and so in what shards say of theirs */
		bool mx;
	} * destinations;
	size_t destination_count;
	char **certificates; /* owned; files */
	size_t certificate_count;
	char *lists; /* owned; the file of control.http.client_crl; NULL: there is none */
};

/* NULL without memory. */
struct incident_terms *incident_terms_of(const struct config *config);
void incident_terms_free(struct incident_terms *terms); /* NULL is allowed */
/* The destination of that name, of `length` octets; NULL: there is none. */
const struct incident_destination *incident_terms_find(const struct incident_terms *terms, const char *name,
						       size_t length);

#endif
