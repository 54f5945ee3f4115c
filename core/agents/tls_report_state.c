/*
 * core/agents/tls_report_state.c - see tls_report_state.h.
 */
#include "core/agents/tls_report_state.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "postrider TLS reports 1"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Octets that are no UTF-8 came from strangers, and are not worth keeping. */
static void say(json_t *object, const char *name, const char *text)
{
	if (text[0] != '\0')
		(void)json_object_set_new(object, name, json_string(text));
}

static void number(json_t *object, const char *name, uint64_t value)
{
	if (value > 0)
		(void)json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *failure_json(const struct tls_failure *failure)
{
	json_t *one = json_object();

	say(one, "result", tls_result_name(failure->result));
	number(one, "count", failure->count);
	say(one, "from", failure->texts[0]);
	say(one, "host", failure->texts[1]);
	say(one, "to", failure->texts[2]);
	say(one, "why", failure->texts[3]);
	return one;
}

static json_t *policy_json(const struct tls_policy_count *policy)
{
	json_t *one = json_object(), *failures = json_array();

	say(one, "type", tls_policy_type_name(policy->type));
	say(one, "words", policy->words);
	number(one, "good", policy->good);
	for (const struct tls_failure *failure = policy->failures; failure; failure = failure->next)
		(void)json_array_append_new(failures, failure_json(failure));
	(void)json_object_set_new(one, "failures", failures);
	return one;
}

static json_t *domain_json(const struct tls_domain_count *domain)
{
	json_t *one = json_object(), *policies = json_array();

	say(one, "name", domain->name);
	for (const struct tls_policy_count *policy = domain->policies; policy; policy = policy->next)
		(void)json_array_append_new(policies, policy_json(policy));
	(void)json_object_set_new(one, "policies", policies);
	return one;
}

/* What it was delivered to is not sent there twice. */
static json_t *report_json(const struct tls_report *report)
{
	json_t *one = json_object(), *done = json_array();

	number(one, "day", report->day);
	number(one, "due", report->due_s);
	number(one, "first", report->first_s);
	number(one, "tries", report->tries);
	for (unsigned i = 0; i < report->place_count; i++) {
		const struct tls_place *place = &report->places[i];
		if (place->done)
			(void)json_array_append_new(
				done, json_pack("{s:s, s:b}", "to", place->text, "mail", (int)place->mail));
	}
	(void)json_object_set_new(one, "done", done);
	(void)json_object_set_new(one, "domain", domain_json(report->domain));
	return one;
}

/* One after the other: as a tree, which takes ten times the text's memory, there is never more than one of them. */
struct writing {
	FILE *out;
	bool more, failed;
};

static void write_one(struct writing *w, json_t *one)
{
	if (w->more)
		fputc(',', w->out);
	w->more = true;
	w->failed |= !one || json_dumpf(one, w->out, JSON_COMPACT) < 0;
	json_decref(one);
}

static void write_domain(void *context, const struct tls_domain_count *domain)
{
	write_one(context, domain_json(domain));
}

static void write_all(struct writing *w, const struct tls_days *days)
{
	uint64_t lost = tls_count_lost(days->today);

	fprintf(w->out, "{\"format\":\"" FORMAT "\",\"day\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"domains\":[", days->day,
		lost < INT64_MAX ? lost : INT64_MAX);
	tls_count_each(days->today, write_domain, w);
	fputs("],\"reports\":[", w->out);
	w->more = false;
	for (const struct list *link = days->out.next; link != &days->out; link = link->next)
		write_one(w, report_json(container_of(link, struct tls_report, link)));
	for (size_t i = 0; i < days->due_count; i++)
		write_one(w, report_json(days->due[i]));
	fputs("]}", w->out);
}

char *tls_report_state_write(const struct tls_days *days)
{
	char *text = NULL;
	size_t length;
	struct writing w = {.out = open_memstream(&text, &length)};

	if (!w.out)
		return NULL;
	write_all(&w, days);
	w.failed |= ferror(w.out) != 0;
	if (fclose(w.out) != 0 || w.failed) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static const char *text_in(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static uint64_t number_in(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(object, name));

	return value > 0 ? (uint64_t)value : 0;
}

/* It comes into the header of a mail, and into a file's name. */
static bool is_name(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	for (size_t i = 0; i < n; i++) {
		if (name[i] <= 0x20 || name[i] >= 0x7f || strchr("\"<>!/\\", name[i]))
			return false;
	}
	return n > 0 && n < TLS_COUNT_TEXT_MAX;
}

static void read_failures(struct tls_count *count, struct tls_seen seen, const json_t *failures)
{
	const json_t *one;
	size_t i;

	json_array_foreach(failures, i, one)
	{
		const char *result = text_in(one, "result");
		seen.result = result ? tls_result_of(result) : TLS_RESULTS;
		seen.from = text_in(one, "from");
		seen.host = text_in(one, "host");
		seen.to = text_in(one, "to");
		seen.why = text_in(one, "why");
		if (seen.result != TLS_RESULTS && seen.result != TLS_RESULT_OK)
			tls_count_add(count, &seen, number_in(one, "count"));
	}
}

static void read_domain(struct tls_count *count, const json_t *domain)
{
	const json_t *policies = json_object_get(domain, "policies"), *one;
	struct tls_seen seen = {.domain = text_in(domain, "name")};
	size_t i;

	if (!is_name(seen.domain))
		return;
	json_array_foreach(policies, i, one)
	{
		const char *type = text_in(one, "type"), *words = text_in(one, "words");
		seen.policy = type ? tls_policy_type_of(type) : TLS_POLICY_TYPES;
		seen.words = span_text(words ? words : "");
		seen.result = TLS_RESULT_OK;
		if (seen.policy == TLS_POLICY_TYPES)
			continue;
		if (number_in(one, "good") > 0)
			tls_count_add(count, &seen, number_in(one, "good"));
		read_failures(count, seen, json_object_get(one, "failures"));
	}
}

static void read_done(struct tls_report *report, const json_t *done)
{
	const json_t *one;
	size_t i;

	json_array_foreach(done, i, one)
	{
		const char *to = text_in(one, "to");
		char *text = to && report->place_count < TLSRPT_PLACES_MAX ? strdup(to) : NULL;
		if (text)
			report->places[report->place_count++] =
				(struct tls_place){text, json_is_true(json_object_get(one, "mail")), true};
	}
}

static void read_report(struct tls_days *days, const json_t *object)
{
	struct tls_report report = {
		.day = number_in(object, "day"),
		.due_s = number_in(object, "due"),
		.first_s = number_in(object, "first"),
		.tries = (unsigned)number_in(object, "tries"),
	};
	struct tls_count *count = tls_count_new(TLS_COUNT_DAY_OCTETS);

	if (!count)
		return;
	read_domain(count, json_object_get(object, "domain"));
	report.domain = tls_count_take(count);
	tls_count_free(count);
	if (!report.domain)
		return;
	read_done(&report, json_object_get(object, "done"));
	(void)tls_days_put(days, &report);
}

static void read_today(struct tls_days *days, const json_t *domain)
{
	read_domain(days->today, domain);
}

/* The text is taken apart member by member, for the same reason: a tree of all of it is never made. */
struct scan {
	const char *text;
	size_t length, at;
};

static bool at_end(struct scan *s)
{
	while (s->at < s->length && memchr(" \t\r\n", s->text[s->at], 4))
		s->at++;
	return s->at == s->length;
}

static bool take(struct scan *s, char c)
{
	if (at_end(s) || s->text[s->at] != c)
		return false;
	s->at++;
	return true;
}

/* NULL: there is none. */
static json_t *take_value(struct scan *s)
{
	json_error_t error;
	json_t *value =
		json_loadb(s->text + s->at, s->length - s->at, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &error);

	if (value)
		s->at += (size_t)error.position;
	return value;
}

/* False: it is no array. */
static bool take_each(struct scan *s, struct tls_days *days, void (*fn)(struct tls_days *days, const json_t *one))
{
	if (!take(s, '['))
		return false;
	if (take(s, ']'))
		return true;
	do {
		json_t *one = take_value(s);
		if (!one)
			return false;
		fn(days, one);
		json_decref(one);
	} while (take(s, ','));
	return take(s, ']');
}

struct state_head {
	bool known; /* the format is */
	uint64_t day, lost;
};

static bool take_member(struct scan *s, struct tls_days *days, struct state_head *head, const char *name)
{
	json_t *value;

	if (strcmp(name, "domains") == 0)
		return take_each(s, days, read_today);
	if (strcmp(name, "reports") == 0)
		return take_each(s, days, read_report);
	value = take_value(s);
	if (!value)
		return false;
	if (strcmp(name, "format") == 0)
		head->known = json_is_string(value) && strcmp(json_string_value(value), FORMAT) == 0;
	else if (strcmp(name, "day") == 0 && json_integer_value(value) > 0)
		head->day = (uint64_t)json_integer_value(value);
	else if (strcmp(name, "lost") == 0 && json_integer_value(value) > 0)
		head->lost = (uint64_t)json_integer_value(value);
	json_decref(value);
	return true;
}

static bool take_all(struct scan *s, struct tls_days *days, struct state_head *head)
{
	if (!take(s, '{'))
		return false;
	do {
		json_t *name = take_value(s);
		bool good = name && json_is_string(name) && take(s, ':') &&
			    take_member(s, days, head, json_string_value(name));
		json_decref(name);
		if (!good)
			return false;
	} while (take(s, ','));
	return take(s, '}') && at_end(s) && head->known;
}

bool tls_report_state_read(struct tls_days *days, const char *text, size_t length)
{
	struct scan scan = {text, length, 0};
	struct state_head head = {0};

	if (!take_all(&scan, days, &head)) {
		tls_days_clear(days);
		return false;
	}
	days->day = head.day;
	tls_count_lose(days->today, head.lost);
	return true;
}
