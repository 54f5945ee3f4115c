/*
 * tests/unit/test_place.c - which lane a message takes, and which shard a connection.
 */
#include "core/route/place.h"

#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "tests/unit/check.h"

static void test_leave(void)
{
	static const struct {
		uint64_t ready_home, ready_there;
		uint32_t busy_home, busy_there;
		bool leave;
	} cases[] = {
		{0, 0, 0, 0, false},
		{0, 0, 1000, 1000, false},
		{PLACE_READY, 0, 0, 0, false},
		{PLACE_READY + 1, 0, 0, 0, true},
		{PLACE_READY + 1, 1, 0, 0, false},
		{1000000, 1000000, 0, 0, false},
		/* Room elsewhere decides even when the other is as busy. */
		{PLACE_READY + 1, 0, 1000, 1000, true},
		{0, 0, PLACE_BUSY, 0, true},
		{0, 0, PLACE_BUSY - 1, 0, false},
		{0, 0, 1000, 1000 - PLACE_BUSY_LESS, true},
		{0, 0, 1000, 1001 - PLACE_BUSY_LESS, false},
		{0, 5000, 1000, 0, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_EQ(
			place_leave(cases[i].ready_home, cases[i].ready_there, cases[i].busy_home, cases[i].busy_there),
			cases[i].leave);
}

/* Three shards; a destination with a lane on each, beginning with shard 2, and one with a single lane on shard 1. */
static struct shard shards[3];
static struct shard *shard_list[3] = {&shards[0], &shards[1], &shards[2]};
static struct lane_plan lanes[4] = {{.owner = 2}, {.owner = 0}, {.owner = 1}, {.destination = 1, .owner = 1}};
static struct destination_plan destinations[2] = {{.first_lane = 0, .lanes = 3}, {.first_lane = 3, .lanes = 1}};
static struct plan plan = {.destinations = destinations, .lanes = lanes, .lane_count = 4};

static void test_choose(void)
{
	for (unsigned i = 0; i < 3; i++) {
		shards[i].plan = &plan;
		shards[i].index = i;
		shards[i].count = 3;
		shards[i].all = shard_list;
	}
	for (uint64_t hash = 0; hash < 6; hash++) {
		CHECK_EQ(place_choose(&shards[2], 0, hash), 0);
		CHECK_EQ(place_choose(&shards[0], 0, hash), 1);
		CHECK_EQ(place_choose(&shards[1], 0, hash), 2);
		for (unsigned i = 0; i < 3; i++)
			CHECK_EQ(place_choose(&shards[i], 1, hash), 3);
	}
	/* A backlog in shard 0's lane: its messages spread by their hash, those of the others stay. */
	place_lane_ready(&shards[0], 1, PLACE_READY + 2 * PLACE_READY_STEP);
	for (uint64_t hash = 0; hash < 6; hash++) {
		CHECK_EQ(place_choose(&shards[0], 0, hash), hash % 3);
		CHECK_EQ(place_choose(&shards[2], 0, hash), 0);
	}
	place_lane_ready(&shards[0], 1, 0);
	CHECK_EQ(place_choose(&shards[0], 0, 0), 1);
	atomic_store(&shards[0].load.busy, 1000);
	atomic_store(&shards[1].load.busy, 900);
	for (uint64_t hash = 0; hash < 6; hash++)
		CHECK_EQ(place_choose(&shards[0], 0, hash), hash % 3 == 2 ? 1 : hash % 3);
}

static void test_connection(void)
{
	static const struct {
		uint32_t busy[3], connections[3];
		unsigned chosen;
	} cases[] = {
		{{0, 0, 0}, {0, 0, 0}, 0},
		{{0, 0, 0}, {LOAD_CONNECTIONS - 1, 0, 0}, 0},
		{{0, 0, 0}, {LOAD_CONNECTIONS, 0, 0}, 1},
		{{0, 0, 0}, {LOAD_CONNECTIONS, LOAD_CONNECTIONS, 0}, 2},
		{{0, 0, 0}, {LOAD_CONNECTIONS, LOAD_CONNECTIONS, 1}, 0},
		{{LOAD_SPARE - 1, 0, 0}, {1, 0, 0}, 0},
		{{LOAD_SPARE, 0, 0}, {1, 0, 0}, 1},
		{{1000, 1000, 0}, {0, 0, 0}, 2},
		/* All are busy, or those that are not have too many: the one with the fewest. */
		{{1000, 1000, 1000}, {5, 4, 6}, 1},
		{{1000, 0, 1000}, {3, 3 + LOAD_CONNECTIONS, 4}, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned k = 0; k < 3; k++) {
			atomic_store(&shards[k].load.busy, cases[i].busy[k]);
			atomic_store(&shards[k].load.connections, cases[i].connections[k]);
		}
		CHECK_EQ(load_connection(&shards[0]), cases[i].chosen);
	}
	load_connection_came(&shards[1]);
	load_connection_came(&shards[1]);
	load_connection_gone(&shards[1]);
	CHECK_EQ(atomic_load(&shards[1].load.connections), 4 + LOAD_CONNECTIONS);
}

int main(void)
{
	RUN(test_leave);
	RUN(test_choose);
	RUN(test_connection);
	return check_end();
}
