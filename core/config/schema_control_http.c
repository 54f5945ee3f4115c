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
#include "core/config/schema_sign_in.h"
#include "core/config/schema_user.h"

#define EXAMPLE "http: { address: \"127.0.0.1:6525\", users_file: operators }"
#define HTTP(member) offsetof(struct config, control.http.member)

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
	       schema_user_table(r, value, config->control.http.users_file, &config->control.http.sign_in.users);
}

static const struct reader_field http_fields[] = {
	FIELD_REQUIRED("address", read_address, 0, EXAMPLE),
	FIELD("users_file", read_users, HTTP(users_file)),
	FIELD("operate", schema_sign_in_operate, 0),
	FIELD("certificate", reader_file, HTTP(certificate)),
	FIELD("private_key", reader_file, HTTP(private_key)),
	FIELD("client_ca", reader_file, HTTP(client_ca)),
	FIELD("client_crl", schema_sign_in_lists, HTTP(client_crl)),
	FIELD("client_certificates", schema_sign_in_certificates, 0),
	FIELD("certificate_users", schema_sign_in_certificate_users, 0),
	FIELD("proxy", schema_sign_in_proxy, 0),
	FIELDS_END,
};

static bool loopback(const struct ring_address *address)
{
	uint8_t octets[16];

	if (address_text_octets(address, octets) == 4)
		return octets[0] == 127;
	return memcmp(octets, &in6addr_loopback, sizeof(octets)) == 0;
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
	if (!loopback(&config->control.http.address) && !sign_in_any(&config->control.http.sign_in))
		return reader_fail(
			r, mark,
			"address: %.80s is not of this machine alone, and where nobody has to sign in it tells "
			"everybody who sends mail to whom: write users_file, certificate_users or proxy, or "
			"127.0.0.1",
			text);
	return schema_sign_in_check(r, node, config);
}

bool schema_control_http(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const struct reader_field section = {.name = value->name, .detail = http_fields, .example = EXAMPLE};
	struct config *config = object;

	if (reader_says_off(value))
		return true;
	if (!reader_section(r, &section, value, object) || !check(r, value->node, object))
		return false;
	config->control.http.signs_in = sign_in_any(&config->control.http.sign_in);
	return true;
}

void schema_control_http_free(struct config *config)
{
	free(config->control.http.address_text);
	free(config->control.http.users_file);
	sign_in_free(&config->control.http.sign_in);
	free(config->control.http.client_ca);
	free(config->control.http.client_crl);
	free(config->control.http.certificate);
	free(config->control.http.private_key);
}
