/*
 * core/agents/token_identity.c - see token_identity.h.
 */
#include "core/agents/token_identity.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings ------------------------------------------------------------------------------------------------- */

/* Where their texts are. */
static const size_t texts[] = {
	offsetof(struct config_oauth, tenant),
	offsetof(struct config_oauth, client_id),
	offsetof(struct config_oauth, certificate),
	offsetof(struct config_oauth, private_key),
	offsetof(struct config_oauth, client_secret_file),
	offsetof(struct config_oauth, refresh_token_file),
	offsetof(struct config_oauth, service_account_file),
	offsetof(struct config_oauth, token_url),
	offsetof(struct config_oauth, scope),
	offsetof(struct config_oauth, object_id),
	offsetof(struct config_oauth, graph_url),
	offsetof(struct config_oauth, ca_file),
	offsetof(struct config_oauth, proxy),
};
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static char **text_of(const struct config_oauth *oauth, size_t index)
{
	return (char **)((char *)oauth + texts[index]);
}

/* False without memory; nothing copied is nothing lost. */
static bool copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool token_oauth_copy(struct config_oauth *to, const struct config_oauth *from)
{
	bool ok = true;
	size_t i;

	*to = (struct config_oauth){.grant = from->grant, .signature = from->signature};
	for (i = 0; i < TEXTS; i++)
		ok &= copy_text(text_of(to, i), *text_of(from, i));
	if (from->command_count > 0)
		to->command = calloc(from->command_count, sizeof(char *));
	ok &= to->command || from->command_count == 0;
	for (i = 0; to->command && i < from->command_count; i++) {
		ok &= copy_text(&to->command[i], from->command[i]);
		to->command_count++;
	}
	if (!ok)
		token_oauth_free(to);
	return ok;
}

void token_oauth_free(struct config_oauth *oauth)
{
	size_t i;

	for (i = 0; i < TEXTS; i++)
		free(*text_of(oauth, i));
	for (i = 0; i < oauth->command_count; i++)
		free(oauth->command[i]);
	free(oauth->command);
	memset(oauth, 0, sizeof(*oauth));
}

bool token_oauth_same(const struct config_oauth *a, const struct config_oauth *b)
{
	size_t i;

	if (a->grant != b->grant || a->signature != b->signature || a->command_count != b->command_count)
		return false;
	for (i = 0; i < TEXTS; i++) {
		if (!same_text(*text_of(a, i), *text_of(b, i)))
			return false;
	}
	for (i = 0; i < a->command_count; i++) {
		if (strcmp(a->command[i], b->command[i]) != 0)
			return false;
	}
	return true;
}

/* ---- identities ----------------------------------------------------------------------------------------------- */

uint64_t token_identity_until_ns(const struct token_identity *identity)
{
	return atomic_load_explicit(&identity->until_ns, memory_order_relaxed);
}

void token_identities_init(struct token_identities *identities, void (*over)(struct token_identities *identities))
{
	pthread_mutex_init(&identities->lock, NULL);
	list_init(&identities->all);
	identities->closed = false;
	identities->over = over;
}

static struct token_identity *find(struct token_identities *identities, const struct config_oauth *oauth,
				   const char *user)
{
	struct list *link;

	for (link = identities->all.next; link != &identities->all; link = link->next) {
		struct token_identity *identity = container_of(link, struct token_identity, link);
		if (same_text(identity->user, user) && token_oauth_same(&identity->oauth, oauth))
			return identity;
	}
	return NULL;
}

static void free_identity(struct token_identity *identity)
{
	token_oauth_free(&identity->oauth);
	free(identity->user);
	free(identity->name);
	free(identity);
}

static struct token_identity *make(struct token_identities *home, const struct config_oauth *oauth, const char *user,
				   const char *name)
{
	struct token_identity *identity = calloc(1, sizeof(*identity));
	bool ok;

	if (!identity)
		return NULL;
	list_init(&identity->active);
	identity->home = home;
	identity->waiting_end = &identity->waiting;
	ok = token_oauth_copy(&identity->oauth, oauth);
	ok &= copy_text(&identity->user, user);
	ok &= copy_text(&identity->name, name);
	if (ok) {
		list_append(&home->all, &identity->link);
		return identity;
	}
	free_identity(identity);
	return NULL;
}

struct token_identity *token_identities_acquire(struct token_identities *home, const struct config_oauth *oauth,
						const char *user, const char *name)
{
	const char *matters = config_oauth_by_user(oauth) ? user : NULL;
	struct token_identity *identity;

	pthread_mutex_lock(&home->lock);
	assert(!home->closed);
	identity = find(home, oauth, matters);
	if (!identity)
		identity = make(home, oauth, matters, name);
	if (identity)
		identity->users++;
	pthread_mutex_unlock(&home->lock);
	return identity;
}

/* Under the lock; whether that was the last of a registry that is closed. */
static bool drop(struct token_identity *identity)
{
	struct token_identities *home = identity->home;

	assert(identity->users > 0);
	if (--identity->users > 0)
		return false;
	assert(!identity->job && !identity->waiting);
	list_remove(&identity->link);
	free_identity(identity);
	return home->closed && list_empty(&home->all);
}

static void end(struct token_identities *home)
{
	pthread_mutex_destroy(&home->lock);
	home->over(home);
}

void token_identity_release(struct token_identity *identity)
{
	struct token_identities *home;
	bool last;

	if (!identity)
		return;
	home = identity->home;
	pthread_mutex_lock(&home->lock);
	last = drop(identity);
	pthread_mutex_unlock(&home->lock);
	if (last)
		end(home);
}

void token_identity_keep(struct token_identity *identity)
{
	pthread_mutex_lock(&identity->home->lock);
	identity->users++;
	pthread_mutex_unlock(&identity->home->lock);
}

bool token_identity_forget(struct token_identity *identity)
{
	struct token_identities *home = identity->home;
	bool only;

	pthread_mutex_lock(&home->lock);
	only = identity->users == 1;
	if (only) {
		list_remove(&identity->active);
		token_cache_clear(&identity->cache);
		secret_wipe(&identity->refresh);
		(void)drop(identity);
	}
	pthread_mutex_unlock(&home->lock);
	return only;
}

void token_identities_close(struct token_identities *identities)
{
	bool last;

	pthread_mutex_lock(&identities->lock);
	identities->closed = true;
	last = list_empty(&identities->all);
	pthread_mutex_unlock(&identities->lock);
	if (last)
		end(identities);
}
