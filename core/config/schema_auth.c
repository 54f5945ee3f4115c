/*
 * core/config/schema_auth.c - see schema_auth.h.
 *
 * A secret is never in the file itself, and never goes to a host whose certificate was not verified: whoever answers in
 * its place would have it. Both are said here, where they can be mended, and held in core/deliver/setup.c.
 */
#include "core/config/schema_auth.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/config/schema_fields.h"
#include "core/config/schema_sender.h"

#define CREDENTIALS "$CREDENTIALS_DIRECTORY/"

/* ---- values ----------------------------------------------------------------------------------------------------- */

static void warn_if_open(struct reader *r, const struct reader_value *value, const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0 && (status.st_mode & S_IRWXO))
		reader_warn(r, &value->node->start_mark, "%s: everybody may read %.200s: chmod o= it", value->name,
			    path);
}

static char **path_of(const struct reader_field *field, void *object)
{
	return (char **)((char *)object + field->offset);
}

/* Where it is known; elsewhere, as in `check` from a shell, it cannot be looked at. */
static bool read_credential(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			    void *object, const char *name)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	const yaml_mark_t *mark = &value->node->start_mark;
	struct stat status;
	char **path = path_of(field, object);

	if (name[0] == '\0' || strchr(name, '/'))
		return reader_fail(r, mark, "%s: write " CREDENTIALS "NAME, as in LoadCredential=NAME:PATH",
				   value->name);
	if (directory == NULL)
		reader_warn(r, mark,
			    "%s: only a service that systemd started has this directory: the file was not looked at",
			    value->name);
	if (asprintf(path, "%s/%s", directory ? directory : CREDENTIALS, name) < 0) {
		*path = NULL;
		return reader_fail_memory(r, mark);
	}
	if (directory != NULL && stat(*path, &status) < 0)
		return reader_fail(r, mark, "%s: %.200s: %s: write LoadCredential=%.64s:PATH in the service's unit",
				   value->name, *path, strerror(errno), name);
	return true;
}

bool schema_auth_secret_file(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (strncmp(text, CREDENTIALS, strlen(CREDENTIALS)) == 0)
		return read_credential(r, field, value, object, text + strlen(CREDENTIALS));
	if (!reader_file(r, field, value, object))
		return false;
	warn_if_open(r, value, *path_of(field, object));
	return true;
}

static bool read_user(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (strlen(text) > CONFIG_USER_MAX)
		return reader_fail(r, &value->node->start_mark, "%s: more than %d octets", value->name,
				   CONFIG_USER_MAX);
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return reader_fail(r, &value->node->start_mark, "%s: has a control character in it",
					   value->name);
	}
	return reader_keep(r, field, value, object, text);
}

static const struct reader_choice mechanisms[] = {
	{"plain", CONFIG_AUTH_PLAIN, false},
	{"login", CONFIG_AUTH_LOGIN, false},
	{"xoauth2", CONFIG_AUTH_XOAUTH2, false},
	{"oauthbearer", CONFIG_AUTH_OAUTHBEARER, false},
	{NULL, 0, false},
};

static bool read_one(struct reader *r, const struct reader_value *value, struct config_destination *destination)
{
	const struct reader_field word = {.name = value->name, .detail = mechanisms};
	int mechanism = 0;

	if (!reader_choice_word(r, &word, value, &mechanism))
		return false;
	for (unsigned i = 0; i < destination->mechanism_count; i++) {
		if (destination->mechanisms[i] == mechanism)
			return reader_fail(r, &value->node->start_mark, "%s: the same twice", value->name);
	}
	destination->mechanisms[destination->mechanism_count++] = (uint8_t)mechanism;
	return true;
}

