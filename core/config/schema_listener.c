/*
 * core/config/schema_listener.c - see schema_listener.h.
 */
#include "core/config/schema_listener.h"

#include <stdio.h>
#include <string.h>

#include "core/config/schema_fields.h"

enum { CERTIFICATES_MAX = 64, PROXIES_MAX = 256 };

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
		if (listener->address.v4.sin_port != 0 && listeners[i].name != NULL &&
		    ring_address_same(&listeners[i].address, &listener->address))
			return reader_fail(r, &reader_find(r, node, "address")->start_mark,
					   "address: %s already belongs to the listener \"%s\"", listener->address_text,
					   listeners[i].name);
	}
	if (listener->tls == CONFIG_LISTENER_TLS_OFF && reader_find(r, node, "min_version") != NULL)
		return reader_fail(r, &reader_find(r, node, "min_version")->start_mark,
				   "min_version: without effect without TLS: write tls: required, or remove it");
	if (listener->devices_min_version &&
	    (listener->tls == CONFIG_LISTENER_TLS_OFF || listener->devices_min_version >= listener->min_version))
		return reader_fail(r, &reader_find(r, node, "devices_min_version")->start_mark,
				   listener->tls == CONFIG_LISTENER_TLS_OFF
					   ? "devices_min_version: without effect without TLS: write tls: required, or "
					     "remove it"
					   : "devices_min_version: without effect, as it is not below min_version: "
					     "write an older version, or remove it");
	if (listener->client_certificates != CONFIG_CLIENT_CERTIFICATES_OFF && listener->tls == CONFIG_LISTENER_TLS_OFF)
		return reader_fail(
			r, &reader_find(r, node, "client_certificates")->start_mark,
			"client_certificates: without effect without TLS: write tls: required, or remove it");
	if (listener->ca_file != NULL && listener->client_certificates == CONFIG_CLIENT_CERTIFICATES_OFF)
		return reader_fail(r, &reader_find(r, node, "ca_file")->start_mark,
				   "ca_file: without effect where clients are not asked for certificates: write "
				   "client_certificates: requested, or remove it");
	return true;
}

static bool read_min_version(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	static const char *const names[] = {
		[CONFIG_TLS_1_1] = "1.1", [CONFIG_TLS_1_2] = "1.2", [CONFIG_TLS_1_3] = "1.3"};
	enum config_tls_version *out = (enum config_tls_version *)(void *)((char *)object + field->offset);
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	for (unsigned version = CONFIG_TLS_1_1; version <= CONFIG_TLS_1_3; version++) {
		if (strcmp(text, names[version]) == 0) {
			*out = (enum config_tls_version)version;
			return true;
		}
	}
	if (strcmp(text, "1.0") == 0 || strcmp(text, "1") == 0)
		return reader_fail(r, &value->node->start_mark,
				   "%s: TLS 1.0 is not in the TLS library that postrider is built with: write 1.1, or "
				   "let a device that knows nothing newer send in clear on a listener of its own",
				   value->name);
	return reader_fail(r, &value->node->start_mark, "%s: unknown value \"%.80s\": write one of 1.1, 1.2, 1.3",
			   value->name, text);
}

static const struct reader_choice listener_tls[] = {
	{"off", CONFIG_LISTENER_TLS_OFF, false},
	{"offered", CONFIG_LISTENER_TLS_OFFERED, false},
	{"required", CONFIG_LISTENER_TLS_REQUIRED, false},
	{"implicit", CONFIG_LISTENER_TLS_IMPLICIT, false},
	{NULL, 0, false},
};
static const struct reader_choice listener_auth[] = {
	{"off", CONFIG_LISTENER_AUTH_OFF, false},
	{"offered", CONFIG_LISTENER_AUTH_OFFERED, false},
	{"required", CONFIG_LISTENER_AUTH_REQUIRED, false},
	{NULL, 0, false},
};

static const struct reader_choice listener_client_certificates[] = {
	{"off", CONFIG_CLIENT_CERTIFICATES_OFF, false},
	{"requested", CONFIG_CLIENT_CERTIFICATES_REQUESTED, false},
	{NULL, 0, false},
};

