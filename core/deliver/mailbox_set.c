/*
 * core/deliver/mailbox_set.c - the mailboxes of a snapshot, and their secrets from files. On the thread that reads
 * configurations, where waiting is allowed.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/token.h"
#include "core/base/hidden.h"
#include "core/config/config.h"
#include "core/config/text_file.h"
#include "core/deliver/budget.h"
#include "core/deliver/mailbox.h"
#include "core/smtp/sasl.h"

static_assert((int)CONFIG_MECHANISMS == (int)SASL_MECHANISMS && (int)CONFIG_AUTH_PLAIN == (int)SASL_PLAIN &&
		      (int)CONFIG_AUTH_LOGIN == (int)SASL_LOGIN && (int)CONFIG_AUTH_XOAUTH2 == (int)SASL_XOAUTH2 &&
		      (int)CONFIG_AUTH_OAUTHBEARER == (int)SASL_OAUTHBEARER,
	      "the configuration's mechanisms are those of AUTH");
static_assert((int)CONFIG_USER_MAX <= (int)SASL_USER_MAX, "every user can be said");

enum { PASSWORD_MAX = 1024, FILE_MAX = PASSWORD_MAX + 8 };

/* ---- mailboxes of the process ----------------------------------------------------------------------------------- */

void mailbox_home_deinit(struct mailbox_home *home)
{
	size_t i;

	for (i = 0; i < home->count; i++) {
		budget_close(home->list[i]->account.day);
		account_deinit(&home->list[i]->account);
		free(home->list[i]->user);
		free(home->list[i]);
	}
	free(home->list);
	*home = (struct mailbox_home){0};
}

static struct mailbox *add(struct mailbox_home *home, const char *user)
{
	struct mailbox **list = realloc(home->list, (home->count + 1) * sizeof(struct mailbox *));
	struct mailbox *mailbox = calloc(1, sizeof(*mailbox));

	home->list = list ? list : home->list;
	if (list && mailbox && (mailbox->user = strdup(user)) != NULL) {
		mailbox->door = &home->door;
		home->list[home->count++] = mailbox;
		return mailbox;
	}
	free(mailbox);
	return NULL;
}

/* The one of that name; those of an unchanged configuration are in its order. */
static struct mailbox *find(struct mailbox_home *home, size_t near, const char *user)
{
	size_t i;

	for (i = 0; i < home->count; i++) {
		struct mailbox *mailbox = home->list[(near + i) % home->count];
		if (strcmp(mailbox->user, user) == 0)
			return mailbox;
	}
	return add(home, user);
}

/* ---- secrets ---------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int fail(struct mailbox_problem *problem, const struct config_mailbox *of,
						      const char *format, ...)
{
	va_list arguments;
	size_t n;

	n = (size_t)snprintf(problem->text, sizeof(problem->text), "mailbox %.80s: password_file %.200s: ", of->user,
			     of->password_file);
	va_start(arguments, format);
	vsnprintf(problem->text + n, sizeof(problem->text) - n, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* What editors put around a password does not belong to it: a byte order mark before, line ends behind. */
static struct span trim(const char *text, size_t length)
{
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		length -= 3;
	}
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	return (struct span){text, (uint32_t)length};
}

static int take(struct mailbox_set *set, size_t *used, struct mailbox_entry *entry, const struct config_mailbox *of,
		struct span secret, struct mailbox_problem *problem)
{
	char *place = (char *)set->hidden + *used;

	if (secret.length == 0)
		return fail(problem, of, "it is empty: write the password into it, in one line");
	if (secret.length > PASSWORD_MAX)
		return fail(problem, of, "longer than the %d octets a password may have", PASSWORD_MAX);
	if (memchr(secret.data, '\0', secret.length) || memchr(secret.data, '\n', secret.length) ||
	    memchr(secret.data, '\r', secret.length))
		return fail(problem, of,
			    "it has more than one line, or is no text: write the password and nothing else");
	memcpy(place, secret.data, secret.length);
	entry->secret = (struct span){place, secret.length};
	*used += secret.length;
	return 0;
}

