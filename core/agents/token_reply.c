/*
 * core/agents/token_reply.c - see token_reply.h.
 */
#include "core/agents/token_reply.h"

#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DESCRIPTION_MAX = 160, HTTP_OK = 200, HTTP_TIMEOUT = 408, HTTP_TOO_MANY = 429, HTTP_BROKEN = 500 };

static void wiping_free(void *block)
{
	if (block)
		explicit_bzero(block, malloc_usable_size(block));
	free(block);
}

void token_reply_init(void)
{
	json_set_alloc_funcs(malloc, wiping_free);
}

void token_reply_wipe(struct token_reply *reply)
{
	secret_wipe(&reply->access_token);
	secret_wipe(&reply->refresh_token);
}

static void say(struct token_reply *reply, enum token_outcome outcome, const char *what)
{
	reply->outcome = outcome;
	snprintf(reply->problem, sizeof(reply->problem), "%s", what);
}

/* It goes into the line of a command. */
static bool is_token(const char *text, size_t length, size_t most)
{
	if (length == 0 || length > most)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return true;
}

/* A number, or the same as a string. */
static uint64_t seconds_of(const json_t *value)
{
	double seconds = json_is_number(value) ? json_number_value(value) : -1;

	if (json_is_string(value)) {
		char *end;
		seconds = strtod(json_string_value(value), &end);
		if (*end != '\0' || end == json_string_value(value))
			seconds = -1;
	}
	if (!(seconds >= 0))
		return TOKEN_LIFETIME_USUAL_S;
	return seconds < TOKEN_LIFETIME_MAX_S ? (uint64_t)seconds : TOKEN_LIFETIME_MAX_S;
}

static void take_token(const json_t *root, struct token_reply *reply)
{
	const json_t *token = json_object_get(root, "access_token"), *refresh = json_object_get(root, "refresh_token");
	const char *type = json_string_value(json_object_get(root, "token_type"));

	if (!is_token(json_string_value(token), json_string_length(token), TOKEN_LENGTH_MAX)) {
		say(reply, TOKEN_LATER,
		    "the token endpoint's token is longer than mail can carry, or has odd characters");
		return;
	}
	if (type && strcasecmp(type, "bearer") != 0) {
		say(reply, TOKEN_REFUSED, "the token endpoint gives tokens of another type than Bearer");
		return;
	}
	reply->lifetime_s = seconds_of(json_object_get(root, "expires_in"));
	if (reply->lifetime_s == 0) {
		say(reply, TOKEN_LATER, "the token endpoint gave a token that has ended already");
		return;
	}
	if (is_token(json_string_value(refresh), json_string_length(refresh), TOKEN_REFRESH_MAX) &&
	    !secret_set(&reply->refresh_token, json_string_value(refresh), json_string_length(refresh))) {
		say(reply, TOKEN_LATER, "out of memory");
		return;
	}
	if (!secret_set(&reply->access_token, json_string_value(token), json_string_length(token)))
		say(reply, TOKEN_LATER, "out of memory");
}

/* ---- errors --------------------------------------------------------------------------------------------------- */

/* Entra's numbers are in the list, or in the text only. Those known here come first. */
static unsigned long number_of(const json_t *root, const char *description)
{
	const json_t *codes = json_object_get(root, "error_codes");
	const char *at = description ? description : "";
	unsigned long first = 0;

	for (size_t i = 0; i < json_array_size(codes); i++) {
		json_int_t code = json_integer_value(json_array_get(codes, i));
		if (code > 0 && token_reply_advice((unsigned long)code))
			return (unsigned long)code;
		if (code > 0 && first == 0)
			first = (unsigned long)code;
	}
	while ((at = strstr(at, "AADSTS")) != NULL) {
		unsigned long code;
		at += strlen("AADSTS");
		code = strtoul(at, NULL, 10);
		if (token_reply_advice(code))
			return code;
		if (first == 0)
			first = code;
	}
	return first;
}

static bool has(const char *text, const char *word)
{
	return text && strcasestr(text, word) != NULL;
}

static bool about_time(unsigned long number, const char *description)
{
	return number == 700024 || number == 500133 || (number == 50012 && has(description, "time range")) ||
	       has(description, "short-lived token") || has(description, "Token used too early");
}

/* These pass, whatever the protocol's own word says. */
static bool passes(unsigned status, unsigned long number, const char *error)
{
	static const unsigned long numbers[] = {50196, 90006, 90012, 90013, 90024, 90033, 90036, 90055, 90101, 90107};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (number == numbers[i])
			return true;
	}
	return status >= HTTP_BROKEN || status == HTTP_TOO_MANY || status == HTTP_TIMEOUT ||
	       strcmp(error, "temporarily_unavailable") == 0 || strcmp(error, "server_error") == 0 ||
	       strcmp(error, "slow_down") == 0 || strcmp(error, "internal_failure") == 0;
}

