/*
 * core/config/schema_report.c - see schema_report.h.
 */
#include "core/config/schema_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/schema_fields.h"
#include "core/config/schema_identity.h"
#include "core/config/schema_sender.h"

#define CONFIG(member) offsetof(struct config, member)

bool schema_client_owner(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	static const struct reader_field owner =
		FIELD("owner", schema_address_read, offsetof(struct config_client_terms, owner));
	struct config_client_terms *terms = schema_client_terms(r, value, object);

	return terms != NULL && schema_address_read(r, &owner, value, terms);
}

const struct reader_field schema_report[] = {
	FIELD("from", schema_address_read, CONFIG(reports.from)),
	FIELD_RANGE("to_owner_per_hour", reader_number, CONFIG(reports.to_owner_per_hour), 0, 1000),
	FIELD_RANGE("delay_after", reader_duration, CONFIG(reports.delay_after_ns), 0, 30 * DAYS),
	FIELDS_END,
};

void schema_report_defaults(struct config *config)
{
	config->reports.to_owner_per_hour = 10;
	config->reports.delay_after_ns = 4 * HOURS;
}

bool schema_report_finish(struct reader *r, const yaml_node_t *root)
{
	static const char daemon[] = "MAILER-DAEMON@";
	struct config *config = r->config;
	size_t size;

	if (config->reports.from != NULL || config->hostname == NULL)
		return true;
	size = sizeof(daemon) + strlen(config->hostname);
	config->reports.from = malloc(size);
	if (config->reports.from != NULL)
		snprintf(config->reports.from, size, "%s%s", daemon, config->hostname);
	return config->reports.from != NULL || reader_fail_memory(r, &root->start_mark);
}
