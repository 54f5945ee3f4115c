/*
 * core/config/schema_trace.c - see schema_trace.h.
 */
#include "core/config/schema_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/schema_fields.h"

static const struct reader_choice details[] = {
	{"auto", CONFIG_TRACE_AUTO, false},
	{"all", CONFIG_TRACE_ALL, false},
	{"problems", CONFIG_TRACE_PROBLEMS, false},
	{"off", CONFIG_TRACE_OFF, false},
	{NULL, 0, false},
};

#define CONFIG(member) offsetof(struct config, member)
const struct reader_field schema_trace_fields[] = {
	FIELD_RANGE("keep", reader_duration, CONFIG(trace.keep_ns), HOURS, 3660 * DAYS),
	FIELD_RANGE("size_max", reader_size, CONFIG(trace.size_max), 16 * MEBIBYTES, 1024 * GIBIBYTES),
	FIELD_CHOICE("detail", CONFIG(trace.detail), details),
	FIELD("file", reader_path, CONFIG(trace.file)),
	FIELDS_END,
};

void schema_trace_defaults(struct config *config)
{
	config->trace.keep_ns = 30 * DAYS;
	config->trace.size_max = 2 * GIBIBYTES;
	config->trace.detail = CONFIG_TRACE_AUTO;
}

/* Not by asprintf(): the simulation ends processes without a word, and knows only what the engine itself allocates. */
static char *beside_spool(const struct config *config)
{
	size_t size = strlen(config->spool.directory) + sizeof("/trace.db");
	char *path = malloc(size);

	if (path)
		snprintf(path, size, "%s/trace.db", config->spool.directory);
	return path;
}

/* Behind spool.directory's own default. */
bool schema_trace_finish(struct reader *r, const yaml_node_t *root)
{
	struct config *config = r->config;
	const yaml_node_t *section = reader_find(r, root, "trace");
	const yaml_node_t *detail =
		section && section->type == YAML_MAPPING_NODE ? reader_find(r, section, "detail") : NULL;

	if (!reader_fine(r, "trace") || !reader_fine(r, "log") || !reader_fine(r, "spool"))
		return true;
	/* It is made of these events. */
	if (!config->log_messages && config->trace.detail != CONFIG_TRACE_OFF) {
		if (detail)
			return reader_fail(r, &detail->start_mark,
					   "detail: the trace is made of the events that log.messages leaves out: "
					   "write log: { messages: true }, or detail: off");
		config->trace.detail = CONFIG_TRACE_OFF;
	}
	/* That there is none has been said. */
	if (!config->spool.directory)
		return true;
	if (!config->trace.file)
		config->trace.file = beside_spool(config);
	return config->trace.file || reader_fail_memory(r, &root->start_mark);
}
