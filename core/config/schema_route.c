/*
 * core/config/schema_route.c - see schema_route.h.
 */
#include "core/config/schema_route.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/scalar.h"
#include "core/config/schema_fields.h"

static bool read_recipient(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			   void *object)
{
	struct config_route *route = object;
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (strcmp(text, "*") == 0)
		return reader_fail(r, &value->node->start_mark,
				   "%s: a route without this key matches every recipient: remove it", value->name);
	if (!scalar_recipient_valid(text))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no pattern: write \"*@example.org\", \"user@example.org\" or "
				   "\"*@*.example.org\"",
				   value->name, text);
	route->recipient = strdup(text);
	return route->recipient != NULL || reader_fail_memory(r, &value->node->start_mark);
}

/* The name only: the destinations may stand further down in the file. schema_routes_finish() looks it up. */
static bool read_route_destination(struct reader *r, const struct reader_field *field, const struct reader_value *value,
				   void *object)
{
	return reader_text(r, value) != NULL;
}

static bool check_route(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	const struct config_route *routes = items;

	if (index > 0 && routes[index - 1].recipient == NULL)
		return reader_fail(r, &node->start_mark,
				   "this route is never used: the one before it matches every recipient");
	for (size_t i = 0; i < index && routes[index].recipient != NULL; i++) {
		if (strcmp(routes[i].recipient, routes[index].recipient) == 0)
			return reader_fail(r, &node->start_mark,
					   "this route is never used: one before it is for \"%.80s\" too",
					   routes[index].recipient);
	}
	return true;
}

/* A route that was not read as it stands must not look like one for everybody. */
static bool read_route(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	struct config_route *route = object;

	if (reader_section(r, field, value, object))
		return true;
	if (route->recipient == NULL)
		route->recipient = strdup("@");
	return false;
}

static const struct reader_field route_fields[] = {
	FIELD("recipient", read_recipient, 0),
	FIELD_REQUIRED("destination", read_route_destination, 0, "destination: office365"),
	FIELD_MISSING("client"),
	FIELD_MISSING("sender"),
	FIELDS_END,
};

const struct reader_list schema_routes = {
	.size = sizeof(struct config_route),
	.count_offset = offsetof(struct config, route_count),
	.item = {.name = "routes", .read = read_route, .detail = route_fields, .example = "{ destination: office365 }"},
	.check = check_route,
};

static bool finish_route(struct reader *r, const yaml_node_t *node, struct config_route *route)
{
	const struct config *config = r->config;
	const yaml_node_t *value = node->type == YAML_MAPPING_NODE ? reader_find(r, node, "destination") : NULL;
	struct reader_hint hint;

	if (value == NULL || value->type != YAML_SCALAR_NODE)
		return true; /* that was said */
	const char *name = (const char *)value->data.scalar.value;
	reader_hint_init(&hint);
	for (size_t i = 0; i < config->destination_count; i++) {
		if (config->destinations[i].name == NULL)
			continue;
		if (strcmp(config->destinations[i].name, name) == 0) {
			route->destination = i;
			return true;
		}
		reader_hint_offer(&hint, name, config->destinations[i].name);
	}
	/* One whose name could not be read may be meant. */
	if (!reader_fine(r, "destinations"))
		return true;
	return reader_fail(r, &value->start_mark, "destination: there is no destination \"%.80s\"%s", name, hint.text);
}

bool schema_routes_finish(struct reader *r, const yaml_node_t *root)
{
	const yaml_node_t *list = reader_find(r, root, "routes");
	bool ok = true;

	for (size_t i = 0; i < r->config->route_count; i++) {
		const yaml_node_t *node = yaml_document_get_node(r->document, list->data.sequence.items.start[i]);
		ok &= finish_route(r, node, &r->config->routes[i]);
	}
	return ok;
}
