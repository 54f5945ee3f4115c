/*
 * core/config/schema_oauth.c - see schema_oauth.h. Which keys are there says which grant it is; what does not go
 * together is refused, also where it would only be of no effect.
 */
#include "core/config/schema_oauth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/schema_fields.h"

#define ENTRA_URL "https://login.microsoftonline.com/%s/oauth2/v2.0/token"
#define ENTRA_SCOPE "https://outlook.office365.com/.default"
#define ENTRA_USER_SCOPE "https://outlook.office.com/SMTP.Send offline_access"
#define TENANT_MARK "{tenant}"

enum { URL_MAX = 1024 };

/* ---- values --------------------------------------------------------------------------------------------------- */

/* Of nothing but what can be seen in ASCII, and perhaps blanks, without those of `excluded`. */
static bool consists_of(const char *text, char first, const char *excluded)
{
	for (; *text; text++) {
		if (*text < first || *text > '~' || strchr(excluded, *text))
			return false;
	}
	return true;
}

/* Goes into a URL's path. */
static bool read_tenant(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (text[strspn(text, letters)] != '\0')
		return reader_fail(r, &value->node->start_mark,
				   "%s: write the tenant's domain or identifier, as in contoso.com", value->name);
	return reader_keep(r, field, value, object, text);
}

static bool read_visible(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!consists_of(text, '!', ""))
		return reader_fail(r, &value->node->start_mark, "%s: there is a blank or an odd character in it",
				   value->name);
	return reader_keep(r, field, value, object, text);
}

static bool read_https(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (strncmp(text, "https://", 8) != 0 || !consists_of(text, '!', "@#\"<>\\^`|") || strlen(text) > URL_MAX ||
	    text[8] == '\0' || text[8] == '/')
		return reader_fail(r, &value->node->start_mark,
				   "%s: write an https URL, as in https://login.example.org/token", value->name);
	return reader_keep(r, field, value, object, text);
}

/* Several words with a blank between them (RFC 6749 3.3). */
static bool read_scope(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!consists_of(text, ' ', "\"\\"))
		return reader_fail(r, &value->node->start_mark, "%s: there is an odd character in it", value->name);
	return reader_keep(r, field, value, object, text);
}

static bool read_secret_file(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	struct stat status;
	const char *path;

	if (!reader_file(r, field, value, object))
		return false;
	path = *(char **)((char *)object + field->offset);
	if (stat(path, &status) == 0 && (status.st_mode & S_IRWXO))
		reader_warn(r, &value->node->start_mark, "%s: everybody may read %.200s: chmod o= it", value->name,
			    path);
	return true;
}

/* It is replaced beside itself. */
static bool read_refresh_file(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			      void *object)
{
	struct config_oauth *oauth = object;
	char *directory, *slash;

	if (!read_secret_file(r, field, value, object))
		return false;
	directory = strdup(oauth->refresh_token_file);
	if (directory == NULL)
		return reader_fail_memory(r, &value->node->start_mark);
	slash = strrchr(directory, '/');
	if (slash != NULL)
		*slash = '\0';
	if (access(slash == NULL ? "." : slash == directory ? "/" : directory, W_OK) < 0)
		reader_warn(
			r, &value->node->start_mark,
			"%s: nothing can be written beside %.200s: an exchanged token would be lost with the process",
			value->name, oauth->refresh_token_file);
	free(directory);
	return true;
}

#define OAUTH(member) offsetof(struct config_oauth, member)
static const struct reader_list command = {
	.size = sizeof(char *),
	.count_offset = OAUTH(command_count),
	.item = {.name = "command", .read = reader_line},
};

static const struct reader_choice signatures[] = {
	{"ps256", CONFIG_SIGNATURE_PS256, false},
	{"rs256", CONFIG_SIGNATURE_RS256, false},
	{NULL, 0, false},
};

