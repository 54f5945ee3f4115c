/*
 * core/agents/token_form.c - see token_form.h.
 */
#include "core/agents/token_form.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/agents/assertion.h"

#define GOOGLE_TOKEN_URL "https://oauth2.googleapis.com/token"
#define GOOGLE_SCOPE "https://mail.google.com/"

/* ---- the form ------------------------------------------------------------------------------------------------- */

struct writer {
	char *at;
	size_t left;
	bool full, some;
};

static void put(struct writer *w, char c)
{
	w->full |= w->left < 2;
	if (w->full)
		return;
	*w->at++ = c;
	w->left--;
}

static void put_encoded(struct writer *w, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c)) {
			put(w, (char)c);
		} else {
			put(w, '%');
			put(w, hex[c >> 4]);
			put(w, hex[c & 15]);
		}
	}
}

/* Nothing, where there is no value. */
static void field(struct writer *w, const char *name, const char *value)
{
	if (!value)
		return;
	if (w->some)
		put(w, '&');
	w->some = true;
	put_encoded(w, name);
	put(w, '=');
	put_encoded(w, value);
}

static size_t length_of(const char *text)
{
	return text ? strlen(text) : 0;
}

/* Room for all of it, three octets for each. */
static bool begin(struct token_form *form, struct writer *w, size_t octets)
{
	size_t size = 512 + octets * 3;

	form->body = (struct secret){.text = malloc(size), .size = size};
	*w = (struct writer){.at = form->body.text, .left = size};
	if (!form->body.text)
		snprintf(form->problem, sizeof(form->problem), "out of memory");
	return form->body.text != NULL;
}

static bool end(struct token_form *form, struct writer *w)
{
	*w->at = '\0';
	form->body.length = (size_t)(w->at - form->body.text);
	if (w->full)
		snprintf(form->problem, sizeof(form->problem), "the settings are longer than a request can be");
	return !w->full;
}

bool token_form_fields(struct secret *body, const char *const *fields)
{
	struct token_form form = {0};
	size_t octets = 0, i;
	struct writer w;

	for (i = 0; fields[i] && fields[i + 1]; i += 2)
		octets += strlen(fields[i]) + strlen(fields[i + 1]) + 2;
	if (!begin(&form, &w, octets))
		return false;
	for (i = 0; fields[i] && fields[i + 1]; i += 2)
		field(&w, fields[i], fields[i + 1]);
	(void)end(&form, &w);
	*body = form.body;
	return true;
}

/* ---- what the files have -------------------------------------------------------------------------------------- */

static bool read_file(struct token_form *form, const char *key, const char *path, struct secret *secret)
{
	int r = secret_read(path, secret);

	if (r == 0)
		return true;
	snprintf(form->problem, sizeof(form->problem), "oauth.%s: %.200s: %s", key, path,
		 r == -ENODATA ? "it is empty" : strerror(-r));
	return false;
}

/* From malloc. NULL with a sentence. */
static char *sign(struct token_form *form, const struct assertion *assertion, const struct secret *key,
		  const struct secret *certificate, const char *path)
{
	char problem[SIGNER_PROBLEM_SIZE];
	struct signer *signer = signer_new(key, certificate, problem);
	char *text = NULL;

	if (!signer) {
		snprintf(form->problem, sizeof(form->problem), "%.200s: %s", path, problem);
		return NULL;
	}
	text = assertion_make(assertion, signer);
	if (!text)
		snprintf(form->problem, sizeof(form->problem), "%.200s: nothing can be signed with it", path);
	signer_free(signer);
	return text;
}

