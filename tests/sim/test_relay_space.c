/*
 * tests/sim/test_relay_space.c - what the log takes, and when mail is refused for room.
 *
 * A backlog that no next hop takes, for one of the reasons there are, lies in the log while several times as much flows
 * past it; clients stall in the middle of large messages, records rot, the process is killed, the disk fails. Whatever
 * it is: mail is refused for room only where what lives fills it, and with nothing arriving the log shrinks in bounded
 * time to what lives and a constant.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/receive/receiver.h"
#include "core/store/store.h"
#include "queue/spool_private.h"
#include "tests/sim/actor_script.h"
#include "tests/sim/test_relay.h"

enum {
	SEGMENT = 4 << 20,
	SEGMENTS = 12,    /* of each shard */
	GARBAGE_MAX = 3,  /* segments that are not worth copying, beside a quarter of what lives */
	RESERVE = 6,      /* segments that messages do not get: the last two, the active one, garbage, and their ends */
	FILES_BESIDE = 6, /* the spare, those kept for use, one being prepared */
	REST_S = 1200,    /* in which it must have shrunk */
	HOUR_S = 3600,
	STALLERS_MAX = 2,
	STALLED = 2 << 20, /* octets of a message that goes no further */
	ROTTEN_MAX = 3,
	STRETCHES = 6, /* of the flow, with something going wrong between them */
};

enum backlog { BACKLOG_REFUSED, BACKLOG_BLACK_HOLE, BACKLOG_SILENT, BACKLOG_HELD, BACKLOG_DEFERRED, BACKLOGS };
enum mishap { MISHAP_NONE, MISHAP_KILL, MISHAP_POWER_CUT, MISHAP_DISK, MISHAP_RESTART, MISHAPS };

static const struct {
	size_t min, max;
	unsigned backlog, flow; /* hundredths of the spool */
} sizes[] = {{300, 3000, 10, 30}, {2000, 40000, 40, 150}, {20000, 600000, 40, 200}};

struct space {
	struct rig rig;
	unsigned shards;
	bool rots;
	unsigned rotten; /* messages with a damaged record */
	enum backlog backlog;
	enum mishap mishap;
	const char *when;
	bool faults;            /* of the disk: then mail may be refused for them */
	uint64_t refused, done; /* by clients that are gone, and by all */
	struct actor_script *stallers[STALLERS_MAX];
};

static struct spool *spool_of(const struct space *s, unsigned shard)
{
	return s->rig.shards[shard].shard->store->spool;
}

/* ---- the audit ---------------------------------------------------------------------------------------------- */

struct live {
	struct spool *spool;
	uint64_t octets, records, nowhere;
	uint64_t found[64]; /* octets by place in the log */
};

static void add_ref(struct live *live, const struct spool_ref *ref)
{
	if (ref->segment == 0)
		return;
	for (unsigned i = 0; i < live->spool->log_count; i++) {
		if (live->spool->log[i]->sequence != ref->segment)
			continue;
		live->found[i % 64] += ref->length;
		live->octets += ref->length;
		live->records++;
		return;
	}
	live->nowhere++;
}

static void add_item(void *context, struct spool_item *item)
{
	struct live *live = context;

	add_ref(live, &item->message);
	add_ref(live, &item->state);
	for (unsigned i = 0; i < item->part_count; i++)
		add_ref(live, &item->parts[i]);
}

static struct live live_of(struct spool *spool)
{
	struct live live = {.spool = spool};

	spool_items(spool, add_item, &live);
	return live;
}

/* Each segment against the records that items have in it. */
static void audit_segments(struct space *s, unsigned shard)
{
	struct spool *spool = spool_of(s, shard);
	struct live live = live_of(spool);

	if (live.nowhere)
		rig_fail(&s->rig, "%s: shard %u: %llu live records in no segment of the log", s->when, shard,
			 (unsigned long long)live.nowhere);
	/* Copies on their way, and records that are not written, count already. */
	if (spool->compact.move_count > 0 || spool->batch_count > 0)
		return;
	for (unsigned i = 0; i < spool->log_count && i < 64; i++) {
		if (spool->log[i]->live_octets != live.found[i])
			rig_fail(&s->rig, "%s: shard %u: segment %u of %u counts %llu live octets, there are %llu",
				 s->when, shard, i, spool->log_count, (unsigned long long)spool->log[i]->live_octets,
				 (unsigned long long)live.found[i]);
	}
}

struct files {
	char directory[32];
	uint64_t octets;
};

static void add_file(void *context, const char *name)
{
	struct files *files = context;
	char path[96];
	int64_t size;

	if (!strstr(name, ".seg"))
		return;
	snprintf(path, sizeof(path), "%s/%s", files->directory, name);
	size = world_file_size(path);
	files->octets += size > 0 ? (uint64_t)size : 0;
}