/* One word, or a list in the order in which they are tried. */
static bool read_mechanisms(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			    void *object)
{
	struct config_destination *destination = object;
	const yaml_node_t *node = value->node;

	if (node->type != YAML_SEQUENCE_NODE)
		return read_one(r, value, destination);
	for (const yaml_node_item_t *at = node->data.sequence.items.start; at < node->data.sequence.items.top; at++) {
		struct reader_value item = *value;

		item.node = yaml_document_get_node(r->document, *at);
		if (!read_one(r, &item, destination))
			return false;
	}
	return destination->mechanism_count > 0 ||
	       reader_fail(r, &node->start_mark, "%s: the list is empty: write one, or remove the key", value->name);
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

#define DESTINATION(member) offsetof(struct config_destination, member)
static const struct reader_field auth_fields[] = {
	FIELD("mechanism", read_mechanisms, 0),
	FIELD("user", read_user, DESTINATION(auth.user)),
	FIELD("password_file", schema_auth_secret_file, DESTINATION(auth.password_file)),
	FIELDS_END,
};

/* "off" says what the key's absence does. */
static bool is_off(const yaml_node_t *node)
{
	return node != NULL && node->type == YAML_SCALAR_NODE &&
	       strcmp((const char *)node->data.scalar.value, "off") == 0;
}

bool schema_auth_read(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	const struct reader_field section = {
		.name = "auth",
		.detail = auth_fields,
		.example = "{ mechanism: login, user: relay, password_file: password }",
	};

	return is_off(value->node) || reader_section(r, &section, value, object);
}

#define MAILBOX(member) offsetof(struct config_mailbox, member)
static const struct reader_field mailbox_fields[] = {
	FIELD_REQUIRED("user", read_user, MAILBOX(user), "user: scan1@example.org"),
	FIELD("password_file", schema_auth_secret_file, MAILBOX(password_file)),
	FIELD_LIST("senders", MAILBOX(senders), SCHEMA_MAILBOX_SENDERS_MAX, &schema_mailbox_senders,
		   "[\"*@example.org\"]"),
	FIELDS_END,
};

static bool check_mailbox(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	const struct config_mailbox *mailboxes = items;

	for (size_t i = 0; i < index; i++) {
		if (mailboxes[i].user && strcmp(mailboxes[i].user, mailboxes[index].user) == 0)
			return reader_fail(r, &node->start_mark, "mailboxes: \"%.80s\" is there twice",
					   mailboxes[index].user);
	}
	return true;
}

const struct reader_list schema_mailboxes = {
	.size = sizeof(struct config_mailbox),
	.count_offset = DESTINATION(mailbox_count),
	.item = {.name = "mailboxes",
		 .read = reader_section,
		 .detail = mailbox_fields,
		 .example = "{ user: scan1@example.org, password_file: scan1.password }"},
	.check = check_mailbox,
};

/* ---- what goes together ----------------------------------------------------------------------------------------- */

/* The mailboxes' own passwords, or the one for all. */
static bool check_passwords(struct reader *r, const yaml_node_t *node, struct config_destination *destination)
{
	for (size_t i = 0; i < destination->mailbox_count; i++) {
		struct config_mailbox *mailbox = &destination->mailboxes[i];

		if (mailbox->password_file != NULL || (destination->auth.password_file == NULL && destination->oauth))
			continue;
		if (destination->auth.password_file == NULL)
			return reader_fail(r, &node->start_mark,
					   "mailboxes: \"%.80s\" has nothing to sign in with: write password_file: "
					   "FILE beside its user, or oauth for all of them",
					   mailbox->user);
		mailbox->password_file = strdup(destination->auth.password_file);
		if (mailbox->password_file == NULL)
			return reader_fail_memory(r, &node->start_mark);
	}
	return true;
}

/* `auth` by itself is a mailbox. */
static bool only_mailbox(struct reader *r, const yaml_node_t *auth, struct config_destination *destination)
{
	if (destination->auth.user == NULL)
		return reader_fail(r, &auth->start_mark, "auth: write user: NAME, or mailboxes beside it");
	if (destination->auth.password_file == NULL && !destination->oauth)
		return reader_fail(r, &auth->start_mark,
				   "auth: write password_file: FILE, or oauth beside it; a password never stands in "
				   "this file itself");
	destination->mailboxes = calloc(1, sizeof(*destination->mailboxes));
	if (destination->mailboxes == NULL)
		return reader_fail_memory(r, &auth->start_mark);
	destination->mailbox_count = 1;
	destination->mailboxes[0] = destination->auth;
	destination->auth = (struct config_mailbox){0};
	return true;
}

static bool takes_token(uint8_t mechanism)
{
	return mechanism == CONFIG_AUTH_XOAUTH2 || mechanism == CONFIG_AUTH_OAUTHBEARER;
}

/* Each mailbox has a mechanism for what it signs in with, and what is signed in with is used. */
static bool check_mechanisms(struct reader *r, const yaml_node_t *said, struct config_destination *destination)
{
	static const uint8_t all[] = {CONFIG_AUTH_XOAUTH2, CONFIG_AUTH_OAUTHBEARER, CONFIG_AUTH_PLAIN,
				      CONFIG_AUTH_LOGIN};
	bool passwords = false, tokens = false, by_password = false, by_token = false;

	if (destination->mechanism_count == 0) {
		memcpy(destination->mechanisms, all, sizeof(all));
		destination->mechanism_count = CONFIG_MECHANISMS;
	}
	for (size_t i = 0; i < destination->mailbox_count; i++) {
		passwords = passwords || destination->mailboxes[i].password_file;
		tokens = tokens || !destination->mailboxes[i].password_file;
	}
	for (unsigned i = 0; i < destination->mechanism_count; i++) {
		by_token = by_token || takes_token(destination->mechanisms[i]);
		by_password = by_password || !takes_token(destination->mechanisms[i]);
	}
	if (passwords && !by_password)
		return reader_fail(r, &said->start_mark,
				   "auth: xoauth2 and oauthbearer take tokens, no passwords: write plain or login, or "
				   "oauth instead of the password");
	if (tokens && !by_token)
		return reader_fail(r, &said->start_mark,
				   "auth: plain and login take passwords, no tokens of oauth: write xoauth2 or "
				   "oauthbearer");
	if (!tokens && destination->oauth)
		return reader_fail(r, &said->start_mark,
				   "oauth: nobody signs in with it: every mailbox has a password");
	return true;
}

bool schema_auth_check(struct reader *r, const yaml_node_t *node, struct config_destination *destination)
{
	const yaml_node_t *auth = reader_find(r, node, "auth"), *pool = reader_find(r, node, "mailboxes");
	const yaml_node_t *said = pool != NULL || is_off(auth) ? pool : auth;

	/* What only a preset says: by what mailboxes sign in here, and not that there are any. */
	if (pool == NULL && said != NULL && said->start_mark.index >= READER_PRESET && destination->auth.user == NULL) {
		destination->mechanism_count = 0;
		said = NULL;
		if (destination->oauth == NULL)
			reader_warn(r, &reader_find(r, node, "preset")->start_mark,
				    "preset %s: nobody signs in there, and only those who do may send: write auth or "
				    "mailboxes; auth: off where that is meant",
				    destination->preset);
	}
	if (said == NULL)
		return destination->oauth == NULL ||
		       reader_fail(r, &reader_find(r, node, "oauth")->start_mark,
				   "oauth: nobody signs in with it: write mailboxes: [{ user: scan1@example.org }]");
	if (destination->tls_mode != CONFIG_TLS_VERIFY)
		return reader_fail(r, &said->start_mark,
				   "%s: a password is only given to a host whose name TLS has verified: write tls: { "
				   "mode: verify }; its ca_file may be the host's own certificate",
				   pool != NULL ? "mailboxes" : "auth");
	if (pool != NULL && destination->auth.user != NULL)
		return reader_fail(r, &auth->start_mark, "auth: its user is one of the mailboxes: write it there");
	if (pool == NULL ? !only_mailbox(r, auth, destination) : !check_passwords(r, pool, destination))
		return false;
	return check_mechanisms(r, said, destination);
}
