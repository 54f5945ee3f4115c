/*
 * core/config/schema_source.c - see schema_source.h.
 */
#include "core/config/schema_source.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/scalar.h"
#include "core/config/schema_fields.h"

const struct reader_choice schema_preferences[] = {
	{"ipv4", CONFIG_PREFER_IPV4, false},
	{"ipv6", CONFIG_PREFER_IPV6, false},
	{NULL, 0, false},
};

static bool read_address(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	struct config_source *source = object;
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!address_text_numeric(text, 0, &source->address))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no address: write one of this machine's, such as 192.0.2.1 or "
				   "\"2001:db8::1\"",
				   value->name, text);
	source->text = strdup(text);
	return source->text != NULL || reader_fail_memory(r, &value->node->start_mark);
}

#define SOURCE(member) offsetof(struct config_source, member)
static const struct reader_field named[] = {
	FIELD_REQUIRED("address", read_address, 0, "address: 192.0.2.1"),
	FIELD("hostname", reader_qualified_name, SOURCE(hostname)),
	FIELDS_END,
};

/* An address, or a mapping that gives it a name as well. */
static bool read_source(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	if (value->node->type == YAML_MAPPING_NODE)
		return reader_mapping(r, named, value, object);
	return read_address(r, field, value, object);
}

static bool check_source(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	const struct config_source *sources = items;
	uint8_t one[16], other[16];
	size_t length = address_text_octets(&sources[index].address, one);

	for (size_t i = 0; i < index; i++) {
		if (address_text_octets(&sources[i].address, other) == length && memcmp(one, other, length) == 0)
			return reader_fail(r, &node->start_mark, "source_addresses: %.80s is there twice",
					   sources[index].text);
	}
	return true;
}

static const struct reader_list sources = {
	.size = sizeof(struct config_source),
	.count_offset = offsetof(struct config_destination, sources.count),
	.item = {.name = "source_addresses", .read = read_source},
	.check = check_source,
};

bool schema_sources_read(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	static const struct reader_field items =
		FIELD_LIST("source_addresses", offsetof(struct config_destination, sources.list), CONFIG_SOURCES_MAX,
			   &sources, "[192.0.2.1]");

	return reader_items(r, &items, value, object);
}

static bool has_family(const struct config_sources *list, sa_family_t family)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->list[i].address.any.sa_family == family)
			return true;
	}
	return false;
}

bool schema_sources_check(struct reader *r, const yaml_node_t *node, const struct config_destination *destination)
{
	const yaml_node_t *hosts = reader_find(r, node, "hosts");

	for (size_t i = 0; destination->sources.count > 0 && i < destination->host_count; i++) {
		const struct config_host *host = &destination->hosts[i];
		if (!host->numeric || has_family(&destination->sources, host->address.any.sa_family))
			continue;
		return reader_fail(
			r, &yaml_document_get_node(r->document, hosts->data.sequence.items.start[i])->start_mark,
			"hosts: \"%.80s\" cannot be reached from any of source_addresses: add one that is %s",
			host->text, host->address.any.sa_family == AF_INET ? "IPv4" : "IPv6");
	}
	return true;
}

void schema_sources_free(struct config_destination *destination)
{
	for (size_t i = 0; i < destination->sources.count; i++) {
		free(destination->sources.list[i].text);
		free(destination->sources.list[i].hostname);
	}
	free(destination->sources.list);
}
