/*
 * core/trace/recent.c - see recent.h.
 */
#include "core/trace/recent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/line_ring.h"
#include "core/trace/fact.h"

/* {"time":"2026-03-01T07:12:09.113Z","event":"attempt","level":"info", */
enum { SECOND_AT = 9, SECOND_LENGTH = 19 };

#define BEFORE_LEVEL "\",\"level\":\""

struct recent {
	pthread_mutex_t lock; /* of the next four */
	uint64_t left_out, order;
	size_t count;
	struct recent_group groups[RECENT_GROUPS];
	/* Of who writes the log. */
	char second[SECOND_LENGTH];
	unsigned lines; /* in that second */
	struct fact fact;
};

struct recent *recent_new(void)
{
	struct recent *recent = calloc(1, sizeof(*recent));

	if (recent)
		pthread_mutex_init(&recent->lock, NULL);
	return recent;
}

void recent_free(struct recent *recent)
{
	if (!recent)
		return;
	pthread_mutex_destroy(&recent->lock);
	free(recent);
}

/* ---- which lines ------------------------------------------------------------------------------------------------ */

/* Its name and level, without reading the rest; false: it is nothing that went wrong, or no line of ours. */
static bool begins(const char *line, size_t length, struct span *name, struct span *level)
{
	const size_t between = sizeof(BEFORE_LEVEL) - 1;
	const char *end = line + length, *quote;

	*name = line_event(line, length);
	quote = name->data + name->length;
	if (name->length == 0 || (size_t)(end - quote) < between + 8 || memcmp(quote, BEFORE_LEVEL, between) != 0)
		return false;
	level->data = quote + between;
	quote = memchr(level->data, '"', (size_t)(end - level->data));
	level->length = quote ? (uint32_t)(quote - level->data) : 0;
	return quote && level->data[0] != 'i';
}

static bool is(struct span text, const char *word)
{
	return text.length == strlen(word) && memcmp(text.data, word, text.length) == 0;
}

/* Notices are the daily business of operators, too; of these what mail met. `deferred` repeats its attempt. */
static bool went_wrong(const struct fact *fact, struct span level)
{
	static const char *const results[] = {"deferred", "failed", "held", "unknown", "partial"};

	if (fact->kind == FACT_DEFERRED || fact->kind == FACT_SESSION || fact->kind == FACT_REPORT)
		return false;
	if (fact->kind == FACT_ATTEMPT) {
		for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
			if (is(fact->text[FACT_RESULT], results[i]))
				return true;
		}
		return false;
	}
	return fact->kind != FACT_OTHER || level.data[0] != 'n';
}

/* ---- what it says ----------------------------------------------------------------------------------------------- */

static struct span first_of(const struct fact *fact, const enum fact_text *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fact->text[keys[i]].length > 0)
			return fact->text[keys[i]];
	}
	return (struct span){"", 0};
}

/* Of several recipients the first that was not delivered has the last word. */
static void take_reply(const struct fact *fact, struct recent_group *group)
{
	static const enum fact_text keys[] = {FACT_REPLY, FACT_REASON, FACT_ERROR};
	struct span text = first_of(fact, keys, sizeof(keys) / sizeof(keys[0]));

	if (fact->numbers & UINT32_C(1) << FACT_CODE)
		group->code = fact->number[FACT_CODE];
	if (fact->kind == FACT_ATTEMPT && fact->result_count > 0 && fact->results[0].reply.length > 0) {
		text = fact->results[0].reply;
		if (fact->results[0].code)
			group->code = fact->results[0].code;
	}
	span_copy(text, group->reply, sizeof(group->reply));
}

static uint64_t mix(uint64_t hash, uint8_t octet)
{
	return (hash ^ octet) * UINT64_C(0x100000001b3);
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = mix(hash, (uint8_t)*text);
	return mix(hash, 0);
}

/* Words of more than five octets, one of them a digit, are ids, times and addresses, as well as what stands in <> and
 * []: not what the sentence says. */
static uint64_t mix_sentence(uint64_t hash, const char *text)
{
	while (*text != '\0') {
		size_t word = strcspn(text, " \t,;()"), octets = 0;
		bool digit = false;
		for (size_t i = 0; i < word; i++) {
			digit |= text[i] >= '0' && text[i] <= '9';
			octets++;
		}
		if (text[0] == '<' || text[0] == '[' || (digit && octets > 5)) {
			hash = mix(hash, '#');
		} else {
			for (size_t i = 0; i < word; i++)
				hash = mix(hash, (uint8_t)text[i]);
		}
		text += word;
		if (*text != '\0')
			hash = mix(hash, (uint8_t)*text++);
	}
	return mix(hash, 0);
}

