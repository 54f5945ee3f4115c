/*
 * core/agents/bundle_hidden.c - see bundle_hidden.h.
 */
#include "core/agents/bundle_hidden.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/secret.h"
#include "core/config/config.h"
#include "core/config/oauth.h"

enum { PART_MIN = 12 };

struct hidden_words {
	char *list[HIDDEN_WORDS_MAX]; /* owned; wiped */
	size_t count;
};

struct hidden_words *hidden_words_new(void)
{
	return calloc(1, sizeof(struct hidden_words));
}

void hidden_words_free(struct hidden_words *words)
{
	if (!words)
		return;
	for (size_t i = 0; i < words->count; i++) {
		explicit_bzero(words->list[i], strlen(words->list[i]));
		free(words->list[i]);
	}
	free(words);
}

static void add(struct hidden_words *words, const char *text, size_t length)
{
	char *word;

	if (length < HIDDEN_WORD_MIN || words->count == HIDDEN_WORDS_MAX)
		return;
	for (size_t i = 0; i < words->count; i++) {
		if (strlen(words->list[i]) == length && memcmp(words->list[i], text, length) == 0)
			return;
	}
	word = strndup(text, length);
	if (word)
		words->list[words->count++] = word;
}

/* As JSON writes it, where that is another word. */
static void add_escaped(struct hidden_words *words, const char *text, size_t length)
{
	char *word = malloc(2 * length + 1);
	size_t n = 0;

	for (size_t i = 0; word && i < length; i++) {
		if (text[i] == '"' || text[i] == '\\')
			word[n++] = '\\';
		word[n++] = text[i];
	}
	if (n > length)
		add(words, word, n);
	if (word)
		explicit_bzero(word, n);
	free(word);
}

static void take_line(struct hidden_words *words, const char *line, size_t length)
{
	static const char between[] = " \t:\",'=";

	while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' '))
		length--;
	/* What PEM says of itself is no secret. */
	if (length > 10 && memcmp(line, "-----", 5) == 0)
		return;
	add(words, line, length);
	add_escaped(words, line, length);
	for (size_t i = 0, n; i < length; i += n + 1) {
		for (n = 0; i + n < length && !strchr(between, line[i + n]); n++)
			;
		if (n >= PART_MIN && n < length)
			add(words, line + i, n);
	}
}

void hidden_words_take(struct hidden_words *words, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		take_line(words, text, length);
		text += length + (text[length] == '\n');
	}
}

/* ---- of a configuration ----------------------------------------------------------------------------------------- */

static void take_file(struct hidden_words *words, const char *path)
{
	struct secret secret;

	if (!path || secret_read(path, &secret) < 0)
		return;
	hidden_words_take(words, secret.text);
	secret_wipe(&secret);
}

/* Who signs in by it, and its query; `all`: whatever follows the host. */
static void take_url(struct hidden_words *words, const char *url, bool all)
{
	const char *host = url ? strstr(url, "://") : NULL, *path, *at;

	if (!host)
		return;
	host += 3;
	path = host + strcspn(host, "/?#");
	at = memchr(host, '@', (size_t)(path - host));
	if (at)
		add(words, host, (size_t)(at - host));
	if (strlen(path) > 1)
		add(words, path + (all ? 0 : strcspn(path, "?#")), strlen(path + (all ? 0 : strcspn(path, "?#"))));
}

static void take_destination(struct hidden_words *words, const struct config_destination *destination)
{
	const struct config_oauth *oauth = destination->oauth;

	take_file(words, destination->private_key);
	take_file(words, destination->auth.password_file);
	for (size_t i = 0; i < destination->mailbox_count; i++)
		take_file(words, destination->mailboxes[i].password_file);
	if (!oauth)
		return;
	take_file(words, oauth->private_key);
	take_file(words, oauth->client_secret_file);
	take_file(words, oauth->refresh_token_file);
	take_file(words, oauth->service_account_file);
	take_url(words, oauth->token_url, false);
	for (size_t i = 1; i < oauth->command_count; i++)
		take_line(words, oauth->command[i], strlen(oauth->command[i]));
}

void hidden_words_of(struct hidden_words *words, const struct config *config)
{
	for (size_t i = 0; i < config->certificate_count; i++)
		take_file(words, config->certificates[i].private_key);
	for (size_t i = 0; i < config->destination_count; i++)
		take_destination(words, &config->destinations[i]);
	take_file(words, config->users_file);
	take_file(words, config->control.http.users_file);
	take_file(words, config->control.http.private_key);
	take_file(words, config->events.webhook.secret_file);
	take_url(words, config->events.webhook.url, true);
}

/* ---- out of a text ---------------------------------------------------------------------------------------------- */

static size_t count_of(const char *text, size_t length, const char *word)
{
	size_t count = 0, size = strlen(word);
	const char *end = text + length, *at;

	while ((at = memmem(text, (size_t)(end - text), word, size)) != NULL) {
		count++;
		text = at + size;
	}
	return count;
}

/* In place of each; `text` is given back. NULL without memory. */
static char *without(char *text, size_t *length, const char *word)
{
	static const char instead[] = "[left out]";
	size_t count = count_of(text, *length, word), size = strlen(word), n = 0;
	const char *from = text, *end = text + *length, *at;
	char *out;

	if (count == 0)
		return text;
	out = malloc(*length + count * (sizeof(instead) - 1) + HIDDEN_SPARE);
	while (out && (at = memmem(from, (size_t)(end - from), word, size)) != NULL) {
		memcpy(out + n, from, (size_t)(at - from));
		n += (size_t)(at - from);
		memcpy(out + n, instead, sizeof(instead) - 1);
		n += sizeof(instead) - 1;
		from = at + size;
	}
	if (out) {
		memcpy(out + n, from, (size_t)(end - from));
		*length = n + (size_t)(end - from);
	}
	free(text);
	return out;
}

/* What a program of `oauth.command` said when it ended (token_command.c) is its own, and nobody knows what it is: each
 * octet of it becomes a star, from the colon to the end of the text, in JSON or in a line. */
static void cover_programs(char *text, size_t length)
{
	static const char said[] = "oauth.command ";
	char *end = text + length, *at = text;

	while ((at = memmem(at, (size_t)(end - at), said, sizeof(said) - 1)) != NULL) {
		char *line = at, *colon;
		while (line < end && *line != '\n' && !(*line == '"' && line[-1] != '\\'))
			line++;
		colon = memmem(at, (size_t)(line - at), ": ", 2);
		if (colon)
			memset(colon + 2, '*', (size_t)(line - colon - 2));
		at = line;
	}
}

char *hidden_words_out(const struct hidden_words *words, const char *text, size_t *length)
{
	size_t n = *length;
	char *out = malloc(n + HIDDEN_SPARE);

	if (!out)
		return NULL;
	memcpy(out, text, n);
	for (size_t i = 0; out && i < words->count; i++)
		out = without(out, &n, words->list[i]);
	if (out)
		cover_programs(out, n);
	*length = n;
	return out;
}
