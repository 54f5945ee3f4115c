/*
 * core/agents/dns.c - see dns.h: questions, the search list, deadlines, and what is told.
 *
 * Everything below dns_ask() runs on the agent's thread, which never blocks but in its poll: dns_library.c asks.
 *
 *     waiting -- a place is free --> running: A and AAAA of one candidate -- both answered --> the next candidate,
 *        |                              |                                                      or answered
 *        '---- deadline, given up ------'
 *
 * Where exchangers are asked for it is one query for MX, of the domain as it is written.
 *
 * When one of the two has brought addresses the other gets a little more time: servers that drop questions for AAAA are
 * no reason to wait for the deadline.
 */
#include "core/agents/dns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/agents/dns_private.h"
#include "core/base/clock.h"

enum {
	RUNNING_MAX = 256,  /* jobs; dns_library.c allows twice as many queries */
	GRACE_MS = 2000,    /* for the other kind of address */
	LOOK_MS = 1000,     /* between two looks at the files */
	IDLE_MS = 60000,    /* nothing to do */
	FILE_MAX = 8 << 20, /* of /etc/hosts: some block half the world there */
};

/* ---- files -------------------------------------------------------------------------------------------------- */

/* Which file it is; zeros: none. */
static void stamp_of(const char *path, uint64_t stamp[3])
{
	struct stat st;

	memset(stamp, 0, 3 * sizeof(*stamp));
	if (stat(path, &st) < 0)
		return;
	stamp[0] = (uint64_t)st.st_ino;
	stamp[1] = (uint64_t)st.st_size;
	stamp[2] = (uint64_t)st.st_mtim.tv_sec * CLOCK_NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
}

/* From malloc; NULL: none. */
static char *read_whole(const char *path, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	ssize_t n;

	*length = 0;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX)
		text = malloc((size_t)st.st_size + 1);
	while (text && *length < (size_t)st.st_size && (n = read(fd, text + *length, (size_t)st.st_size - *length)) > 0)
		*length += (size_t)n;
	if (fd >= 0)
		close(fd);
	return text;
}

static void read_conf(struct dns *dns)
{
	size_t length;
	char *text = read_whole("/etc/resolv.conf", &length);

	resolv_conf_parse(text ? text : "", length, &dns->conf);
	free(text);
}

static void cancel(struct dns *dns, struct dns_job *job)
{
	for (unsigned i = 0; i < DNS_KINDS; i++)
		dns_library_cancel(dns->library, &job->queries[i]);
}

/* What is under way is asked anew, of the servers that are in the file now. */
static void renew(struct dns *dns)
{
	struct list *link;

	while ((link = list_take_first(&dns->running)) != NULL) {
		struct dns_job *job = container_of(link, struct dns_job, link);
		cancel(dns, job);
		job->candidate = 0;
		job->empty = job->failed = false;
		list_append(&dns->waiting, link);
	}
	dns->running_count = 0;
	dns_library_free(dns->library);
	dns->library = dns_library_new(dns);
}

static void look_at_files(struct dns *dns, uint64_t now_ns)
{
	uint64_t stamp[3];

	if (dns->looked_ns && now_ns - dns->looked_ns < LOOK_MS * CLOCK_NS_PER_MS)
		return;
	dns->looked_ns = now_ns;
	stamp_of("/etc/hosts", stamp);
	if (memcmp(stamp, dns->hosts_stamp, sizeof(stamp)) != 0) {
		memcpy(dns->hosts_stamp, stamp, sizeof(stamp));
		free(dns->hosts);
		dns->hosts = read_whole("/etc/hosts", &dns->hosts_length);
	}
	stamp_of("/etc/resolv.conf", stamp);
	if (dns->library && memcmp(stamp, dns->conf_stamp, sizeof(stamp)) == 0)
		return;
	memcpy(dns->conf_stamp, stamp, sizeof(stamp));
	read_conf(dns);
	renew(dns);
}

/* ---- answering ---------------------------------------------------------------------------------------------- */

static void valid(struct dns_question *q, unsigned ttl_s, unsigned least_s, unsigned most_s)
{
	q->valid_ns = (ttl_s < least_s ? least_s : ttl_s > most_s ? most_s : ttl_s) * CLOCK_NS_PER_S;
}

static void answer(struct dns *dns, struct dns_job *job, int result)
{
	struct dns_question *q = job->question;

	cancel(dns, job);
	list_remove(&job->link);
	free(job);
	agent_answer(&dns->thread.agent, &q->question, result);
}

