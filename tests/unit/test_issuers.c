/*
 * tests/unit/test_issuers.c - core/control/issuers.c: what could not be read is read again, though no file changes, and
 * told once. Files, lists and issuers are said here; the hour is what the looks say.
 */
#include "core/control/issuers.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/agents/revocations.h"
#include "core/base/clock.h"
#include "core/base/file_stamp.h"
#include "core/base/log.h"
#include "core/config/config.h"
#include "core/control/client_certificate.h"
#include "core/control/gate.h"
#include "core/control/remote.h"
#include "core/events/running.h"
#include "tests/unit/check.h"

struct revocations {
	int none;
};

struct client_trust {
	unsigned number;
};

static const char *lists_fail, *trust_fail; /* NULL: they can be read */
static uint64_t files;                      /* what they are like */
static unsigned reads, trusts, refused;
static struct client_trust *believed;
static struct log *events;
static struct issuers s;
static struct config config;
static uint64_t now_ns;
static char told[1 << 16];

uint64_t file_stamp(uint64_t sum, const char *path)
{
	return sum * 1000 + files;
}

struct revocations *revocations_none(void)
{
	return calloc(1, sizeof(struct revocations));
}

struct revocations *revocations_read(const char *file, char *problem, size_t size)
{
	reads++;
	if (lists_fail)
		snprintf(problem, size, "%s", lists_fail);
	return lists_fail ? NULL : revocations_none();
}

void revocations_free(struct revocations *revocations)
{
	free(revocations);
}

size_t revocations_authorities(struct revocations *revocations, const char *pem, size_t length, int64_t now_s,
			       revocations_fn *fn, void *context)
{
	return 0;
}

void revocations_sum(const struct revocations *revocations, struct revocations_sum *out)
{
	*out = (struct revocations_sum){.lists = 1, .ends = INT64_MAX};
}

char *remote_issuers_read(const struct config *of, char *problem, size_t size)
{
	snprintf(problem, size, "%s", trust_fail ? trust_fail : "out of memory");
	return trust_fail ? NULL : strdup("issuers");
}

struct client_trust *client_trust_new(const char *pem, struct revocations *revocations, char *problem, size_t size)
{
	struct client_trust *trust = malloc(sizeof(*trust));

	*trust = (struct client_trust){++trusts};
	return trust;
}

void client_trust_free(struct client_trust *trust)
{
	free(trust);
}

void gate_trust(struct gate *gate, struct client_trust *trust)
{
	free(believed);
	believed = trust;
}

void gate_revoke(struct gate *gate, struct revocations *revocations)
{
}

void event_certificate_refused(struct log *log, const char *problem)
{
	CHECK_STR(problem, trust_fail ? trust_fail : "");
	refused++;
}

static unsigned count(const char *event)
{
	size_t used = strlen(told), n = 0;
	int fd[2];
	ssize_t more;

	CHECK(pipe(fd) == 0);
	log_drain(events, fd[1]);
	close(fd[1]);
	while ((more = read(fd[0], told + used, sizeof(told) - 1 - used)) > 0)
		used += (size_t)more;
	close(fd[0]);
	told[used] = '\0';
	for (const char *at = told; (at = strstr(at, event)) != NULL; at += strlen(event))
		n++;
	return (unsigned)n;
}

/* So many seconds later; until nothing is read any more. */
static void look(unsigned seconds)
{
	now_ns += seconds * CLOCK_NS_PER_S;
	(void)issuers_look(&s, now_ns, 1, events);
	while (s.reading) {
		usleep(1000);
		(void)issuers_look(&s, now_ns, 1, events);
	}
}

static void begin(void)
{
	static char ca[] = "ca.pem", crl[] = "ca.crl";
	char problem[300] = "";

	config.control.http.client_ca = ca;
	config.control.http.client_crl = crl;
	events = log_new(-1, 1 << 16);
	told[0] = '\0';
	files = 1;
	reads = trusts = refused = 0;
	CHECK_EQ(issuers_begin(&s, &config, NULL, problem, sizeof(problem)), 0);
	now_ns = clock_monotonic_ns();
}

static void end(void)
{
	issuers_end(&s);
	free(believed);
	believed = NULL;
	log_free(events);
}

static void test_lists(void)
{
	unsigned before;

	lists_fail = "Too many open files";
	begin();
	look(1);
	CHECK_EQ(count("client_crl_refused"), 1);
	before = reads;
	look(60);
	CHECK_EQ(reads, before + 1);
	CHECK_EQ(count("client_crl_refused"), 1);
	lists_fail = "Cannot allocate memory";
	look(60);
	CHECK_EQ(reads, before + 2);
	CHECK_EQ(count("client_crl_refused"), 2);
	CHECK(strstr(told, lists_fail) != NULL);
	lists_fail = NULL;
	look(30);
	CHECK_EQ(reads, before + 2);
	CHECK_EQ(count("client_crl_read"), 0);
	look(30);
	CHECK_EQ(reads, before + 3);
	CHECK_EQ(count("client_crl_read"), 1);
	look(600);
	CHECK_EQ(reads, before + 3);
	CHECK_EQ(count("client_crl_read"), 1);
	CHECK_EQ(count("client_crl_refused"), 2);
	CHECK_EQ(refused, 0);
	end();
}

static void test_issuers(void)
{
	lists_fail = trust_fail = NULL;
	begin();
	CHECK(believed && believed->number == 1);
	trust_fail = "Too many open files";
	files = 2;
	look(1);
	look(1);
	CHECK_EQ(reads, 2);
	CHECK_EQ(refused, 1);
	CHECK_EQ(believed->number, 1);
	CHECK_EQ(count("client_crl_read"), 1);
	look(60);
	CHECK_EQ(reads, 3);
	CHECK_EQ(refused, 1);
	/* Written anew, and no better: another one is told. */
	files = 3;
	look(1);
	look(1);
	CHECK_EQ(reads, 4);
	CHECK_EQ(refused, 2);
	trust_fail = NULL;
	look(60);
	CHECK_EQ(reads, 5);
	CHECK_EQ(refused, 2);
	CHECK_EQ(believed->number, 2);
	look(600);
	CHECK_EQ(reads, 5);
	CHECK_EQ(count("client_crl_refused"), 0);
	end();
}

int main(void)
{
	RUN(test_lists);
	RUN(test_issuers);
	return check_end();
}
