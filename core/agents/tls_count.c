/*
 * core/agents/tls_count.c - see tls_count.h.
 */
#include "core/agents/tls_count.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_FIRST = 64, POLICY_ROOM = sizeof(struct tls_policy_count) + TLS_COUNT_WORDS_MAX + 1 };

struct tls_count {
	struct tls_domain_count **rows; /* owned; a power of two */
	size_t row_count, domains;
	size_t octets, most;
	size_t take_at; /* rows before it are empty */
	uint64_t lost;
};

/* ---- names ------------------------------------------------------------------------------------------------------ */

static const char *const type_names[] = {"no-policy-found", "sts", "tlsa"};

static const char *const result_names[] = {
	"successful",
	"starttls-not-supported",
	"certificate-host-mismatch",
	"certificate-expired",
	"certificate-not-trusted",
	"validation-failure",
	"tlsa-invalid",
	"dnssec-invalid",
	"dane-required",
	"sts-policy-fetch-error",
	"sts-policy-invalid",
	"sts-webpki-invalid",
};

static unsigned find_name(const char *const *names, unsigned count, const char *name)
{
	unsigned i = 0;

	while (i < count && strcmp(names[i], name) != 0)
		i++;
	return i;
}

const char *tls_policy_type_name(enum tls_policy_type type)
{
	return type_names[type];
}

const char *tls_result_name(enum tls_result result)
{
	return result_names[result];
}

enum tls_policy_type tls_policy_type_of(const char *name)
{
	return (enum tls_policy_type)find_name(type_names, TLS_POLICY_TYPES, name);
}

enum tls_result tls_result_of(const char *name)
{
	return (enum tls_result)find_name(result_names, TLS_RESULTS, name);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

struct tls_count *tls_count_new(size_t most)
{
	struct tls_count *count = calloc(1, sizeof(*count));

	if (!count)
		return NULL;
	count->rows = calloc(ROWS_FIRST, sizeof(struct tls_domain_count *));
	count->row_count = ROWS_FIRST;
	count->most = most;
	if (count->rows)
		return count;
	free(count);
	return NULL;
}

static void free_policy(struct tls_policy_count *policy)
{
	while (policy->failures) {
		struct tls_failure *failure = policy->failures;
		policy->failures = failure->next;
		free(failure);
	}
	free(policy);
}

void tls_domain_count_free(struct tls_domain_count *domain)
{
	while (domain && domain->policies) {
		struct tls_policy_count *policy = domain->policies;
		domain->policies = policy->next;
		free_policy(policy);
	}
	free(domain);
}

struct tls_domain_count *tls_count_take(struct tls_count *count)
{
	struct tls_domain_count *domain;

	while (count->take_at < count->row_count && !count->rows[count->take_at])
		count->take_at++;
	if (count->take_at == count->row_count) {
		count->take_at = 0;
		return NULL;
	}
	domain = count->rows[count->take_at];
	count->rows[count->take_at] = domain->next;
	domain->next = NULL;
	count->domains--;
	count->octets -= domain->octets;
	return domain;
}

void tls_count_free(struct tls_count *count)
{
	struct tls_domain_count *domain;

	if (!count)
		return;
	count->take_at = 0;
	while ((domain = tls_count_take(count)) != NULL)
		tls_domain_count_free(domain);
	free(count->rows);
	free(count);
}

/* NULL: no room, or no memory. */
static void *take_room(struct tls_count *count, struct tls_domain_count *domain, size_t size)
{
	void *room = count->octets + size <= count->most ? calloc(1, size) : NULL;

	if (!room)
		return NULL;
	count->octets += size;
	if (domain)
		domain->octets += size;
	return room;
}

/* ---- one domain ------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 2166136261u;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 16777619u;
	return hash;
}

static void grow(struct tls_count *count)
{
	size_t before = count->row_count, i;
	struct tls_domain_count **rows = calloc(2 * before, sizeof(struct tls_domain_count *));

	if (!rows)
		return;
	for (i = 0; i < before; i++) {
		while (count->rows[i]) {
			struct tls_domain_count *domain = count->rows[i];
			size_t to = hash_of(domain->name) & (2 * before - 1);
			count->rows[i] = domain->next;
			domain->next = rows[to];
			rows[to] = domain;
		}
	}
	free(count->rows);
	count->rows = rows;
	count->row_count = 2 * before;
}

static struct tls_domain_count *domain_of(struct tls_count *count, const char *name)
{
	struct tls_domain_count **row = &count->rows[hash_of(name) & (count->row_count - 1)], *domain;
	size_t length = strlen(name) + 1, size = sizeof(*domain) + length;

	for (domain = *row; domain; domain = domain->next) {
		if (strcmp(domain->name, name) == 0)
			return domain;
	}
	/* With room for one policy: a domain without any says nothing. */
	domain = length > 1 && length <= TLS_COUNT_TEXT_MAX && count->octets + size + POLICY_ROOM <= count->most
			 ? take_room(count, NULL, size)
			 : NULL;
	if (!domain)
		return NULL;
	domain->octets = size;
	memcpy(domain->name, name, length);
	if (count->domains >= count->row_count)
		grow(count);
	row = &count->rows[hash_of(name) & (count->row_count - 1)];
	domain->next = *row;
	*row = domain;
	count->domains++;
	count->take_at = 0;
	return domain;
}

