/*
 * tests/sim/relay_audit.c - reads the spools of a stopped relay as recovery would, and holds them against the ledger.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/disk.h"
#include "core/store/store.h"
#include "queue/envelope.h"
#include "queue/spool.h"
#include "queue/state.h"
#include "tests/sim/relay_rig.h"

/* Failed: and somebody is still to hear of it. */
struct audit_recipient {
	uint8_t queued, failed;
};

struct audit {
	struct rig *rig;
	struct audit_recipient (*recipients)[LEDGER_RECIPIENTS_MAX];
	uint64_t records;
	bool read_only;
	uint64_t archives; /* copies for the archive that are queued */
	uint64_t reports;  /* that are queued */
};

static void note_recipient(struct audit *audit, struct span address, const struct state_fate *fate)
{
	uint8_t status = fate->status;
	struct audit_recipient *r;
	uint32_t sequence;
	unsigned recipient;

	if (ledger_is_archive(&audit->rig->ledger, address.data, address.length)) {
		audit->archives += status == RECIPIENT_PENDING;
		return;
	}
	if (!ledger_address_parse(address.data, address.length, &sequence, &recipient) ||
	    sequence >= audit->rig->ledger.count) {
		rig_fail(audit->rig, "the queue has a recipient that nobody named: %.*s", (int)address.length,
			 address.data);
		return;
	}
	r = &audit->recipients[sequence][recipient];
	r->queued += status == RECIPIENT_PENDING;
	r->failed += status == RECIPIENT_FAILED && !(fate->marks & STATE_MARK_TOLD);
}

/* Of the next recipient; all are pending where there is no state. */
static void next_fate(const struct queue_state *state, struct state_cursor *cursor, unsigned *left,
		      struct state_fate *fate)
{
	unsigned number;

	if (*left == 0 && (!state_next(cursor, &number, left) || !state_fate(state, number, fate)))
		return;
	--*left;
}

static void on_live(void *context, const struct spool_live *live)
{
	struct audit *audit = context;
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct envelope envelope;
	struct state_cursor fates;
	struct state_fate fate = {0};
	struct queue_state state = {0};
	unsigned left = 0;

	audit->records++;
	free(live->item.parts);
	if (envelope_decode(live->envelope, live->envelope_length, &envelope) < 0 ||
	    (live->state && (queue_state_decode(live->state, live->state_length, live->state_wall_ns, &state) < 0 ||
			     state.recipients != envelope.recipients))) {
		rig_fail(audit->rig, "an envelope or a state in the queue cannot be read");
		return;
	}
	if (envelope.reports > 0) {
		audit->reports++;
		return;
	}
	envelope_first(&envelope, &cursor);
	state_first(&state, &fates);
	while (envelope_next(&cursor, &recipient)) {
		if (live->state)
			next_fate(&state, &fates, &left, &fate);
		note_recipient(audit, recipient.address, &fate);
	}
}

static void read_spool(struct audit *audit, int root, const char *name)
{
	struct spool_settings settings = {.segment_size = 4u << 20,
					  .size_max = 256u << 20,
					  .slabs = 8,
					  .writes = 1,
					  .shards = 1,
					  .read_only = audit->read_only};
	struct spool_report report = {0};
	struct spool *spool;
	int r;

	settings.directory = disk_subdirectory_open(root, name, false);
	if (settings.directory < 0)
		return;
	settings.shard = (uint16_t)atoi(name + 6);
	r = spool_open(&spool, &settings, on_live, audit, &report);
	if (rig_log)
		fprintf(stderr, "audit %s: segments %llu records %llu live %llu damaged %llu %llu torn %llu %s\n", name,
			(unsigned long long)report.segments, (unsigned long long)report.records,
			(unsigned long long)report.live, (unsigned long long)report.damaged_records,
			(unsigned long long)report.damaged_batches, (unsigned long long)report.torn_octets,
			report.problem);
	if (r < 0) {
		rig_fail(audit->rig, "the spool %s cannot be read: %s %s", name, strerror(-r), report.problem);
	} else {
		if (report.damaged_records || report.damaged_batches)
			rig_fail(audit->rig, "the spool %s is damaged: %s", name, report.problem);
		spool_close(spool);
	}
	disk_close(settings.directory);
}

