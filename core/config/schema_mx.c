/*
 * core/config/schema_mx.c - see schema_mx.h.
 */
#include "core/config/schema_mx.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/scalar.h"
#include "core/config/schema_fields.h"

enum { PORT_SMTP = 25, ENDS_MAX = 16, DOMAIN_MAX = 253 };

static bool domain_valid(const char *name)
{
	return strlen(name) <= DOMAIN_MAX && scalar_host_name_valid(name) && !scalar_looks_like_ipv4(name);
}

bool schema_mx_read(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	struct config_destination *destination = object;
	const yaml_mark_t *mark = &value->node->start_mark;
	char name[ADDRESS_TEXT_HOST_SIZE];
	struct address_problem problem;
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	destination->mx_port = PORT_SMTP;
	if (strchr(text, ':') == NULL) {
		if (domain_valid(text))
			destination->mx_of = strdup(text);
	} else {
		if (address_text_split(text, name, &destination->mx_port, &problem) < 0)
			return reader_fail(r, mark, "%s: %s", value->name, problem.text);
		if (text[0] != '[' && domain_valid(name))
			destination->mx_of = strdup(name);
	}
	return destination->mx_of != NULL ||
	       reader_fail(r, mark, "%s: \"%.80s\" is no domain: write one as in contoso.com", value->name, text);
}

bool schema_mx_port_read(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	static const struct reader_field number = {.name = "mx_port", .least = 1, .most = 65535};
	struct config_destination *destination = object;
	unsigned port = 0;

	if (!reader_number(r, &number, value, &port))
		return false;
	destination->mx_port = (uint16_t)port;
	return true;
}

static bool read_end(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (text[0] != '.' || !domain_valid(text + 1))
		return reader_fail(
			r, &value->node->start_mark,
			"%s: \"%.80s\" is no end of host names: write one as in .mail.protection.outlook.com",
			value->name, text);
	return reader_keep(r, field, value, object, text);
}

static const struct reader_list ends = {
	.size = sizeof(char *),
	.count_offset = offsetof(struct config_destination, mx_ends.count),
	.item = {.name = "hosts_end_with", .read = read_end},
};

bool schema_mx_ends_read(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	static const struct reader_field items =
		FIELD_LIST("hosts_end_with", offsetof(struct config_destination, mx_ends.list), ENDS_MAX, &ends,
			   "[.mail.protection.outlook.com]");

	return reader_items(r, &items, value, object);
}

/* What is for hosts that the operator knows does not go with those of everybody. */
static bool check_mx(struct reader *r, const yaml_node_t *node, const struct config_destination *destination)
{
	static const char *const others[] = {"hosts", "mx_of",  "auth",     "mailboxes",
					     "oauth", "sender", "fallback", "preset"};
	const yaml_node_t *mx = reader_find(r, node, "mx"), *port = reader_find(r, node, "mx_port");
	const yaml_node_t *tls = reader_find(r, node, "tls"), *limits = reader_find(r, node, "limits"), *other;

	other = reader_find(r, node, "site_presets");
	if (other != NULL && !destination->mx)
		return reader_fail(r, &other->start_mark, "site_presets: without effect here: it is for mx: true");
	if (port != NULL && !destination->mx)
		return reader_fail(r, &port->start_mark, "mx_port: without effect here: it is for mx: true");
	for (size_t i = 0; destination->mx && i < sizeof(others) / sizeof(others[0]); i++) {
		if (reader_find(r, node, others[i]) != NULL)
			return reader_fail(
				r, &mx->start_mark,
				"mx: mail goes to whatever hosts recipients' domains name: remove \"%s\", or this",
				others[i]);
	}
	other = destination->mx && tls != NULL ? reader_find(r, tls, "server_name") : NULL;
	if (other != NULL)
		return reader_fail(r, &other->start_mark,
				   "server_name: there is not one for all hosts of mx: true: remove it");
	other = destination->mx && limits != NULL ? reader_find(r, limits, "recipients_per_day") : NULL;
	if (other != NULL)
		return reader_fail(r, &other->start_mark,
				   "recipients_per_day: not with mx: true in this version: remove it");
	if (destination->mx && (tls == NULL || reader_find(r, tls, "mode") == NULL))
		reader_warn(
			r, &mx->start_mark,
			"mx: many hosts have no certificate that proves their name, and mail for them will wait: write "
			"tls: { mode: opportunistic }, or keep this and say tls: { mode: verify }");
	return true;
}

bool schema_mx_check(struct reader *r, const yaml_node_t *node, const struct config_destination *destination)
{
	const yaml_node_t *mx = reader_find(r, node, "mx_of"), *hosts = reader_find(r, node, "hosts"),
			  *end = reader_find(r, node, "hosts_end_with");

	/* A preset's hosts are for who names none. */
	if (mx != NULL && hosts != NULL)
		return reader_fail(r, &(mx->start_mark.index < hosts->start_mark.index ? hosts : mx)->start_mark,
				   "mx_of: the hosts are given already: remove \"hosts\", or this");
	if (!check_mx(r, node, destination))
		return false;
	if (end != NULL && mx == NULL)
		return reader_fail(r, &end->start_mark, "hosts_end_with: without effect here: it is for mx_of");
	if (mx != NULL && destination->tls_mode == CONFIG_TLS_VERIFY && end == NULL && destination->preset == NULL &&
	    destination->server_name == NULL && destination->fingerprints.count == 0)
		reader_warn(r, &mx->start_mark,
			    "mx_of: TLS verifies whatever host the DNS answers: say how its hosts are called, as in "
			    "hosts_end_with: [.mail.protection.outlook.com]");
	return true;
}

bool schema_mx_ends_default(struct config_destination *destination, char *const *list, size_t count)
{
	if (destination->mx_of == NULL || destination->mx_ends.count > 0 || count == 0)
		return true;
	destination->mx_ends.list = calloc(count, sizeof(char *));
	if (destination->mx_ends.list == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		destination->mx_ends.list[i] = strdup(list[i]);
		if (destination->mx_ends.list[i] == NULL)
			return false;
		destination->mx_ends.count++;
	}
	return true;
}

void schema_mx_free(struct config_destination *destination)
{
	for (size_t i = 0; i < destination->mx_ends.count; i++)
		free(destination->mx_ends.list[i]);
	free(destination->mx_ends.list);
	free(destination->mx_of);
}