static struct tls_policy_count *policy_of(struct tls_count *count, struct tls_domain_count *domain,
					  const struct tls_seen *seen)
{
	uint32_t length = seen->words.length < TLS_COUNT_WORDS_MAX ? seen->words.length : TLS_COUNT_WORDS_MAX;
	struct tls_policy_count **at = &domain->policies, *policy;
	unsigned n = 0;

	for (; *at; at = &(*at)->next, n++) {
		policy = *at;
		if (policy->type == seen->policy && policy->words_length == length &&
		    (length == 0 || memcmp(policy->words, seen->words.data, length) == 0))
			return policy;
	}
	policy = n < TLS_COUNT_POLICIES_MAX ? take_room(count, domain, sizeof(*policy) + length + 1) : NULL;
	if (!policy)
		return NULL;
	policy->type = seen->policy;
	policy->words_length = length;
	if (length > 0)
		memcpy(policy->words, seen->words.data, length);
	*at = policy;
	return policy;
}

/* ---- failures --------------------------------------------------------------------------------------------------- */

static size_t size_of(const char *text)
{
	return text ? strnlen(text, TLS_COUNT_TEXT_MAX) : 0;
}

static bool same(const struct tls_failure *failure, enum tls_result result, const char *const *texts)
{
	for (unsigned i = 0; i < TLS_FAILURE_TEXTS; i++) {
		size_t n = size_of(texts[i]);
		if (strlen(failure->texts[i]) != n || (n > 0 && memcmp(failure->texts[i], texts[i], n) != 0))
			return false;
	}
	return failure->result == result;
}

static struct tls_failure *find_failure(const struct tls_policy_count *policy, enum tls_result result,
					const char *const *texts)
{
	struct tls_failure *failure = policy->failures;

	while (failure && !same(failure, result, texts))
		failure = failure->next;
	return failure;
}

static struct tls_failure *new_failure(struct tls_count *count, struct tls_domain_count *domain,
				       struct tls_policy_count *policy, enum tls_result result,
				       const char *const *texts)
{
	struct tls_failure *failure, **end = &policy->failures;
	size_t size = sizeof(*failure) + TLS_FAILURE_TEXTS;
	char *at;

	for (unsigned i = 0; i < TLS_FAILURE_TEXTS; i++)
		size += size_of(texts[i]);
	failure = take_room(count, domain, size);
	if (!failure)
		return NULL;
	at = (char *)(failure + 1);
	for (unsigned i = 0; i < TLS_FAILURE_TEXTS; i++) {
		size_t n = size_of(texts[i]);
		failure->texts[i] = at;
		if (n > 0)
			memcpy(at, texts[i], n);
		at += n + 1;
	}
	failure->result = result;
	while (*end)
		end = &(*end)->next;
	*end = failure;
	policy->failure_count++;
	return failure;
}

