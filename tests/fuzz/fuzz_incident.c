/*
 * fuzz_incident.c - a line of events as what it says of incidents, and the file of those that are open: what was read
 * is written and read again as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/incident_file.h"
#include "core/agents/incident_word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct incidents first, second;
	static struct incident_notes over, over_again;
	static struct incident_past past, past_again;
	struct incident_word word;
	char *text;

	incident_word_read((const char *)data, size, &word);
	need(strlen(word.subject) < sizeof(word.subject) && strlen(word.problem) < sizeof(word.problem));
	need(word.says == INCIDENT_SAYS_NOTHING || word.kind < INCIDENT_KINDS);
	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	memset(&over, 0, sizeof(over));
	memset(&over_again, 0, sizeof(over_again));
	memset(&past, 0, sizeof(past));
	memset(&past_again, 0, sizeof(past_again));
	if (!incident_file_read(&first, &over, &past, (const char *)data, size, 1))
		need(first.count == 0 && over.count == 0 && past.count == 0);
	text = incident_file_write(&first, NULL, &over, &past);
	need(text && incident_file_read(&second, &over_again, &past_again, text, strlen(text), 1) &&
	     second.count <= first.count);
	need(over_again.count == over.count && past_again.count == past.count);
	need(past_again.forgotten == past.forgotten && past_again.forgotten_wall_ms == past.forgotten_wall_ms);
	for (size_t i = 0; i < past.count; i++)
		need(incident_past_get(&past, i)->closed_wall_ms == incident_past_get(&past_again, i)->closed_wall_ms);
	for (size_t i = 0; i < second.count && second.count == first.count; i++)
		need(second.list[i].kind == first.list[i].kind && second.list[i].told == first.list[i].told &&
		     second.list[i].opened_wall_ms == first.list[i].opened_wall_ms);
	free(text);
	return 0;
}
