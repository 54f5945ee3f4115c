/*
 * tests/unit/test_tls_count.c - core/agents/tls_count.c: sessions counted by domain and policy, within bounds.
 */
#include "core/agents/tls_count.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/check.h"

struct sum {
	uint64_t good, failed, details;
	unsigned domains, policies, failures;
};

static void add_up(void *context, const struct tls_domain_count *domain)
{
	struct sum *sum = context;

	sum->domains++;
	for (const struct tls_policy_count *policy = domain->policies; policy; policy = policy->next) {
		sum->policies++;
		sum->good += policy->good;
		sum->failed += policy->failed;
		for (const struct tls_failure *f = policy->failures; f; f = f->next) {
			sum->failures++;
			sum->details += f->count;
		}
	}
}

static struct sum sum_of(const struct tls_count *count)
{
	struct sum sum = {0};

	tls_count_each(count, add_up, &sum);
	return sum;
}

static const struct tls_seen good = {.domain = "a.example"};
static const struct tls_seen bad = {.domain = "a.example",
				    .policy = TLS_POLICY_STS,
				    .words = {"version: STSv1\nmode: enforce\n", 29},
				    .result = TLS_RESULT_EXPIRED,
				    .from = "192.0.2.1",
				    .host = "mx.a.example",
				    .to = "192.0.2.2",
				    .why = "it ended on Tuesday"};

static void test_counting(void)
{
	struct tls_count *count = tls_count_new(1 << 20), *other = tls_count_new(1 << 20);
	struct tls_seen seen = bad;
	struct sum sum;

	CHECK(tls_count_empty(count));
	tls_count_add(count, &good, 1);
	tls_count_add(count, &good, 2);
	tls_count_add(count, &bad, 1);
	tls_count_add(count, &bad, 1);
	seen.host = "mx2.a.example";
	tls_count_add(count, &seen, 5);
	seen.words = span_text("version: STSv1\nmode: testing\n");
	tls_count_add(count, &seen, 1);
	seen.domain = "b.example";
	tls_count_add(count, &seen, 1);
	sum = sum_of(count);
	CHECK_EQ(sum.domains, 2);
	CHECK_EQ(sum.policies, 4);
	CHECK_EQ(sum.good, 3);
	CHECK_EQ(sum.failed, 9);
	CHECK_EQ(sum.details, 9);
	CHECK_EQ(sum.failures, 4);
	CHECK_EQ(tls_count_lost(count), 0);

	tls_count_merge(other, count);
	tls_count_merge(other, count);
	sum = sum_of(other);
	CHECK_EQ(sum.domains, 2);
	CHECK_EQ(sum.policies, 4);
	CHECK_EQ(sum.good, 6);
	CHECK_EQ(sum.failed, 18);
	CHECK_EQ(sum.failures, 4);
	tls_count_free(count);
	tls_count_free(other);
}

/* Whoever makes his host fail in ever new ways gets no more memory by it, and is counted all the same. */
static void test_many_failures(void)
{
	struct tls_count *count = tls_count_new(1 << 20);
	struct tls_seen seen = bad;
	char host[40];
	struct sum sum;

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(host, sizeof(host), "mx%u.a.example", i);
		seen.host = host;
		tls_count_add(count, &seen, 1);
	}
	sum = sum_of(count);
	CHECK_EQ(sum.failed, 1000);
	CHECK_EQ(sum.details, 1000);
	CHECK_EQ(sum.failures, TLS_COUNT_FAILURES_MAX + 1);
	tls_count_free(count);
}

static void test_many_policies(void)
{
	struct tls_count *count = tls_count_new(1 << 20);
	struct tls_seen seen = bad;
	char words[40];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(words, sizeof(words), "max_age: %u\n", i);
		seen.words = span_text(words);
		tls_count_add(count, &seen, 1);
	}
	CHECK_EQ(sum_of(count).policies, TLS_COUNT_POLICIES_MAX);
	CHECK_EQ(tls_count_lost(count), 100 - TLS_COUNT_POLICIES_MAX);
	tls_count_free(count);
}

/* A million domains: what does not fit is counted. */
static void test_many_domains(void)
{
	enum { DOMAINS = 1000000 };
	struct tls_count *count = tls_count_new(TLS_COUNT_SHARD_OCTETS);
	struct tls_domain_count *domain;
	struct tls_seen seen = good;
	char name[40];
	size_t taken = 0;
	struct sum sum;

	for (unsigned i = 0; i < DOMAINS; i++) {
		snprintf(name, sizeof(name), "d%u.example", i);
		seen.domain = name;
		tls_count_add(count, &seen, 1);
	}
	sum = sum_of(count);
	CHECK(sum.domains > 20000 && sum.domains < 200000);
	CHECK_EQ(sum.domains, tls_count_domains(count));
	CHECK_EQ(sum.good + tls_count_lost(count), DOMAINS);
	while ((domain = tls_count_take(count)) != NULL) {
		CHECK_EQ(domain->policies->good, 1);
		tls_domain_count_free(domain);
		taken++;
	}
	CHECK_EQ(taken, sum.domains);
	/* Room was given back. */
	tls_count_add(count, &good, 1);
	CHECK_EQ(tls_count_domains(count), 1);
	tls_count_free(count);
}

static void test_texts(void)
{
	enum { LONG = 100000 };
	struct tls_count *count = tls_count_new(1 << 20);
	char *text = malloc(LONG + 1);
	struct tls_seen seen = bad;

	memset(text, 'x', LONG);
	text[LONG] = '\0';
	seen.words = (struct span){text, LONG};
	seen.why = text;
	tls_count_add(count, &seen, 1);
	tls_count_add(count, &seen, 1);
	CHECK_EQ(sum_of(count).policies, 1);
	CHECK_EQ(sum_of(count).failures, 1);
	seen.domain = text;
	tls_count_add(count, &seen, 3);
	seen.domain = "";
	tls_count_add(count, &seen, 1);
	CHECK_EQ(tls_count_lost(count), 4);
	tls_count_free(count);
	free(text);
}

static void test_names(void)
{
	for (unsigned i = 0; i < TLS_RESULTS; i++)
		CHECK_EQ(tls_result_of(tls_result_name(i)), i);
	for (unsigned i = 0; i < TLS_POLICY_TYPES; i++)
		CHECK_EQ(tls_policy_type_of(tls_policy_type_name(i)), i);
	CHECK_EQ(tls_result_of("x"), TLS_RESULTS);
	CHECK_EQ(tls_policy_type_of(""), TLS_POLICY_TYPES);
}

int main(void)
{
	RUN(test_counting);
	RUN(test_many_failures);
	RUN(test_many_policies);
	RUN(test_many_domains);
	RUN(test_texts);
	RUN(test_names);
	return check_end();
}