static void answer_addresses(struct dns *dns, struct dns_job *job, unsigned ttl_s)
{
	job->question->problem[0] = '\0';
	valid(job->question, ttl_s, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
	dns_put_in_order(job->question);
	answer(dns, job, 0);
}

/* Which servers they are, for people. */
static void servers_text(const struct dns *dns, char *out, size_t size)
{
	unsigned count = dns->server_count ? dns->server_count : dns->conf.server_count, i;
	size_t n = 0;

	snprintf(out, size, "127.0.0.1");
	for (i = 0; i < count && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "",
				      dns->server_count ? dns->servers[i] : dns->conf.servers[i]);
}

static void answer_failed(struct dns *dns, struct dns_job *job, const char *what, int result)
{
	struct dns_question *q = job->question;
	char servers[100];

	servers_text(dns, servers, sizeof(servers));
	q->count = 0;
	q->secure = false;
	valid(q, DNS_FAILED_S, DNS_FAILED_S, DNS_FAILED_S);
	snprintf(q->problem, sizeof(q->problem), "%s (asked: %s)", what, servers);
	answer(dns, job, result);
}

/* Servers failed, or what they answered did. */
static void answer_rcode(struct dns *dns, struct dns_job *job, bool bogus, int rcode)
{
	char what[sizeof(job->why) + 40];

	if (bogus)
		snprintf(what, sizeof(what), "DNSSEC does not prove the answer: %s", job->why);
	else
		snprintf(what, sizeof(what), "the name servers answer %s", dns_library_rcode(rcode));
	job->question->bogus = bogus;
	answer_failed(dns, job, what, -EREMOTEIO);
}

/* All candidates have been asked for, and there is no address. */
static void answer_nothing(struct dns *dns, struct dns_job *job)
{
	struct dns_question *q = job->question;

	if (job->failed) {
		answer_rcode(dns, job, job->bogus, job->rcode);
		return;
	}
	q->count = 0;
	q->secure = !job->unproven;
	q->bogus = job->bogus;
	valid(q, job->ttl_s, DNS_FAILED_S, DNS_NEGATIVE_MAX_S);
	snprintf(q->problem, sizeof(q->problem), "%s",
		 job->empty ? "the name exists, but has no address" : "there is no such name (NXDOMAIN)");
	answer(dns, job, -ENOENT);
}

/* ---- jobs --------------------------------------------------------------------------------------------------- */

static bool take_data(struct dns *dns, struct dns_job *job)
{
	struct dns_question *q = job->question;
	unsigned ttl_s = UINT32_MAX;

	q->count = 0;
	q->secure = true;
	q->bogus = false;
	for (unsigned k = 0; k < DNS_KINDS; k++) {
		const struct dns_query *query = &job->queries[k];
		/* Room for both kinds. */
		unsigned most = k + 1 < DNS_KINDS && job->queries[k + 1].count > 0 ? DNS_ADDRESSES_MAX / 2
										   : DNS_ADDRESSES_MAX - q->count;
		if (query->answer != DNS_ANSWER_DATA)
			continue;
		q->secure = q->secure && query->secure;
		q->bogus = q->bogus || query->bogus;
		for (unsigned i = 0; i < query->count && i < most; i++)
			q->addresses[q->count++] = query->addresses[i];
		if (query->ttl_s < ttl_s)
			ttl_s = query->ttl_s;
	}
	if (q->count == 0)
		return false;
	answer_addresses(dns, job, ttl_s);
	return true;
}

static void note(struct dns_job *job, const struct dns_query *query)
{
	job->empty |= query->answer == DNS_ANSWER_EMPTY;
	job->unproven |= !query->secure;
	job->bogus |= query->bogus;
	if (query->answer == DNS_ANSWER_FAILED) {
		job->failed = true;
		job->rcode = query->rcode;
	} else if (query->ttl_s < job->ttl_s) {
		job->ttl_s = query->ttl_s;
	}
}

/* ---- exchangers ---- */

static void ask_exchangers(struct dns *dns, struct dns_job *job)
{
	struct dns_exchangers_question *q = container_of(job->question, struct dns_exchangers_question, base);

	q->count = 0;
	q->null = false;
	dns_library_ask(dns->library, &job->queries[0], q->base.name, DNS_MX);
}

/* False: it is over. */
static bool step_exchangers(struct dns *dns, struct dns_job *job)
{
	struct dns_exchangers_question *q = container_of(job->question, struct dns_exchangers_question, base);
	const struct dns_query *query = &job->queries[0];

	if (query->out)
		return true;
	q->base.problem[0] = '\0';
	if (query->answer == DNS_ANSWER_FAILED) {
		answer_rcode(dns, job, query->bogus, query->rcode);
		return false;
	}
	q->base.secure = query->secure;
	q->base.bogus = query->bogus;
	if (query->answer == DNS_ANSWER_DATA) {
		valid(&q->base, query->ttl_s, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
		if (q->count == 0)
			snprintf(q->base.problem, sizeof(q->base.problem), "%s",
				 q->null ? "the domain takes no mail (null MX)"
					 : "none of its MX records names a host");
		answer(dns, job, 0);
		return false;
	}
	valid(&q->base, query->ttl_s, DNS_FAILED_S, DNS_NEGATIVE_MAX_S);
	snprintf(q->base.problem, sizeof(q->base.problem), "%s",
		 query->answer == DNS_ANSWER_EMPTY ? "the domain has no MX record"
						   : "there is no such domain (NXDOMAIN)");
	answer(dns, job, query->answer == DNS_ANSWER_EMPTY ? -ENODATA : -ENOENT);
	return false;
}

/* ---- records ---- */

static struct dns_records_question *records_of(struct dns_job *job)
{
	return container_of(job->question, struct dns_records_question, base);
}

static void ask_records(struct dns *dns, struct dns_job *job)
{
	bool tlsa = records_of(job)->kind == DNS_RECORDS_TLSA;
	const char *name = job->search.name;

	cancel(dns, job);
	switch (job->search.ask) {
	case DNS_RECORDS_ASK_ADDRESSES:
		dns_library_ask(dns->library, &job->queries[0], name, DNS_A);
		dns_library_ask(dns->library, &job->queries[1], name, DNS_AAAA);
		return;
	case DNS_RECORDS_ASK_ALIAS:
		dns_library_ask(dns->library, &job->queries[0], name, DNS_CNAME);
		return;
	case DNS_RECORDS_ASK_DATA:
		dns_library_ask(dns->library, &job->queries[0], name, tlsa ? DNS_TLSA : DNS_TXT);
		return;
	}
}

/* Does what comes next; false: it is over. */
static bool follow_records(struct dns *dns, struct dns_job *job, enum dns_records_go go)
{
	struct dns_question *q = job->question;

	q->problem[0] = '\0';
	switch (go) {
	case DNS_RECORDS_WAIT:
		return true;
	case DNS_RECORDS_ASK:
		ask_records(dns, job);
		return true;
	case DNS_RECORDS_FOUND:
		valid(q, job->ttl_s, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
		answer(dns, job, 0);
		return false;
	case DNS_RECORDS_NOTHING:
		valid(q, job->ttl_s, DNS_VALID_MIN_S, DNS_NEGATIVE_MAX_S);
		answer(dns, job, -ENOENT);
		return false;
	case DNS_RECORDS_FAILED:
		if (records_of(job)->too_many)
			answer_failed(dns, job, "there are more of them than can be used", -EMSGSIZE);
		else
			answer_rcode(dns, job, job->bogus, job->rcode);
		return false;
	}
	return false;
}

/* False: it is over. */
static bool step_records(struct dns *dns, struct dns_job *job)
{
	struct dns_records_fact facts[DNS_KINDS];

	for (unsigned k = 0; k < DNS_KINDS; k++) {
		const struct dns_query *query = &job->queries[k];
		bool answered = !query->out && query->answer != DNS_ANSWER_NONE;
		facts[k] = (struct dns_records_fact){
			.answered = answered,
			.failed = answered && query->answer == DNS_ANSWER_FAILED,
			.data = answered && query->answer == DNS_ANSWER_DATA,
			.secure = query->secure,
			.canonical = query->canonical,
		};
		if (facts[k].failed) {
			job->rcode = query->rcode;
			job->bogus = query->bogus;
		} else if (answered && query->ttl_s < job->ttl_s) {
			job->ttl_s = query->ttl_s;
		}
	}
	job->question->secure = facts[0].secure;
	return follow_records(dns, job, dns_records_go_on(&job->search, records_of(job), facts));
}

/* Asks for the next candidate; false: there was none, and the question is answered. */
static bool ask_next(struct dns *dns, struct dns_job *job)
{
	char name[DNS_NAME_SIZE], own[DNS_NAME_SIZE + 1];

	if (job->question->exchangers) {
		ask_exchangers(dns, job);
		return true;
	}
	if (job->question->records) {
		job->ttl_s = DNS_VALID_MAX_S;
		return follow_records(dns, job, dns_records_begin(&job->search, records_of(job)));
	}
	snprintf(own, sizeof(own), "%s%s", job->question->name, job->question->whole ? "." : "");
	while (resolv_conf_candidate(&dns->conf, own, job->candidate++, name)) {
		bool out = false;
		for (unsigned k = 0; k < DNS_KINDS && name[0] != '\0'; k++) {
			dns_library_ask(dns->library, &job->queries[k], name, (enum dns_kind)k);
			out |= job->queries[k].out;
			if (!job->queries[k].out)
				note(job, &job->queries[k]);
		}
		if (out)
			return true;
	}
	answer_nothing(dns, job);
	return false;
}

/* Looks at a running job; false: it is over. */
static bool step(struct dns *dns, struct dns_job *job, uint64_t now_ns)
{
	bool data = false;
	unsigned out = 0;

	if (job->question->exchangers)
		return step_exchangers(dns, job);
	if (job->question->records)
		return step_records(dns, job);
	for (unsigned k = 0; k < DNS_KINDS; k++) {
		out += job->queries[k].out;
		data |= job->queries[k].answer == DNS_ANSWER_DATA;
	}
	if (out > 0) {
		if (data && job->deadline_ns > now_ns + GRACE_MS * CLOCK_NS_PER_MS)
			job->deadline_ns = now_ns + GRACE_MS * CLOCK_NS_PER_MS;
		return true;
	}
	if (take_data(dns, job))
		return false;
	for (unsigned k = 0; k < DNS_KINDS; k++)
		note(job, &job->queries[k]);
	return ask_next(dns, job);
}

static void expired(struct dns *dns, struct dns_job *job)
{
	char what[80];

	if (!job->question->exchangers && !job->question->records && take_data(dns, job))
		return;
	snprintf(what, sizeof(what), "no name server has answered");
	answer_failed(dns, job, what, -ETIMEDOUT);
}

static void answer_at_once(struct dns *dns, struct dns_question *q, int result)
{
	agent_answer(&dns->thread.agent, &q->question, result);
}

/* Files and names that need no network; true: answered. */
static bool answer_locally(struct dns *dns, struct dns_question *q)
{
	q->count = dns->hosts ? hosts_find(dns->hosts, dns->hosts_length, q->name, q->addresses, DNS_ADDRESSES_MAX) : 0;
	if (q->count == 0)
		q->count = hosts_loopback(q->name, q->addresses, DNS_ADDRESSES_MAX);
	if (q->count == 0)
		return false;
	q->problem[0] = '\0';
	valid(q, DNS_VALID_MIN_S, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
	dns_put_in_order(q);
	answer_at_once(dns, q, 0);
	return true;
}

/* What is in a file is not in the DNS, and nothing is proven of it; nor is anything where nobody looks. */
static bool answer_unproven(struct dns *dns, struct dns_question *q)
{
	struct ring_address one;

	if (container_of(q, struct dns_records_question, base)->kind != DNS_RECORDS_TLSA)
		return false;
	if (dns->validate && (!dns->hosts || hosts_find(dns->hosts, dns->hosts_length, q->name, &one, 1) == 0) &&
	    hosts_loopback(q->name, &one, 1) == 0)
		return false;
	q->problem[0] = '\0';
	valid(q, DNS_VALID_MIN_S, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
	answer_at_once(dns, q, -ENOENT);
	return true;
}

static void begin(struct dns *dns, struct dns_question *q)
{
	struct dns_job *job;

	q->secure = q->bogus = false;
	if (question_given_up(&q->question)) {
		answer_at_once(dns, q, -ECANCELED);
		return;
	}
	if (q->records ? answer_unproven(dns, q) : !q->exchangers && answer_locally(dns, q))
		return;
	job = calloc(1, sizeof(*job));
	if (!job) {
		q->count = 0;
		valid(q, DNS_FAILED_S, DNS_FAILED_S, DNS_FAILED_S);
		snprintf(q->problem, sizeof(q->problem), "out of memory");
		answer_at_once(dns, q, -ENOMEM);
		return;
	}
	job->question = q;
	job->deadline_ns = q->question.deadline_ns;
	job->ttl_s = DNS_NEGATIVE_MAX_S;
	for (unsigned k = 0; k < DNS_KINDS; k++)
		job->queries[k].job = job;
	list_append(&dns->waiting, &job->link);
}

static void look_at(struct dns *dns, struct list *list, bool running, uint64_t now_ns, uint64_t *next_ns)
{
	struct list *link, *next;

	for (link = list->next; link != list; link = next) {
		struct dns_job *job = container_of(link, struct dns_job, link);
		bool on = true;
		next = link->next;
		if (question_given_up(&job->question->question)) {
			answer(dns, job, -ECANCELED);
			on = false;
		} else if (running) {
			on = step(dns, job, now_ns);
		}
		if (on && job->deadline_ns <= now_ns) {
			expired(dns, job);
			on = false;
		}
		if (on && job->deadline_ns < *next_ns)
			*next_ns = job->deadline_ns;
		if (!on && running)
			dns->running_count--;
	}
}

static void start_waiting(struct dns *dns)
{
	while (dns->running_count < RUNNING_MAX && !list_empty(&dns->waiting)) {
		struct dns_job *job = container_of(list_take_first(&dns->waiting), struct dns_job, link);
		list_append(&dns->running, &job->link);
		dns->running_count += ask_next(dns, job);
	}
}

/* ---- the thread --------------------------------------------------------------------------------------------- */

static void turn(struct dns *dns)
{
	struct question *question, *following;
	uint64_t now_ns = clock_monotonic_ns(), next_ns = now_ns + IDLE_MS * CLOCK_NS_PER_MS;

	question = agent_take(&dns->thread.agent);
	if (question || !list_empty(&dns->running) || !list_empty(&dns->waiting))
		look_at_files(dns, now_ns);
	for (; question; question = following) {
		following = question->next;
		begin(dns, container_of(question, struct dns_question, question));
	}
	look_at(dns, &dns->running, true, now_ns, &next_ns);
	look_at(dns, &dns->waiting, false, now_ns, &next_ns);
	start_waiting(dns);
	look_at(dns, &dns->running, true, now_ns, &next_ns);
	now_ns = clock_monotonic_ns();
	/* Changes of the files are noticed while anybody waits. */
	if (dns->running_count > 0 && next_ns > now_ns + LOOK_MS * CLOCK_NS_PER_MS)
		next_ns = now_ns + LOOK_MS * CLOCK_NS_PER_MS;
	if (agent_thread_wait(&dns->thread, dns_library_fd(dns->library), next_ns > now_ns ? next_ns - now_ns : 0))
		dns_library_process(dns->library);
}

static void forget(struct dns *dns, struct list *list)
{
	struct list *link;

	while ((link = list_take_first(list)) != NULL) {
		struct dns_job *job = container_of(link, struct dns_job, link);
		cancel(dns, job);
		free(job);
	}
}

static void run(struct agent_thread *thread)
{
	struct dns *dns = container_of(thread, struct dns, thread);

	while (!agent_thread_stopping(thread))
		turn(dns);
	forget(dns, &dns->running);
	forget(dns, &dns->waiting);
	dns_library_free(dns->library);
	free(dns->hosts);
}

static void free_all(struct dns *dns)
{
	free(dns->anchor);
	free(dns->anchor_kept);
	free(dns);
}

/* False: no memory. */
static bool copy_settings(struct dns *dns, const struct dns_settings *settings)
{
	for (unsigned i = 0; i < settings->server_count && i < DNS_SERVERS_MAX; i++)
		snprintf(dns->servers[dns->server_count++], DNS_SERVER_TEXT, "%s", settings->servers[i]);
	dns->validate = settings->validate;
	dns->anchor = settings->anchor ? strdup(settings->anchor) : NULL;
	dns->anchor_kept = settings->anchor_kept ? strdup(settings->anchor_kept) : NULL;
	return !dns->anchor == !settings->anchor && !dns->anchor_kept == !settings->anchor_kept;
}

struct dns *dns_start(const struct dns_settings *settings)
{
	struct dns *dns = calloc(1, sizeof(*dns));
	int r = dns && copy_settings(dns, settings) ? 0 : -ENOMEM;

	if (r == 0) {
		list_init(&dns->waiting);
		list_init(&dns->running);
		r = agent_thread_start(&dns->thread, "dns", DNS_QUESTIONS_MAX, run);
	}
	if (r < 0) {
		if (dns)
			free_all(dns);
		errno = -r;
		return NULL;
	}
	return dns;
}

void dns_stop(struct dns *dns)
{
	if (!dns)
		return;
	agent_thread_stop(&dns->thread);
	free_all(dns);
}

bool dns_idle(const struct dns *dns)
{
	return atomic_load_explicit(&dns->thread.agent.out, memory_order_relaxed) == 0;
}

void dns_ask(struct dns *dns, struct asker *asker, struct dns_question *question)
{
	agent_ask(&dns->thread.agent, asker, &question->question);
}

void dns_ask_exchangers(struct dns *dns, struct asker *asker, struct dns_exchangers_question *question)
{
	question->base.exchangers = true;
	dns_ask(dns, asker, &question->base);
}

void dns_ask_records(struct dns *dns, struct asker *asker, struct dns_records_question *question)
{
	question->base.records = true;
	dns_ask(dns, asker, &question->base);
}
