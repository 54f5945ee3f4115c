/*
 * core/config/schema_listener.c - see schema_listener.h.
 */
#include "core/config/schema_listener.h"

#include <stdio.h>
#include <string.h>

#include "core/config/schema_fields.h"

static bool read_listener_address(struct reader *r, const struct reader_field *field, const struct reader_value *value,
				  void *object)
{
	struct config_listener *listener = object;
	struct address_problem problem;
	const char *text = reader_text(r, value);
	char chosen[ADDRESS_TEXT_SIZE + 1];
	size_t length = text ? strlen(text) : 0;
	bool any_port = length > 2 && length < sizeof(chosen) && strcmp(text + length - 2, ":0") == 0;

	if (text == NULL)
		return false;
	/* Port 0: the kernel chooses one, and the event "ready" tells which. It is read as any other port would be. */
	snprintf(chosen, sizeof(chosen), "%.*s1", any_port ? (int)length - 1 : 0, text);
	if (address_text_parse(any_port ? chosen : text, &listener->address, &problem) == 0) {
		if (any_port)
			listener->address.v4.sin_port = 0; /* the same place in both families */
	} else
		return reader_fail(r, &value->node->start_mark, "%s: %s", value->name, problem.text);
	listener->address_text = strdup(text);
	return listener->address_text != NULL || reader_fail_memory(r, &value->node->start_mark);
}

static bool check_listener(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	const struct config_listener *listeners = items, *listener = &listeners[index];

	for (size_t i = 0; i < index; i++) {
		/* Shards share an address on purpose (SO_REUSEPORT), so the kernel would not refuse this. */
		if (listener->address.v4.sin_port != 0 && listeners[i].address.length == listener->address.length &&
		    listeners[i].name != NULL &&
		    memcmp(&listeners[i].address.any, &listener->address.any, listener->address.length) == 0)
			return reader_fail(r, &reader_find(r, node, "address")->start_mark,
					   "address: %s already belongs to the listener \"%s\"", listener->address_text,
					   listeners[i].name);
	}
	return true;
}

static const struct reader_choice listener_tls[] = {
	{"off", -1, false}, {"offered", -1, true}, {"required", -1, true}, {"implicit", -1, true}, {NULL, 0, false},
};
static const struct reader_choice listener_auth[] = {
	{"off", -1, false},
	{"offered", -1, true},
	{"required", -1, true},
	{NULL, 0, false},
};

#define LISTENER(member) offsetof(struct config_listener, member)
static const struct reader_field listener_fields[] = {
	FIELD_REQUIRED("name", reader_name, LISTENER(name), "name: lan"),
	FIELD_REQUIRED("address", read_listener_address, 0, "address: \"0.0.0.0:25\""),
	FIELD_CHOICE("tls", 0, listener_tls),
	FIELD_CHOICE("auth", 0, listener_auth),
	FIELDS_END,
};

const struct reader_list schema_listeners = {
	.size = sizeof(struct config_listener),
	.count_offset = offsetof(struct config, listener_count),
	.item = {.name = "listeners",
		 .read = reader_section,
		 .detail = listener_fields,
		 .example = "{ name: lan, address: \"0.0.0.0:25\" }"},
	.check = check_listener,
	.named = true,
};
