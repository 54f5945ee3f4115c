/*
 * core/agents/sts.c - see sts.h: who asks, who waits, and the fetches.
 *
 * Everything below sts_ask() runs on the agent's thread, which blocks in its poll only, and for a moment where a file
 * is read or replaced. An entry is what is known of a domain; it is there while somebody waits for it or its policy is
 * good, and goes when nobody has asked for days: the file stays until its policy has ended.
 *
 *     an entry: known -- a record says something else, or it is getting old --> fetching -- over --> known
 *                 '-- no policy, nobody waits; or nobody asks any more --> forgotten
 */
#include "core/agents/sts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/agents/agent_thread.h"
#include "core/agents/fetch.h"
#include "core/agents/sts_shelf.h"
#include "core/base/clock.h"
#include "core/base/list.h"

enum {
	BUCKETS = 4096,
	LOOK_S = 60,                  /* between two looks at what is getting old */
	IDLE_S = 7 * 24 * 3600,       /* nobody asks any more */
	FAILED_VALID_S = STS_RETRY_S, /* an answer after a fetch that failed */
	SWEEP_FILES = 64,             /* at a look: read, and those that are over deleted */
	SWEEP_S = 24 * 3600,          /* after a round of all of them */
	HTTPS_PORT = 443,
	LONG = 4096, /* a policy of more octets is in memory only while somebody waits for it */
};

/* Some 90 MB where all in memory are as long as they may be; files take a block each as a rule. */
static const struct sts_bounds sts_bounds = {.entries = 8192, .files = 65536};

struct entry {
	struct list link;          /* of its bucket */
	char name[STS_SHELF_NAME]; /* what it is called on disk */
	char domain[DNS_NAME_MAX + 1];
	char *ca_file;             /* owned; NULL: the system's */
	struct sts_policy *policy; /* held; NULL: none */
	struct list waiting;       /* struct waiter */
	struct list spare;         /* beyond what is kept in memory: it goes when nobody waits; else not linked */
	bool shelved;              /* it has a file */
	struct fetch fetch;
	struct sts *sts;
	char url[DNS_NAME_MAX + 64], at[FETCH_AT_SIZE];
	char id[MTA_STS_ID_MAX + 1]; /* of the record that the fetch is for */
	char failed_id[MTA_STS_ID_MAX + 1];
	uint64_t asked_ns, failed_ns; /* the last time; 0: not, or not since it went well */
	enum sts_trouble trouble;
	char problem[STS_PROBLEM_SIZE];
};

struct waiter {
	struct list link, all; /* of its entry; of those of all */
	struct entry *entry;
	struct sts_question *question;
};

struct sts {
	struct agent_thread thread;
	char *directory;

	/* The thread's. */
	struct fetcher *fetcher;
	struct list buckets[BUCKETS];
	struct list waiting; /* struct waiter */
	struct list spare;   /* struct entry */
	struct sts_bounds bounds;
	size_t entries, files, put;   /* there are; files of new domains since the round of all began */
	uint64_t looked_ns, swept_ns; /* the last look; the end of the last round; 0: there was none */
	struct sts_sweep sweep;
};

static uint64_t wall_s(void)
{
	return clock_wall_ns() / CLOCK_NS_PER_S;
}

/* ---- entries ---------------------------------------------------------------------------------------------------- */

static struct list *bucket_of(struct sts *sts, const char *name)
{
	uint32_t hash = 2166136261u;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 16777619u;
	return &sts->buckets[hash % BUCKETS];
}

static void forget(struct entry *entry)
{
	assert(list_empty(&entry->waiting) && !fetch_under_way(&entry->fetch));
	list_remove(&entry->link);
	if (list_linked(&entry->spare))
		list_remove(&entry->spare);
	entry->sts->entries--;
	sts_policy_release(entry->policy);
	free(entry->ca_file);
	free(entry);
}

