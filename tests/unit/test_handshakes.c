/* tests/unit/test_handshakes.c - where there is no room for another handshake, the oldest of whoever has most goes;
 * and who is ready takes turns by address. */
#include "core/receive/handshakes.h"

#include "core/base/address_text.h"
#include "tests/unit/check.h"

static struct handshakes handshakes;
static struct list places[HANDSHAKES_MAX + 1];

static uint8_t share_of(const char *text)
{
	struct ring_address address;

	CHECK(address_text_numeric(text, 1, &address));
	return handshakes_share(&handshakes, &address);
}

/* Places `from` up to `to` are that address's. */
static void enter(unsigned from, unsigned to, const char *text)
{
	for (; from < to; from++) {
		list_init(&places[from]);
		CHECK(!handshakes_full(&handshakes));
		handshakes_enter(&handshakes, share_of(text), &places[from]);
	}
}

static void test_who_goes(void)
{
	handshakes_init(&handshakes, 1);
	CHECK(share_of("192.0.2.1") != share_of("192.0.2.2"));
	/* An older one whose address has only a few stays. */
	enter(0, 3, "192.0.2.1");
	enter(3, HANDSHAKES_MAX, "192.0.2.2");
	CHECK(handshakes_full(&handshakes) == &places[3]);
	handshakes_leave(&handshakes, share_of("192.0.2.2"), &places[3]);
	enter(HANDSHAKES_MAX, HANDSHAKES_MAX + 1, "192.0.2.1");
	CHECK(handshakes_full(&handshakes) == &places[4]);
	/* One in the middle has ended. */
	handshakes_leave(&handshakes, share_of("192.0.2.1"), &places[1]);
	CHECK(!list_linked(&places[1]));
	CHECK(!handshakes_full(&handshakes));
}

/* Thousands of addresses with one each: somebody goes, and everybody can leave. */
static void test_many(void)
{
	char text[32];

	handshakes_init(&handshakes, 2);
	for (unsigned i = 0; i < HANDSHAKES_MAX; i++) {
		snprintf(text, sizeof(text), "198.51.%u.%u", i / 250, i % 250);
		enter(i, i + 1, text);
	}
	CHECK(handshakes_full(&handshakes) != NULL);
	for (unsigned i = 0; i < HANDSHAKES_MAX; i++) {
		snprintf(text, sizeof(text), "198.51.%u.%u", i / 250, i % 250);
		handshakes_leave(&handshakes, share_of(text), &places[i]);
	}
	CHECK_EQ(handshakes.count, 0);
	for (unsigned i = 0; i < HANDSHAKES_SHARES; i++) {
		CHECK_EQ(handshakes.shares[i].count, 0);
		CHECK(list_empty(&handshakes.shares[i].places));
	}
}

static void test_shares(void)
{
	handshakes_init(&handshakes, 1);
	/* One site, and one address in two forms. */
	CHECK_EQ(share_of("2001:db8::1"), share_of("2001:db8::ffff:2"));
	CHECK(share_of("2001:db8::1") != share_of("2001:db8:0:1::1"));
	CHECK_EQ(share_of("192.0.2.1"), share_of("::ffff:192.0.2.1"));
}

