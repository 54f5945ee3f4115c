/*
 * core/tools/own_certificate.c - see own_certificate.h.
 */
#include "core/tools/own_certificate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/tools/written.h"
#include "tls/tls.h"

enum { DAY_S = 24 * 3600, ENDS_SOON_DAYS = 30 };

/* "mail.contoso.com, *.contoso.com" has a name of contoso.com. Microsoft 365 looks at nothing else. */
static bool has_domain(const char *names, const char *domain)
{
	size_t tail = strlen(domain);

	while (*names != '\0') {
		size_t length = strcspn(names, ", ");
		if (length >= tail && strncasecmp(names + length - tail, domain, tail) == 0 &&
		    (length == tail || names[length - tail - 1] == '.'))
			return true;
		names += length;
		names += strspn(names, ", ");
	}
	return false;
}

static bool look_at_dates(struct ladder *ladder, const struct tls_certificate_text *text)
{
	int64_t now = time(NULL);
	char from[16], until[16];

	written_day(text->not_before, from);
	written_day(text->not_after, until);
	if (text->not_after < now) {
		ladder_add(ladder, "our dates", RUNG_BROKEN, "ended on %s", until);
		ladder_advise(ladder,
			      "replace the certificate and its key; the relay takes the new ones with \"postrider "
			      "reload\".");
		return false;
	}
	if (text->not_before > now) {
		ladder_add(ladder, "our dates", RUNG_BROKEN, "not valid before %s", from);
		ladder_advise(ladder, "is this machine's clock right?");
		return false;
	}
	if (text->not_after - now >= (int64_t)ENDS_SOON_DAYS * DAY_S) {
		ladder_add(ladder, "our dates", RUNG_OK, "%s to %s", from, until);
		return true;
	}
	ladder_add(ladder, "our dates", RUNG_WARNING, "ends in %d days, on %s", (int)((text->not_after - now) / DAY_S),
		   until);
	ladder_advise(ladder, "replace it before.");
	return true;
}

/* RFC 5280 4.2.1.12. Public authorities give none for clients any more; whether a provider minds is not known. */
static void look_at_usage(struct ladder *ladder, const struct tls_certificate_text *text)
{
	if (text->for_client) {
		ladder_add(ladder, "our key usage", RUNG_OK, "for clients%s", text->for_server ? " and servers" : "");
		return;
	}
	ladder_add(ladder, "our key usage", RUNG_WARNING, "%s, not for clients",
		   text->for_server ? "for servers alone (serverAuth)" : "for something else");
	ladder_advise(ladder,
		      "that is what public authorities give since 2026, and most likely it does for a connector of "
		      "Microsoft 365: try with \"postrider doctor --send\". Should 5.7.64 come, have the connector "
		      "know this relay by its address, or sign in as a mailbox.");
}

static void look_at_names(struct ladder *ladder, const struct tls_certificate_text *text, const char *hostname,
			  const char *from)
{
	const char *domain = from ? strrchr(from, '@') : NULL;
	const char *names = text->names[0] ? text->names : "no host";

	if (domain && !has_domain(text->names, domain + 1)) {
		ladder_add(ladder, "our names", RUNG_WARNING, "for %s, none of them of %s", names, domain + 1);
		ladder_advise(ladder,
			      "a connector of Microsoft 365 knows a relay by a name in its certificate of one of the "
			      "tenant's accepted domains: that name need not be of this sender's domain, but of one of "
			      "them.");
		return;
	}
	if (domain || text->named) {
		ladder_add(ladder, "our names", RUNG_OK, "for %s", names);
		return;
	}
	ladder_add(ladder, "our names", RUNG_WARNING, "for %s, not for this relay's hostname %s", names, hostname);
	ladder_advise(ladder,
		      "right if the next hop knows the relay by that; else get one with the name %s, or change "
		      "\"hostname\".",
		      hostname);
}

bool own_certificate_look(struct ladder *ladder, const char *file, const char *hostname, const char *from)
{
	size_t count;
	struct tls_certificate_text *texts = tls_certificates_read(file, hostname, &count);
	bool ok;

	if (!texts) {
		ladder_add(ladder, "our certificate", RUNG_BROKEN, "%s: no certificate can be read from it", file);
		return false;
	}
	ladder_add(ladder, "our certificate", RUNG_OK, "%s, by %s", texts[0].subject, texts[0].issuer);
	ok = look_at_dates(ladder, &texts[0]);
	if (ok) {
		look_at_usage(ladder, &texts[0]);
		look_at_names(ladder, &texts[0], hostname, from);
	}
	free(texts);
	return ok;
}