static struct entry *new_entry(struct sts *sts, const struct sts_question *q, const char *name)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry && q->ca_file)
		entry->ca_file = strdup(q->ca_file);
	if (!entry || (q->ca_file && !entry->ca_file)) {
		free(entry);
		return NULL;
	}
	entry->sts = sts;
	list_init(&entry->waiting);
	list_init(&entry->spare);
	if (sts->entries >= sts->bounds.entries)
		list_append(&sts->spare, &entry->spare);
	sts->entries++;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	snprintf(entry->domain, sizeof(entry->domain), "%.*s", (int)strcspn(name, "+"), name);
	entry->policy = sts_shelf_take(sts->directory, name, wall_s());
	entry->shelved = entry->policy != NULL;
	list_append(bucket_of(sts, name), &entry->link);
	return entry;
}

static struct entry *find(struct sts *sts, const char *name)
{
	struct list *bucket = bucket_of(sts, name), *link;

	for (link = bucket->next; link != bucket; link = link->next) {
		struct entry *entry = container_of(link, struct entry, link);
		if (strcmp(entry->name, name) == 0)
			return entry;
	}
	return NULL;
}

/* The one of this domain, from disk if it is there. NULL: no memory. */
static struct entry *entry_of(struct sts *sts, const struct sts_question *q, const char *name)
{
	struct entry *entry = find(sts, name);

	return entry ? entry : new_entry(sts, q, name);
}

static bool is_busy(const struct entry *entry)
{
	return fetch_under_way(&entry->fetch) || !list_empty(&entry->waiting);
}

static void drop(struct entry *entry)
{
	sts_shelf_drop(entry->sts->directory, entry->name);
	entry->sts->files -= entry->shelved && entry->sts->files > 0;
	entry->shelved = false;
}

/* What cannot be kept is in force as long as this process knows it. */
static void keep(struct entry *entry)
{
	struct sts *sts = entry->sts;

	if ((!entry->shelved && sts->files >= sts->bounds.files) ||
	    sts_shelf_put(sts->directory, entry->name, entry->policy) < 0)
		return;
	sts->files += !entry->shelved;
	sts->put += !entry->shelved;
	entry->shelved = true;
}