/* Turns go round the addresses: a hundred of one do not come before the first of another. */
static void test_turns(void)
{
	const char *who[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
	struct list *order[6];

	handshakes_init(&handshakes, 1);
	CHECK(!handshakes_waiting(&handshakes));
	for (unsigned i = 0; i < 104; i++) {
		list_init(&places[i]);
		handshakes_ready(&handshakes, share_of(who[i < 100 ? 0 : i < 102 ? 1 : 2]), &places[i], false);
	}
	list_remove(&places[102]); /* it has gone */
	for (unsigned i = 0; i < 6; i++)
		order[i] = handshakes_next(&handshakes);
	CHECK(order[0] == &places[0]);
	CHECK(order[1] == &places[100]);
	CHECK(order[2] == &places[103]);
	CHECK(order[3] == &places[1]);
	CHECK(order[4] == &places[101]);
	CHECK(order[5] == &places[2]);
	for (unsigned i = 3; i < 100; i++) {
		CHECK(handshakes_waiting(&handshakes));
		CHECK(handshakes_next(&handshakes) == &places[i]);
	}
	CHECK(!handshakes_next(&handshakes));
	/* All of an address have gone before its turn. */
	handshakes_ready(&handshakes, share_of(who[0]), &places[0], false);
	list_remove(&places[0]);
	CHECK(!handshakes_next(&handshakes));
	handshakes_ready(&handshakes, share_of(who[0]), &places[0], false);
	CHECK(handshakes_next(&handshakes) == &places[0]);
}

/* Those that were answered come first of their address, and not before others. */
static void test_answered(void)
{
	handshakes_init(&handshakes, 1);
	enter(0, 3, "192.0.2.1");
	handshakes_answered(&handshakes, share_of("192.0.2.1"), &places[0]);
	CHECK(handshakes.shares[share_of("192.0.2.1")].places.next == &places[1]);
	for (unsigned i = 10; i < 15; i++)
		list_init(&places[i]);
	handshakes_ready(&handshakes, share_of("192.0.2.1"), &places[10], false);
	handshakes_ready(&handshakes, share_of("192.0.2.1"), &places[11], false);
	handshakes_ready(&handshakes, share_of("192.0.2.2"), &places[12], false);
	handshakes_ready(&handshakes, share_of("192.0.2.1"), &places[13], true);
	CHECK(handshakes_next(&handshakes) == &places[13]);
	CHECK(handshakes_next(&handshakes) == &places[12]);
	CHECK(handshakes_next(&handshakes) == &places[10]);
	CHECK(handshakes_next(&handshakes) == &places[11]);
}

/* A whole site behind one address comes back, faster than it can be dealt with: some of it gets in. */
static void test_storm(void)
{
	enum { EACH_TURN = 3, TURNS = 5000, MANY = HANDSHAKES_MAX + 1 };
	static struct client {
		struct list place, ready;
		bool answered;
	} clients[MANY];
	struct client *replying = NULL, *at;
	uint8_t share = share_of("192.0.2.1");
	unsigned complete = 0, next = 0;
	struct list *link;

	handshakes_init(&handshakes, 1);
	for (unsigned i = 0; i < MANY; i++) {
		list_init(&clients[i].place);
		list_init(&clients[i].ready);
	}
	for (unsigned turn = 0; turn < TURNS; turn++) {
		for (unsigned i = 0; i < EACH_TURN; i++) {
			if ((link = handshakes_full(&handshakes)) != NULL) {
				at = container_of(link, struct client, place);
				handshakes_leave(&handshakes, share, &at->place);
				list_remove(&at->ready);
				replying = replying == at ? NULL : replying;
			}
			while (list_linked(&clients[next].place))
				next = (next + 1) % MANY;
			clients[next].answered = false;
			handshakes_enter(&handshakes, share, &clients[next].place);
			handshakes_ready(&handshakes, share, &clients[next].ready, false);
		}
		if (replying)
			handshakes_ready(&handshakes, share, &replying->ready, true);
		replying = NULL;
		link = handshakes_next(&handshakes);
		at = container_of(link, struct client, ready);
		if (at->answered) {
			handshakes_leave(&handshakes, share, &at->place);
			complete++;
		} else {
			at->answered = true;
			handshakes_answered(&handshakes, share, &at->place);
			replying = at;
		}
	}
	CHECK(complete > TURNS / 3);
}

int main(void)
{
	RUN(test_who_goes);
	RUN(test_many);
	RUN(test_shares);
	RUN(test_turns);
	RUN(test_answered);
	RUN(test_storm);
	return check_end();
}
