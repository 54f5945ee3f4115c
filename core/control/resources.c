/*
 * core/control/resources.c - GET /v1/resources: what may run out: of each shard its spool, of each mailbox its budget,
 * the days of tokens and certificates, and what providers have said will be. What shards said last (scrape.h).
 */
#include <sys/statvfs.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/control/scrape.h"
#include "core/relay/relay.h"

static json_t *spool_json(const struct scrape_shard *s, unsigned shard)
{
	static const char *const refuses[] = {[FACTS_TAKES] = NULL,
					      [FACTS_FAILED] = "failed",
					      [FACTS_DISK_FULL] = "disk_full",
					      [FACTS_SIZE_FULL] = "size_max"};
	const struct facts *facts = &s->facts;
	uint64_t used = facts->spool.segments * facts->segment_size;

	return json_pack("{sI sb sI sI sI sI sI ss?}", "shard", (json_int_t)shard, "answers", (int)s->up, "octets",
			 (json_int_t)used, "octets_live", (json_int_t)facts->spool.live, "size_max",
			 (json_int_t)facts->size_max, "commits", (json_int_t)facts->spool.commits, "last_commit_us",
			 (json_int_t)(facts->spool.commit_ns_last / 1000), "refuses", refuses[facts->refuses]);
}

/* A time of the monotonic clock that lies ahead, by the wall's; null: there is none. */
static json_t *until_json(uint64_t monotonic_ns)
{
	uint64_t now_ns = clock_monotonic_ns();

	return monotonic_ns > now_ns ? request_time(clock_wall_ns() + (monotonic_ns - now_ns)) : json_null();
}

static json_t *mailbox_json(const struct facts_mailbox *one)
{
	bool there = one->budget > 0;

	return json_pack("{so so sb sI so so so so}", "destination", request_text(span_text(one->destination)),
			 "mailbox", one->user[0] ? request_text(span_text(one->user)) : json_null(), "usable",
			 (int)one->usable, "connections", (json_int_t)one->connections, "recipients_a_day",
			 there ? json_integer((json_int_t)one->budget) : json_null(), "left",
			 there && one->left != UINT64_MAX ? json_integer((json_int_t)one->left) : json_null(),
			 "signs_in", one->user[0] ? json_string(one->token ? "token" : "password") : json_null(),
			 "token_until", until_json(one->token_until_ns));
}

/* Of the spools' file system; zeros where it does not tell. */
static json_t *disk_json(const char *directory)
{
	struct statvfs disk = {.f_frsize = 0};

	(void)statvfs(directory, &disk);
	return json_pack("{sI sI}", "octets", (json_int_t)(disk.f_blocks * disk.f_frsize), "free",
			 (json_int_t)(disk.f_bavail * disk.f_frsize));
}

void handle_resources(struct control_request *request)
{
	struct scrape *scrape = request->desk->scrape;
	int64_t end = atomic_load_explicit(&request->desk->relay->certificate_end, memory_order_relaxed);
	json_t *spools = json_array(), *mailboxes = json_array();

	scrape_begin(scrape, false);
	for (unsigned i = 0; i < scrape->shard_count; i++)
		json_array_append_new(spools, spool_json(&scrape->shards[i], i));
	for (size_t i = 0; i < scrape->shards[0].facts.mailbox_count; i++)
		json_array_append_new(mailboxes, mailbox_json(&scrape->shards[0].facts.mailboxes[i]));
	scrape_end(scrape);
	request_answer(request, ANSWER_OK,
		       json_pack("{so so so so so}", "dates", request->desk->dates(request->desk), "disk",
				 disk_json(request->desk->relay->config->spool.directory), "spools", spools,
				 "mailboxes", mailboxes, "certificate_until",
				 end > 0 ? request_time((uint64_t)end * CLOCK_NS_PER_S) : json_null()));
}
