/* tests/unit/test_spool_trail.c - former places of messages: found by id, gone with their segment. */
#include "queue/spool_trail.h"
#include "tests/unit/check.h"

enum { IDS = 1000, SEGMENTS = 20 };

static struct spool_id id_of(unsigned i)
{
	return (struct spool_id){i % 7, i};
}

/* Message i was in all segments that i's number does not divide. */
static bool was_in(unsigned i, uint32_t segment)
{
	return i % (segment + 1) != 0;
}

static void check(const struct spool_trail *trail, const bool *gone)
{
	for (unsigned i = 0; i < IDS; i++) {
		struct spool_id id = id_of(i);
		uint32_t places[SEGMENTS];
		unsigned count = spool_trail_get(trail, &id, places, SEGMENTS), expected = 0;
		for (uint32_t s = 1; s <= SEGMENTS; s++) {
			bool found = false;
			for (unsigned k = 0; k < count; k++)
				found |= places[k] == s;
			CHECK_EQ(found, was_in(i, s) && !gone[s]);
			expected += was_in(i, s) && !gone[s];
		}
		CHECK_EQ(count, expected);
	}
}

static void test_trail(void)
{
	struct spool_trail trail = {0};
	bool gone[SEGMENTS + 1] = {false};

	for (uint32_t s = 1; s <= SEGMENTS; s++)
		for (unsigned i = 0; i < IDS; i++) {
			struct spool_id id = id_of(i);
			if (was_in(i, s))
				CHECK_EQ(spool_trail_add(&trail, &id, s), 0);
		}
	check(&trail, gone);
	for (uint32_t n = 1; n <= SEGMENTS; n++) {
		uint32_t s = n * 8 % (SEGMENTS + 1);
		spool_trail_forget(&trail, s);
		gone[s] = true;
		check(&trail, gone);
	}
	CHECK_EQ(trail.count, 0);
	CHECK(trail.left == NULL);
}

/* More than are asked for: how many there are is told all the same. */
static void test_many(void)
{
	struct spool_trail trail = {0};
	struct spool_id id = {1, 2}, other = {2, 1};
	uint32_t places[2] = {0};

	CHECK_EQ(spool_trail_get(&trail, &id, places, 2), 0);
	for (uint32_t s = 5; s < 10; s++)
		CHECK_EQ(spool_trail_add(&trail, &id, s), 0);
	CHECK_EQ(spool_trail_get(&trail, &id, places, 2), 5);
	CHECK(places[0] && places[1] && places[0] != places[1]);
	CHECK_EQ(spool_trail_get(&trail, &id, NULL, 0), 5);
	CHECK_EQ(spool_trail_get(&trail, &other, places, 2), 0);
	spool_trail_forget(&trail, 99);
	CHECK_EQ(spool_trail_get(&trail, &id, NULL, 0), 5);
	spool_trail_free(&trail);
	CHECK_EQ(spool_trail_get(&trail, &id, NULL, 0), 0);
}

int main(void)
{
	RUN(test_trail);
	RUN(test_many);
	return check_end();
}
