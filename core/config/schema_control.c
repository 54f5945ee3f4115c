/*
 * core/config/schema_control.c - see schema_control.h.
 */
#include "core/config/schema_control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/config/schema_control_http.h"
#include "core/config/schema_fields.h"

#define EXAMPLE "control: { socket: /run/postrider/control.sock }"

static bool read_socket(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	const struct config *config = object;
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (!reader_path(r, field, value, object))
		return false;
	if (strlen(config->control.socket) > most)
		return reader_fail(r, &value->node->start_mark,
				   "%s: %.80s...: a socket's path has at most %zu octets, and this one %zu: write a "
				   "shorter one, as in " EXAMPLE,
				   value->name, config->control.socket, most, strlen(config->control.socket));
	return true;
}

static const struct reader_field control_fields[] = {
	FIELD_REQUIRED("socket", read_socket, offsetof(struct config, control.socket), EXAMPLE),
	FIELD("group", reader_name, offsetof(struct config, control.group)),
	FIELD("http", schema_control_http, 0),
	FIELDS_END,
};

bool schema_control(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const struct reader_field section = {.name = value->name, .detail = control_fields, .example = EXAMPLE};

	if (reader_says_off(value))
		return true;
	return reader_section(r, &section, value, object);
}

void schema_control_free(struct config *config)
{
	free(config->control.socket);
	free(config->control.group);
	schema_control_http_free(config);
}
