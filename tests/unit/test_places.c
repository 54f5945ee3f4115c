/*
 * tests/unit/test_places.c - core/control/places.c: whoever only connects takes places from his like alone.
 */
#include "core/control/places.h"

#include "core/base/address_text.h"
#include "tests/unit/check.h"

static struct places_from from(const char *text)
{
	struct places_from out;
	struct ring_address address;

	CHECK(address_text_numeric(text, 0, &address));
	places_from_address(&address, &out);
	return out;
}

static int come(struct places *p, struct places_from who, int *leaves)
{
	return places_take(p, &who, leaves);
}

static unsigned staying(const struct places *p, const struct places_from *of)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PLACES_SLOTS; i++)
		n += p->slots[i].taken && !p->slots[i].leaving &&
		     (!of || (p->slots[i].from.kind == of->kind && p->slots[i].from.network == of->network));
	return n;
}

static void test_networks(void)
{
	static const struct {
		const char *a, *b;
		bool network, site;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", true, true},
		{"192.0.2.1", "192.0.2.2", false, false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true, true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false, true},
		{"2001:db8:1:2::1", "2001:db8:2:2::1", false, false},
		{"::ffff:192.0.2.1", "192.0.2.1", true, true},
		{"::1", "127.0.0.1", false, false},
		{"::c000:201", "192.0.2.1", false, false},
		{"0:0:c000:201::", "192.0.2.1", false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct places_from a = from(rows[i].a), b = from(rows[i].b);
		CHECK_EQ(a.kind == b.kind && a.network == b.network, rows[i].network);
		CHECK_EQ(a.kind == b.kind && a.site == b.site, rows[i].site);
	}
}

/* One network has its share, whatever addresses it comes from, and then ends its own oldest. */
static void test_one_network(void)
{
	struct places p = {.numbers = 0};
	struct places_from mine = from("2001:db8::1");
	int leaves, first = -1, other;
	char text[60];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "2001:db8::%x:%x", i + 1, i * 7);
		int slot = come(&p, from(text), &leaves);
		CHECK(slot >= 0);
		CHECK_EQ(leaves >= 0, i >= PLACES_NETWORK_MAX);
		first = i == 0 ? slot : first;
		if (i == PLACES_NETWORK_MAX)
			CHECK_EQ(leaves, first);
		if (leaves >= 0)
			places_give_back(&p, leaves);
		CHECK(staying(&p, &mine) <= PLACES_NETWORK_MAX);
	}
	other = come(&p, from("192.0.2.1"), &leaves);
	CHECK(other >= 0 && leaves < 0);
}

/* However many networks connect and say nothing, who is let in stays, and who comes has a place. */
static void test_many_networks(void)
{
	struct places p = {.numbers = 0};
	struct places_from alice = from("198.51.100.7");
	int leaves, in = come(&p, alice, &leaves), waits;
	char text[60];

	places_let_in(&p, in);
	waits = come(&p, from("203.0.113.9"), &leaves);
	CHECK(waits >= 0);
	for (unsigned i = 0; i < 100000; i++) {
		/* A /48 of his, that looks like as many sites. */
		snprintf(text, sizeof(text), "2001:db8:77:%x::1", i % 65536);
		int slot = come(&p, from(text), &leaves);
		CHECK(slot >= 0);
		CHECK(leaves != in && leaves != waits);
		if (leaves >= 0)
			places_give_back(&p, leaves);
		CHECK(staying(&p, NULL) <= PLACES_MAX);
	}
	CHECK(p.slots[in].taken && !p.slots[in].leaving);
	CHECK(p.slots[waits].taken && !p.slots[waits].leaving);
	CHECK(come(&p, alice, &leaves) >= 0);
}

/* Who was let in is not sent away: then who comes is not taken, but where he could not have been anyway. */
static void test_all_let_in(void)
{
	struct places p = {.numbers = 0};
	struct places_from one = from("192.0.2.1"), other = from("192.0.2.2");
	int leaves, slot;

	for (unsigned i = 0; i < PLACES_MAX; i++) {
		slot = come(&p, i < PLACES_NETWORK_MAX ? one : other, &leaves);
		CHECK(slot >= 0 && leaves < 0);
		places_let_in(&p, slot);
		if (i == PLACES_NETWORK_MAX - 1)
			CHECK_EQ(come(&p, one, &leaves), -1);
	}
	CHECK_EQ(come(&p, from("192.0.2.3"), &leaves), -1);
	CHECK_EQ(leaves, -1);
	places_give_back(&p, slot);
	CHECK(come(&p, from("192.0.2.3"), &leaves) >= 0);
}

/* Those who have to go and are not gone yet count no more, and have no end of slots. */
static void test_who_does_not_go(void)
{
	struct places p = {.numbers = 0};
	struct places_from one = from("192.0.2.1");
	int leaves;
	unsigned n = 0;

	while (come(&p, one, &leaves) >= 0 && n <= PLACES_SLOTS)
		n++;
	CHECK_EQ(n, PLACES_SLOTS);
	CHECK_EQ(staying(&p, &one), PLACES_NETWORK_MAX);
}

static void test_users(void)
{
	struct places p = {.numbers = 0};
	struct places_from root, other;
	int leaves, slot;
	unsigned n = 0;

	places_from_user(1000, &other);
	places_from_user(0, &root);
	for (; n < PLACES_NETWORK_MAX; n++) {
		slot = come(&p, other, &leaves);
		CHECK(slot >= 0 && leaves < 0);
		places_let_in(&p, slot);
	}
	CHECK_EQ(come(&p, other, &leaves), -1);
	for (; n < PLACES_MAX; n++) {
		slot = come(&p, root, &leaves);
		CHECK(slot >= 0 && leaves < 0);
		places_let_in(&p, slot);
	}
}

/* Two users who were let in have all places: root is given one of who has most, and nobody else is. */
static void test_root_is_not_shut_out(void)
{
	struct places p = {.numbers = 0};
	struct places_from root, one, other, third;
	int leaves, slot, first = -1, mine;

	places_from_user(0, &root);
	places_from_user(1000, &one);
	places_from_user(1001, &other);
	places_from_user(1002, &third);
	for (unsigned n = 0; n < PLACES_MAX; n++) {
		slot = come(&p, n < PLACES_MAX - PLACES_NETWORK_MAX ? other : one, &leaves);
		CHECK(slot >= 0 && leaves < 0);
		places_let_in(&p, slot);
		first = n == PLACES_MAX - PLACES_NETWORK_MAX ? slot : first;
	}
	CHECK_EQ(come(&p, third, &leaves), -1);
	mine = come(&p, root, &leaves);
	CHECK(mine >= 0);
	CHECK_EQ(leaves, first);
	places_let_in(&p, mine);
	CHECK_EQ(come(&p, third, &leaves), -1);
	CHECK_EQ(come(&p, one, &leaves), -1);
	/* His own are left to him: when all are his there is no more. */
	for (unsigned n = 1; n < PLACES_MAX; n++) {
		places_give_back(&p, first);
		slot = come(&p, root, &first);
		CHECK(slot >= 0 && first >= 0 && first != mine);
		places_let_in(&p, slot);
	}
	CHECK_EQ(staying(&p, &root), PLACES_MAX);
	CHECK_EQ(come(&p, root, &leaves), -1);
}

int main(void)
{
	RUN(test_networks);
	RUN(test_one_network);
	RUN(test_many_networks);
	RUN(test_all_let_in);
	RUN(test_who_does_not_go);
	RUN(test_users);
	RUN(test_root_is_not_shut_out);
	return check_end();
}
