/*
 * core/config/schema_control_http.c - see schema_control_http.h.
 *
 * What would show mail's addresses to a network, or passwords on it, is refused here and not warned of.
 */
#include "core/config/schema_control_http.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/address_text.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_user.h"
#include "core/config/user_table.h"

#define EXAMPLE "http: { address: \"127.0.0.1:6525\", users_file: operators }"
#define HTTP(member) offsetof(struct config, control.http.member)

enum { OPERATORS_MAX = 1000 };

static bool read_address(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	struct config *config = object;
	struct address_problem problem;
	const char *text = reader_text(r, value);

	if (!text)
		return false;
	if (address_text_parse(text, &config->control.http.address, &problem) < 0)
		return reader_fail(r, &value->node->start_mark, "%s: %s", value->name, problem.text);
	config->control.http.address_text = strdup(text);
	return config->control.http.address_text || reader_fail_memory(r, &value->node->start_mark);
}

static bool read_users(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	struct config *config = object;

	return reader_file(r, field, value, object) &&
	       schema_user_table(r, value, config->control.http.users_file, &config->control.http.users);
}

static const struct reader_list operators = {
	.size = sizeof(char *),
	.count_offset = HTTP(operator_count),
	.item = {.name = "operate", .read = reader_name},
};

static const struct reader_field http_fields[] = {
	FIELD_REQUIRED("address", read_address, 0, EXAMPLE),
	FIELD("users_file", read_users, HTTP(users_file)),
	FIELD_LIST("operate", HTTP(operators), OPERATORS_MAX, &operators, "operate: [alice]"),
	FIELD("certificate", reader_file, HTTP(certificate)),
	FIELD("private_key", reader_file, HTTP(private_key)),
	FIELDS_END,
};

static bool loopback(const struct ring_address *address)
{
	uint8_t octets[16];

	if (address_text_octets(address, octets) == 4)
		return octets[0] == 127;
	return memcmp(octets, &in6addr_loopback, sizeof(octets)) == 0;
}

static bool check_operators(struct reader *r, const yaml_node_t *node, const struct config *config)
{
	struct user user;

	for (size_t i = 0; i < config->control.http.operator_count; i++) {
		const char *name = config->control.http.operators[i];
		if (!user_table_find(config->control.http.users, name, strlen(name), &user))
			return reader_fail(r, &reader_find(r, node, "operate")->start_mark,
					   "operate: there is no user \"%.80s\" in control.http.users_file", name);
	}
	return true;
}

static bool check(struct reader *r, const yaml_node_t *node, const struct config *config)
{
	const yaml_mark_t *mark = &reader_find(r, node, "address")->start_mark;
	const char *text = config->control.http.address_text;

	if (!config->control.http.certificate != !config->control.http.private_key)
		return reader_fail(r, mark,
				   "control.http: a certificate needs its private_key, and this a certificate");
	if (!loopback(&config->control.http.address) && !config->control.http.certificate)
		return reader_fail(r, mark,
				   "address: %.80s is not of this machine alone, and without TLS whoever is on the way "
				   "reads passwords and mail's addresses: write certificate and private_key, or "
				   "127.0.0.1",
				   text);
	if (!loopback(&config->control.http.address) && !config->control.http.users)
		return reader_fail(r, mark,
				   "address: %.80s is not of this machine alone, and without users_file it tells "
				   "everybody who sends mail to whom: write users_file, or 127.0.0.1",
				   text);
	return check_operators(r, node, config);
}

bool schema_control_http(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const struct reader_field section = {.name = value->name, .detail = http_fields, .example = EXAMPLE};

	if (reader_says_off(value))
		return true;
	return reader_section(r, &section, value, object) && check(r, value->node, object);
}

void schema_control_http_free(struct config *config)
{
	free(config->control.http.address_text);
	free(config->control.http.users_file);
	user_table_free(config->control.http.users);
	for (size_t i = 0; i < config->control.http.operator_count; i++)
		free(config->control.http.operators[i]);
	free(config->control.http.operators);
	free(config->control.http.certificate);
	free(config->control.http.private_key);
}