static void describe(const struct space *s, unsigned shard)
{
	const struct spool *spool = spool_of(s, shard);
	struct live live = live_of(spool_of(s, shard));

	fprintf(stderr,
		"\tlog %u of %u, free %u, spare %d, active %d, moves %u, batches %u, disk full %d, size full %d\n",
		spool->log_count, spool_segments_max(spool), spool->free_count, spool->spare != NULL,
		spool->active != NULL, spool->compact.move_count, spool->batch_count, spool_disk_full(spool),
		spool_size_full(spool_of(s, shard)));
	for (unsigned i = 0; i < spool->log_count; i++) {
		const struct spool_segment *g = spool->log[i];
		fprintf(stderr,
			"\t%u %s %u: size %u end %u live %u octets %llu found %llu appended %llu copied %llu lean %llu "
			"uses %u pins %u stale %u cut %u enders %u%s%s%s%s\n",
			i, g == spool->active ? "active" : "", g->sequence, g->size, g->end, g->live,
			(unsigned long long)g->live_octets, (unsigned long long)live.found[i % 64],
			(unsigned long long)g->appended, (unsigned long long)g->copied, (unsigned long long)g->lean,
			g->uses, g->pins, g->stale_since, g->cut_from, g->ender_count, g->silent ? " silent" : "",
			g->damaged ? " damaged" : "", g->stuck ? " stuck" : "", g->discard ? " discard" : "");
	}
	for (unsigned i = 0; i < spool->free_count; i++)
		fprintf(stderr, "\tfree %u (%u) size %u pins %u enders %u stale %u gone %d\n", spool->free[i]->sequence,
			spool->free[i]->was, spool->free[i]->size, spool->free[i]->pins, spool->free[i]->ender_count,
			spool->free[i]->stale_since, spool->free[i]->gone);
}

static void check_shrunk(struct space *s)
{
	unsigned failures = s->rig.failures;

	for (unsigned i = 0; i < s->shards; i++) {
		struct spool *spool = spool_of(s, i);
		struct live live = live_of(spool);
		uint64_t worth = live.octets + live.octets / 4, log = 0;
		struct files files;

		audit_segments(s, i);
		for (unsigned k = 0; k < spool->log_count; k++)
			log += spool->log[k]->size;
		/* The active one, and the oldest that is only begun. */
		if (log > worth + (GARBAGE_MAX + 2) * (uint64_t)SEGMENT)
			rig_fail(&s->rig, "%s: shard %u: %.1f MiB live in %u segments (%llu KiB, lean %llu KiB)",
				 s->when, i, (double)live.octets / (1 << 20), spool->log_count,
				 (unsigned long long)(log >> 10), (unsigned long long)(spool->log_lean >> 10));
		snprintf(files.directory, sizeof(files.directory), "/spool/shard-%03u", i);
		files.octets = 0;
		world_files(files.directory, add_file, &files);
		if (files.octets > log + FILES_BESIDE * (uint64_t)SEGMENT)
			rig_fail(&s->rig, "%s: shard %u: %llu KiB of files for a log of %llu KiB", s->when, i,
				 (unsigned long long)(files.octets >> 10), (unsigned long long)(log >> 10));
		if (s->rig.failures != failures && rig_log)
			describe(s, i);
		failures = s->rig.failures;
	}
}

/* ---- refusals ----------------------------------------------------------------------------------------------- */

static uint64_t refused_now(const struct space *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->rig.shard_count; i++)
		sum += counter_get(&s->rig.shards[i].shard->receiver->counters.refused);
	return sum;
}

/* What lives fills the shard's share, but for what messages do not get. */
static bool filled(const struct space *s, unsigned shard)
{
	return live_of(spool_of(s, shard)).octets >= (uint64_t)(SEGMENTS - RESERVE) * SEGMENT;
}

/* Called at every step. */
static bool watch_refusals(void *context)
{
	struct rig *rig = context;
	struct space *s = container_of(rig, struct space, rig);
	uint64_t refused = refused_now(s);
	bool any = false;

	for (unsigned i = 0; i < rig->shard_count; i++) {
		bool full = spool_size_full(spool_of(s, i));
		if (!full && refused == s->refused)
			continue;
		any = any || filled(s, i);
		if (full && !filled(s, i)) {
			struct spool *spool = spool_of(s, i);
			rig_fail(rig, "%s: shard %u is full with %.1f MiB live in %u segments of %u", s->when, i,
				 (double)live_of(spool).octets / (1 << 20), spool->log_count, SEGMENTS);
			if (rig_log)
				describe(s, i);
			return true;
		}
	}
	if (refused != s->refused && !any && !s->faults) {
		rig_fail(rig, "%s: %llu messages refused although what lives does not fill a spool", s->when,
			 (unsigned long long)(refused - s->refused));
		return true;
	}
	s->refused = refused;
	return rig_clients_done(rig);
}

