/*
 * tests/unit/test_spool_rig.h - a spool on the simulated disk, and a model of what must be in it.
 *
 * Every message's octets follow from its number, so whatever comes back can be checked. The model knows of each
 * message which answers were given; rig_check() compares that with what recovery found.
 */
#ifndef POSTRIDER_TESTS_SPOOL_RIG_H
#define POSTRIDER_TESTS_SPOOL_RIG_H

#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/disk.h"
#include "queue/spool.h"
#include "tests/sim/world.h"
#include "tests/unit/check.h"

enum { RIG_MESSAGES = 2048, RIG_CONTENT_MAX = 700 * 1024, RIG_DIRECTORIES = 3 };

struct rig_message {
	struct spool_item item; /* first: found from its address */
	struct spool_ticket ticket, state_ticket, done_ticket;
	uint64_t number;
	uint32_t length; /* of the content */
	uint32_t order;  /* of its ticket's answer */
	int result;      /* of the message's ticket; 1: not answered */
	int state_result, done_result;
	uint32_t version;         /* newest state appended; 0: none */
	uint32_t version_durable; /* newest state that was answered, or recovered */
	uint32_t version_found;   /* by recovery */
	uint32_t version_asked;   /* the state the outstanding ticket is for */
	bool used, finished, recovered, forgotten;
};

static struct rig_message rig_messages[RIG_MESSAGES];
static uint32_t rig_count, rig_answers;
static uint8_t rig_buffer[RIG_CONTENT_MAX];
static struct spool *rig_spool;
static struct ring *rig_ring;
static struct spool_report rig_report;
static struct spool_settings rig_settings;
static int rig_directory;
static bool rig_done_untold;

static inline void rig_fill(uint8_t *out, size_t length, uint64_t number)
{
	uint64_t x = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (size_t i = 0; i < length; i++) {
		if (i % 8 == 0)
			x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		out[i] = (uint8_t)(x >> (i % 8 * 8));
	}
}

static inline void rig_defaults(void)
{
	rig_settings = (struct spool_settings){
		.shard = 0,
		.shards = 1,
		.segment_size = 4 * SPOOL_SLAB,
		.size_max = 64ull * SPOOL_SLAB,
		.slabs = 8,
		.writes = 4,
		.seed = 4711,
	};
}

static inline void rig_world(uint64_t seed, bool faults)
{
	struct world_config config;
	if (faults)
		world_config_random(&config, seed);
	else
		world_config_quiet(&config, seed);
	world_open(&config);
	memset(rig_messages, 0, sizeof rig_messages);
	rig_count = 0;
	rig_answers = 0;
	rig_done_untold = false;
	rig_defaults();
}

/* ---- open, turn, close ---- */

static inline void rig_on_live(void *context, const struct spool_live *live)
{
	uint64_t n = live->item.id.low;
	uint8_t envelope[16];
	CHECK(n < rig_count);
	if (n >= rig_count)
		return;
	struct rig_message *m = &rig_messages[n];
	CHECK(!m->recovered);
	m->recovered = true;
	m->item = live->item;
	spool_adopt(live->spool, &m->item);
	rig_fill(envelope, sizeof envelope, n ^ 0xe);
	CHECK(live->envelope_length == sizeof envelope && memcmp(live->envelope, envelope, sizeof envelope) == 0);
	CHECK_EQ(live->content_length, m->length);
	CHECK_EQ(live->wall_ns, 1000 + n);
	uint32_t version = 0;
	if (live->state) {
		CHECK_EQ(live->state_length, sizeof version);
		memcpy(&version, live->state, sizeof version);
	}
	CHECK(version >= m->version_durable && version <= m->version);
	m->version_found = version;
}

/* What the answers promised against what was found; afterwards the model is what was found. */
static inline void rig_check(void)
{
	for (uint32_t i = 0; i < rig_count; i++) {
		struct rig_message *m = &rig_messages[i];
		if (!m->used || m->forgotten)
			continue;
		bool accepted = m->result == 0;
		bool refused = m->result < 0 && m->result != SPOOL_IN_DOUBT;
		bool done = m->finished && m->done_result == 0;
		if (m->recovered) {
			if (refused || done)
				fprintf(stderr, "message %u: result %d done %d came back\n", i, m->result, done);
			CHECK(!refused);
			CHECK(!done);
			m->result = 0;
			m->finished = false;
			m->version = m->version_durable = m->version_found;
		} else {
			if (accepted && !m->finished)
				fprintf(stderr, "message %u was lost\n", i);
			CHECK(!accepted || m->finished);
			m->forgotten = true;
		}
		m->recovered = false;
	}
}

