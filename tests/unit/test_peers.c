/* tests/unit/test_peers.c - what an address has had is remembered as long as it counts, and strangers push out nobody
 * but strangers (DOS-02). */
#include "core/receive/peers.h"

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "tests/unit/check.h"

#define S CLOCK_NS_PER_S

enum { MANY = 200000 };

static uint64_t now_ns = 1000 * S;

static struct peer *enter(struct peers *peers, const char *text, unsigned *open)
{
	struct ring_address address;

	CHECK(address_text_numeric(text, 1, &address));
	return peers_enter(peers, &address, now_ns, open);
}

static void test_open(void)
{
	struct peers *peers = peers_new(1);
	struct peer *one, *again, *other;
	unsigned open;

	one = enter(peers, "192.0.2.1", &open);
	CHECK_EQ(open, 1);
	again = enter(peers, "::ffff:192.0.2.1", &open);
	CHECK_EQ(open, 2);
	CHECK(one == again);
	other = enter(peers, "2001:db8::1", &open);
	CHECK_EQ(open, 1);
	CHECK(enter(peers, "2001:db8::ffff:2", &open) == other);
	CHECK_EQ(open, 2);
	peers_leave(peers, one, true, now_ns);
	peers_leave(peers, one, true, now_ns);
	peers_leave(peers, other, false, now_ns);
	CHECK_EQ(peers_count(peers), 1);
	peers_leave(peers, other, false, now_ns);
	CHECK_EQ(peers_count(peers), 0);
	peers_free(peers);
}

/* One that connects for each message has its minute's, and no more; then evenly. */
static void test_minute(void)
{
	struct peers *peers = peers_new(2);
	unsigned taken = 0, open;
	struct peer *peer;

	for (unsigned i = 0; i < 100; i++) {
		peer = enter(peers, "192.0.2.1", &open);
		CHECK_EQ(open, 1);
		taken += peers_take(peer, QUOTA_MESSAGES, now_ns, 60, 1);
		peers_leave(peers, peer, true, now_ns);
	}
	CHECK_EQ(taken, 60);
	for (unsigned i = 0; i < 120; i++) {
		now_ns += S / 2;
		peer = enter(peers, "192.0.2.1", &open);
		taken += peers_take(peer, QUOTA_MESSAGES, now_ns, 60, 1);
		peers_leave(peers, peer, true, now_ns);
	}
	CHECK_EQ(taken, 120);
	/* Another kind, and what is given back. */
	peer = enter(peers, "192.0.2.1", &open);
	CHECK(!peers_has(peer, QUOTA_MESSAGES, now_ns, 60, 1));
	CHECK(peers_take(peer, QUOTA_OCTETS, now_ns, 1000, 900));
	CHECK(!peers_take(peer, QUOTA_OCTETS, now_ns, 1000, 200));
	CHECK(!peers_has(peer, QUOTA_OCTETS, now_ns, 1000, 101));
	peers_give_back(peer, QUOTA_OCTETS, 1000, 900);
	/* Errors are counted apart, and come back one by one. */
	for (unsigned i = 0; i < 10; i++)
		CHECK(peers_take(peer, QUOTA_ERRORS, now_ns, 10, 1));
	CHECK(!peers_take(peer, QUOTA_ERRORS, now_ns, 10, 1));
	CHECK(!peers_has(peer, QUOTA_ERRORS, now_ns + 5 * S, 10, 1));
	CHECK(peers_has(peer, QUOTA_ERRORS, now_ns + 6 * S, 10, 1));
	/* More than all of it goes alone. */
	CHECK(peers_take(peer, QUOTA_OCTETS, now_ns, 1000, 5000));
	CHECK(!peers_take(peer, QUOTA_OCTETS, now_ns, 1000, 1));
	CHECK(peers_take(peer, QUOTA_OCTETS, now_ns, 0, 5000));
	peers_leave(peers, peer, true, now_ns);
	CHECK_EQ(peers_count(peers), 1);
	/* A minute later nothing of it counts, and whoever comes sweeps it out. */
	now_ns += 120 * S;
	for (unsigned i = 0; i < 10000 && peers_count(peers) > 0; i++) {
		char text[32];
		snprintf(text, sizeof(text), "198.51.%u.%u", i / 200, i % 200);
		peers_leave(peers, enter(peers, text, &open), false, now_ns);
	}
	CHECK_EQ(peers_count(peers), 0);
	peers_free(peers);
}

/* A prefix full of strangers: they are bounded, and a client that went before all of them is still known. */
static void test_many(void)
{
	struct peers *peers = peers_new(3);
	struct peer *peer;
	unsigned open;

	peer = enter(peers, "192.0.2.1", &open);
	for (unsigned i = 0; i < 60; i++)
		CHECK(peers_take(peer, QUOTA_MESSAGES, now_ns, 60, 1));
	peers_leave(peers, peer, true, now_ns);
	for (unsigned i = 0; i < MANY; i++) {
		struct ring_address address = {.length = sizeof(address.v6)};
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_addr.s6_addr[0] = 0x20;
		address.v6.sin6_addr.s6_addr[5] = (uint8_t)(i >> 16);
		address.v6.sin6_addr.s6_addr[6] = (uint8_t)(i >> 8);
		address.v6.sin6_addr.s6_addr[7] = (uint8_t)i;
		peer = peers_enter(peers, &address, now_ns, &open);
		CHECK_EQ(open, 1);
		CHECK(peers_take(peer, QUOTA_CONNECTIONS, now_ns, 5, 1));
		peers_leave(peers, peer, false, now_ns);
	}
	CHECK(peers_count(peers) <= PEERS_STRIPES * PEERS_REMEMBERED);
	peer = enter(peers, "192.0.2.1", &open);
	CHECK(!peers_take(peer, QUOTA_MESSAGES, now_ns, 60, 1));
	peers_leave(peers, peer, true, now_ns);
	peers_free(peers);
}

int main(void)
{
	RUN(test_open);
	RUN(test_minute);
	RUN(test_many);
	return check_end();
}