static void send_mail(struct space *s, unsigned hundredths, const char *domain, const char *other, bool mishaps);

/* ---- what goes wrong ---------------------------------------------------------------------------------------- */

static void begin_backlog(struct space *s)
{
	struct actor_nexthop_config *hop = actor_nexthop_config(s->rig.hops[0]);

	switch (s->backlog) {
	case BACKLOG_REFUSED:
		world_reach(RIG_HOP_PORT, WORLD_REFUSE);
		break;
	case BACKLOG_BLACK_HOLE:
		world_reach(RIG_HOP_PORT, WORLD_BLACK_HOLE);
		break;
	case BACKLOG_HELD:
		hop->setup_refused = "550 5.7.64 TenantAttribution; Relay Access Denied\r\n";
		hop->setup_stage = ACTOR_SETUP_RCPT;
		break;
	case BACKLOG_DEFERRED:
		hop->rcpt_deferred = 1000000;
		break;
	default: /* in the middle of what it is sent: see silence() */
		break;
	}
}

static void silence(void *context)
{
	world_partition(RIG_HOP_PORT, true);
}

static void start(struct space *s)
{
	s->refused = 0;
	if (rig_start(&s->rig, s->shards) < 0)
		rig_fail(&s->rig, "%s: does not start: %s", s->when, s->rig.recovery.problem);
}

static void mishap(struct space *s)
{
	struct world_io_fault fault = {.operations = WORLD_IO_WRITE, .nth = 1 + world_below(200), .error = -EIO};

	switch (s->mishap) {
	case MISHAP_KILL:
	case MISHAP_POWER_CUT:
		rig_crash(&s->rig, s->mishap == MISHAP_KILL ? WORLD_KILL : WORLD_POWER_CUT);
		start(s);
		break;
	case MISHAP_RESTART:
		(void)rig_stop(&s->rig);
		start(s);
		break;
	case MISHAP_DISK:
		s->faults = true;
		world_fault_io(&fault);
		break;
	default:
		break;
	}
}

static void start_stallers(struct space *s, unsigned count)
{
	static char body[STALLED];
	static const char text[] = "EHLO x\r\nMAIL FROM:<stalled@a.example>\r\nRCPT TO:<r0.s0@b.example>\r\nDATA\r\n";
	struct actor_script_config script = {
		.address = world_address(RIG_PORT),
		.text = text,
		.length = sizeof(text) - 1,
		.body = body,
		.body_length = sizeof(body),
		.stays = true,
	};

	memset(body, 'x', sizeof(body));
	for (size_t i = 70; i + 1 < sizeof(body); i += 72)
		memcpy(body + i, "\r\n", 2);
	for (unsigned i = 0; i < count; i++)
		s->stallers[i] = actor_script_start(&script);
}

struct rotting {
	struct space *s;
	unsigned shard, left;
};

static void rot_item(void *context, struct spool_item *item)
{
	struct rotting *r = context;
	const struct spool_ref *ref = item->part_count > 0 && r->left % 2 ? &item->parts[0] : &item->message;
	const struct spool_segment *segment;
	char path[64];

	segment = ref->segment ? spool_segment_find(spool_of(r->s, r->shard), ref->segment) : NULL;
	if (r->left == 0 || !segment)
		return;
	snprintf(path, sizeof(path), "/spool/shard-%03u/%010u.seg", r->shard, segment->slot);
	world_file_flip(path, 8 * ((uint64_t)ref->offset + ref->length / 2));
	r->left--;
	r->s->rotten++;
}

/* A new process reads from the disk what it finds. */
static void rot(struct space *s)
{
	(void)rig_stop(&s->rig);
	s->when = "while mail flows past damaged records";
	start(s);
	for (unsigned i = 0; i < s->shards; i++) {
		struct rotting rotting = {s, i, ROTTEN_MAX};
		spool_items(spool_of(s, i), rot_item, &rotting);
	}
	/* So much that the room behind the damage is wanted. */
	send_mail(s, 150, "b.example", "c.example", false);
}

static bool only_rotten(void *context)
{
	struct rig *rig = context;

	return rig_queued(rig) <= container_of(rig, struct space, rig)->rotten;
}

/* Damaged mail is the only mail that does not arrive. */
static void finish_rotten(struct space *s)
{
	struct ledger_summary sum;

	ledger_summarize(&s->rig.ledger, &sum);
	if (sum.missing + sum.failed > s->rotten || sum.altered || sum.confused || sum.phantoms)
		rig_fail(&s->rig, "%u messages were damaged, but %llu are missing", s->rotten,
			 (unsigned long long)(sum.missing + sum.failed));
	(void)rig_stop(&s->rig);
}