/* Told apart as long as there is room, and by the result only behind that. */
static struct tls_failure *failure_of(struct tls_count *count, struct tls_domain_count *domain,
				      struct tls_policy_count *policy, const struct tls_seen *seen)
{
	const char *const texts[TLS_FAILURE_TEXTS] = {seen->from, seen->host, seen->to, seen->why},
			  *const none[TLS_FAILURE_TEXTS] = {seen->from, NULL, NULL, NULL};
	struct tls_failure *failure = find_failure(policy, seen->result, texts);

	if (!failure && policy->failure_count < TLS_COUNT_FAILURES_MAX)
		return new_failure(count, domain, policy, seen->result, texts);
	if (!failure)
		failure = find_failure(policy, seen->result, none);
	if (!failure && policy->failure_count < TLS_COUNT_FAILURES_MAX + TLS_RESULTS)
		failure = new_failure(count, domain, policy, seen->result, none);
	return failure;
}

/* ---- counting --------------------------------------------------------------------------------------------------- */

void tls_count_add(struct tls_count *count, const struct tls_seen *seen, uint64_t sessions)
{
	struct tls_domain_count *domain = domain_of(count, seen->domain);
	struct tls_policy_count *policy = domain ? policy_of(count, domain, seen) : NULL;
	struct tls_failure *failure;

	if (!policy) {
		count->lost += sessions;
		return;
	}
	if (seen->result == TLS_RESULT_OK) {
		policy->good += sessions;
		return;
	}
	policy->failed += sessions;
	failure = failure_of(count, domain, policy, seen);
	if (failure)
		failure->count += sessions;
}

static void merge_policy(struct tls_count *count, const char *domain, const struct tls_policy_count *policy)
{
	struct tls_seen seen = {
		.domain = domain,
		.policy = policy->type,
		.words = {policy->words, policy->words_length},
		.result = TLS_RESULT_OK,
	};
	uint64_t told = 0;

	if (policy->good > 0)
		tls_count_add(count, &seen, policy->good);
	for (const struct tls_failure *failure = policy->failures; failure; failure = failure->next) {
		seen.result = failure->result;
		seen.from = failure->texts[0];
		seen.host = failure->texts[1];
		seen.to = failure->texts[2];
		seen.why = failure->texts[3];
		tls_count_add(count, &seen, failure->count);
		told += failure->count;
	}
	count->lost += policy->failed - told;
}

static void merge_domain(void *context, const struct tls_domain_count *domain)
{
	for (const struct tls_policy_count *policy = domain->policies; policy; policy = policy->next)
		merge_policy(context, domain->name, policy);
}

void tls_count_merge(struct tls_count *count, const struct tls_count *from)
{
	tls_count_each(from, merge_domain, count);
	count->lost += from->lost;
}

uint64_t tls_count_lost(const struct tls_count *count)
{
	return count->lost;
}

void tls_count_lose(struct tls_count *count, uint64_t sessions)
{
	count->lost += sessions;
}

size_t tls_count_domains(const struct tls_count *count)
{
	return count->domains;
}

bool tls_count_empty(const struct tls_count *count)
{
	return count->domains == 0 && count->lost == 0;
}

void tls_count_each(const struct tls_count *count, void (*fn)(void *context, const struct tls_domain_count *domain),
		    void *context)
{
	for (size_t i = 0; i < count->row_count; i++) {
		for (const struct tls_domain_count *domain = count->rows[i]; domain; domain = domain->next)
			fn(context, domain);
	}
}

static void add_sessions(void *context, const struct tls_domain_count *domain)
{
	uint64_t *sessions = context;

	for (const struct tls_policy_count *policy = domain->policies; policy; policy = policy->next)
		*sessions += policy->good + policy->failed;
}

uint64_t tls_count_sessions(const struct tls_count *count)
{
	uint64_t sessions = count->lost;

	tls_count_each(count, add_sessions, &sessions);
	return sessions;
}