static inline int rig_open_only(void)
{
	/* An earlier recovery may have been interrupted by a crash. */
	for (uint32_t i = 0; i < rig_count; i++)
		rig_messages[i].recovered = false;
	world_engine_enter();
	rig_directory = disk_directory_open("spool", true);
	int result = rig_directory;
	if (result >= 0) {
		rig_settings.directory = rig_directory;
		result = spool_open(&rig_spool, &rig_settings, rig_on_live, NULL, &rig_report);
	}
	world_engine_leave();
	return result;
}

static inline int rig_start_only(void)
{
	struct ring_config config = {.entries = 64, .completions = 256, .buffers = 16, .buffer_size = 512};
	struct ring_problem problem;
	world_engine_enter();
	int result = ring_open(&rig_ring, &config, &problem);
	if (result == 0)
		result = spool_start(rig_spool, rig_ring);
	world_engine_leave();
	return result;
}

static inline void rig_start(void)
{
	CHECK_EQ(rig_open_only(), 0);
	rig_check();
	CHECK_EQ(rig_start_only(), 0);
}

static inline void rig_on_nothing(void *context)
{
}

static inline void rig_turn(void)
{
	world_engine_enter();
	ring_turn(rig_ring, 0);
	spool_flush(rig_spool);
	world_engine_leave();
	/* When nothing will happen, time still goes on: the spool may be waiting to try again. */
	if (!world_step())
		world_after(100 * CLOCK_NS_PER_MS, rig_on_nothing, NULL);
}

static inline void rig_settle(void)
{
	int i = 0;
	do
		rig_turn();
	while (!spool_idle(rig_spool) && ++i < 200000);
	CHECK(spool_idle(rig_spool));
}

static inline void rig_stop(void)
{
	rig_settle();
	world_engine_enter();
	spool_close(rig_spool);
	ring_close(rig_ring);
	disk_close(rig_directory);
	for (uint32_t i = 0; i < rig_count; i++) {
		free(rig_messages[i].item.parts);
		rig_messages[i].item.parts = NULL;
		rig_messages[i].item.part_count = 0;
	}
	world_engine_leave();
	CHECK_EQ(world_allocations_live(), 0);
}

static inline void rig_end(void)
{
	rig_stop();
	world_close();
}

static inline void rig_crash(enum world_crash_kind kind)
{
	for (uint32_t i = 0; i < rig_count; i++) {
		rig_messages[i].item.parts = NULL; /* was the engine's memory */
		rig_messages[i].item.part_count = 0;
	}
	world_crash(kind);
}

/* ---- what the shard does ---- */

static inline void rig_on_message(struct spool_ticket *ticket, int result)
{
	struct rig_message *m = container_of(ticket, struct rig_message, ticket);
	CHECK_EQ(m->result, 1);
	m->result = result;
	m->order = ++rig_answers;
	if (result < 0)
		spool_drop(rig_spool, &m->item);
}

static inline void rig_on_state(struct spool_ticket *ticket, int result)
{
	struct rig_message *m = container_of(ticket, struct rig_message, state_ticket);
	m->state_result = result;
	if (result == 0)
		m->version_durable = m->version_asked;
}

static inline void rig_on_done(struct spool_ticket *ticket, int result)
{
	struct rig_message *m = container_of(ticket, struct rig_message, done_ticket);
	m->done_result = result;
}

