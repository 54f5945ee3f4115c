/*
 * tests/sim/test_relay_newer.c - mail of which a later version wrote something that must be understood.
 *
 * It is held and told of, whatever happens beside it: neither sent, nor failed, nor recycled (queue/README.md).
 */
#include <stdlib.h>

#include "core/base/disk.h"
#include "queue/envelope.h"
#include "queue/spool_private.h"
#include "queue/state.h"
#include "tests/sim/sim.h"
#include "tests/sim/test_relay.h"

enum { OF_LATER = 40, OF_LATER_FATE = 90, HELD = 2 };

static void nobody(void *context, const struct spool_live *live)
{
	sim_bug("an empty spool has mail");
}

static size_t make_envelope(uint8_t *out, size_t room, bool later)
{
	struct envelope fields = {.sender = span_text("s@later.example")};
	struct envelope_writer w;

	envelope_begin(&w, out, room, &fields);
	if (later)
		field_put(&w.fields, OF_LATER | FIELD_MUST, NULL, 0);
	envelope_add_destination(&w, span_text("one"));
	envelope_add_recipient(&w, 0, span_text("r@later.example"));
	return envelope_end(&w);
}

static size_t make_state(uint8_t *out, size_t room)
{
	struct state_fate fate = {.status = RECIPIENT_PENDING};
	struct state_writer w;
	unsigned number;

	state_begin(&w, out, room);
	number = state_add_fate(&w, &fate);
	field_put(&w.fields, OF_LATER_FATE | FIELD_MUST, "\1", 1);
	state_add(&w, number, 1);
	return state_end(&w);
}

static void append(struct rig *rig, struct spool *spool, uint64_t id, enum spool_type type, const void *data,
		   size_t length)
{
	struct iovec content = {(void *)(uintptr_t) "x\r\n", type == SPOOL_MESSAGE ? 3 : 0};
	struct spool_append record = {
		.type = type,
		.id = {1, id},
		.wall_ns = 1,
		.envelope = data,
		.envelope_length = length,
		.content = &content,
		.content_count = 1,
	};
	struct spool_ref ref;

	if (length == 0 || spool_append(spool, &record, SPOOL_NEED_DONE, &ref, NULL) < 0)
		rig_fail(rig, "the record cannot be written");
}

/* As the later version leaves it: a message of that kind, and one with such a state. */
static void leave_mail(struct rig *rig)
{
	struct spool_settings settings = {
		.segment_size = 4u << 20, .size_max = 128u << 20, .slabs = 8, .writes = 1, .shards = 1};
	struct spool_report report = {0};
	struct spool *spool = NULL;
	uint8_t data[256];
	int root;

	world_engine_enter();
	root = disk_directory_open("/spool", true);
	settings.directory = disk_subdirectory_open(root, "shard-000", true);
	if (spool_open(&spool, &settings, nobody, NULL, &report) == 0) {
		append(rig, spool, 1, SPOOL_MESSAGE, data, make_envelope(data, sizeof(data), true));
		append(rig, spool, 2, SPOOL_MESSAGE, data, make_envelope(data, sizeof(data), false));
		append(rig, spool, 2, SPOOL_STATE, data, make_state(data, sizeof(data)));
		if (spool_import_commit(spool) < 0)
			rig_fail(rig, "the spool cannot be written");
		spool_close(spool);
	} else {
		rig_fail(rig, "no spool can be made: %s", report.problem);
	}
	disk_close(settings.directory);
	disk_close(root);
	world_engine_leave();
}

void scenario_newer(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "newer",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 20,
		.content_max = seed % 2 ? 3000 : 300000,
		.hop = {.pipelining = true, .chunking = true, .rcpt_deferred = 200000},
	};
	struct ledger_summary s;
	struct rig rig;

	rig_open(&rig, &options);
	leave_mail(&rig);
	for (unsigned life = 0; life < 3; life++) {
		if (rig_start(&rig, 1 + (unsigned)rig_pick(seed, life, 3)) < 0) {
			rig_fail(&rig, "does not start: %s", rig.recovery.problem);
			break;
		}
		if (rig.recovery.held != HELD)
			rig_fail(&rig, "%llu are held at start %u", (unsigned long long)rig.recovery.held, life);
		rig_clients(&rig);
		(void)rig_run(&rig, rig_quiet, 3600 * CLOCK_NS_PER_S);
		if (!rig_quiet(&rig))
			rig_fail(&rig, "what is held holds up others");
		rig_clients_free(&rig);
		if (rig_pick(seed, 10 + life, 2))
			rig_crash(&rig, WORLD_KILL);
		else
			(void)rig_stop(&rig);
	}
	ledger_summarize(&rig.ledger, &s);
	if (s.missing || s.phantoms || s.confused)
		rig_fail(&rig, "missing %llu, phantoms %llu, confused %llu", (unsigned long long)s.missing,
			 (unsigned long long)s.phantoms, (unsigned long long)s.confused);
	rig_close(&rig);
}