static int read_secret(struct mailbox_set *set, size_t *used, struct mailbox_entry *entry,
		       const struct config_mailbox *of, struct mailbox_problem *problem)
{
	char *text;
	size_t length;
	bool opened;
	int r = text_file_read(of->password_file, FILE_MAX, &text, &length, &opened);

	if (r == -ENOMEM)
		return r;
	if (r == -EFBIG)
		return fail(problem, of, "longer than the %d octets a password may have", PASSWORD_MAX);
	if (r < 0 && strncmp(of->password_file, "$CREDENTIALS_DIRECTORY", 22) == 0)
		return fail(problem, of, "the environment has no CREDENTIALS_DIRECTORY: let systemd start the service");
	if (r < 0)
		return fail(problem, of, "it cannot be %s: %s", opened ? "read" : "opened", strerror(-r));
	r = take(set, used, entry, of, trim(text, length), problem);
	explicit_bzero(text, length);
	free(text);
	return r;
}

unsigned mailbox_mechanisms(const struct mailbox_entry *entry, const struct config_destination *destination,
			    uint8_t mechanisms[SASL_MECHANISMS])
{
	bool token = entry->secret.data == NULL;
	unsigned count = 0, i;

	for (i = 0; i < destination->mechanism_count; i++) {
		bool by_token = SASL_BIT(destination->mechanisms[i]) & SASL_BY_TOKEN;
		if (by_token == token)
			mechanisms[count++] = destination->mechanisms[i];
	}
	return count;
}

/* ---- sets ------------------------------------------------------------------------------------------------------- */

static void free_set(struct mailbox_set *set)
{
	size_t i;

	if (!set)
		return;
	for (i = 0; set->entries && i < set->count; i++) {
		if (set->entries[i].identity)
			token_identity_release(set->entries[i].identity);
	}
	hidden_free(set->hidden, set->hidden_size);
	free(set->entries);
	free(set);
}

void mailbox_set_hold(struct mailbox_set *set)
{
	atomic_fetch_add(&set->users, 1);
}

void mailbox_set_release(struct mailbox_set *set)
{
	if (set && atomic_fetch_sub(&set->users, 1) == 1)
		free_set(set);
}

static struct mailbox_set *new_set(size_t count)
{
	struct mailbox_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	atomic_init(&set->users, 1);
	set->count = count;
	set->hidden_size = count * PASSWORD_MAX; /* what is not used is no memory */
	set->entries = calloc(count, sizeof(*set->entries));
	set->hidden = hidden_new(set->hidden_size);
	if (set->entries && set->hidden)
		return set;
	free_set(set);
	return NULL;
}

/* Whose tokens it signs in by. False: no memory. */
static bool identify(struct mailbox_entry *entry, struct tokens *tokens, const struct config_destination *destination)
{
	const char *user = config_oauth_by_user(destination->oauth) ? entry->mailbox->user : NULL;
	char name[CONFIG_USER_MAX + 80];

	if (!tokens)
		return true;
	snprintf(name, sizeof(name), "%s%s%s", destination->name, user ? "/" : "", user ? user : "");
	entry->identity = token_identity_acquire(tokens, destination->oauth, user, name);
	return entry->identity != NULL;
}

static int make(struct mailbox_set **out, struct mailbox_home *home, struct tokens *tokens,
		const struct config_destination *destination, struct mailbox_problem *problem)
{
	size_t used = 0, i;
	int r = 0;

	*out = new_set(destination->mailbox_count);
	if (!*out)
		return -ENOMEM;
	for (i = 0; i < destination->mailbox_count && r == 0; i++) {
		struct mailbox_entry *entry = &(*out)->entries[i];
		entry->mailbox = find(home, i, destination->mailboxes[i].user);
		if (!entry->mailbox)
			return -ENOMEM;
		atomic_store_explicit(&entry->mailbox->seat, (unsigned)i, memory_order_relaxed);
		if (destination->mailboxes[i].password_file)
			r = read_secret(*out, &used, entry, &destination->mailboxes[i], problem);
		else
			r = identify(entry, tokens, destination) ? 0 : -ENOMEM;
	}
	return r;
}

bool mailbox_tokens_wanted(const struct config *config)
{
	size_t d;

	for (d = 0; d < config->destination_count; d++) {
		if (config->destinations[d].oauth)
			return true;
	}
	return false;
}

int mailbox_sets_make(struct mailbox_set **sets, struct mailbox_home *homes, struct tokens *tokens,
		      const struct config *config, struct mailbox_problem *problem)
{
	size_t d;
	int r = 0;

	for (d = 0; d < config->destination_count && r == 0; d++) {
		if (config->destinations[d].mailbox_count > 0)
			r = make(&sets[d], &homes[d], tokens, &config->destinations[d], problem);
	}
	return r;
}

void mailbox_sets_free(struct mailbox_set **sets, size_t count)
{
	size_t d;

	for (d = 0; sets && d < count; d++)
		mailbox_set_release(sets[d]);
}