static const struct reader_field oauth_fields[] = {
	FIELD("tenant", read_tenant, OAUTH(tenant)),
	FIELD("client_id", read_visible, OAUTH(client_id)),
	FIELD("certificate", reader_file, OAUTH(certificate)),
	FIELD("private_key", read_secret_file, OAUTH(private_key)),
	FIELD_CHOICE("signature", OAUTH(signature), signatures),
	FIELD("client_secret_file", read_secret_file, OAUTH(client_secret_file)),
	FIELD("refresh_token_file", read_refresh_file, OAUTH(refresh_token_file)),
	FIELD("service_account_file", read_secret_file, OAUTH(service_account_file)),
	FIELD_LIST("command", OAUTH(command), CONFIG_COMMAND_WORDS_MAX, &command, "[/usr/local/bin/token]"),
	FIELD("token_url", read_https, OAUTH(token_url)),
	FIELD("scope", read_scope, OAUTH(scope)),
	FIELD("ca_file", reader_file, OAUTH(ca_file)),
	FIELD("object_id", read_visible, OAUTH(object_id)),
	FIELD("graph_url", read_https, OAUTH(graph_url)),
	FIELD("proxy", read_visible, OAUTH(proxy)),
	FIELDS_END,
};

/* ---- what goes together --------------------------------------------------------------------------------------- */

static bool fail_at(struct reader *r, const yaml_node_t *node, const char *key, const char *what)
{
	const yaml_node_t *value = reader_find(r, node, key);

	return reader_fail(r, value != NULL ? &value->start_mark : &node->start_mark, "%s: %s", key, what);
}

static bool choose_grant(struct reader *r, const yaml_node_t *node, struct config_oauth *oauth)
{
	bool certificate = oauth->certificate != NULL || oauth->private_key != NULL;

	if (certificate && oauth->private_key == NULL)
		return fail_at(r, node, "certificate", "its key is missing: write private_key: app.key");
	if (certificate && oauth->certificate == NULL)
		return fail_at(r, node, "private_key", "its certificate is missing: write certificate: app.crt");
	if (certificate && oauth->client_secret_file != NULL)
		return fail_at(r, node, "client_secret_file", "without effect beside certificate: remove one of them");
	if (oauth->command != NULL)
		oauth->grant = CONFIG_GRANT_COMMAND;
	else if (oauth->service_account_file != NULL)
		oauth->grant = CONFIG_GRANT_SERVICE_ACCOUNT;
	else if (oauth->refresh_token_file != NULL)
		oauth->grant = CONFIG_GRANT_REFRESH;
	else if (certificate)
		oauth->grant = CONFIG_GRANT_CERTIFICATE;
	else if (oauth->client_secret_file != NULL)
		oauth->grant = CONFIG_GRANT_SECRET;
	else
		return reader_fail(r, &node->start_mark,
				   "oauth: there is nothing to prove who asks: write certificate and private_key, "
				   "client_secret_file, refresh_token_file, service_account_file or command");
	return true;
}

/* Keys that the grant does not know; a key that changes nothing looks as if it did. */
static bool check_effect(struct reader *r, const yaml_node_t *node, const struct config_oauth *oauth)
{
	enum { APPLICATION = 1, ACCOUNT = 2, SIGNED = 4 };
	static const struct {
		const char *key;
		unsigned where;
	} keys[] = {
		{"tenant", APPLICATION},
		{"client_id", APPLICATION},
		{"certificate", APPLICATION},
		{"private_key", APPLICATION},
		{"client_secret_file", APPLICATION},
		{"refresh_token_file", APPLICATION},
		{"signature", SIGNED},
		{"object_id", SIGNED},
		{"graph_url", SIGNED},
		{"service_account_file", ACCOUNT},
		{"token_url", APPLICATION | ACCOUNT},
		{"scope", APPLICATION | ACCOUNT},
		{"ca_file", APPLICATION | ACCOUNT},
		{"proxy", APPLICATION | ACCOUNT},
	};
	unsigned is = oauth->grant == CONFIG_GRANT_COMMAND           ? 0
		      : oauth->grant == CONFIG_GRANT_SERVICE_ACCOUNT ? ACCOUNT
		      : oauth->certificate != NULL                   ? APPLICATION | SIGNED
								     : APPLICATION;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const yaml_node_t *value = reader_find(r, node, keys[i].key);

		/* A preset says what holds for those grants that know it. */
		if (value != NULL && value->start_mark.index < READER_PRESET && !(keys[i].where & is))
			return fail_at(r, node, keys[i].key,
				       is == 0         ? "without effect beside command: remove it"
				       : is == ACCOUNT ? "without effect beside service_account_file: remove it"
						       : "without effect without certificate: remove it");
	}
	return true;
}

