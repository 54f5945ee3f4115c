/*
 * tests/unit/test_dns_search.c - dns.c alone: the search list, where the library does not take a question.
 *
 * Everything that it stands on is made here: what would wait says that it was waited for.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "core/agents/dns_private.h"
#include "tests/unit/check.h"

enum { CANDIDATES = 7, TAKEN = 5 /* of these, where one is */ };

static struct question *asked;
static unsigned questions, waits;
static bool answered, one_is_taken;
static int answer, library_fd = -1;
static struct dns_query *under_way[DNS_KINDS];

int agent_thread_start(struct agent_thread *thread, const char *name, unsigned most,
		       void (*run)(struct agent_thread *thread))
{
	thread->run = run;
	atomic_init(&thread->stopping, false);
	return 0;
}

void agent_thread_stop(struct agent_thread *thread)
{
}

bool agent_thread_wait(struct agent_thread *thread, int fd, uint64_t wait_ns)
{
	waits += !answered;
	if (answered || waits > 100)
		atomic_store(&thread->stopping, true);
	return under_way[DNS_A] != NULL;
}

struct question *agent_take(struct agent *agent)
{
	struct question *one = asked;

	asked = NULL;
	return one;
}

void agent_answer(struct agent *agent, struct question *question, int result)
{
	CHECK(!answered);
	answered = true;
	answer = result;
}

void agent_ask(struct agent *agent, struct asker *asker, struct question *question)
{
}

void resolv_conf_parse(const char *text, size_t length, struct resolv_conf *out)
{
}

bool resolv_conf_candidate(const struct resolv_conf *conf, const char *name, unsigned index, char out[DNS_NAME_SIZE])
{
	/* One does not fit, as where a search entry is too long for the name. */
	out[0] = (char)(index == 2 ? '\0' : 'a' + index);
	out[1] = '\0';
	return index < CANDIDATES;
}

unsigned hosts_find(const char *text, size_t length, const char *name, struct ring_address *out, unsigned most)
{
	return 0;
}

unsigned hosts_loopback(const char *name, struct ring_address *out, unsigned most)
{
	return 0;
}

struct ub_ctx *dns_library_new(const struct dns *dns, enum dns_rank rank)
{
	return (struct ub_ctx *)&questions;
}

void dns_library_free(struct ub_ctx *library)
{
}

/* Whatever can be looked at. */
int dns_library_fd(struct ub_ctx *library)
{
	if (library_fd < 0)
		library_fd = eventfd(0, EFD_CLOEXEC);
	return library_fd;
}

void dns_library_process(struct ub_ctx *library)
{
	for (unsigned k = 0; k < DNS_KINDS; k++) {
		under_way[k]->out = false;
		under_way[k]->answer = DNS_ANSWER_NO_NAME;
		under_way[k] = NULL;
	}
}

void dns_library_ask(struct ub_ctx *library, struct dns_query *query, const char *name, enum dns_kind kind)
{
	questions++;
	query->count = 0;
	query->out = one_is_taken && name[0] == 'a' + TAKEN;
	query->answer = query->out ? DNS_ANSWER_NONE : DNS_ANSWER_FAILED;
	query->rcode = 2;
	if (query->out)
		under_way[kind] = query;
}

void dns_library_cancel(struct ub_ctx *library, struct dns_query *query)
{
	query->out = false;
}

const char *dns_library_rcode(int rcode)
{
	return "an error";
}

/* How often it waited before the answer. */
static unsigned look_for(struct dns_question *question)
{
	struct dns *dns = dns_start(&(struct dns_settings){0});

	CHECK(dns != NULL);
	*question = (struct dns_question){.name = "mail", .port = 25};
	question->question.deadline_ns = UINT64_MAX;
	questions = waits = 0;
	answered = false;
	asked = &question->question;
	dns->thread.run(&dns->thread);
	CHECK(answered);
	dns_stop(dns);
	return waits;
}

/* All are asked for, and nothing is waited for. */
static void test_none_is_taken(void)
{
	struct dns_question question;

	one_is_taken = false;
	CHECK_EQ(look_for(&question), 0);
	CHECK_EQ(answer, -EREMOTEIO);
	CHECK_EQ(questions, DNS_KINDS * (CANDIDATES - 1));
}

/* That one is waited for, and the failures of the others stay in the answer. */
static void test_one_is_taken(void)
{
	struct dns_question question;

	one_is_taken = true;
	CHECK_EQ(look_for(&question), 1);
	CHECK_EQ(answer, -EREMOTEIO);
	CHECK_EQ(questions, DNS_KINDS * (CANDIDATES - 1));
}

int main(void)
{
	RUN(test_none_is_taken);
	RUN(test_one_is_taken);
	return check_end();
}