/* A policy whose age is over is none. */
static void expire(struct entry *entry)
{
	if (!entry->policy || entry->policy->end_s > wall_s())
		return;
	sts_policy_release(entry->policy);
	entry->policy = NULL;
	drop(entry);
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void answer(struct sts *sts, const struct entry *entry, struct sts_question *q, int result)
{
	uint64_t now_s = wall_s(), end_s = entry && entry->policy ? entry->policy->end_s : 0;
	uint64_t left_s = end_s > now_s ? end_s - now_s : 0;

	q->policy = NULL;
	q->problem[0] = '\0';
	q->trouble = STS_TROUBLE_NONE;
	q->valid_ns = FAILED_VALID_S * CLOCK_NS_PER_S;
	if (entry && entry->failed_ns) {
		snprintf(q->problem, sizeof(q->problem), "%s", entry->problem);
		q->trouble = entry->trouble;
	}
	if (result == 0) {
		q->policy = entry->policy;
		sts_policy_hold(q->policy);
		if (!entry->failed_ns || left_s < FAILED_VALID_S)
			q->valid_ns = (left_s < STS_VALID_S ? left_s : STS_VALID_S) * CLOCK_NS_PER_S;
	}
	agent_answer(&sts->thread.agent, &q->question, result);
}

/* With what is known now. A policy of age 0 is for those who waited for it. */
static void answer_known(struct sts *sts, struct entry *entry, struct sts_question *q)
{
	answer(sts, entry, q, entry->policy ? 0 : -ENOENT);
}

static void answer_waiting(struct sts *sts, struct entry *entry)
{
	struct list *link;

	while ((link = list_take_first(&entry->waiting)) != NULL) {
		struct waiter *waiter = container_of(link, struct waiter, link);
		list_remove(&waiter->all);
		answer_known(sts, entry, waiter->question);
		free(waiter);
	}
}

/* ---- a fetch ---------------------------------------------------------------------------------------------------- */

static bool plain_text(const char *type)
{
	size_t n = strlen("text/plain");

	return strncasecmp(type, "text/plain", n) == 0 && (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

/* Why what came is no policy; NULL: *policy. */
static const char *take_policy(const struct entry *entry, struct sts_policy **policy, char text[STS_PROBLEM_SIZE])
{
	const struct fetch *fetch = &entry->fetch;
	const char *why;

	if (fetch->status == 0)
		return fetch->problem;
	if (fetch->status != 200) {
		snprintf(text, STS_PROBLEM_SIZE, "the policy's host answers %u%s", fetch->status,
			 fetch->status / 100 == 3 ? ", and no redirection is followed (RFC 8461 3.3)" : "");
		return text;
	}
	if (!plain_text(fetch->type)) {
		snprintf(text, STS_PROBLEM_SIZE, "the policy's Content-Type is not text/plain");
		return text;
	}
	*policy = sts_policy_new(entry->id, wall_s(), fetch->text ? fetch->text : "", fetch->length, &why);
	return *policy ? NULL : why;
}

static void on_fetched(struct fetch *fetch)
{
	struct entry *entry = container_of(fetch, struct entry, fetch);
	char text[STS_PROBLEM_SIZE];
	struct sts_policy *policy = NULL;
	const char *why = take_policy(entry, &policy, text);
	struct sts *sts = entry->sts;

	entry->trouble = fetch->untrusted       ? STS_TROUBLE_WEBPKI
			 : fetch->status != 200 ? STS_TROUBLE_FETCH
						: STS_TROUBLE_INVALID;
	fetch_wipe(fetch);
	if (why) {
		snprintf(entry->problem, sizeof(entry->problem), "%s", why);
		snprintf(entry->failed_id, sizeof(entry->failed_id), "%s", entry->id);
		entry->failed_ns = clock_monotonic_ns();
		expire(entry);
	} else {
		entry->failed_ns = 0;
		sts_policy_release(entry->policy);
		entry->policy = policy;
		if (policy->end_s > policy->fetched_s)
			keep(entry);
		if (policy->length > LONG && !list_linked(&entry->spare))
			list_append(&sts->spare, &entry->spare);
	}
	answer_waiting(sts, entry);
	expire(entry);
}

static void start_fetch(struct sts *sts, struct entry *entry, const char *id)
{
	snprintf(entry->id, sizeof(entry->id), "%s", id);
	snprintf(entry->url, sizeof(entry->url), "https://mta-sts.%s/.well-known/mta-sts.txt", entry->domain);
	entry->fetch = (struct fetch){
		.url = entry->url,
		.accept = "text/plain",
		.ca_file = entry->ca_file,
		.at = entry->at,
		.by_alternative_name = true,
		.most = MTA_STS_POLICY_MAX,
		.fn = on_fetched,
	};
	fetch_start(sts->fetcher, &entry->fetch);
}

/* Where the policy's host is, as libcurl takes it. */
static void note_places(struct entry *entry, const struct sts_question *q)
{
	char host[DNS_NAME_MAX + 16];

	if (q->address_count == 0 || fetch_under_way(&entry->fetch))
		return;
	snprintf(host, sizeof(host), "mta-sts.%s", entry->domain);
	fetch_at(host, HTTPS_PORT, q->addresses, q->address_count, entry->at);
}

/* ---- a question ------------------------------------------------------------------------------------------------- */

/* It is half as old as it may be, or a day. */
static bool getting_old(const struct entry *entry)
{
	uint64_t age_s = wall_s() - entry->policy->fetched_s, life_s = entry->policy->policy->max_age_s;

	return age_s >= (life_s / 2 < STS_REFRESH_S ? life_s / 2 : STS_REFRESH_S);
}

static bool failed_lately(const struct entry *entry, const char *id)
{
	return entry->failed_ns && strcmp(entry->failed_id, id) == 0 &&
	       clock_monotonic_ns() - entry->failed_ns < STS_RETRY_S * CLOCK_NS_PER_S;
}

static void refresh(struct sts *sts, struct entry *entry)
{
	if (!is_busy(entry) && entry->policy && getting_old(entry) && entry->at[0] &&
	    !failed_lately(entry, entry->policy->id))
		start_fetch(sts, entry, entry->policy->id);
}

static void wait_for(struct sts *sts, struct entry *entry, struct sts_question *q)
{
	struct waiter *waiter = malloc(sizeof(*waiter));

	if (!waiter) {
		answer_known(sts, entry, q);
		return;
	}
	waiter->entry = entry;
	waiter->question = q;
	list_append(&entry->waiting, &waiter->link);
	list_append(&sts->waiting, &waiter->all);
}

static void no_place(struct entry *entry, const char *id)
{
	snprintf(entry->problem, sizeof(entry->problem), "mta-sts.%s has no address", entry->domain);
	entry->trouble = STS_TROUBLE_FETCH;
	snprintf(entry->failed_id, sizeof(entry->failed_id), "%s", id);
	entry->failed_ns = clock_monotonic_ns();
}

static void take_question(struct sts *sts, struct entry *entry, struct sts_question *q)
{
	bool same;

	expire(entry);
	entry->asked_ns = clock_monotonic_ns();
	note_places(entry, q);
	same = entry->policy && (!q->recorded || strcmp(entry->policy->id, q->id) == 0);
	if (q->recorded && !same && !fetch_under_way(&entry->fetch) && !failed_lately(entry, q->id)) {
		if (entry->at[0] == '\0')
			no_place(entry, q->id);
		else
			start_fetch(sts, entry, q->id);
	}
	/* A fetch that ended at once has nobody waiting yet. */
	if (q->recorded && !same && fetch_under_way(&entry->fetch))
		wait_for(sts, entry, q);
	else
		answer_known(sts, entry, q);
	/* Else it is done by who looks at those that stay. */
	if (list_linked(&entry->spare))
		refresh(sts, entry);
}

static void begin(struct sts *sts, struct sts_question *q)
{
	char name[STS_SHELF_NAME];
	struct entry *entry;

	if (question_given_up(&q->question)) {
		answer(sts, NULL, q, -ECANCELED);
		return;
	}
	if (!sts_shelf_name(q->domain, q->ca_file, name)) {
		answer(sts, NULL, q, -ENOENT);
		return;
	}
	entry = entry_of(sts, q, name);
	if (entry)
		take_question(sts, entry, q);
	else
		answer(sts, NULL, q, -ENOMEM);
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

/* Whoever waits too long is answered with what there is. */
static void look_at_waiting(struct sts *sts, uint64_t now_ns, uint64_t *next_ns)
{
	struct list *link, *next;

	for (link = sts->waiting.next; link != &sts->waiting; link = next) {
		struct waiter *waiter = container_of(link, struct waiter, all);
		struct sts_question *q = waiter->question;
		struct entry *entry = waiter->entry;
		bool over = question_given_up(&q->question);
		next = link->next;
		if (!over && q->question.deadline_ns > now_ns) {
			*next_ns = q->question.deadline_ns < *next_ns ? q->question.deadline_ns : *next_ns;
			continue;
		}
		list_remove(&waiter->all);
		list_remove(&waiter->link);
		free(waiter);
		if (over)
			answer(sts, entry, q, -ECANCELED);
		else
			answer(sts, entry, q, entry->policy ? 0 : -ETIMEDOUT);
	}
}

/* Fetched again while somebody asks for it; forgotten when nobody does, or there is nothing to know. */
static void look_at_age(struct sts *sts, struct entry *entry, uint64_t now_ns)
{
	expire(entry);
	if (!is_busy(entry) && (now_ns - entry->asked_ns > IDLE_S * CLOCK_NS_PER_S ||
				(!entry->policy && !failed_lately(entry, entry->failed_id)))) {
		forget(entry);
		return;
	}
	refresh(sts, entry);
}

static void forget_spare(struct sts *sts)
{
	struct list *link, *next;

	for (link = sts->spare.next; link != &sts->spare; link = next) {
		struct entry *entry = container_of(link, struct entry, spare);
		next = link->next;
		if (!is_busy(entry))
			forget(entry);
	}
}

static bool is_known(void *context, const char *name)
{
	return find(context, name) != NULL;
}

/* Files of domains that nobody asks about any more have nobody else who finds that they are over. */
static void sweep(struct sts *sts, uint64_t now_ns)
{
	bool full = sts->files >= sts->bounds.files;
	uint64_t now_s = wall_s();

	if (!full && sts->swept_ns && now_ns - sts->swept_ns < SWEEP_S * CLOCK_NS_PER_S)
		return;
	sts->sweep.idle_s = full && now_s > IDLE_S ? now_s - IDLE_S : 0;
	sts->swept_ns = sts_sweep_on(&sts->sweep, sts->directory, now_s, SWEEP_FILES) ? now_ns : 0;
	if (!sts->swept_ns)
		return;
	sts->files = sts->sweep.kept + sts->put;
	sts->sweep.kept = sts->put = 0;
}

static uint64_t look(struct sts *sts)
{
	uint64_t now_ns = clock_monotonic_ns(), next_ns = now_ns + LOOK_S * CLOCK_NS_PER_S;

	look_at_waiting(sts, now_ns, &next_ns);
	if (now_ns - sts->looked_ns < LOOK_S * CLOCK_NS_PER_S)
		return next_ns;
	sts->looked_ns = now_ns;
	for (size_t b = 0; b < BUCKETS; b++) {
		struct list *link, *next;
		for (link = sts->buckets[b].next; link != &sts->buckets[b]; link = next) {
			next = link->next;
			look_at_age(sts, container_of(link, struct entry, link), now_ns);
		}
	}
	sweep(sts, now_ns);
	return next_ns;
}

static void turn(struct sts *sts)
{
	struct question *question, *following;
	uint64_t next_ns, now_ns, wait_ns, fetcher_ns;

	for (question = agent_take(&sts->thread.agent); question; question = following) {
		following = question->next;
		begin(sts, container_of(question, struct sts_question, question));
	}
	next_ns = look(sts);
	forget_spare(sts);
	now_ns = clock_monotonic_ns();
	wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
	fetcher_ns = fetcher_wait_ns(sts->fetcher, now_ns);
	(void)agent_thread_wait(&sts->thread, fetcher_fd(sts->fetcher), wait_ns < fetcher_ns ? wait_ns : fetcher_ns);
	fetcher_process(sts->fetcher);
}

static void end(struct sts *sts, struct entry *entry)
{
	struct list *link;

	if (fetch_under_way(&entry->fetch)) {
		fetch_cancel(sts->fetcher, &entry->fetch);
		fetch_wipe(&entry->fetch);
	}
	while ((link = list_take_first(&entry->waiting)) != NULL)
		free(container_of(link, struct waiter, link));
	forget(entry);
}

static void run(struct agent_thread *thread)
{
	struct sts *sts = container_of(thread, struct sts, thread);

	sts->files = sts_shelf_count(sts->directory);
	while (!agent_thread_stopping(thread))
		turn(sts);
	for (size_t b = 0; b < BUCKETS; b++) {
		while (!list_empty(&sts->buckets[b]))
			end(sts, container_of(sts->buckets[b].next, struct entry, link));
	}
}

static void free_all(struct sts *sts)
{
	sts_sweep_stop(&sts->sweep);
	fetcher_free(sts->fetcher);
	free(sts->directory);
	free(sts);
}

struct sts *sts_start(const char *directory)
{
	return sts_start_within(directory, sts_bounds);
}

struct sts *sts_start_within(const char *directory, struct sts_bounds bounds)
{
	struct sts *sts = fetch_global_init() == 0 ? calloc(1, sizeof(*sts)) : NULL;
	int r = -ENOMEM;

	if (!sts) {
		errno = ENOMEM;
		return NULL;
	}
	for (size_t b = 0; b < BUCKETS; b++)
		list_init(&sts->buckets[b]);
	list_init(&sts->waiting);
	list_init(&sts->spare);
	sts->bounds = bounds;
	sts->sweep.is_known = is_known;
	sts->sweep.context = sts;
	sts->looked_ns = clock_monotonic_ns();
	sts->directory = strdup(directory);
	sts->fetcher = fetcher_new();
	if (sts->directory && sts->fetcher)
		r = agent_thread_start(&sts->thread, "sts", STS_QUESTIONS_MAX, run);
	if (r == 0)
		return sts;
	free_all(sts);
	errno = -r;
	return NULL;
}

void sts_stop(struct sts *sts)
{
	if (!sts)
		return;
	agent_thread_stop(&sts->thread);
	free_all(sts);
}

void sts_hasten(struct sts *sts)
{
	if (sts)
		agent_bell(&sts->thread.agent);
}

void sts_ask(struct sts *sts, struct asker *asker, struct sts_question *question)
{
	agent_ask(&sts->thread.agent, asker, &question->question);
}
