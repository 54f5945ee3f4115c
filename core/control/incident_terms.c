/*
 * core/control/incident_terms.c - see incident_terms.h.
 */
#include "core/control/incident_terms.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"

static bool copy(char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	return *out || !text;
}

static bool add_certificate(struct incident_terms *t, const char *file)
{
	if (!file)
		return true;
	return copy(&t->certificates[t->certificate_count++], file);
}

static bool copy_lists(struct incident_terms *t, const struct config *config)
{
	bool ok;

	t->destinations = calloc(config->destination_count + 1, sizeof(*t->destinations));
	t->certificates = calloc(config->certificate_count + config->destination_count + 1, sizeof(char *));
	ok = t->destinations && t->certificates;
	for (size_t i = 0; ok && i < config->destination_count; i++) {
		const struct config_destination *d = &config->destinations[i];
		if (d->gone)
			continue;
		t->destinations[t->destination_count].mx = d->mx;
		t->destinations[t->destination_count].index = i;
		ok = copy(&t->destinations[t->destination_count++].name, d->name) && add_certificate(t, d->certificate);
	}
	for (size_t i = 0; ok && i < config->certificate_count; i++)
		ok = add_certificate(t, config->certificates[i].certificate);
	return ok && add_certificate(t, config->control.http.certificate);
}

struct incident_terms *incident_terms_of(const struct config *config)
{
	struct incident_terms *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->watched = config->incidents.watched;
	t->mails_per_hour = config->incidents.mails_per_hour;
	t->spool_percent = config->incidents.spool_percent;
	t->budget_percent = config->incidents.budget_percent;
	t->calm_ns = config->incidents.calm_ns;
	t->down_ns = config->incidents.destination_down_ns;
	t->no_delivery_ns = config->incidents.no_delivery_ns;
	t->old_mail_ns = config->incidents.old_mail_ns;
	t->certificate_ns = config->incidents.certificate_ns;
	if (copy(&t->hostname, config->hostname) && copy(&t->mail, config->incidents.mail) &&
	    copy(&t->from, config->incidents.from) && copy(&t->lists, config->control.http.client_crl) &&
	    copy_lists(t, config))
		return t;
	incident_terms_free(t);
	return NULL;
}

void incident_terms_free(struct incident_terms *t)
{
	if (!t)
		return;
	for (size_t i = 0; t->destinations && i < t->destination_count; i++)
		free(t->destinations[i].name);
	for (size_t i = 0; t->certificates && i < t->certificate_count; i++)
		free(t->certificates[i]);
	free(t->destinations);
	free(t->certificates);
	free(t->hostname);
	free(t->mail);
	free(t->from);
	free(t->lists);
	free(t);
}

const struct incident_destination *incident_terms_find(const struct incident_terms *t, const char *name, size_t length)
{
	for (size_t i = 0; i < t->destination_count; i++) {
		const char *one = t->destinations[i].name;
		if (strncmp(one, name, length) == 0 && one[length] == '\0')
			return &t->destinations[i];
	}
	return NULL;
}