static inline int rig_parts(struct rig_message *m, const struct spool_message *message, unsigned count)
{
	m->item.parts = malloc((count + 1) * sizeof *m->item.parts);
	for (unsigned i = 0; i < count; i++) {
		struct iovec piece = {rig_buffer + (size_t)i * SPOOL_CONTENT_MAX, SPOOL_CONTENT_MAX};
		struct spool_message part = {
			.id = message->id, .wall_ns = message->wall_ns, .content = &piece, .content_count = 1};
		int result = spool_append_part(rig_spool, &part, &m->item, NULL);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Appends a message of `length` content octets; longer ones go in parts. *out: the model's entry, or NULL. */
static inline int rig_append_as(uint32_t length, bool report, struct rig_message **out)
{
	struct rig_message *m = &rig_messages[rig_count];
	uint8_t envelope[16];

	if (out)
		*out = NULL;
	*m = (struct rig_message){
		.number = rig_count, .length = length, .result = 1, .state_result = 1, .done_result = 1};
	m->ticket.fn = rig_on_message;
	m->state_ticket.fn = rig_on_state;
	m->done_ticket.fn = rig_on_done;
	m->item.id = (struct spool_id){77, rig_count};
	rig_fill(envelope, sizeof envelope, rig_count ^ 0xe);
	rig_fill(rig_buffer, length, rig_count);
	unsigned parts = length > SPOOL_CONTENT_MAX ? length / SPOOL_CONTENT_MAX : 0;
	struct iovec content[2];
	uint32_t rest = length - parts * SPOOL_CONTENT_MAX, half = rest / 3;
	content[0] = (struct iovec){rig_buffer + (size_t)parts * SPOOL_CONTENT_MAX, half};
	content[1] = (struct iovec){rig_buffer + (size_t)parts * SPOOL_CONTENT_MAX + half, rest - half};
	struct spool_message message = {.id = m->item.id,
					.wall_ns = 1000 + rig_count,
					.envelope = envelope,
					.envelope_length = sizeof envelope,
					.content = content,
					.content_count = 2,
					.report = report};
	world_engine_enter();
	int result = parts ? rig_parts(m, &message, parts) : 0;
	if (result == 0)
		result = spool_append_message(rig_spool, &message, &m->item, &m->ticket);
	if (result < 0) {
		spool_drop(rig_spool, &m->item);
	} else {
		m->used = true;
		rig_count++;
		if (out)
			*out = m;
	}
	world_engine_leave();
	return result;
}

static inline int rig_append(uint32_t length, struct rig_message **out)
{
	return rig_append_as(length, false, out);
}

static inline int rig_state_as(struct rig_message *m, int (*append)(struct spool *, struct spool_item *, uint64_t,
								    const void *, size_t, struct spool_ticket *))
{
	uint32_t version = m->version + 1;
	bool ticket = m->version_asked == 0 || m->state_result != 1;
	world_engine_enter();
	int result = append(rig_spool, &m->item, 5, &version, sizeof version, ticket ? &m->state_ticket : NULL);
	world_engine_leave();
	if (result < 0)
		return result;
	m->version = version;
	if (ticket) {
		m->state_result = 1;
		m->version_asked = version;
	}
	return 0;
}

static inline int rig_state(struct rig_message *m)
{
	return rig_state_as(m, spool_append_state);
}

static inline int rig_done(struct rig_message *m)
{
	world_engine_enter();
	int result = spool_done(rig_spool, &m->item, rig_done_untold ? NULL : &m->done_ticket);
	world_engine_leave();
	if (result == 0)
		m->finished = true;
	return result;
}

static inline bool rig_alive(const struct rig_message *m)
{
	return m->used && !m->forgotten && !m->finished && m->result == 0;
}

/* ---- views ---- */

static int rig_view_result;

static inline void rig_on_view(struct spool_view *view, int result)
{
	rig_view_result = result;
}

/* Views one record, waiting for the disk. The caller releases. */
static inline int rig_view(struct spool_view *view, const struct spool_ref *ref)
{
	*view = (struct spool_view){0};
	rig_view_result = 1;
	world_engine_enter();
	bool now = spool_view(rig_spool, view, ref, rig_on_view);
	world_engine_leave();
	for (int i = 0; !now && rig_view_result == 1 && i < 200000; i++)
		rig_turn();
	return now ? 0 : rig_view_result;
}

/* Content and envelope of a message, all of it. 0, or the first view's error. */
static inline int rig_view_check(struct rig_message *m)
{
	struct spool_view view;
	size_t at = 0;
	rig_fill(rig_buffer, m->length, m->number);
	for (unsigned i = 0; i <= m->item.part_count; i++) {
		bool last = i == m->item.part_count;
		struct spool_ref ref = last ? m->item.message : m->item.parts[i];
		int result = rig_view(&view, &ref);
		if (result == 0) {
			CHECK(at + view.content_length <= m->length);
			CHECK(memcmp(view.content, rig_buffer + at, view.content_length) == 0);
			at += view.content_length;
			CHECK_EQ(view.envelope_length, last ? 16 : 0);
		}
		world_engine_enter();
		spool_view_release(&view);
		world_engine_leave();
		if (result < 0)
			return result;
	}
	CHECK_EQ(at, m->length);
	return 0;
}

#endif
