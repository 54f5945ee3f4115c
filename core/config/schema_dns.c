/*
 * core/config/schema_dns.c - see schema_dns.h.
 */
#include "core/config/schema_dns.h"

#include <stdio.h>

#include "core/base/address_text.h"
#include "core/config/schema_fields.h"

enum { DNS_PORT = 53 };

#define CONFIG(member) offsetof(struct config, member)

/* Name servers: an address, with or without a port; kept in the form "ADDRESS@PORT". */
static bool read_dns_server(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			    void *object)
{
	const char *text = reader_text(r, value);
	char name[ADDRESS_TEXT_HOST_SIZE], **server = object;
	struct ring_address address;
	struct address_problem problem;
	uint16_t port = DNS_PORT;

	if (text == NULL)
		return false;
	if (!address_text_numeric(text, port, &address)) {
		if (address_text_split(text, name, &port, &problem) < 0 || !address_text_numeric(name, port, &address))
			return reader_fail(r, &value->node->start_mark,
					   "%s: \"%.80s\" is no address: write one such as 192.0.2.53, "
					   "192.0.2.53:5353 or [2001:db8::53]:53",
					   value->name, text);
		text = name;
	}
	if (asprintf(server, "%s@%u", text, (unsigned)port) < 0)
		*server = NULL;
	return *server != NULL || reader_fail_memory(r, &value->node->start_mark);
}

static const struct reader_list dns_servers = {
	.size = sizeof(char *),
	.count_offset = CONFIG(dns.server_count),
	.item = {.name = "servers", .read = read_dns_server},
};

static const struct reader_choice dnssec_words[] = {
	{"off", CONFIG_DNSSEC_OFF, false},
	{"validate", CONFIG_DNSSEC_VALIDATE, false},
	{NULL, 0, false},
};

const struct reader_field schema_dns_fields[] = {
	FIELD_LIST("servers", CONFIG(dns.servers), CONFIG_DNS_SERVERS_MAX, &dns_servers, "servers: [192.0.2.53]"),
	FIELD_CHOICE("dnssec", CONFIG(dns.dnssec), dnssec_words),
	FIELD("trust_anchor", reader_file, CONFIG(dns.trust_anchor)),
	FIELD("allow_private", reader_boolean, CONFIG(dns.allow_private)),
	FIELDS_END,
};

/* Where nothing is proven nobody has a TLSA record, and no mail would ever go. */
static bool check_dane(struct reader *r, const yaml_node_t *root)
{
	const yaml_node_t *list = reader_find(r, root, "destinations");
	bool ok = true;

	if (list == NULL || !reader_fine(r, "destinations") || r->config->dns.dnssec == CONFIG_DNSSEC_VALIDATE)
		return true;
	for (size_t i = 0; i < r->config->destination_count; i++) {
		const yaml_node_t *node = yaml_document_get_node(r->document, list->data.sequence.items.start[i]);
		const yaml_node_t *tls = node->type == YAML_MAPPING_NODE ? reader_find(r, node, "tls") : NULL;
		const yaml_node_t *mode =
			tls != NULL && tls->type == YAML_MAPPING_NODE ? reader_find(r, tls, "mode") : NULL;

		if (mode != NULL && r->config->destinations[i].tls_mode == CONFIG_TLS_DANE)
			ok &= reader_fail(r, &mode->start_mark,
					  "mode: dane needs answers of the DNS that are proven: write dns: { dnssec: "
					  "validate } as well");
	}
	return ok;
}

/* Where the DNS chooses who gets the mail it is to be proven, unless the operator says otherwise. */
static void default_dnssec(struct config *config)
{
	for (size_t i = 0; i < config->destination_count; i++) {
		if (config->destinations[i].mx)
			config->dns.dnssec = CONFIG_DNSSEC_VALIDATE;
	}
}

bool schema_dns_finish(struct reader *r, const yaml_node_t *root)
{
	const yaml_node_t *dns = reader_find(r, root, "dns");
	const yaml_node_t *anchor = dns != NULL ? reader_find(r, dns, "trust_anchor") : NULL;

	if (dns == NULL || reader_find(r, dns, "dnssec") == NULL)
		default_dnssec(r->config);
	if (reader_fine(r, "dns") && !check_dane(r, root))
		return false;
	if (anchor == NULL || !reader_fine(r, "dns") || r->config->dns.dnssec == CONFIG_DNSSEC_VALIDATE)
		return true;
	return reader_fail(r, &anchor->start_mark,
			   "trust_anchor: without effect here: write dnssec: validate, or remove it");
}
