/*
 * core/config/schema_sign_in.c - see schema_sign_in.h.
 *
 * Whoever is believed at his word is named here with care: what would let anybody be anyone is refused.
 */
#include "core/config/schema_sign_in.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/fingerprint.h"
#include "core/config/schema_fields.h"
#include "core/config/user_file.h"
#include "core/config/user_table.h"

#define PROXY_EXAMPLE "proxy: { from: [127.0.0.1], user_header: X-Remote-User }"
#define CERTIFICATE_EXAMPLE "certificate_users: [{ certificate: \"email:alice@example.org\", user: alice }]"
#define SIGN_IN(member) offsetof(struct config, control.http.sign_in.member)

enum { NAMES_MAX = 1000, NETWORKS_MAX = 64, HEADER_MAX = 64, ORIGIN_MAX = 262 };

/* ---- names ------------------------------------------------------------------------------------------------------ */

static bool read_user(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	const char *text = reader_text(r, value);
	const char *problem = text ? user_name_problem(text, strlen(text)) : NULL;

	if (problem)
		return reader_fail(r, &value->node->start_mark, "%s: %s", value->name, problem);
	return text && reader_keep(r, field, value, object, text);
}

static const struct reader_list operators = {
	.size = sizeof(char *),
	.count_offset = SIGN_IN(operator_count),
	.item = {.name = "operate", .read = read_user},
};

bool schema_sign_in_operate(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			    void *object)
{
	static const struct reader_field list =
		FIELD_LIST("operate", SIGN_IN(operators), NAMES_MAX, &operators, "operate: [alice]");

	return reader_items(r, &list, value, object);
}

/* ---- certificates ----------------------------------------------------------------------------------------------- */

bool schema_sign_in_certificates(struct reader *r, const struct reader_field *field, const struct reader_value *value,
				 void *object)
{
	static const struct reader_choice words[] = {
		{"requested", false, false}, {"required", true, false}, {NULL, 0, false}};
	struct config *config = object;
	int required = -1;
	const struct reader_field choice = {.name = field->name, .detail = words};

	if (!reader_choice_word(r, &choice, value, &required))
		return false;
	config->control.http.sign_in.certificate_required = required == true;
	return true;
}

bool schema_sign_in_lists(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			  void *object)
{
	struct config *config = object;
	const char *path;
	struct stat status;

	if (!reader_path(r, field, value, object))
		return false;
	path = config->control.http.client_crl;
	/* Only a service that systemd started has that directory. */
	if (path[0] == '$')
		return true;
	if (stat(path, &status) < 0 || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
		reader_warn(r, &value->node->start_mark,
			    "%s: %.200s: %s: as long as it cannot be read, whoever shows a certificate is refused",
			    value->name, path, strerror(errno));
	else if (!S_ISREG(status.st_mode))
		return reader_fail(r, &value->node->start_mark, "%s: %.200s is not a regular file", value->name, path);
	return true;
}

static bool read_certificate(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	static const char *const kinds[] = {"email:", "dns:", "uri:", "subject:"};
	const char *text = reader_text(r, value);
	char found[FINGERPRINT_SIZE];

	if (!text)
		return false;
	if (strncmp(text, FINGERPRINT_PREFIX, strlen(FINGERPRINT_PREFIX)) == 0)
		return fingerprint_read(text, found)
			       ? reader_keep(r, field, value, object, found)
			       : reader_fail(r, &value->node->start_mark, "%s: write sha256: and 64 hexadecimal digits",
					     value->name);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t length = strlen(kinds[i]);
		if (strncmp(text, kinds[i], length) == 0 && text[length] != '\0')
			return reader_keep(r, field, value, object, text);
	}
	return reader_fail(
		r, &value->node->start_mark,
		"%s: \"%.80s\" does not say what of the certificate is meant: write "
		"email:alice@example.org, dns:app.example.org, uri:..., subject:CN=Alice,O=Example, or sha256: "
		"with its 64 digits",
		value->name, text);
}

static const struct reader_field certificate_fields[] = {
	FIELD_REQUIRED("certificate", read_certificate, offsetof(struct sign_in_certificate, certificate),
		       "certificate: \"email:alice@example.org\""),
	FIELD_REQUIRED("user", read_user, offsetof(struct sign_in_certificate, user), "user: alice"),
	FIELDS_END,
};