/* From a tenant, or with the tenant in it. */
static bool complete_url(struct reader *r, const yaml_node_t *node, struct config_oauth *oauth)
{
	const char *mark = oauth->token_url != NULL ? strstr(oauth->token_url, TENANT_MARK) : NULL;
	char *url = NULL;

	if (oauth->token_url == NULL && oauth->tenant == NULL)
		return reader_fail(r, &node->start_mark,
				   "oauth: who gives the tokens is missing: write tenant: contoso.com, or token_url");
	if (mark != NULL && oauth->tenant == NULL)
		return fail_at(r, node, "token_url", "has {tenant} in it: write tenant: contoso.com");
	if (oauth->token_url != NULL && mark == NULL && oauth->tenant != NULL)
		return fail_at(r, node, "tenant", "without effect: write {tenant} in token_url, or remove one of them");
	if (oauth->token_url != NULL && mark == NULL)
		return true;
	if ((mark != NULL ? asprintf(&url, "%.*s%s%s", (int)(mark - oauth->token_url), oauth->token_url, oauth->tenant,
				     mark + strlen(TENANT_MARK))
			  : asprintf(&url, ENTRA_URL, oauth->tenant)) < 0)
		return reader_fail_memory(r, &node->start_mark);
	free(oauth->token_url);
	oauth->token_url = url;
	return true;
}

static bool complete(struct reader *r, const yaml_node_t *node, struct config_oauth *oauth)
{
	if (!choose_grant(r, node, oauth) || !check_effect(r, node, oauth))
		return false;
	if (oauth->grant == CONFIG_GRANT_COMMAND && oauth->command[0][0] != '/')
		return fail_at(r, node, "command", "write the program's whole path, as in [/usr/local/bin/token]");
	if (oauth->grant == CONFIG_GRANT_COMMAND || oauth->grant == CONFIG_GRANT_SERVICE_ACCOUNT)
		return true;
	if (oauth->graph_url != NULL && oauth->object_id == NULL)
		return fail_at(r, node, "graph_url", "without effect without object_id: remove it");
	if (oauth->client_id == NULL)
		return reader_fail(r, &node->start_mark,
				   "oauth: the application's name is missing: write client_id: "
				   "00000000-0000-0000-0000-000000000000");
	if (!complete_url(r, node, oauth))
		return false;
	/* Only where Entra is meant is it known what to ask for. */
	if (oauth->scope == NULL && oauth->tenant != NULL)
		oauth->scope = strdup(oauth->grant == CONFIG_GRANT_REFRESH ? ENTRA_USER_SCOPE : ENTRA_SCOPE);
	return oauth->scope != NULL || oauth->tenant == NULL || reader_fail_memory(r, &node->start_mark);
}

bool schema_oauth_read(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	const struct reader_field section = {
		.name = "oauth",
		.detail = oauth_fields,
		.example =
			"{ tenant: contoso.com, client_id: 00000000-0000-0000-0000-000000000000, certificate: app.crt, "
			"private_key: app.key }",
	};
	struct config_oauth *oauth = calloc(1, sizeof(*oauth));

	if (oauth == NULL)
		return reader_fail_memory(r, &value->node->start_mark);
	memcpy((char *)object + field->offset, &oauth, sizeof(struct config_oauth *));
	return reader_section(r, &section, value, oauth) && complete(r, value->node, oauth);
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

void config_oauth_free(struct config_oauth *oauth)
{
	size_t i;

	if (oauth == NULL)
		return;
	free(oauth->tenant);
	free(oauth->client_id);
	free(oauth->certificate);
	free(oauth->private_key);
	free(oauth->client_secret_file);
	free(oauth->refresh_token_file);
	free(oauth->service_account_file);
	for (i = 0; i < oauth->command_count; i++)
		free(oauth->command[i]);
	free(oauth->command);
	free(oauth->token_url);
	free(oauth->scope);
	free(oauth->object_id);
	free(oauth->graph_url);
	free(oauth->ca_file);
	free(oauth->proxy);
	free(oauth);
}
