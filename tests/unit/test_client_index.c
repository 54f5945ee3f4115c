/*
 * tests/unit/test_client_index.c - core/config/client_index.c: who is a client, against a look at each entry in
 * turn, and what it costs where there are many.
 */
#include "core/config/client_index.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/config/config.h"
#include "core/config/user_table.h"
#include "tests/unit/check.h"

enum { LISTENERS = 3, USERS = 5 };

static const char *const user_names[USERS] = {"a@x.example", "b@x.example", "c@y.example", "plain", "D@Y.example"};
static const char *const patterns[] = {"a@x.example", "B@X.example", "*@x.example", "*@y.example", "*", "plain", "z"};

struct model {
	struct config config;
	struct network_entry *entries;
	size_t entry_count;
};

static void free_model(struct model *m)
{
	for (size_t i = 0; i < m->config.client_count; i++) {
		if (m->config.clients[i].terms)
			free(m->config.clients[i].terms->users);
		free(m->config.clients[i].terms);
	}
	free(m->config.clients);
	free(m->entries);
}

static void add_network(struct model *m, size_t client, uint8_t third, unsigned prefix)
{
	struct network_entry *e = &m->entries[m->entry_count++];

	*e = (struct network_entry){.number = (int32_t)client};
	e->network.family = AF_INET;
	e->network.prefix = (uint8_t)prefix;
	e->network.octets[0] = 10;
	if (prefix >= 24)
		e->network.octets[2] = third;
	m->config.clients[client].network_count++;
}

static void make_client(struct model *m, size_t client, struct random *r)
{
	struct config_client *c = &m->config.clients[client];
	unsigned kinds = (unsigned)random_below(r, 8);
	bool devices = random_below(r, 3) == 0;

	if (kinds & 3 || devices) {
		c->terms = calloc(1, sizeof(*c->terms));
		c->terms->narrows = true;
		c->terms->devices = devices;
	}
	if (kinds & 1) {
		c->terms->user_count = 1 + random_below(r, 2);
		c->terms->users = calloc(c->terms->user_count, sizeof(char *));
		for (size_t u = 0; u < c->terms->user_count; u++) {
			c->terms->users[u] = (char *)(uintptr_t)patterns[random_below(r, 7)];
			c->terms->any_user |= strcmp(c->terms->users[u], "*") == 0;
		}
	}
	if (kinds & 2)
		c->terms->listeners = 1 + random_below(r, (1 << LISTENERS) - 1);
	for (size_t n = (kinds & 4) || !c->terms ? 1 + random_below(r, 3) : 0; n > 0; n--)
		add_network(m, client, (uint8_t)random_below(r, 6), random_below(r, 10) ? 24 : 8);
}

static bool user_fits(const char *pattern, const char *user)
{
	const char *at = strrchr(user, '@');

	if (strcmp(pattern, "*") == 0)
		return true;
	if (pattern[0] == '*')
		return at && user_names_same(pattern + 1, strlen(pattern + 1), at, strlen(at));
	return user_names_same(pattern, strlen(pattern), user, strlen(user));
}

static int look_at_each(const struct model *m, uint8_t third, size_t listener, const char *user, bool device)
{
	for (size_t i = 0; i < m->config.client_count; i++) {
		const struct config_client *c = &m->config.clients[i];
		bool network = c->network_count == 0, who = !c->terms || c->terms->user_count == 0;
		for (size_t e = 0; e < m->entry_count; e++)
			network |= (size_t)m->entries[e].number == i &&
				   (m->entries[e].network.prefix == 8 || m->entries[e].network.octets[2] == third);
		for (size_t u = 0; user && c->terms && u < c->terms->user_count; u++)
			who |= user_fits(c->terms->users[u], user);
		who &= device || !c->terms || !c->terms->devices;
		if (network && who && (!c->terms || !c->terms->listeners || c->terms->listeners >> listener & 1))
			return (int)i;
	}
	return -1;
}

