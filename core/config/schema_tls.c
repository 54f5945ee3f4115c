/*
 * core/config/schema_tls.c - see schema_tls.h.
 */
#include "core/config/schema_tls.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/fingerprint.h"
#include "core/config/scalar.h"
#include "core/config/schema_fields.h"

enum { FINGERPRINTS_MAX = 16 };

static bool read_server_name(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!scalar_host_name_valid(text) || scalar_looks_like_ipv4(text))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no host name: write one as in mail.example.org", value->name,
				   text);
	return reader_keep(r, field, value, object, text);
}

static bool read_fingerprint(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	const char *text = reader_text(r, value);
	char found[FINGERPRINT_SIZE];

	if (text == NULL)
		return false;
	if (strncmp(text, FINGERPRINT_PREFIX, strlen(FINGERPRINT_PREFIX)) != 0 || !fingerprint_read(text, found))
		return reader_fail(r, &value->node->start_mark, "%s: write sha256: and 64 hexadecimal digits",
				   value->name);
	return reader_keep(r, field, value, object, found);
}

/* Settings that would look as if they protected something and do nothing are refused. */
static bool check_tls_mode(struct reader *r, const yaml_node_t *tls, const struct config_destination *destination)
{
	static const struct {
		const char *key;
		enum config_tls_mode least;
		const char *needs;
	} rules[] = {
		{"ca_file", CONFIG_TLS_VERIFY, "mode: verify"},
		{"fingerprints", CONFIG_TLS_VERIFY, "mode: verify"},
		{"certificate", CONFIG_TLS_OPPORTUNISTIC, "mode: required or verify"},
		{"private_key", CONFIG_TLS_OPPORTUNISTIC, "mode: required or verify"},
		{"server_name", CONFIG_TLS_OPPORTUNISTIC, "mode: required or verify"},
	};

	static const char *const alone[] = {"ca_file", "fingerprints", "server_name"};

	for (size_t i = destination->mta_sts ? 1 : 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const yaml_node_t *value = reader_find(r, tls, rules[i].key);
		if (value != NULL && destination->tls_mode < rules[i].least)
			return reader_fail(r, &value->start_mark,
					   "%s: without effect in this mode: write %s, or remove it", rules[i].key,
					   rules[i].needs);
	}
	if (destination->tls_implicit && destination->tls_mode == CONFIG_TLS_NONE)
		return reader_fail(r, &reader_find(r, tls, "implicit")->start_mark,
				   "implicit: without effect in this mode: write mode: required or verify, or "
				   "remove it");
	for (size_t i = 0; destination->tls_mode == CONFIG_TLS_DANE && i < sizeof(alone) / sizeof(alone[0]); i++) {
		const yaml_node_t *value = reader_find(r, tls, alone[i]);
		if (value != NULL)
			return reader_fail(r, &value->start_mark,
					   "%s: without effect in this mode: the DNS says whose certificate it must "
					   "be; remove it, or write mode: verify",
					   alone[i]);
	}
	if (destination->mta_sts &&
	    (destination->tls_mode == CONFIG_TLS_NONE || destination->tls_mode == CONFIG_TLS_DANE))
		return reader_fail(r, &reader_find(r, tls, "mta_sts")->start_mark,
				   "mta_sts: without effect in this mode: write mode: opportunistic, or remove it");
	if (destination->mta_sts && destination->mx_of == NULL && !destination->mx)
		return reader_fail(r, &reader_find(r, tls, "mta_sts")->start_mark,
				   "mta_sts: hosts belong to no domain that could have a policy: write mx_of: DOMAIN "
				   "instead of hosts, or remove it");
	if (destination->fingerprints.count > 0 && destination->ca_file != NULL)
		return reader_fail(r, &reader_find(r, tls, "ca_file")->start_mark,
				   "ca_file: without effect beside fingerprints, which no authority vouches for: "
				   "remove the one or the other");
	if (destination->certificate != NULL && destination->private_key == NULL)
		return reader_fail(r, &reader_find(r, tls, "certificate")->start_mark,
				   "certificate: its key is missing: write private_key: relay.key");
	if (destination->private_key != NULL && destination->certificate == NULL)
		return reader_fail(r, &reader_find(r, tls, "private_key")->start_mark,
				   "private_key: its certificate is missing: write certificate: relay.crt");
	return true;
}

