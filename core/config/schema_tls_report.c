/*
 * core/config/schema_tls_report.c - see schema_tls_report.h.
 */
#include "core/config/schema_tls_report.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/schema_fields.h"
#include "core/config/schema_sender.h"

#define CONFIG(member) offsetof(struct config, tls_reports.member)

const struct reader_field schema_tls_report[] = {
	FIELD_REQUIRED("organization", reader_line, CONFIG(organization), "organization: Example"),
	FIELD_REQUIRED("from", schema_address_read, CONFIG(from), "from: tls-reports@example.org"),
	FIELD("contact", reader_line, CONFIG(contact)),
	FIELD("ca_file", reader_file, CONFIG(ca_file)),
	FIELDS_END,
};

bool schema_tls_report_finish(struct reader *r, const yaml_node_t *root)
{
	struct config *config = r->config;

	if (config->tls_reports.from == NULL || config->tls_reports.contact != NULL)
		return true;
	config->tls_reports.contact = strdup(config->tls_reports.from);
	return config->tls_reports.contact != NULL || reader_fail_memory(r, &root->start_mark);
}

void schema_tls_report_free(struct config *config)
{
	free(config->tls_reports.organization);
	free(config->tls_reports.from);
	free(config->tls_reports.contact);
	free(config->tls_reports.ca_file);
}
