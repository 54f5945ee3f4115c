/*
 * core/config/schema_watch.c - see schema_watch.h.
 */
#include "core/config/schema_watch.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/schema_fields.h"
#include "core/config/schema_sender.h"

#define INCIDENTS(member) offsetof(struct config, incidents.member)
#define WEBHOOK(member) offsetof(struct config, events.webhook.member)

enum { KINDS_MAX = 64, BATCH_MAX = 1000 };

/* ---- incidents -------------------------------------------------------------------------------------------------- */

static const struct reader_field incident_fields[] = {
	FIELD("mail", schema_address_read, INCIDENTS(mail)),
	FIELD("from", schema_address_read, INCIDENTS(from)),
	FIELD_RANGE("mails_per_hour", reader_number, INCIDENTS(mails_per_hour), 1, 60),
	FIELD_RANGE("calm", reader_duration, INCIDENTS(calm_ns), SECONDS, DAYS),
	FIELD_RANGE("destination_down", reader_duration, INCIDENTS(destination_down_ns), 0, DAYS),
	FIELD_RANGE("no_delivery", reader_duration, INCIDENTS(no_delivery_ns), 0, 7 * DAYS),
	FIELD_RANGE("old_mail", reader_duration, INCIDENTS(old_mail_ns), 0, 30 * DAYS),
	FIELD_RANGE("certificate", reader_duration, INCIDENTS(certificate_ns), 0, 365 * DAYS),
	FIELD_RANGE("spool", reader_number, INCIDENTS(spool_percent), 0, 99),
	FIELD_RANGE("budget", reader_number, INCIDENTS(budget_percent), 0, 99),
	FIELDS_END,
};

bool schema_incidents(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	const struct reader_field section = {
		.name = value->name, .detail = incident_fields, .example = "{ mail: it@example.org }"};

	r->config->incidents.watched = !reader_says_off(value);
	return !r->config->incidents.watched || reader_section(r, &section, value, object);
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static bool read_url(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *text = reader_text(r, value);

	if (!text)
		return false;
	if (strncasecmp(text, "https://", 8) != 0 || strcspn(text + 8, "/?#") == 0 || strpbrk(text, " \t\r\n"))
		/* It may be a secret, and is not repeated. */
		return reader_fail(r, &value->node->start_mark,
				   "url: this is no https:// URL: write one such as https://hooks.example.org/relay");
	return reader_keep(r, field, value, object, text);
}

static const struct reader_list kinds = {
	.size = sizeof(char *),
	.count_offset = WEBHOOK(kind_count),
	.item = {.name = "kinds", .read = reader_line},
};

static const struct reader_field webhook_fields[] = {
	FIELD_REQUIRED("url", read_url, WEBHOOK(url), "url: \"https://hooks.example.org/relay\""),
	FIELD_REQUIRED("secret_file", reader_file, WEBHOOK(secret_file), "secret_file: webhook.secret"),
	FIELD_LIST("kinds", WEBHOOK(kinds), KINDS_MAX, &kinds, "kinds: [\"incident_*\"]"),
	FIELD("ca_file", reader_file, WEBHOOK(ca_file)),
	FIELD_RANGE("batch", reader_number, WEBHOOK(batch), 1, BATCH_MAX),
	FIELD_RANGE("delay", reader_duration, WEBHOOK(delay_ns), 0, HOURS),
	FIELD_RANGE("size_max", reader_size, WEBHOOK(size_max), 2 * MEBIBYTES, TEBIBYTES),
	FIELDS_END,
};

static bool read_webhook(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const struct reader_field section = {
		.name = value->name, .detail = webhook_fields, .example = SCHEMA_EVENTS_EXAMPLE};

	return reader_says_off(value) || reader_section(r, &section, value, object);
}

const struct reader_field schema_events[] = {
	FIELD("webhook", read_webhook, 0),
	FIELDS_END,
};

void schema_watch_defaults(struct config *config)
{
	config->incidents.watched = true;
	config->incidents.mails_per_hour = 6;
	config->incidents.calm_ns = 5 * MINUTES;
	config->incidents.destination_down_ns = 2 * MINUTES;
	config->incidents.no_delivery_ns = 15 * MINUTES;
	config->incidents.old_mail_ns = 4 * HOURS;
	config->incidents.certificate_ns = 14 * DAYS;
	config->incidents.spool_percent = 80;
	config->incidents.budget_percent = 90;
	config->events.webhook.batch = 100;
	config->events.webhook.delay_ns = SECONDS;
	config->events.webhook.size_max = 64 * MEBIBYTES;
}

static bool usual_kinds(struct config *config)
{
	char **list = calloc(1, sizeof(char *));

	config->events.webhook.kinds = list;
	if (list)
		list[0] = strdup("incident_*");
	config->events.webhook.kind_count = 1;
	return list && list[0];
}

bool schema_watch_finish(struct reader *r, const yaml_node_t *root)
{
	struct config *config = r->config;

	if (config->events.webhook.url && !config->events.webhook.kinds && !usual_kinds(config))
		return reader_fail_memory(r, &root->start_mark);
	if (config->incidents.from || !config->reports.from)
		return true;
	config->incidents.from = strdup(config->reports.from);
	return config->incidents.from || reader_fail_memory(r, &root->start_mark);
}

void schema_watch_free(struct config *config)
{
	free(config->incidents.mail);
	free(config->incidents.from);
	free(config->events.webhook.url);
	free(config->events.webhook.secret_file);
	free(config->events.webhook.ca_file);
	for (size_t i = 0; config->events.webhook.kinds && i < config->events.webhook.kind_count; i++)
		free(config->events.webhook.kinds[i]);
	free(config->events.webhook.kinds);
}
