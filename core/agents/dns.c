/*
 * core/agents/dns.c - see dns.h: questions, the files of the system, and the thread.
 *
 * Everything below dns_ask() runs on the agent's thread, which never blocks but in its poll: dns_library.c asks.
 *
 *     waiting -- a place is free --> running: A and AAAA of one candidate -- both answered --> the next candidate,
 *        |                              |                                                      or answered
 *        '---- deadline, given up ------'
 *
 * dns_places.c says whose turn it is, dns_job.c asks and answers.
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
#include "core/base/file_stamp.h"
#include "core/confine/beside.h"

enum {
	LOOK_MS = 1000,     /* between two looks at the files */
	IDLE_MS = 60000,    /* nothing to do */
	FILE_MAX = 8 << 20, /* of /etc/hosts: some block half the world there */
};

/* ---- files -------------------------------------------------------------------------------------------------- */

/* From malloc; NULL: none. False: it is there and cannot be read now, as where it was replaced and the process beside
 * does not answer; what is known of it is to stay. */
static bool read_whole(const char *path, enum beside_file file, char **whole, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	ssize_t n;

	*length = 0;
	*whole = NULL;
	if (fd < 0 && errno == EACCES)
		fd = beside_open(file);
	if (fd < 0 && access(path, F_OK) == 0)
		return false;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX)
		text = malloc((size_t)st.st_size + 1);
	while (text && *length < (size_t)st.st_size && (n = read(fd, text + *length, (size_t)st.st_size - *length)) > 0)
		*length += (size_t)n;
	if (fd >= 0)
		close(fd);
	*whole = text;
	return true;
}

/* At the start there is nothing that could stay. */
static bool read_conf(struct dns *dns, bool first)
{
	size_t length;
	char *text;

	if (!read_whole("/etc/resolv.conf", BESIDE_RESOLV_CONF, &text, &length) && !first)
		return false;
	resolv_conf_parse(text ? text : "", length, &dns->conf);
	free(text);
	return true;
}

static void read_hosts(struct dns *dns, uint64_t stamp)
{
	size_t length;
	char *text;

	if (!read_whole("/etc/hosts", BESIDE_HOSTS, &text, &length))
		return;
	dns->hosts_stamp = stamp;
	free(dns->hosts);
	dns->hosts = text;
	dns->hosts_length = length;
}

static void look_at_files(struct dns *dns, uint64_t now_ns)
{
	uint64_t stamp;
	bool first = !dns->looked_ns;

	if (!first && now_ns - dns->looked_ns < LOOK_MS * CLOCK_NS_PER_MS)
		return;
	dns->looked_ns = now_ns;
	dns_try_libraries(dns);
	stamp = file_stamp(0, "/etc/hosts");
	if (stamp != dns->hosts_stamp)
		read_hosts(dns, stamp);
	stamp = file_stamp(0, "/etc/resolv.conf");
	if ((!first && stamp == dns->conf_stamp) || !read_conf(dns, first))
		return;
	dns->conf_stamp = stamp;
	dns_renew(dns);
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

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
	dns_valid(q, DNS_VALID_MIN_S, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
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
	dns_valid(q, DNS_VALID_MIN_S, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
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
		dns_valid(q, DNS_FAILED_S, DNS_FAILED_S, DNS_FAILED_S);
		snprintf(q->problem, sizeof(q->problem), "out of memory");
		answer_at_once(dns, q, -ENOMEM);
		return;
	}
	job->question = q;
	job->wanted_ns = q->wanted_ns ? q->wanted_ns : clock_monotonic_ns();
	job->deadline_ns = q->question.deadline_ns;
	job->ttl_s = DNS_NEGATIVE_MAX_S;
	for (unsigned k = 0; k < DNS_KINDS; k++)
		job->queries[k].job = job;
	dns_wait(dns, job, !q->strange ? DNS_OWN : q->doubtful ? DNS_AGAIN : DNS_FIRST);
}

/* ---- the thread --------------------------------------------------------------------------------------------- */

static void turn(struct dns *dns)
{
	struct question *question, *following;
	uint64_t now_ns = clock_monotonic_ns(), next_ns = now_ns + IDLE_MS * CLOCK_NS_PER_MS;

	question = agent_take(&dns->thread.agent);
	if (question || dns_has_work(dns))
		look_at_files(dns, now_ns);
	for (; question; question = following) {
		following = question->next;
		begin(dns, container_of(question, struct dns_question, question));
	}
	dns_look_at_all(dns, now_ns, &next_ns);
	now_ns = clock_monotonic_ns();
	/* Changes of the files are noticed while anybody waits. */
	if (dns_has_work(dns))
		next_ns = next_ns < now_ns + LOOK_MS * CLOCK_NS_PER_MS ? next_ns : now_ns + LOOK_MS * CLOCK_NS_PER_MS;
	if (agent_thread_wait(&dns->thread, dns->epoll, next_ns > now_ns ? next_ns - now_ns : 0))
		dns_process(dns);
}

static void run(struct agent_thread *thread)
{
	struct dns *dns = container_of(thread, struct dns, thread);

	while (!agent_thread_stopping(thread))
		turn(dns);
	dns_places_end(dns);
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
	int r = dns && copy_settings(dns, settings) ? dns_places_begin(dns) : -ENOMEM;

	if (r == 0) {
		r = agent_thread_start(&dns->thread, "dns", DNS_QUESTIONS_MAX, run);
		if (r < 0)
			dns_places_end(dns);
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

void dns_hasten(struct dns *dns)
{
	if (dns)
		agent_bell(&dns->thread.agent);
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