static void wipe_text(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static char *sign_with(struct token_form *form, const struct config_oauth *oauth, const char *certificate_file,
		       int64_t now)
{
	struct assertion assertion = {.how = oauth->signature,
				      .audience = form->url,
				      .issuer = oauth->client_id,
				      .subject = oauth->client_id,
				      .now = now};
	struct secret key = {0}, certificate = {0};
	char *text = NULL;

	if (read_file(form, "private_key", oauth->private_key, &key) &&
	    read_file(form, "certificate", certificate_file, &certificate))
		text = sign(form, &assertion, &key, &certificate, oauth->private_key);
	secret_wipe(&key);
	secret_wipe(&certificate);
	return text;
}

/* In the middle of a rotation the key is the new one, and its certificate is still beside its place. */
static char *application_assertion(struct token_form *form, const struct config_oauth *oauth, int64_t now)
{
	char *text = sign_with(form, oauth, oauth->certificate, now), *beside, problem[TOKEN_PROBLEM_SIZE];

	if (text || asprintf(&beside, "%s" ROTATION_NEXT, oauth->certificate) < 0)
		return text;
	memcpy(problem, form->problem, sizeof(problem));
	if (access(beside, R_OK) == 0)
		text = sign_with(form, oauth, beside, now);
	free(beside);
	memcpy(form->problem, problem, sizeof(problem));
	return text;
}

/* Who the application is: a signature, a secret, or nothing but its name. */
struct proof {
	char *assertion;
	struct secret secret;
};

static bool prove(struct token_form *form, const struct config_oauth *oauth, int64_t now, struct proof *proof)
{
	*proof = (struct proof){0};
	if (oauth->certificate && oauth->private_key) {
		proof->assertion = application_assertion(form, oauth, now);
		return proof->assertion != NULL;
	}
	return !oauth->client_secret_file ||
	       read_file(form, "client_secret_file", oauth->client_secret_file, &proof->secret);
}

static void put_proof(struct writer *w, const struct config_oauth *oauth, const struct proof *proof)
{
	field(w, "client_id", oauth->client_id);
	field(w, "client_secret", proof->secret.text);
	if (!proof->assertion)
		return;
	field(w, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"); /* RFC 7523 2.2 */
	field(w, "client_assertion", proof->assertion);
}

static bool make_application(struct token_form *form, const struct config_oauth *oauth, int64_t now)
{
	struct proof proof;
	struct writer w;
	bool ok = prove(form, oauth, now, &proof) &&
		  begin(form, &w,
			form->refresh.length + length_of(oauth->client_id) + length_of(oauth->scope) +
				length_of(proof.assertion) + proof.secret.length);

	if (ok) {
		field(&w, "grant_type", form->refresh.text ? "refresh_token" : "client_credentials");
		field(&w, "refresh_token", form->refresh.text);
		field(&w, "scope", oauth->scope);
		put_proof(&w, oauth, &proof);
		ok = end(form, &w);
	}
	wipe_text(proof.assertion);
	secret_wipe(&proof.secret);
	return ok;
}

/* ---- Google's service accounts -------------------------------------------------------------------------------- */

static bool copy(char *to, size_t size, const json_t *root, const char *name)
{
	const char *text = json_string_value(json_object_get(root, name));

	to[0] = '\0';
	if (!text)
		return true;
	return (size_t)snprintf(to, size, "%s", text) < size;
}

bool service_account_parse(const char *text, size_t length, struct service_account *account,
			   char problem[TOKEN_PROBLEM_SIZE])
{
	json_t *root = length <= SECRET_MAX ? json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const json_t *key = json_object_get(root, "private_key");
	const char *wrong = NULL, *type = json_string_value(json_object_get(root, "type"));

	*account = (struct service_account){0};
	if (!root)
		wrong = "it is no JSON";
	else if (!type || strcmp(type, "service_account") != 0)
		wrong = "it is no service account's key: its \"type\" must be \"service_account\"";
	else if (!copy(account->email, sizeof(account->email), root, "client_email") || !account->email[0])
		wrong = "it has no client_email";
	else if (!copy(account->key_id, sizeof(account->key_id), root, "private_key_id") ||
		 !copy(account->token_url, sizeof(account->token_url), root, "token_uri"))
		wrong = "it has longer values than any such file";
	else if (!json_is_string(key))
		wrong = "it has no private_key";
	else if (!secret_set(&account->private_key, json_string_value(key), json_string_length(key)))
		wrong = "out of memory";
	json_decref(root);
	if (wrong) {
		snprintf(problem, TOKEN_PROBLEM_SIZE, "%s", wrong);
		service_account_wipe(account);
	}
	return !wrong;
}

void service_account_wipe(struct service_account *account)
{
	secret_wipe(&account->private_key);
}

static bool read_account(struct token_form *form, const char *path, struct service_account *account)
{
	struct secret text = {0};
	char problem[TOKEN_PROBLEM_SIZE];
	bool ok = read_file(form, "service_account_file", path, &text);

	if (!ok)
		return false;
	ok = service_account_parse(text.text, text.length, account, problem);
	if (!ok)
		snprintf(form->problem, sizeof(form->problem), "oauth.service_account_file: %.200s: %.200s", path,
			 problem);
	secret_wipe(&text);
	return ok;
}

static bool make_service_account(struct token_form *form, const struct config_oauth *oauth, const char *user,
				 int64_t now)
{
	struct service_account account;
	struct writer w;
	char *text;
	bool ok;

	if (!read_account(form, oauth->service_account_file, &account))
		return false;
	if (!oauth->token_url)
		snprintf(form->url, sizeof(form->url), "%s",
			 account.token_url[0] ? account.token_url : GOOGLE_TOKEN_URL);
	const struct assertion assertion = {.how = CONFIG_SIGNATURE_RS256, /* the only one that Google takes */
					    .audience = form->url,
					    .issuer = account.email,
					    .subject = user,
					    .scope = oauth->scope ? oauth->scope : GOOGLE_SCOPE,
					    .key_id = account.key_id,
					    .now = now};
	text = sign(form, &assertion, &account.private_key, NULL, oauth->service_account_file);
	service_account_wipe(&account);
	ok = text && begin(form, &w, strlen(text));
	if (ok) {
		field(&w, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"); /* RFC 7523 2.1 */
		field(&w, "assertion", text);
		ok = end(form, &w);
	}
	wipe_text(text);
	return ok;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static bool make(struct token_form *form, const struct config_oauth *oauth, const char *user,
		 const struct secret *refresh, int64_t now)
{
	if (oauth->token_url)
		snprintf(form->url, sizeof(form->url), "%s", oauth->token_url);
	if (oauth->grant == CONFIG_GRANT_SERVICE_ACCOUNT)
		return make_service_account(form, oauth, user, now);
	if (oauth->grant != CONFIG_GRANT_REFRESH)
		return make_application(form, oauth, now);
	if (refresh && refresh->text) {
		if (!secret_set(&form->refresh, refresh->text, refresh->length))
			return false;
	} else if (!read_file(form, "refresh_token_file", oauth->refresh_token_file, &form->refresh)) {
		return false;
	}
	return make_application(form, oauth, now);
}

bool token_form_make(struct token_form *form, const struct config_oauth *oauth, const char *user,
		     const struct secret *refresh, int64_t now)
{
	memset(form, 0, sizeof(*form));
	if (make(form, oauth, user, refresh, now))
		return true;
	if (!form->problem[0])
		snprintf(form->problem, sizeof(form->problem), "out of memory");
	token_form_wipe(form);
	return false;
}

void token_form_wipe(struct token_form *form)
{
	secret_wipe(&form->body);
	secret_wipe(&form->refresh);
}

static uint64_t add_stamp(uint64_t stamp, const char *path)
{
	struct stat st;

	if (!path || stat(path, &st) < 0)
		memset(&st, 0, sizeof(st));
	stamp = stamp * 1099511628211u + (uint64_t)st.st_ino;
	stamp = stamp * 1099511628211u + (uint64_t)st.st_size;
	return stamp * 1099511628211u + (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

uint64_t token_form_stamp(const struct config_oauth *oauth)
{
	const char *const paths[] = {oauth->certificate,        oauth->private_key,          oauth->client_secret_file,
				     oauth->refresh_token_file, oauth->service_account_file, oauth->ca_file};
	uint64_t stamp = 1;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		stamp = add_stamp(stamp, paths[i]);
	return stamp;
}

uint64_t token_form_refresh_stamp(const struct config_oauth *oauth)
{
	return add_stamp(1, oauth->refresh_token_file);
}