static void describe(const struct fact *fact, struct span name, struct span level, struct recent_group *group)
{
	static const enum fact_text places[] = {FACT_DESTINATION, FACT_DEVICE, FACT_CLIENT,
						FACT_USER,        FACT_PEER,   FACT_ADDRESS};

	memset(group, 0, sizeof(*group));
	span_copy(name, group->event, sizeof(group->event));
	span_copy(level, group->level, sizeof(group->level));
	span_copy(first_of(fact, places, sizeof(places) / sizeof(places[0])), group->where, sizeof(group->where));
	span_copy(fact->text[FACT_PROBLEM], group->say, sizeof(group->say));
	take_reply(fact, group);
	group->has_id = fact->has_id;
	group->id = fact->id;
	group->count = 1;
	group->first_ms = group->last_ms = fact->time_ms;
	group->key = mix_text(UINT64_C(0xcbf29ce484222325), group->event);
	group->key = mix_text(group->key, group->where);
	group->key = mix(group->key, (uint8_t)(group->code >> 8));
	group->key = mix(group->key, (uint8_t)group->code);
	group->key = mix_sentence(group->key, group->say[0] ? group->say : group->reply);
}

/* ---- the groups ------------------------------------------------------------------------------------------------- */

static void add(struct recent *recent, struct recent_group *group)
{
	size_t at = 0, oldest = 0;

	group->order = ++recent->order;
	while (at < recent->count && recent->groups[at].key != group->key) {
		if (recent->groups[at].order < recent->groups[oldest].order)
			oldest = at;
		at++;
	}
	if (at < recent->count) {
		uint64_t count = recent->groups[at].count, first_ms = recent->groups[at].first_ms;
		recent->groups[at] = *group;
		recent->groups[at].count = count + 1;
		recent->groups[at].first_ms = first_ms;
		return;
	}
	if (recent->count < RECENT_GROUPS)
		recent->groups[recent->count++] = *group;
	else
		recent->groups[oldest] = *group;
}

/* False: enough of this second. */
static bool within(struct recent *recent, const char *line)
{
	if (memcmp(recent->second, line + SECOND_AT, SECOND_LENGTH) != 0) {
		memcpy(recent->second, line + SECOND_AT, SECOND_LENGTH);
		recent->lines = 0;
	}
	if (recent->lines < RECENT_LINES) {
		recent->lines++;
		return true;
	}
	pthread_mutex_lock(&recent->lock);
	recent->left_out++;
	pthread_mutex_unlock(&recent->lock);
	return false;
}

static void take_line(struct recent *recent, const char *line, size_t length)
{
	struct recent_group group;
	struct span name, level;

	if (!begins(line, length, &name, &level) || !within(recent, line) || !fact_parse(line, length, &recent->fact) ||
	    !went_wrong(&recent->fact, level))
		return;
	describe(&recent->fact, name, level, &group);
	pthread_mutex_lock(&recent->lock);
	add(recent, &group);
	pthread_mutex_unlock(&recent->lock);
}

void recent_take(void *context, const char *lines, size_t length)
{
	const char *at = lines, *end = lines + length;

	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		if (!eol)
			return;
		take_line(context, at, (size_t)(eol - at));
		at = eol + 1;
	}
}

static int newer(const void *a, const void *b)
{
	const struct recent_group *one = a, *other = b;

	return one->order < other->order ? 1 : -1;
}

size_t recent_read(struct recent *recent, struct recent_group *out, size_t room, uint64_t *left_out)
{
	struct recent_group *all = malloc(sizeof(recent->groups));
	size_t count = 0;

	*left_out = 0;
	if (!all)
		return 0;
	pthread_mutex_lock(&recent->lock);
	count = recent->count;
	memcpy(all, recent->groups, count * sizeof(*all));
	*left_out = recent->left_out;
	pthread_mutex_unlock(&recent->lock);
	qsort(all, count, sizeof(*all), newer);
	count = count < room ? count : room;
	memcpy(out, all, count * sizeof(*out));
	free(all);
	return count;
}
