/*
 * core/agents/bundle_hidden.c - see bundle_hidden.h.
 */
#include "core/agents/bundle_hidden.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/token_form.h"
#include "core/base/secret.h"
#include "core/config/config.h"
#include "core/config/oauth.h"
#include "core/config/text_file.h"
#include "core/config/user_file.h"

enum { PART_MIN = 12, CUT_MIN = 16, TOKEN_MIN = 40, CHAINS = 1 << 16, NONE = -1, USERS_FILE_MAX = 4 << 20 };

/* What is in a file, in the order in which they are read: where there are too many words, it is hashes that are not
 * known. */
enum kind { OF_LINES, OF_ACCOUNT, OF_USERS, KINDS };

struct file {
	char *path; /* owned */
	enum kind kind;
};

struct word {
	char *text; /* owned; wiped */
	size_t length;
	int32_t next; /* of those whose first octets have the same chain; NONE: the last */
};

struct hidden_words {
	struct word *list; /* owned */
	size_t count, room, hash_count;
	int32_t chains[CHAINS];
	struct file *files; /* owned */
	size_t file_count, file_room;
	bool failed; /* there was no memory for some: no text can be vouched for */
};

struct hidden_words *hidden_words_new(void)
{
	struct hidden_words *words = calloc(1, sizeof(*words));

	for (size_t i = 0; words && i < CHAINS; i++)
		words->chains[i] = NONE;
	return words;
}

void hidden_words_free(struct hidden_words *words)
{
	if (!words)
		return;
	for (size_t i = 0; i < words->count; i++) {
		explicit_bzero(words->list[i].text, words->list[i].length);
		free(words->list[i].text);
	}
	for (size_t i = 0; i < words->file_count; i++)
		free(words->files[i].path);
	free(words->files);
	free(words->list);
	free(words);
}