static void judge(struct audit *audit, uint32_t sequence, unsigned k, bool ended)
{
	const struct ledger_recipient *r = &audit->rig->ledger.messages[sequence].recipients[k];
	const struct audit_recipient *a = &audit->recipients[sequence][k];
	const struct ledger_person *person = ledger_person(&audit->rig->ledger, sequence, k);
	bool may_expire = audit->rig->options.may_expire,
	     told = r->told || ledger_silent(&audit->rig->ledger, sequence, k);

	/* One that is queued may be the report of this one; one that was refused, or too old, is no more. */
	if (r->failed && ((!ended && audit->reports) || may_expire))
		told = true;
	/* By an operator: then nobody refused it, and nobody may have it. */
	if (audit->rig->ledger.messages[sequence].deleted)
		told = may_expire = true;
	if (r->fate == LEDGER_ACCEPTED && !r->delivered && !a->failed && !a->queued && !told)
		rig_fail(audit->rig, "LOST: message %u recipient %u (hop failed it %u times)", sequence, k, r->failed);
	/* Before the end a client's answer may be under way, or lost. */
	if ((r->fate == LEDGER_REFUSED || (r->fate == LEDGER_UNSENT && ended)) && (a->queued || a->failed))
		rig_fail(audit->rig, "PHANTOM in the queue: message %u recipient %u", sequence, k);
	/* Nobody was asked for it: it was in the list of those that are sent nothing. */
	if (person && person->ever)
		may_expire = true;
	if (a->failed && !r->failed && !may_expire)
		rig_fail(audit->rig, "FALSE FAILURE: message %u recipient %u, no next hop refused it", sequence, k);
	if (a->failed && ended)
		rig_fail(audit->rig, "UNREPORTED: message %u recipient %u failed, and nobody was told", sequence, k);
	if (a->queued && ended)
		rig_fail(audit->rig, "STUCK: message %u recipient %u is still queued", sequence, k);
	if (a->queued + a->failed > 1)
		rig_fail(audit->rig, "TWICE in the queue: message %u recipient %u", sequence, k);
}

/* Each message that was taken has its copy, once as its recipients have theirs; what was not has none. */
static void judge_archive(const struct audit *audit, bool ended)
{
	struct ledger *ledger = &audit->rig->ledger;

	for (uint32_t i = 0; ledger->config.archive && ended && i < ledger->count; i++) {
		const struct ledger_message *m = &ledger->messages[i];
		bool taken = false;
		for (unsigned k = 0; k < m->recipient_count; k++)
			taken |= m->recipients[k].fate == LEDGER_ACCEPTED;
		if (taken && !m->archive.delivered && !m->archive.failed)
			rig_fail(audit->rig, "LOST: the archive has no copy of message %u", i);
	}
	if (ended && audit->archives > 0)
		rig_fail(audit->rig, "STUCK: %llu copies for the archive are still queued",
			 (unsigned long long)audit->archives);
}

static void judge_totals(struct rig *rig, bool ended)
{
	struct ledger_summary s;
	uint64_t allowed = rig->counts.maybe_duplicates *
				   (rig->ledger.config.recipients_max + (rig->ledger.config.archive != NULL)) +
			   rig->window;

	ledger_summarize(&rig->ledger, &s);
	if (s.altered || s.confused)
		rig_fail(rig, "altered %llu, confused %llu: %s", (unsigned long long)s.altered,
			 (unsigned long long)s.confused, rig->ledger.problem);
	if (s.phantoms && ended)
		rig_fail(rig, "PHANTOMS: %llu recipients got what was refused", (unsigned long long)s.phantoms);
	if (rig->ledger.repeated > allowed)
		rig_fail(rig, "DUPLICATES: %llu reports came again, but only %llu can be explained",
			 (unsigned long long)rig->ledger.repeated, (unsigned long long)allowed);
	if (s.duplicates > allowed)
		rig_fail(rig, "DUPLICATES: %llu, but only %llu can be explained", (unsigned long long)s.duplicates,
			 (unsigned long long)allowed);
}

static void read_all(struct audit *audit)
{
	int root;

	audit->recipients = world_alloc((audit->rig->ledger.count + 1) * sizeof(*audit->recipients));
	world_engine_enter();
	root = disk_directory_open("/spool", false);
	for (unsigned i = 0; root >= 0 && i < 2 * RIG_SHARDS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "shard-%03u", i);
		read_spool(audit, root, name);
	}
	if (root >= 0)
		disk_close(root);
	world_engine_leave();
}

static void add_owed(void *context, struct mail *m)
{
	*(uint64_t *)context += !m->unreported && (m->reporting || mail_owes(m));
}

uint64_t rig_owed(const struct rig *rig)
{
	uint64_t owed = 0;

	for (unsigned i = 0; i < rig->shard_count; i++)
		store_mails(rig->shards[i].shard, add_owed, &owed);
	return owed;
}

unsigned rig_twice(struct rig *rig)
{
	struct audit audit = {.rig = rig, .read_only = true};
	unsigned twice = 0;

	read_all(&audit);
	for (uint32_t i = 0; i < rig->ledger.count; i++) {
		for (unsigned k = 0; k < rig->ledger.messages[i].recipient_count; k++)
			twice += audit.recipients[i][k].queued > 1;
	}
	world_release(audit.recipients);
	return twice;
}

void rig_audit(struct rig *rig, bool ended)
{
	struct audit audit = {.rig = rig};
	uint32_t count = rig->ledger.count;

	read_all(&audit);
	for (uint32_t i = 0; i < count; i++) {
		for (unsigned k = 0; k < rig->ledger.messages[i].recipient_count; k++)
			judge(&audit, i, k, ended);
	}
	judge_archive(&audit, ended);
	if (audit.reports > 0 && ended)
		rig_fail(rig, "STUCK: %llu reports are still queued", (unsigned long long)audit.reports);
	judge_totals(rig, ended);
	world_release(audit.recipients);
}

void rig_meter(struct rig *rig, const char *what, const struct actor_meter *meter)
{
	if (meter->over)
		rig_fail(rig, "%s: %u times over, %llu where %llu are allowed", what, meter->over,
			 (unsigned long long)meter->peak, (unsigned long long)meter->most);
}
