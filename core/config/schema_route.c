/*
 * core/config/schema_route.c - see schema_route.h.
 */
#include "core/config/schema_route.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/scalar.h"
#include "core/config/schema_fields.h"

enum { REFUSE_MAX = 200 };

static bool read_pattern(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (strcmp(text, "*") == 0)
		return reader_fail(r, &value->node->start_mark,
				   "%s: a route without this key matches every %s: remove it", value->name,
				   value->name);
	if (!scalar_recipient_valid(text))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no pattern: write \"*@example.org\", \"user@example.org\" or "
				   "\"*@*.example.org\"",
				   value->name, text);
	return reader_keep(r, field, value, object, text);
}

static bool read_sender(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (strcmp(text, "<>") != 0)
		return read_pattern(r, field, value, object);
	return reader_keep(r, field, value, object, text);
}

/* It goes into a reply (RFC 5321 4.2). */
static bool read_refuse(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	const char *text = reader_text(r, value);
	size_t length = 0;

	if (text == NULL)
		return false;
	while (text[length] >= ' ' && text[length] <= '~')
		length++;
	if (text[length] != '\0' || length > REFUSE_MAX)
		return reader_fail(r, &value->node->start_mark,
				   "%s: write at most %d characters of ASCII on one line: clients read it in a reply",
				   value->name, REFUSE_MAX);
	return reader_keep(r, field, value, object, text);
}

/* The name only: what it names may stand further down in the file. schema_routes_finish() looks it up. */
static bool read_named(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	return reader_text(r, value) != NULL;
}

/* What `route` asks of this, `before` asks, too, or does not ask. */
static bool as_wide(const char *before, const char *route)
{
	return before == NULL || (route != NULL && strcmp(before, route) == 0);
}

static const char *text_of(struct reader *r, const yaml_node_t *node, const char *key)
{
	const yaml_node_t *value = reader_find(r, node, key);

	return value != NULL && value->type == YAML_SCALAR_NODE ? (const char *)value->data.scalar.value : NULL;
}

/* All that the route behind it would match. */
static bool covers(struct reader *r, const yaml_node_t *before_node, const struct config_route *before,
		   const yaml_node_t *node, const struct config_route *route)
{
	return as_wide(before->recipient, route->recipient) && as_wide(before->sender, route->sender) &&
	       as_wide(text_of(r, before_node, "client"), text_of(r, node, "client")) &&
	       as_wide(text_of(r, before_node, "listener"), text_of(r, node, "listener")) &&
	       before->size <= route->size;
}

/* One that takes everything. */
static bool is_bare(struct reader *r, const yaml_node_t *node, const struct config_route *route)
{
	return route->recipient == NULL && route->sender == NULL && route->size == 0 &&
	       text_of(r, node, "client") == NULL && text_of(r, node, "listener") == NULL;
}

static bool check_covered(struct reader *r, const yaml_node_t *list, const struct config_route *routes, size_t index)
{
	const yaml_node_item_t *nodes = list->data.sequence.items.start;
	const yaml_node_t *node = yaml_document_get_node(r->document, nodes[index]);

	for (size_t i = 0; i < index; i++) {
		const yaml_node_t *before = yaml_document_get_node(r->document, nodes[i]);

		if (before->type != YAML_MAPPING_NODE || node->type != YAML_MAPPING_NODE ||
		    !covers(r, before, &routes[i], node, &routes[index]))
			continue;
		if (is_bare(r, before, &routes[i]))
			return reader_fail(r, &node->start_mark,
					   "this route is never used: the one in line %zu matches everything",
					   before->start_mark.line + 1);
		return reader_fail(r, &node->start_mark,
				   "this route is never used: the one in line %zu matches all that it does",
				   before->start_mark.line + 1);
	}
	return true;
}