static bool check_certificate(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	const struct sign_in_certificate *list = items;

	for (size_t i = 0; i < index; i++) {
		if (list[i].certificate && list[index].certificate &&
		    strcmp(list[i].certificate, list[index].certificate) == 0)
			return reader_fail(r, &node->start_mark, "certificate_users: \"%.80s\" is there twice",
					   list[index].certificate);
	}
	return true;
}

static const struct reader_list certificates = {
	.size = sizeof(struct sign_in_certificate),
	.count_offset = SIGN_IN(certificate_count),
	.item = {.name = "certificate_users",
		 .read = reader_section,
		 .detail = certificate_fields,
		 .example = "{ certificate: \"email:alice@example.org\", user: alice }"},
	.check = check_certificate,
};

bool schema_sign_in_certificate_users(struct reader *r, const struct reader_field *field,
				      const struct reader_value *value, void *object)
{
	static const struct reader_field list =
		FIELD_LIST("certificate_users", SIGN_IN(certificates), NAMES_MAX, &certificates, CERTIFICATE_EXAMPLE);

	return reader_items(r, &list, value, object);
}

/* ---- a proxy ---------------------------------------------------------------------------------------------------- */

static bool read_network(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	struct network *network = object;
	struct address_problem problem;
	const char *text = reader_text(r, value);

	if (!text)
		return false;
	if (network_parse(text, network, &problem) < 0)
		return reader_fail(r, &value->node->start_mark, "%s: %s", value->name, problem.text);
	if (network->prefix == 0)
		return reader_fail(r, &value->node->start_mark,
				   "%s: %s is everybody, and whoever connects could be any user: write the addresses "
				   "of your proxies",
				   value->name, text);
	return true;
}

/* Fields that have a meaning of their own, and those that browsers fill. */
static bool is_taken(const char *name)
{
	static const char *const taken[] = {"Host",           "Authorization",   "Cookie",    "Origin",
					    "Referer",        "User-Agent",      "Accept",    "Content-Type",
					    "Content-Length", "Connection",      "Forwarded", "X-Forwarded-For",
					    "X-Real-IP",      "X-Postrider-Act", "Range",     "Transfer-Encoding"};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (strcasecmp(taken[i], name) == 0)
			return true;
	}
	return strncasecmp(name, "Sec-", 4) == 0 || strncasecmp(name, "If-", 3) == 0 ||
	       strncasecmp(name, "Accept-", 7) == 0;
}

/* RFC 9110 5.1; without _, which many proxies take for a hyphen, so that who asks could write it himself. */
static bool read_header(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	const char *text = reader_text(r, value);
	size_t length = text ? strlen(text) : 0;

	if (!text)
		return false;
	if (length > HEADER_MAX ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != length)
		return reader_fail(
			r, &value->node->start_mark,
			"%s: \"%.80s\" is no name of a field: write up to %d letters, digits and hyphens, as in "
			"X-Remote-User",
			value->name, text, HEADER_MAX);
	if (is_taken(text))
		return reader_fail(r, &value->node->start_mark,
				   "%s: %s says something else already, and whoever asks may write it: write one that "
				   "the proxy alone sets, as X-Remote-User",
				   value->name, text);
	return reader_keep(r, field, value, object, text);
}

static bool read_origin(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	const char *text = reader_text(r, value);
	const char *host = !text                               ? NULL
			   : strncmp(text, "https://", 8) == 0 ? text + 8
			   : strncmp(text, "http://", 7) == 0  ? text + 7
							       : "";

	if (!text)
		return false;
	if (host[0] == '\0' || strlen(text) > ORIGIN_MAX ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.:[]") != strlen(host))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no origin: write what browsers have of the proxy before the first "
				   "slash of the path, in small letters, as in https://relay.example.org",
				   value->name, text);
	return reader_keep(r, field, value, object, text);
}

#define PROXY(member) offsetof(struct sign_in_proxy, member)
static const struct reader_list networks = {
	.size = sizeof(struct network),
	.count_offset = PROXY(from_count),
	.item = {.name = "from", .read = read_network},
};
static const struct reader_list named = {
	.size = sizeof(char *),
	.count_offset = PROXY(user_count),
	.item = {.name = "users", .read = read_user},
};
static const struct reader_choice address_headers[] = {
	{"X-Forwarded-For", SIGN_IN_X_FORWARDED_FOR, false},
	{"Forwarded", SIGN_IN_FORWARDED, false},
	{NULL, 0, false},
};
static const struct reader_field proxy_fields[] = {
	FIELD_LIST_REQUIRED("from", PROXY(from), NETWORKS_MAX, &networks, "from: [127.0.0.1]"),
	FIELD("user_header", read_header, PROXY(user_header)),
	FIELD_CHOICE("address_header", PROXY(address_header), address_headers),
	FIELD("origin", read_origin, PROXY(origin)),
	FIELD("certificate", read_certificate, PROXY(certificate)),
	FIELD_LIST("users", PROXY(users), NAMES_MAX, &named, "users: [alice, bob]"),
	FIELDS_END,
};