/* Whoever is in it says himself which client he is. */
static bool read_speaker(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	struct network *network = object;
	struct address_problem problem;
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (network_parse(text, network, &problem) < 0)
		return reader_fail(r, &value->node->start_mark, "%s: %s", value->name, problem.text);
	if (network->prefix == 0)
		reader_warn(r, &value->node->start_mark,
			    "%s: %s is everybody, and whoever connects may say that he is any client: write the "
			    "addresses of your load balancers",
			    field->name, text);
	return true;
}

static const struct reader_list proxies = {
	.size = sizeof(struct network),
	.count_offset = offsetof(struct config_listener, proxy_count),
	.item = {.name = "proxy_protocol_from", .read = read_speaker, .example = "[127.0.0.0/8]"},
};
static const struct reader_list xclients = {
	.size = sizeof(struct network),
	.count_offset = offsetof(struct config_listener, xclient_count),
	.item = {.name = "xclient_from", .read = read_speaker, .example = "[127.0.0.0/8]"},
};

#define LISTENER(member) offsetof(struct config_listener, member)
static const struct reader_field listener_fields[] = {
	FIELD_REQUIRED("name", reader_name, LISTENER(name), "name: lan"),
	FIELD_REQUIRED("address", read_listener_address, 0, "address: \"0.0.0.0:25\""),
	FIELD_CHOICE("tls", LISTENER(tls), listener_tls),
	FIELD("min_version", read_min_version, LISTENER(min_version)),
	FIELD("devices_min_version", read_min_version, LISTENER(devices_min_version)),
	FIELD_CHOICE("auth", LISTENER(auth), listener_auth),
	FIELD("auth_in_clear", reader_boolean, LISTENER(auth_in_clear)),
	FIELD_CHOICE("client_certificates", LISTENER(client_certificates), listener_client_certificates),
	FIELD("ca_file", reader_file, LISTENER(ca_file)),
	FIELD_LIST("proxy_protocol_from", LISTENER(proxies), PROXIES_MAX, &proxies, "[127.0.0.0/8]"),
	FIELD_LIST("xclient_from", LISTENER(xclients), PROXIES_MAX, &xclients, "[127.0.0.0/8]"),
	FIELDS_END,
};

static void listener_defaults(void *item)
{
	struct config_listener *listener = item;

	listener->min_version = CONFIG_TLS_1_2;
}

const struct reader_list schema_listeners = {
	.size = sizeof(struct config_listener),
	.count_offset = offsetof(struct config, listener_count),
	.item = {.name = "listeners",
		 .read = reader_section,
		 .detail = listener_fields,
		 .example = "{ name: lan, address: \"0.0.0.0:25\" }"},
	.defaults = listener_defaults,
	.check = check_listener,
	.named = true,
};

#define CERTIFICATE(member) offsetof(struct config_certificate, member)
static const struct reader_field certificate_fields[] = {
	FIELD_REQUIRED("certificate", reader_file, CERTIFICATE(certificate), "certificate: relay.crt"),
	FIELD("private_key", reader_file, CERTIFICATE(private_key)),
	FIELDS_END,
};

static const struct reader_list certificates = {
	.size = sizeof(struct config_certificate),
	.count_offset = offsetof(struct config, certificate_count),
	.item = {.name = "certificates",
		 .read = reader_section,
		 .detail = certificate_fields,
		 .example = "{ certificate: relay.crt, private_key: relay.key }"},
};

const struct reader_field schema_listener_tls[] = {
	FIELD_LIST_REQUIRED("certificates", offsetof(struct config, certificates), CERTIFICATES_MAX, &certificates,
			    "certificates: [{ certificate: relay.crt, private_key: relay.key }]"),
	FIELDS_END,
};

bool schema_listeners_finish(struct reader *r, const yaml_node_t *root)
{
	const struct config *config = r->config;
	const yaml_node_t *list = reader_find(r, root, "listeners");

	if (!reader_fine(r, "listeners") || !reader_fine(r, "tls") || config->certificate_count > 0)
		return true;
	for (size_t i = 0; i < config->listener_count; i++) {
		const yaml_node_t *node = yaml_document_get_node(r->document, list->data.sequence.items.start[i]);
		if (config->listeners[i].tls != CONFIG_LISTENER_TLS_OFF)
			return reader_fail(r, &reader_find(r, node, "tls")->start_mark,
					   "tls: the listener \"%.80s\" needs a certificate: write, beside "
					   "\"listeners\", tls: { certificates: [{ certificate: relay.crt, "
					   "private_key: relay.key }] }",
					   config->listeners[i].name);
	}
	return true;
}