/* A route that was not read as it stands must not look like one for everybody. */
static bool read_route(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	struct config_route *route = object;
	bool ok = reader_section(r, field, value, object);
	const yaml_node_t *destination;

	if (ok) {
		destination = reader_find(r, value->node, "destination");
		if (route->refuse != NULL && destination != NULL)
			ok = reader_fail(
				r, &destination->start_mark,
				"destination: nothing goes there from a route with refuse: remove one of them");
		else if (route->refuse == NULL && destination == NULL)
			ok = reader_fail(r, &value->node->start_mark,
					 "the key \"destination\" is missing: write destination: office365");
	}
	if (!ok && route->recipient == NULL)
		route->recipient = strdup("@");
	return ok;
}

#define ROUTE(member) offsetof(struct config_route, member)
static const struct reader_field route_fields[] = {
	FIELD("recipient", read_pattern, ROUTE(recipient)),
	FIELD("sender", read_sender, ROUTE(sender)),
	FIELD("client", read_named, 0),
	FIELD("listener", read_named, 0),
	FIELD_RANGE("size", reader_size, ROUTE(size), 1, UINT64_C(1) << 30),
	FIELD("destination", read_named, 0),
	FIELD("refuse", read_refuse, ROUTE(refuse)),
	FIELDS_END,
};

const struct reader_list schema_routes = {
	.size = sizeof(struct config_route),
	.count_offset = offsetof(struct config, route_count),
	.item = {.name = "routes", .read = read_route, .detail = route_fields, .example = "{ destination: office365 }"},
};

/* ---- what it names ------------------------------------------------------------------------------------------- */

/* The items of one list, by name. NULL behind the last, and for one whose name could not be read "". */
typedef const char *name_fn(const struct config *config, size_t index);

static const char *destination_name(const struct config *config, size_t index)
{
	const char *name = index < config->destination_count ? config->destinations[index].name : NULL;

	return index < config->destination_count && name == NULL ? "" : name;
}

static const char *client_name(const struct config *config, size_t index)
{
	const char *name = index < config->client_count ? config->clients[index].name : NULL;

	return index < config->client_count && name == NULL ? "" : name;
}

static const char *listener_name(const struct config *config, size_t index)
{
	const char *name = index < config->listener_count ? config->listeners[index].name : NULL;

	return index < config->listener_count && name == NULL ? "" : name;
}

/* *number counts from 1; where the route does not name one it stays. */
static bool find_named(struct reader *r, const yaml_node_t *node, const char *key, const char *list, name_fn *name_of,
		       size_t *number)
{
	const yaml_node_t *value = reader_find(r, node, key);
	struct reader_hint hint;
	const char *known;

	if (value == NULL || value->type != YAML_SCALAR_NODE)
		return true; /* that was said */
	const char *name = (const char *)value->data.scalar.value;
	reader_hint_init(&hint);
	for (size_t i = 0; (known = name_of(r->config, i)) != NULL; i++) {
		if (strcmp(known, name) == 0) {
			*number = i + 1;
			return true;
		}
		reader_hint_offer(&hint, name, known);
	}
	/* One whose name could not be read may be meant. */
	if (!reader_fine(r, list))
		return true;
	return reader_fail(r, &value->start_mark, "%s: there is no %s \"%.80s\"%s", key, key, name, hint.text);
}

static bool finish_route(struct reader *r, const yaml_node_t *node, struct config_route *route)
{
	size_t destination = 0;
	bool ok;

	if (node->type != YAML_MAPPING_NODE)
		return true;
	ok = find_named(r, node, "destination", "destinations", destination_name, &destination);
	ok &= find_named(r, node, "client", "clients", client_name, &route->client);
	ok &= find_named(r, node, "listener", "listeners", listener_name, &route->listener);
	route->destination = destination > 0 ? destination - 1 : 0;
	return ok;
}

bool schema_routes_finish(struct reader *r, const yaml_node_t *root)
{
	const yaml_node_t *list = reader_find(r, root, "routes");
	bool ok = true;

	for (size_t i = 0; i < r->config->route_count; i++) {
		const yaml_node_t *node = yaml_document_get_node(r->document, list->data.sequence.items.start[i]);
		ok &= finish_route(r, node, &r->config->routes[i]);
		ok &= check_covered(r, list, r->config->routes, i);
	}
	return ok;
}