bool schema_sign_in_proxy(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			  void *object)
{
	const struct reader_field section = {.name = value->name, .detail = proxy_fields, .example = PROXY_EXAMPLE};
	struct config *config = object;

	if (reader_says_off(value))
		return true;
	return reader_section(r, &section, value, &config->control.http.sign_in.proxy);
}

/* ---- together --------------------------------------------------------------------------------------------------- */

static bool is_somebody(const struct sign_in *s, const char *name)
{
	struct user user;

	if (user_table_find(s->users, name, strlen(name), &user))
		return true;
	for (size_t i = 0; i < s->certificate_count; i++) {
		if (user_names_same(name, strlen(name), s->certificates[i].user, strlen(s->certificates[i].user)))
			return true;
	}
	for (size_t i = 0; i < s->proxy.user_count; i++) {
		if (strcmp(name, s->proxy.users[i]) == 0)
			return true;
	}
	return s->proxy.user_header && s->proxy.user_count == 0;
}

static bool check_operators(struct reader *r, const yaml_node_t *node, const struct sign_in *s)
{
	for (size_t i = 0; i < s->operator_count; i++) {
		if (!is_somebody(s, s->operators[i]))
			return reader_fail(
				r, &reader_find(r, node, "operate")->start_mark,
				"operate: there is no user \"%.80s\" in control.http.users_file%s", s->operators[i],
				s->certificate_count > 0 || s->proxy.user_header ? ", certificate_users or proxy.users"
										 : "");
	}
	return true;
}

static bool check_certificates(struct reader *r, const yaml_node_t *node, const struct config *config)
{
	const struct sign_in *s = &config->control.http.sign_in;
	const yaml_node_t *ca = reader_find(r, node, "client_ca"), *users = reader_find(r, node, "certificate_users"),
			  *asked = reader_find(r, node, "client_certificates"),
			  *lists = reader_find(r, node, "client_crl");

	if (ca && !config->control.http.certificate)
		return reader_fail(
			r, &ca->start_mark,
			"client_ca: a certificate is shown over TLS alone: write certificate and private_key");
	if (ca && s->certificate_count == 0 && !s->certificate_required)
		return reader_fail(r, &ca->start_mark,
				   "client_ca: nobody is known by a certificate: write " CERTIFICATE_EXAMPLE);
	if (!ca && lists)
		return reader_fail(r, &lists->start_mark,
				   "client_crl: nobody's certificates are believed: write client_ca, a file with the "
				   "certificates of those who issue them");
	if (!ca && (users || asked))
		return reader_fail(r, &(users ? users : asked)->start_mark,
				   "%s: nobody's certificates are believed: write client_ca, a file with the "
				   "certificates of those who issue them",
				   users ? "certificate_users" : "client_certificates");
	return true;
}

static bool check_proxy(struct reader *r, const yaml_node_t *node, const struct config *config)
{
	const struct sign_in *s = &config->control.http.sign_in;
	const yaml_node_t *proxy = reader_find(r, node, "proxy");

	if (s->proxy.from_count == 0)
		return true;
	if (s->proxy.user_count > 0 && !s->proxy.user_header)
		return reader_fail(r, &proxy->start_mark,
				   "proxy: users are named by a field: write user_header: X-Remote-User");
	if (s->proxy.certificate && (!s->proxy.user_header || !config->control.http.client_ca))
		return reader_fail(r, &proxy->start_mark,
				   "proxy: its certificate proves whom it names: write user_header, and client_ca, a "
				   "file with the certificates of who issued it");
	if (!sign_in_any(s))
		return reader_fail(r, &proxy->start_mark,
				   "proxy: nobody can sign in: write user_header, the field that names who has signed "
				   "in at the proxy, or users_file");
	return true;
}

bool schema_sign_in_check(struct reader *r, const yaml_node_t *node, const struct config *config)
{
	const struct sign_in *s = &config->control.http.sign_in;
	bool certificates_fine = check_certificates(r, node, config), proxy_fine = check_proxy(r, node, config);

	return check_operators(r, node, s) && certificates_fine && proxy_fine;
}