/* ---- the scenario ------------------------------------------------------------------------------------------- */

/* So many hundredths of all spools, to these domains; with a mishap each time a part of it has gone. */
static void send_mail(struct space *s, unsigned hundredths, const char *domain, const char *other, bool mishaps)
{
	struct rig *rig = &s->rig;
	uint64_t each = (rig->ledger.config.content_min + rig->ledger.config.content_max) / 2;
	uint64_t octets = (uint64_t)SEGMENTS * SEGMENT * s->shards * hundredths / 100;

	rig->ledger.config.domains[0] = domain;
	rig->ledger.config.domains[1] = other;
	rig_clients_free(rig);
	rig->options.messages = (unsigned)(octets / each / rig->options.clients + 1);
	rig_clients(rig);
	for (unsigned i = 0; mishaps && i < STRETCHES && !rig_clients_done(rig) && rig->failures == 0; i++) {
		(void)rig_run(rig, watch_refusals, (1 + world_below(4000)) * CLOCK_NS_PER_MS);
		mishap(s);
	}
	if (rig->failures == 0 && rig_run(rig, watch_refusals, HOUR_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(rig, "%s: an hour is not enough", s->when);
	if (rig_broken(rig)) {
		rig_crash(rig, WORLD_KILL);
		start(s);
	}
}

static void rest(struct space *s, const char *when)
{
	s->when = when;
	world_faults_clear();
	(void)rig_run(&s->rig, NULL, REST_S * CLOCK_NS_PER_S);
	check_shrunk(s);
}

static void run(struct space *s, unsigned size)
{
	struct rig *rig = &s->rig;

	start(s);
	begin_backlog(s);
	s->when = "while the backlog comes";
	if (s->backlog == BACKLOG_SILENT)
		world_after(CLOCK_NS_PER_S, silence, NULL);
	send_mail(s, sizes[size].backlog, "a.example", NULL, false);
	s->when = "while mail flows past the backlog";
	start_stallers(s, (unsigned)rig_pick(rig->options.seed, 5, STALLERS_MAX + 1));
	send_mail(s, sizes[size].flow, "b.example", "c.example", true);
	rest(s, "at rest with a backlog");
	for (unsigned i = 0; i < 3 && rig->failures == 0; i++) {
		if (i % 2)
			rig_crash(rig, WORLD_KILL);
		else
			(void)rig_stop(rig);
		s->when = "at another start";
		start(s);
		(void)rig_run(rig, NULL, 60 * CLOCK_NS_PER_S);
	}
	rest(s, "at rest after three starts");
	if (s->rots && rig->failures == 0)
		rot(s);
	rig_heal(rig);
	s->when = "while the backlog leaves";
	if (rig_run(rig, only_rotten, 2 * HOUR_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(rig, "%s: %llu are still queued after two hours", s->when,
			 (unsigned long long)rig_queued(rig));
	if (s->rotten == 0)
		rest(s, "when all has left");
}

void scenario_space(uint64_t seed)
{
	unsigned size = (unsigned)rig_pick(seed, 1, sizeof(sizes) / sizeof(sizes[0]));
	struct space s = {
		.shards = 1 + (unsigned)rig_pick(seed, 2, 2),
		.backlog = (enum backlog)rig_pick(seed, 3, BACKLOGS),
		.mishap = (enum mishap)rig_pick(seed, 4, MISHAPS),
		.rots = rig_pick(seed, 6, 3) == 0,
		.when = "at the start",
	};
	struct rig_options options = {
		.scenario = "space",
		.seed = seed,
		.quiet = true,
		.clients = 4,
		.content_min = sizes[size].min,
		.content_max = sizes[size].max,
		.recipients_max = 1,
		.size_mib = s.shards * SEGMENTS * (SEGMENT >> 20),
		.retry = "{ first: 30s, factor: 2, max: 10m, expire: 5d }",
		.hop = {.pipelining = true, .chunking = seed % 2},
	};

	rig_open(&s.rig, &options);
	run(&s, size);
	if (s.rig.failures == 0 && s.rotten > 0)
		finish_rotten(&s);
	else if (s.rig.failures == 0)
		rig_finish(&s.rig, s.shards);
	else if (s.rig.alive)
		rig_crash(&s.rig, WORLD_KILL);
	rig_close(&s.rig);
	for (unsigned i = 0; i < STALLERS_MAX; i++) {
		if (s.stallers[i])
			actor_script_free(s.stallers[i]);
	}
}
