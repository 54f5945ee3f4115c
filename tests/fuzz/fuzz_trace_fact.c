/*
 * fuzz_trace_fact.c - a line of events: what is read of it is what a JSON library reads, and what becomes of it as
 * lines of Postfix's log are lines that are safe to print; what went wrong lately takes it as it is.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/trace/fact.h"
#include "core/trace/postfix.h"
#include "core/trace/recent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void on_line(void *context, const char *line, size_t length)
{
	need(length > 0);
	for (size_t i = 0; i < length; i++)
		need((uint8_t)line[i] >= ' ' && line[i] != 0x7f);
	/* Whole UTF-8. */
	json_t *text = json_stringn(line, length);
	need(text != NULL);
	json_decref(text);
}

/* A key may be there twice, and then the last one counts with both. */
static void same_text(const json_t *object, const char *key, struct span text)
{
	const json_t *value = json_object_get(object, key);

	if (!text.data || !value || !json_is_string(value))
		return;
	need(json_string_length(value) == text.length && memcmp(json_string_value(value), text.data, text.length) == 0);
}

/* The groups have whole texts, whatever the lines were. */
static void group(const uint8_t *data, size_t size)
{
	static struct recent_group groups[RECENT_GROUPS];
	struct recent *recent = recent_new();
	char *line = malloc(size + 1);
	uint64_t left_out;
	size_t count;

	need(recent && line);
	memcpy(line, data, size);
	line[size] = '\n';
	recent_take(recent, line, size + 1);
	count = recent_read(recent, groups, RECENT_GROUPS, &left_out);
	for (size_t i = 0; i < count; i++)
		need(groups[i].count > 0 && memchr(groups[i].reply, '\0', sizeof(groups[i].reply)) &&
		     memchr(groups[i].where, '\0', sizeof(groups[i].where)));
	free(line);
	recent_free(recent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct postfix_style style = {.hostname = "relay", .pid = 7, .utc = true};
	static struct fact fact;
	json_error_t error;
	/* A NUL behind a number is swallowed by jansson 2.14, and is no JSON (RFC 8259 2). */
	json_t *object = size > 0 && data[0] == '{' && !memchr(data, '\0', size)
				 ? json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &error)
				 : NULL;
	bool read = fact_parse((const char *)data, size, &fact);

	if (read) {
		postfix_lines(&fact, &style, on_line, NULL);
		for (unsigned i = 0; i < fact.result_count; i++)
			need(fact.results[i].recipient.length <= size);
	}
	if (object && read) {
		same_text(object, "sender", fact.text[FACT_SENDER]);
		same_text(object, "reply", fact.text[FACT_REPLY]);
		same_text(object, "recipient", fact.text[FACT_RECIPIENT]);
		const json_t *octets = json_object_get(object, "octets");
		if (json_is_integer(octets) && json_integer_value(octets) >= 0 &&
		    json_integer_value(octets) < INT64_MAX / 100)
			need((uint64_t)json_integer_value(octets) == fact.number[FACT_OCTETS]);
	}
	/* What is JSON, has a name and a time is read. */
	if (object && !read) {
		const char *name = json_string_value(json_object_get(object, "event"));
		const char *time = json_string_value(json_object_get(object, "time"));
		uint64_t ms;
		need(!name || !time || !fact_time_parse(time, strlen(time), &ms) || size > 512);
	}
	json_decref(object);
	group(data, size);
	return 0;
}