/* The index sorts what it is given. */
static struct client_index *index_of(const struct model *m)
{
	struct network_entry *copy = malloc((m->entry_count + 1) * sizeof(*copy));
	struct client_index *index;

	memcpy(copy, m->entries, m->entry_count * sizeof(*copy));
	index = client_index_new(&m->config, copy, m->entry_count, NULL, NULL);
	free(copy);
	CHECK(index != NULL);
	return index;
}

static void compare(const struct model *m, const struct client_index *index)
{
	struct ring_address address;
	char text[20];

	for (unsigned third = 0; third < 8; third++) {
		snprintf(text, sizeof(text), "10.0.%u.7", third);
		CHECK(address_text_numeric(text, 1, &address));
		for (size_t listener = 0; listener < LISTENERS; listener++) {
			for (size_t u = 0; u < 2 * (USERS + 1); u++) {
				const char *user = u / 2 < USERS ? user_names[u / 2] : NULL;
				const struct client_question question = {
					.address = &address, .listener = listener, .user = user, .device = u & 1};
				CHECK_EQ(client_index_find(index, &question),
					 look_at_each(m, (uint8_t)third, listener, user, u & 1));
			}
		}
	}
}

static void test_against_each(void)
{
	struct random r = {.state = 7};

	for (unsigned round = 0; round < 300; round++) {
		size_t count = 1 + random_below(&r, 12);
		struct model m = {.config = {.client_count = count}};
		struct client_index *index;
		m.config.clients = calloc(count, sizeof(struct config_client));
		m.entries = calloc(count * 4, sizeof(struct network_entry));
		for (size_t i = 0; i < count; i++)
			make_client(&m, i, &r);
		index = index_of(&m);
		compare(&m, index);
		client_index_free(index);
		free_model(&m);
	}
}

/* Nanoseconds of a search, where every entry names a user, a listener and a network of its own. */
static uint64_t cost(size_t count)
{
	enum { SEARCHES = 200000 };
	struct model m = {.config = {.client_count = count}};
	char(*names)[24] = calloc(count, sizeof(*names));
	struct client_index *index;
	struct ring_address address;
	uint64_t began_ns, found = 0;

	m.config.clients = calloc(count, sizeof(struct config_client));
	m.entries = calloc(count, sizeof(struct network_entry));
	for (size_t i = 0; i < count; i++) {
		struct config_client_terms *terms = calloc(1, sizeof(*terms));
		snprintf(names[i], sizeof(names[i]), "u%zu@x.example", i);
		terms->users = calloc(1, sizeof(char *));
		terms->users[0] = i % 3 ? names[i] : (char *)(uintptr_t) "*";
		terms->any_user = i % 3 == 0;
		terms->user_count = 1;
		terms->listeners = 1;
		terms->narrows = true;
		m.config.clients[i].terms = terms;
		add_network(&m, i, 0, 24);
		m.entries[i].network.octets[1] = (uint8_t)(i >> 8);
		m.entries[i].network.octets[2] = (uint8_t)i;
	}
	index = index_of(&m);
	CHECK(address_text_numeric("10.0.7.9", 1, &address));
	began_ns = clock_monotonic_ns();
	for (unsigned i = 0; i < SEARCHES; i++) {
		const struct client_question question = {.address = &address, .user = i & 1 ? names[7] : NULL};
		found += client_index_find(index, &question) == 7;
	}
	began_ns = clock_monotonic_ns() - began_ns;
	CHECK_EQ(found, SEARCHES / 2);
	client_index_free(index);
	free_model(&m);
	free(names);
	return began_ns / SEARCHES;
}

/* Told, and not judged: the machine may be busy. What is judged is that a hundred thousand are not looked through. */
static void test_cost(void)
{
	uint64_t ten = cost(10), many = cost(60000);

	printf("a search among 10: %" PRIu64 " ns, among 60000: %" PRIu64 " ns\n", ten, many);
	CHECK(many < 60000);
}

int main(void)
{
	RUN(test_against_each);
	RUN(test_cost);
	return check_end();
}