static bool all_ports_implicit(const struct config_destination *destination)
{
	enum { PORT_SUBMISSIONS = 465 }; /* RFC 8314 7.3 */

	for (size_t i = 0; i < destination->host_count; i++) {
		if (destination->hosts[i].port != PORT_SUBMISSIONS)
			return false;
	}
	return destination->host_count > 0;
}

/* A name to verify, or to look for in the DNS, is there. */
static bool check_names(struct reader *r, const yaml_node_t *node, const struct config_destination *destination)
{
	const char *instead = destination->tls_mode == CONFIG_TLS_DANE
				      ? "DANE could look for: write its name, or another mode"
				      : "TLS could verify: write tls: { server_name: mail.example.org }, or "
					"fingerprints, or another mode";

	if (destination->tls_mode < CONFIG_TLS_VERIFY || destination->server_name != NULL ||
	    destination->fingerprints.count > 0)
		return true;
	for (size_t i = 0; i < destination->host_count; i++) {
		const yaml_node_t *hosts = reader_find(r, node, "hosts");
		const yaml_node_t *host = yaml_document_get_node(r->document, hosts->data.sequence.items.start[i]);
		if (destination->hosts[i].numeric)
			return reader_fail(r, &host->start_mark, "hosts: \"%.80s\" has no name that %s",
					   destination->hosts[i].text, instead);
	}
	return true;
}

bool schema_tls_check(struct reader *r, const yaml_node_t *node, struct config_destination *destination)
{
	const yaml_node_t *tls = reader_find(r, node, "tls");

	if (tls != NULL && !check_tls_mode(r, tls, destination))
		return false;
	if (tls == NULL || reader_find(r, tls, "implicit") == NULL)
		destination->tls_implicit = destination->tls_mode != CONFIG_TLS_NONE && all_ports_implicit(destination);
	return check_names(r, node, destination);
}

#define DESTINATION(member) offsetof(struct config_destination, member)
static const struct reader_choice tls_modes[] = {
	{"none", CONFIG_TLS_NONE, false},         {"opportunistic", CONFIG_TLS_OPPORTUNISTIC, false},
	{"required", CONFIG_TLS_REQUIRED, false}, {"verify", CONFIG_TLS_VERIFY, false},
	{"dane", CONFIG_TLS_DANE, false},         {NULL, 0, false},
};

static const struct reader_list fingerprints = {
	.size = sizeof(char *),
	.count_offset = DESTINATION(fingerprints.count),
	.item = {.name = "fingerprints", .read = read_fingerprint},
};

const struct reader_field schema_destination_tls[] = {
	FIELD_CHOICE("mode", DESTINATION(tls_mode), tls_modes),
	FIELD("implicit", reader_boolean, DESTINATION(tls_implicit)),
	FIELD("mta_sts", reader_boolean, DESTINATION(mta_sts)),
	FIELD("ca_file", reader_file, DESTINATION(ca_file)),
	FIELD("certificate", reader_file, DESTINATION(certificate)),
	FIELD("private_key", reader_file, DESTINATION(private_key)),
	FIELD("server_name", read_server_name, DESTINATION(server_name)),
	FIELD_LIST("fingerprints", DESTINATION(fingerprints.list), FINGERPRINTS_MAX, &fingerprints,
		   "[\"sha256:...\"] of a certificate or its key"),
	FIELDS_END,
};

void schema_tls_free(struct config_destination *destination)
{
	for (size_t i = 0; i < destination->fingerprints.count; i++)
		free(destination->fingerprints.list[i]);
	free(destination->fingerprints.list);
}