/* One more in a list that grows; false: there is no memory. */
static bool grow(struct hidden_words *words, void **list, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 64;
	void *larger;

	if (count < *room)
		return true;
	larger = realloc(*list, more * size);
	words->failed |= !larger;
	if (larger) {
		*list = larger;
		*room = more;
	}
	return larger;
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static size_t chain_of(const char *text)
{
	uint32_t first;

	memcpy(&first, text, sizeof(first));
	return (size_t)((first * 2654435761u) >> 16) % CHAINS;
}
static_assert(HIDDEN_WORD_MIN == sizeof(uint32_t), "as many octets as a chain is found by");

/* How many octets of the text are this word. Where a text that was too long was cut (core/base/log.h), what is left of
 * a word counts as well. */
static size_t common(const struct word *word, const char *text, size_t length)
{
	size_t n = 0;

	while (n < word->length && n < length && word->text[n] == text[n])
		n++;
	if (n == word->length)
		return n;
	return n >= CUT_MIN && (n == length || text[n] == '"' || text[n] == '\n') ? n : 0;
}

/* How much of the text is one of them; 0: it begins with none. The longest one counts: of a word that another one
 * begins with nothing is to be left. */
static size_t longest_at(const struct hidden_words *words, const char *text, size_t length)
{
	size_t longest = 0;

	if (length < HIDDEN_WORD_MIN)
		return 0;
	for (int32_t i = words->chains[chain_of(text)]; i != NONE; i = words->list[i].next) {
		size_t n = common(&words->list[i], text, length);
		longest = n > longest ? n : longest;
	}
	return longest;
}

static bool is_known(const struct hidden_words *words, const char *text, size_t length)
{
	for (int32_t i = words->chains[chain_of(text)]; i != NONE; i = words->list[i].next) {
		if (words->list[i].length == length && memcmp(words->list[i].text, text, length) == 0)
			return true;
	}
	return false;
}

static void add(struct hidden_words *words, const char *text, size_t length)
{
	struct word word = {.length = length};
	size_t chain;

	if (length < HIDDEN_WORD_MIN || words->count == HIDDEN_WORDS_MAX || is_known(words, text, length) ||
	    !grow(words, (void **)&words->list, words->count, &words->room, sizeof(word)))
		return;
	word.text = malloc(length);
	if (!word.text) {
		words->failed = true;
		return;
	}
	memcpy(word.text, text, length);
	chain = chain_of(text);
	word.next = words->chains[chain];
	words->chains[chain] = (int32_t)words->count;
	words->list[words->count++] = word;
}

/* As JSON writes it, where that is another word. */
static void add_escaped(struct hidden_words *words, const char *text, size_t length)
{
	char *word = malloc(2 * length + 1);
	size_t n = 0;

	words->failed |= !word;
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

/* As base64 has it (RFC 4648 4) in a longer text, which is how one signs in: behind 0, 1 or 2 octets of others' in its
 * first three, and without the characters that have bits of them. */
static void add_base64(struct hidden_words *words, const char *text, size_t length)
{
	static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *word = malloc(4 * length / 3 + 4);

	words->failed |= !word;
	for (size_t before = 0; word && before < 3; before++) {
		size_t first = (8 * before + 5) / 6, last = 8 * (before + length) / 6, n = 0;
		for (size_t i = first; i < last; i++) {
			unsigned bits = 0;
			for (size_t bit = 6 * i - 8 * before; bit < 6 * (i + 1) - 8 * before; bit++)
				bits = bits << 1 | ((unsigned char)text[bit / 8] >> (7 - bit % 8) & 1u);
			word[n++] = characters[bits];
		}
		add(words, word, n);
		explicit_bzero(word, n);
	}
	free(word);
}

static void add_forms(struct hidden_words *words, const char *text, size_t length)
{
	add(words, text, length);
	if (length < HIDDEN_WORD_MIN)
		return;
	add_escaped(words, text, length);
	add_base64(words, text, length);
}

static void take_line(struct hidden_words *words, const char *line, size_t length)
{
	static const char between[] = " \t:\",'=";

	add_forms(words, line, length);
	for (size_t i = 0, n; i < length; i += n + 1) {
		for (n = 0; i + n < length && !strchr(between, line[i + n]); n++)
			;
		if (n >= PART_MIN && n < length)
			add_forms(words, line + i, n);
	}
}

void hidden_words_take(struct hidden_words *words, const char *text)
{
	bool key = false;

	for (size_t length, n; *text; text += length + (text[length] == '\n')) {
		length = n = strcspn(text, "\n");
		while (n > 0 && (text[n - 1] == '\r' || text[n - 1] == ' '))
			n--;
		/* What PEM says of itself is no secret, and nobody signs in by what is in it. */
		if (n > 10 && memcmp(text, "-----", 5) == 0)
			key = memcmp(text + 5, "BEGIN", 5) == 0;
		else if (key)
			add(words, text, n);
		else
			take_line(words, text, n);
	}
}

/* ---- of files --------------------------------------------------------------------------------------------------- */

/* What else a service account's file has (whose it is, and where it asks) is in a configuration as well, and no secret.
 * One that is not read as such is taken by lines. */
static void take_account(struct hidden_words *words, const struct secret *secret)
{
	char problem[TOKEN_PROBLEM_SIZE];
	struct service_account account;

	if (!service_account_parse(secret->text, secret->length, &account, problem)) {
		hidden_words_take(words, secret->text);
		return;
	}
	hidden_words_take(words, account.private_key.text);
	hidden_words_take(words, account.key_id);
	service_account_wipe(&account);
}

static bool take_hash(void *context, const char *name, size_t name_length, const char *hash, size_t hash_length,
		      unsigned line)
{
	struct hidden_words *words = context;

	(void)name;
	(void)name_length;
	(void)line;
	add(words, hash, hash_length);
	return ++words->hash_count < HIDDEN_HASHES_MAX;
}

static bool pass_over(void *context, const char *text, unsigned line, unsigned column)
{
	(void)context;
	(void)text;
	(void)line;
	(void)column;
	return true;
}

/* Names are no secret. */
void hidden_words_take_users(struct hidden_words *words, const char *text, size_t length)
{
	const struct user_file_handler handler = {take_hash, pass_over, words};

	(void)user_file_parse(text, length, &handler);
}

static void read_users(struct hidden_words *words, const char *path)
{
	size_t length;
	bool opened;
	char *text;

	if (text_file_read(path, USERS_FILE_MAX, &text, &length, &opened) < 0)
		return;
	hidden_words_take_users(words, text, length);
	explicit_bzero(text, length);
	free(text);
}

static void read_file(struct hidden_words *words, const struct file *file)
{
	struct secret secret;

	if (file->kind == OF_USERS) {
		read_users(words, file->path);
		return;
	}
	if (secret_read(file->path, &secret) < 0)
		return;
	if (file->kind == OF_ACCOUNT)
		take_account(words, &secret);
	else
		hidden_words_take(words, secret.text);
	secret_wipe(&secret);
}

void hidden_words_read(struct hidden_words *words)
{
	for (int kind = 0; kind < KINDS; kind++) {
		for (size_t i = 0; i < words->file_count; i++) {
			if (words->files[i].kind == (enum kind)kind)
				read_file(words, &words->files[i]);
		}
	}
}

/* ---- of a configuration ----------------------------------------------------------------------------------------- */

static void note(struct hidden_words *words, const char *path, enum kind kind)
{
	for (size_t i = 0; path && i < words->file_count; i++) {
		if (strcmp(words->files[i].path, path) == 0)
			return;
	}
	if (!path || !grow(words, (void **)&words->files, words->file_count, &words->file_room, sizeof(*words->files)))
		return;
	words->files[words->file_count] = (struct file){strdup(path), kind};
	words->failed |= !words->files[words->file_count].path;
	words->file_count += words->files[words->file_count].path != NULL;
}

/* Between two of `between`, where it is long enough to be no word of language. */
static void take_parts(struct hidden_words *words, const char *text, const char *between)
{
	for (size_t n; *text; text += n + (text[n] != '\0')) {
		n = strcspn(text, between);
		if (n >= PART_MIN)
			add_forms(words, text, n);
	}
}

/* Who signs in by it, and its query; `all`: whatever follows the host. */
static void take_url(struct hidden_words *words, const char *url, bool all)
{
	const char *host = url ? strstr(url, "://") : NULL, *path, *at, *query;

	if (!url)
		return;
	host = host ? host + 3 : url;
	/* Also where it is none of the form, and what signs in has in it what ends a host. */
	at = strrchr(host, '@');
	if (at) {
		const char *colon = memchr(host, ':', (size_t)(at - host));
		add_forms(words, host, (size_t)(at - host));
		if (colon)
			add_forms(words, colon + 1, (size_t)(at - colon - 1));
	}
	path = host + strcspn(host, "/?#");
	query = path + strcspn(path, "?#");
	if (all && strlen(path) > 1) {
		add(words, path, strlen(path));
		add(words, path, (size_t)(query - path));
		take_parts(words, path, "/?#&=");
	}
	if (strlen(query) > 1) {
		add(words, query + 1, strlen(query + 1));
		take_parts(words, query, "?#&=");
	}
}

static void take_oauth(struct hidden_words *words, const struct config_oauth *oauth)
{
	note(words, oauth->private_key, OF_LINES);
	note(words, oauth->client_secret_file, OF_LINES);
	note(words, oauth->refresh_token_file, OF_LINES);
	note(words, oauth->service_account_file, OF_ACCOUNT);
	take_url(words, oauth->token_url, false);
	take_url(words, oauth->graph_url, false);
	take_url(words, oauth->proxy, false);
	for (size_t i = 1; i < oauth->command_count; i++)
		take_line(words, oauth->command[i], strlen(oauth->command[i]));
}

void hidden_words_of(struct hidden_words *words, const struct config *config)
{
	for (size_t i = 0; i < config->destination_count; i++) {
		const struct config_destination *destination = &config->destinations[i];
		note(words, destination->auth.password_file, OF_LINES);
		for (size_t j = 0; j < destination->mailbox_count; j++)
			note(words, destination->mailboxes[j].password_file, OF_LINES);
		if (destination->oauth)
			take_oauth(words, destination->oauth);
		note(words, destination->private_key, OF_LINES);
	}
	for (size_t i = 0; i < config->certificate_count; i++)
		note(words, config->certificates[i].private_key, OF_LINES);
	note(words, config->control.http.private_key, OF_LINES);
	note(words, config->events.webhook.secret_file, OF_LINES);
	note(words, config->control.http.users_file, OF_USERS);
	note(words, config->users_file, OF_USERS);
	take_url(words, config->events.webhook.url, true);
}

/* ---- out of a text ---------------------------------------------------------------------------------------------- */

/* Into `out`, or NULL: only how long it is. Words that have octets in common are left out as one. */
static size_t put_without(const struct hidden_words *words, const char *text, size_t length, char *out)
{
	static const char instead[] = "[left out]";
	size_t n = 0, end = 0;

	for (size_t i = 0; i < length; i++) {
		size_t found = longest_at(words, text + i, length - i);
		if (found && i >= end) {
			if (out)
				memcpy(out + n, instead, sizeof(instead) - 1);
			n += sizeof(instead) - 1;
		}
		if (found && i + found > end)
			end = i + found;
		if (i < end)
			continue;
		if (out)
			out[n] = text[i];
		n++;
	}
	return n;
}

/* What a program of `oauth.command` said when it ended (token_command.c) is its own, and nobody knows what it is: each
 * octet of it becomes a star, from the colon to the end of the text, in JSON or in a line. */
static void cover_programs(char *text, size_t length)
{
	static const char said[] = "oauth.command ";
	char *end = text + length, *at = text;

	while ((at = memmem(at, (size_t)(end - at), said, sizeof(said) - 1)) != NULL) {
		char *line = at, *colon;
		while (line < end && *line != '\n' && *line != '"')
			line += *line == '\\' && line + 1 < end && line[1] != '\n' ? 2 : 1;
		colon = memmem(at, (size_t)(line - at), ": ", 2);
		if (colon)
			memset(colon + 2, '*', (size_t)(line - colon - 2));
		at = line;
	}
}

/* Access tokens are in no file, and a next hop may repeat what it was sent. Their beginnings: base64 of "user=" and of
 * "n,a=" (XOAUTH2, RFC 7628), of a JWT (RFC 7519), and Google's own. */
static void cover_tokens(char *text, size_t length)
{
	static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_.";
	static const char *const begins[] = {"dXNlcj", "bixhP", "eyJ", "ya29."};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		char *end = text + length, *at = text;
		while ((at = memmem(at, (size_t)(end - at), begins[i], strlen(begins[i]))) != NULL) {
			size_t n = 0;
			while (at + n < end && at[n] && strchr(characters, at[n]))
				n++;
			if (n >= TOKEN_MIN)
				memset(at, '*', n);
			at += n;
		}
	}
}

char *hidden_words_out(const struct hidden_words *words, const char *text, size_t *length)
{
	size_t n = put_without(words, text, *length, NULL);
	char *out = words->failed ? NULL : malloc(n + HIDDEN_SPARE);

	if (!out)
		return NULL;
	(void)put_without(words, text, *length, out);
	cover_programs(out, n);
	cover_tokens(out, n);
	*length = n;
	return out;
}
