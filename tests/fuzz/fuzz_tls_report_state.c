/*
 * fuzz_tls_report_state.c - octets as the file in which TLS reports are kept: what is taken can be written, read again
 * and made into reports.
 */
#include <stdlib.h>
#include <string.h>

#include "core/agents/tls_report_state.h"
#include "core/agents/tls_report_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void say(const struct tls_report *report)
{
	const struct tls_report_facts facts = {.organization = "o",
					       .contact = "c",
					       .from = "f@example.org",
					       .submitter = "s",
					       .domain = report->domain};
	char *json = tls_report_json(&facts), *letter;
	size_t length;

	need(json != NULL);
	letter = tls_report_letter(&facts, "a@example.org", 0, json, strlen(json), &length);
	need(letter != NULL && strlen(letter) == length);
	free(letter);
	free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_days days, again;
	struct tls_report *report;
	uint64_t next_s;
	char *text;

	need(tls_days_init(&days, 0) && tls_days_init(&again, 0));
	if (tls_report_state_read(&days, (const char *)data, size)) {
		text = tls_report_state_write(&days);
		need(text && tls_report_state_read(&again, text, strlen(text)));
		need(again.report_count == days.report_count && again.day == days.day);
		need(tls_count_domains(again.today) == tls_count_domains(days.today));
		free(text);
		while ((report = tls_days_take(&again, UINT64_MAX, &next_s)) != NULL)
			say(report);
	}
	tls_days_deinit(&days);
	tls_days_deinit(&again);
	return 0;
}
