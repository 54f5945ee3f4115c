/*
 * core/agents/dns_records.c - see dns_records.h.
 */
#include "core/agents/dns_records.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool dns_records_add(struct dns_records_question *question, const void *data, size_t length)
{
	uint8_t *at = question->block + question->length;

	if (length > UINT16_MAX)
		return false;
	if (length + 2 > sizeof(question->block) - question->length || question->count == DNS_RECORDS_MAX) {
		question->too_many = true;
		return false;
	}
	at[0] = (uint8_t)(length >> 8);
	at[1] = (uint8_t)length;
	memcpy(at + 2, data, length);
	question->length += length + 2;
	question->count++;
	return true;
}

bool dns_records_add_text(struct dns_records_question *question, const void *data, size_t length)
{
	uint8_t joined[DNS_RECORDS_OCTETS];
	const uint8_t *octets = data;
	size_t n = 0, at = 0;

	while (at < length) {
		size_t string = octets[at++];
		if (string > length - at)
			return false;
		if (string > sizeof(joined) - n) {
			question->too_many = true;
			return false;
		}
		memcpy(joined + n, octets + at, string);
		n += string;
		at += string;
	}
	return dns_records_add(question, joined, n);
}

bool dns_records_next(const struct dns_records_question *question, size_t *at, const uint8_t **data, size_t *length)
{
	const uint8_t *octets = question->block + *at;

	if (*at + 2 > question->length)
		return false;
	*length = (size_t)(octets[0] << 8 | octets[1]);
	*data = octets + 2;
	*at += 2 + *length;
	return true;
}

/* ---- which question comes next ---------------------------------------------------------------------------------- */

/* Without the dot at its end. False: no host of the DNS is called so. */
static bool set_base(struct dns_records_question *question, const char *name)
{
	size_t length = strlen(name);

	if (length > 0 && name[length - 1] == '.')
		length--;
	if (length == 0 || length >= sizeof(question->at))
		return false;
	memcpy(question->at, name, length);
	question->at[length] = '\0';
	return true;
}

static bool same_name(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	n -= n > 0 && a[n - 1] == '.';
	m -= m > 0 && b[m - 1] == '.';
	return n == m && strncasecmp(a, b, n) == 0;
}

/* TLSA of this name (RFC 7672 2.2.3). One that is too long has none. */
static enum dns_records_go ask_data(struct dns_records_search *search, struct dns_records_question *question,
				    const char *name, enum dns_records_step step)
{
	int n;

	if (!set_base(question, name))
		return DNS_RECORDS_NOTHING;
	n = snprintf(search->name, sizeof(search->name), "_%u._tcp.%s", question->base.port, question->at);
	if (n > DNS_NAME_MAX)
		return DNS_RECORDS_NOTHING;
	search->step = step;
	search->ask = DNS_RECORDS_ASK_DATA;
	return DNS_RECORDS_ASK;
}

static enum dns_records_go ask(struct dns_records_search *search, const char *name, enum dns_records_step step,
			       enum dns_records_type type)
{
	if (snprintf(search->name, sizeof(search->name), "%s", name) > DNS_NAME_MAX + 1)
		return DNS_RECORDS_NOTHING;
	search->step = step;
	search->ask = type;
	return DNS_RECORDS_ASK;
}

enum dns_records_go dns_records_begin(struct dns_records_search *search, struct dns_records_question *question)
{
	question->count = 0;
	question->length = 0;
	question->too_many = false;
	question->at[0] = '\0';
	if (question->kind == DNS_RECORDS_TEXT)
		return ask(search, question->base.name, DNS_RECORDS_DATA, DNS_RECORDS_ASK_DATA);
	return ask(search, question->base.name, DNS_RECORDS_ADDRESSES, DNS_RECORDS_ASK_ADDRESSES);
}

static bool alias(const struct dns_records_fact *fact, const char *name)
{
	return fact->canonical && fact->canonical[0] && !same_name(fact->canonical, name);
}

/* Either kind says whether its zone is signed; the other is not waited for. */
static enum dns_records_go on_addresses(struct dns_records_search *search, struct dns_records_question *question,
					const struct dns_records_fact facts[2])
{
	const struct dns_records_fact *fact = facts[0].data ? &facts[0] : &facts[1];
	const char *name = question->base.name;

	if (!fact->data) {
		if (!facts[0].answered || !facts[1].answered)
			return DNS_RECORDS_WAIT;
		return facts[0].failed || facts[1].failed ? DNS_RECORDS_FAILED : DNS_RECORDS_NOTHING;
	}
	if (!fact->secure)
		return alias(fact, name) ? ask(search, name, DNS_RECORDS_ALIAS, DNS_RECORDS_ASK_ALIAS)
					 : DNS_RECORDS_NOTHING;
	if (alias(fact, name))
		return ask_data(search, question, fact->canonical, DNS_RECORDS_DATA);
	return ask_data(search, question, name, DNS_RECORDS_OWN);
}

static enum dns_records_go on_data(struct dns_records_search *search, struct dns_records_question *question,
				   const struct dns_records_fact *fact)
{
	bool tlsa = question->kind == DNS_RECORDS_TLSA;

	if (fact->failed || question->too_many)
		return DNS_RECORDS_FAILED;
	if (fact->data && (fact->secure || !tlsa))
		return DNS_RECORDS_FOUND;
	question->count = 0;
	question->length = 0;
	if (tlsa && search->step == DNS_RECORDS_DATA)
		return ask_data(search, question, question->base.name, DNS_RECORDS_OWN);
	return DNS_RECORDS_NOTHING;
}

enum dns_records_go dns_records_go_on(struct dns_records_search *search, struct dns_records_question *question,
				      const struct dns_records_fact facts[2])
{
	if (search->step == DNS_RECORDS_ADDRESSES)
		return on_addresses(search, question, facts);
	if (!facts[0].answered)
		return DNS_RECORDS_WAIT;
	if (search->step != DNS_RECORDS_ALIAS)
		return on_data(search, question, &facts[0]);
	if (facts[0].failed)
		return DNS_RECORDS_FAILED;
	if (facts[0].data && facts[0].secure)
		return ask_data(search, question, question->base.name, DNS_RECORDS_OWN);
	return DNS_RECORDS_NOTHING;
}
