/* tests/unit/test_spool_room.c - who may have the last of the room (queue/spool_room.c), as one table. */
#include "queue/spool_private.h"
#include "tests/unit/check.h"

enum { MIB = 1 << 20 };

/* Size_max allows ten segments of 64 MiB; the active one has one MiB. */
static struct spool_room room_of(unsigned log, unsigned partial, unsigned least)
{
	return (struct spool_room){.log = log,
				   .max = 10,
				   .least = least,
				   .partial = partial,
				   .size = 64 * MIB,
				   .end = MIB,
				   .usual = 64 * MIB};
}

/* For messages, states, reports, copies, done records: 1 is yes. */
static void test_begins(void)
{
	static const struct {
		const char *when;
		unsigned log, partial, least;
		bool relieved;
		bool begins[5];
	} table[] = {
		{"plenty", 3, 0, 1, false, {1, 1, 1, 1, 1}},
		{"messages may begin the last but two", 7, 0, 1, false, {1, 1, 1, 1, 1}},
		{"the last but one is for states", 8, 0, 1, false, {0, 1, 1, 1, 1}},
		{"the last is for copies", 9, 0, 1, false, {0, 0, 0, 1, 1}},
		{"size_max", 10, 0, 1, false, {0, 0, 0, 0, 1}},
		{"more than size_max", 12, 0, 1, false, {0, 0, 0, 0, 1}},
		{"one is far from whole", 10, 1, 1, false, {0, 0, 0, 1, 1}},
		{"in its place", 11, 1, 1, false, {0, 0, 0, 0, 1}},
		{"a start found more", 20, 0, 20, false, {0, 0, 0, 1, 1}},
		{"and that is one more", 21, 0, 20, false, {0, 0, 0, 0, 1}},
		{"it has shrunk since", 20, 0, 19, false, {0, 0, 0, 0, 1}},
		{"it had as many", 10, 0, 10, false, {0, 0, 0, 1, 1}},
		{"a report had no room", 9, 0, 1, true, {0, 0, 1, 1, 1}},
		{"nor at size_max", 10, 0, 1, true, {0, 0, 1, 1, 1}},
		{"it has one above, copies another", 11, 0, 1, true, {0, 0, 0, 1, 1}},
		{"and that is all", 12, 0, 1, true, {0, 0, 0, 0, 1}},
		{"where a start found more, too", 21, 0, 20, true, {0, 0, 1, 1, 1}},
		{"one each", 22, 0, 20, true, {0, 0, 0, 1, 1}},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct spool_room room = room_of(table[i].log, table[i].partial, table[i].least);
		room.relieved = table[i].relieved;
		for (unsigned need = SPOOL_NEED_MESSAGE; need <= SPOOL_NEED_DONE; need++) {
			if (spool_room_begins(&room, need) != table[i].begins[need])
				fprintf(stderr, "%s: need %u\n", table[i].when, need);
			CHECK_EQ(spool_room_begins(&room, need), table[i].begins[need]);
		}
	}
}

static void test_fills(void)
{
	static const struct {
		const char *when;
		bool last;
		uint32_t size, end;
		bool fills[5], on_full_disk;
	} table[] = {
		{"others may be had", false, 64 * MIB, 48 * MIB, {1, 1, 1, 1, 1}, true},
		{"just begun", true, 64 * MIB, MIB, {0, 1, 1, 1, 1}, true},
		{"nearly half", true, 64 * MIB, 32 * MIB - 1, {0, 1, 1, 1, 1}, true},
		{"half", true, 64 * MIB, 32 * MIB, {0, 0, 1, 1, 1}, true},
		{"three quarters", true, 64 * MIB, 48 * MIB, {0, 0, 0, 1, 1}, true},
		{"three quarters, of size_max", true, 64 * MIB, 48 * MIB, {0, 0, 1, 1, 1}, false},
		{"a small one", true, 8 * MIB, MIB, {0, 0, 0, 1, 1}, true},
		{"none", true, 0, 0, {0, 0, 0, 1, 1}, true},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct spool_room room = room_of(3, 0, 1);
		room.last = table[i].last;
		room.disk = table[i].on_full_disk;
		room.size = table[i].size;
		room.end = table[i].end;
		for (unsigned need = SPOOL_NEED_MESSAGE; need <= SPOOL_NEED_DONE; need++) {
			if (spool_room_fills(&room, need) != table[i].fills[need])
				fprintf(stderr, "%s: need %u\n", table[i].when, need);
			CHECK_EQ(spool_room_fills(&room, need), table[i].fills[need]);
		}
	}
}

/* Nobody who is kept out later is kept out earlier, whatever the log is like. */
static void test_order(void)
{
	for (unsigned log = 0; log < 30; log++)
		for (unsigned least = 0; least <= log; least++)
			for (unsigned bits = 0; bits < 32; bits++) {
				struct spool_room room = room_of(log, bits & 4 ? 2 : 0, least);
				room.last = bits & 1;
				room.end = bits & 2 ? 40 * MIB : MIB;
				room.disk = bits & 8;
				room.relieved = bits & 16;
				for (unsigned need = SPOOL_NEED_STATE; need <= SPOOL_NEED_DONE; need++) {
					CHECK(spool_room_fills(&room, need) || !spool_room_fills(&room, need - 1));
					CHECK(spool_room_begins(&room, need) || !spool_room_begins(&room, need - 1));
				}
			}
}

static void test_copies(void)
{
	static const struct {
		const char *when;
		unsigned log;
		bool disk, last;
		uint32_t end, octets, records;
		bool holds;
	} table[] = {
		{"another can be begun", 9, false, false, MIB, 63 * MIB, 1000, true},
		{"not at size_max", 10, false, false, MIB, 63 * MIB, 1000, false},
		{"in the rest", 10, false, false, 32 * MIB, 31 * MIB, 1000, true},
		{"not quite", 10, false, false, 32 * MIB, 32 * MIB, 1000, false},
		{"a full disk, with a spare", 3, true, false, MIB, 63 * MIB, 1000, true},
		{"half of the rest", 3, true, true, 32 * MIB, 15 * MIB, 100, true},
		{"each record a block", 3, true, true, 32 * MIB, 15 * MIB, 300, false},
		{"more than half", 3, true, true, 32 * MIB, 17 * MIB, 1, false},
		{"whole slabs only", 3, true, true, 62 * MIB + 1, MIB / 2, 1, false},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct spool_room room = room_of(table[i].log, 0, 1);
		room.disk = table[i].disk;
		room.last = table[i].last;
		room.end = table[i].end;
		bool holds = spool_room_holds(&room, table[i].octets, table[i].records);
		if (holds != table[i].holds)
			fprintf(stderr, "%s\n", table[i].when);
		CHECK_EQ(holds, table[i].holds);
	}
}

int main(void)
{
	RUN(test_begins);
	RUN(test_fills);
	RUN(test_order);
	RUN(test_copies);
	return check_end();
}
