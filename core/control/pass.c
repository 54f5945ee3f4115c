/*
 * core/control/pass.c - see pass.h.
 */
#include "core/control/pass.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "tls/mac.h"

struct ticket {
	uint8_t hash[MAC_SIZE]; /* of its text */
	uint64_t began_ns, used_ns;
	char user[PASS_USER_MAX + 1];
	bool taken;
};

struct passes {
	pthread_mutex_t lock; /* of both tables */
	struct ticket links[PASS_LINKS], passes[PASS_MOST];
	uint8_t key[MAC_SIZE];
};

struct passes *passes_new(void)
{
	struct passes *passes = calloc(1, sizeof(*passes));

	if (!passes)
		return NULL;
	random_bytes(passes->key, sizeof(passes->key));
	pthread_mutex_init(&passes->lock, NULL);
	return passes;
}

void passes_free(struct passes *passes)
{
	if (!passes)
		return;
	pthread_mutex_destroy(&passes->lock);
	explicit_bzero(passes->key, sizeof(passes->key));
	free(passes);
}

static void hex(const uint8_t *octets, char out[PASS_TEXT + 1])
{
	for (size_t i = 0; i < PASS_TEXT / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", octets[i]);
}

/* False: without memory nobody is known. */
static bool hash_of(const struct passes *passes, const char *kind, const char *text, uint8_t out[MAC_SIZE])
{
	const struct mac_part parts[] = {{kind, strlen(kind)}, {text, strlen(text)}};

	return mac_of(passes->key, parts, 2, out);
}

static bool same_octets(const uint8_t *one, const uint8_t *other, size_t length)
{
	uint8_t differ = 0;

	for (size_t i = 0; i < length; i++)
		differ |= one[i] ^ other[i];
	return differ == 0;
}

bool pass_same(const char *one, const char *other)
{
	size_t length = strlen(one);

	return length == strlen(other) && same_octets((const uint8_t *)one, (const uint8_t *)other, length);
}

static bool is_over(const struct ticket *ticket, uint64_t now_ns, uint64_t idle_s, uint64_t life_s)
{
	return now_ns - ticket->used_ns > idle_s * CLOCK_NS_PER_S ||
	       now_ns - ticket->began_ns > life_s * CLOCK_NS_PER_S;
}

/* A free one, or the one that was used longest ago. */
static struct ticket *room(struct ticket *tickets, size_t count)
{
	struct ticket *found = &tickets[0];

	for (size_t i = 0; i < count; i++) {
		if (!tickets[i].taken)
			return &tickets[i];
		if (tickets[i].used_ns < found->used_ns)
			found = &tickets[i];
	}
	return found;
}

static void give(struct passes *passes, struct ticket *ticket, const char *kind, const char *user, uint64_t now_ns,
		 char out[PASS_TEXT + 1])
{
	uint8_t octets[PASS_TEXT / 2];

	random_bytes(octets, sizeof(octets));
	hex(octets, out);
	explicit_bzero(octets, sizeof(octets));
	*ticket = (struct ticket){.began_ns = now_ns, .used_ns = now_ns};
	ticket->taken = hash_of(passes, kind, out, ticket->hash);
	snprintf(ticket->user, sizeof(ticket->user), "%s", user);
}

/* NULL: there is none. All are compared, so time tells nothing. */
static struct ticket *find(struct passes *passes, struct ticket *tickets, size_t count, const char *kind,
			   const char *text)
{
	struct ticket *found = NULL;
	uint8_t hash[MAC_SIZE];

	if (strlen(text) != PASS_TEXT || !hash_of(passes, kind, text, hash))
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (tickets[i].taken && same_octets(tickets[i].hash, hash, sizeof(hash)))
			found = &tickets[i];
	}
	return found;
}

void pass_link(struct passes *passes, const char *user, uint64_t now_ns, char out[PASS_TEXT + 1])
{
	pthread_mutex_lock(&passes->lock);
	give(passes, room(passes->links, PASS_LINKS), "link", user, now_ns, out);
	pthread_mutex_unlock(&passes->lock);
}

bool pass_enter(struct passes *passes, const char *link, uint64_t now_ns, char out[PASS_TEXT + 1])
{
	struct ticket *ticket;
	bool in;

	pthread_mutex_lock(&passes->lock);
	ticket = find(passes, passes->links, PASS_LINKS, "link", link);
	in = ticket && !is_over(ticket, now_ns, PASS_LINK_S, PASS_LINK_S);
	if (in)
		give(passes, room(passes->passes, PASS_MOST), "pass", ticket->user, now_ns, out);
	if (ticket)
		ticket->taken = false;
	pthread_mutex_unlock(&passes->lock);
	return in;
}

bool pass_find(struct passes *passes, const char *pass, uint64_t now_ns, char user[PASS_USER_MAX + 1])
{
	struct ticket *ticket;
	bool in;

	pthread_mutex_lock(&passes->lock);
	ticket = find(passes, passes->passes, PASS_MOST, "pass", pass);
	in = ticket && !is_over(ticket, now_ns, PASS_IDLE_S, PASS_LIFE_S);
	if (in) {
		ticket->used_ns = now_ns;
		memcpy(user, ticket->user, sizeof(ticket->user));
	} else if (ticket) {
		ticket->taken = false;
	}
	pthread_mutex_unlock(&passes->lock);
	return in;
}

void pass_leave(struct passes *passes, const char *pass)
{
	struct ticket *ticket;

	pthread_mutex_lock(&passes->lock);
	ticket = find(passes, passes->passes, PASS_MOST, "pass", pass);
	if (ticket)
		ticket->taken = false;
	pthread_mutex_unlock(&passes->lock);
}

void pass_token(const struct passes *passes, const char *identity, char out[PASS_TEXT + 1])
{
	uint8_t hash[MAC_SIZE];

	/* Without memory one that nobody has. */
	if (!hash_of(passes, "form", identity, hash))
		random_bytes(hash, sizeof(hash));
	hex(hash, out);
}