/* The protocol's words, where no number says more. */
static const char *advice_of(const char *error, const char *description)
{
	static const struct {
		const char *error, *description, *text;
	} table[] = {
		{"invalid_grant", "account not found", "the service account was deleted, or its key is another one's"},
		{"invalid_grant", "Invalid JWT Signature",
		 "the key was deleted: make a new key file for the service account"},
		{"invalid_grant", "Invalid email", "Google knows no such mailbox: look at the mailbox's user"},
		{"invalid_grant", "",
		 "the consent has expired or was revoked: " /* RFC 6749 section 5.2 */
		 "a person has to sign in again: postrider credentials sign-in"},
		{"unauthorized_client", "",
		 "the application may not do this: at Google, add its client ID with the scope "
		 "https://mail.google.com/ under \"Domain-wide delegation\""},
		{"access_denied", "", "an administrator has to allow the application"},
		{"admin_policy_enforced", "", "an administrator has to allow the application's scope"},
		{"deleted_client", "", "the application was deleted: register one, and write its client_id"},
		{"disabled_client", "", "the application is disabled: enable it"},
		{"invalid_client", "",
		 "the application is not known, or its secret is wrong: look at client_id, and at "
		 "the file with the secret or key"},
		{"invalid_scope", "", "look at oauth.scope"},
		{"unsupported_grant_type", "", "look at oauth.token_url: this endpoint does not do it this way"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(error, table[i].error) == 0 &&
		    (table[i].description[0] == '\0' || has(description, table[i].description)))
			return table[i].text;
	}
	return NULL;
}

/* One line of what it says, without the identifiers that only its maker can look up. */
static size_t description_length(const char *text)
{
	static const char *const ends[] = {"\r", "\n", " Trace ID:"};
	size_t length = strlen(text);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const char *end = strstr(text, ends[i]);
		if (end && (size_t)(end - text) < length)
			length = (size_t)(end - text);
	}
	return length < DESCRIPTION_MAX ? length : DESCRIPTION_MAX;
}

/* "A client request loop": whoever asks on meanwhile is left out for longer. */
enum { LOOP = 50196, LOOP_PAUSE_S = 120 };

static void take_error(unsigned status, const json_t *root, const char *error, struct token_reply *reply)
{
	const char *description = json_string_value(json_object_get(root, "error_description"));
	unsigned long number = number_of(root, description);
	const char *advice = number ? token_reply_advice(number) : NULL;

	if (!advice)
		advice = advice_of(error, description);
	if (!description)
		description = error;
	reply->outcome = about_time(number, description) ? TOKEN_CLOCK
			 : passes(status, number, error) ? TOKEN_LATER
							 : TOKEN_REFUSED;
	reply->pause_s = number == LOOP ? LOOP_PAUSE_S : 0;
	snprintf(reply->problem, sizeof(reply->problem), "%.*s (%.40s)%s%s", (int)description_length(description),
		 description, error, advice && reply->outcome != TOKEN_LATER ? ": " : "",
		 advice && reply->outcome != TOKEN_LATER ? advice : "");
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

/* Pages of proxies, balancers and captive portals: nothing that an administrator of the tenant could mend. */
static void not_understood(unsigned status, size_t length, struct token_reply *reply)
{
	reply->outcome = TOKEN_LATER;
	snprintf(reply->problem, sizeof(reply->problem),
		 "the token endpoint answered HTTP %u with %zu octets that are no token and no error of RFC 6749%s",
		 status, length,
		 status >= 300 && status < 400 ? ": it points elsewhere, which is not followed: look at oauth.token_url"
		 : status == 404               ? ": look at oauth.token_url"
		 : status == 407               ? ": a proxy wants credentials"
					       : "");
}

void token_reply_parse(unsigned status, const char *text, size_t length, struct token_reply *reply)
{
	json_t *root = length <= TOKEN_REPLY_MAX ? json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *error = json_string_value(json_object_get(root, "error"));

	memset(reply, 0, sizeof(*reply));
	if (status == HTTP_OK && json_is_string(json_object_get(root, "access_token")))
		take_token(root, reply);
	else if (error)
		take_error(status, root, error, reply);
	else
		not_understood(status, length, reply);
	if (reply->outcome != TOKEN_GIVEN || reply->problem[0])
		token_reply_wipe(reply);
	json_decref(root);
}

void token_reply_parse_output(const char *text, size_t length, struct token_reply *reply)
{
	size_t from = 0;

	while (from < length && strchr(" \t\r\n", text[from]) && text[from])
		from++;
	while (length > from && strchr(" \t\r\n", text[length - 1]) && text[length - 1])
		length--;
	if (from < length && text[from] == '{') {
		token_reply_parse(HTTP_OK, text + from, length - from, reply);
		return;
	}
	memset(reply, 0, sizeof(*reply));
	reply->lifetime_s = TOKEN_LIFETIME_USUAL_S;
	if (!is_token(text + from, length - from, TOKEN_LENGTH_MAX))
		say(reply, TOKEN_REFUSED,
		    "the command's output is no token: it has to print one on a line, or JSON with "
		    "access_token and expires_in");
	else if (!secret_set(&reply->access_token, text + from, length - from))
		say(reply, TOKEN_LATER, "out of memory");
}
