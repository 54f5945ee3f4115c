/*
 * core/agents/incident_word.c - see incident_word.h.
 */
#include "core/agents/incident_word.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/base/line_ring.h"

static const struct {
	const char *event;
	enum incident_says says;
	enum incident_kind kind;
	const char *subject, *more; /* fields that name it; `more` behind a slash */
} words[] = {
	{"host_failed", INCIDENT_SAYS_WHY, INCIDENT_DESTINATION_DOWN, "destination", NULL},
	{"domain_failed", INCIDENT_SAYS_WHY, INCIDENT_DESTINATION_DOWN, "destination", NULL},
	{"exchangers_failed", INCIDENT_SAYS_WHY, INCIDENT_DESTINATION_DOWN, "destination", NULL},
	{"setup_refused", INCIDENT_SAYS_BAD, INCIDENT_SETUP_REFUSED, "destination", NULL},
	{"setup_accepted", INCIDENT_SAYS_WELL, INCIDENT_SETUP_REFUSED, "destination", NULL},
	{"mailbox_refused", INCIDENT_SAYS_BAD, INCIDENT_SIGN_IN_REFUSED, "destination", "mailbox"},
	{"mailbox_accepted", INCIDENT_SAYS_WELL, INCIDENT_SIGN_IN_REFUSED, "destination", "mailbox"},
	{"token_failed", INCIDENT_SAYS_BAD, INCIDENT_TOKEN_ENDING, "identity", NULL},
	{"token", INCIDENT_SAYS_WELL, INCIDENT_TOKEN_ENDING, "identity", NULL},
	{"device_silent", INCIDENT_SAYS_BAD, INCIDENT_DEVICE_SILENT, "device", NULL},
	{"device_back", INCIDENT_SAYS_WELL, INCIDENT_DEVICE_SILENT, "device", NULL},
};
enum { WORDS = sizeof(words) / sizeof(words[0]) };

/* Asked of each line that is written, and nearly never found: the first letter says so of most. `event` has one. */
static size_t word_of(struct span event)
{
	size_t i = 0;

	while (i < WORDS && (words[i].event[0] != event.data[0] || !line_event_fits(event, words[i].event)))
		i++;
	return i;
}

bool incident_word_wanted(const char *line, size_t length)
{
	struct span event = line_event(line, length);

	return event.length > 0 && word_of(event) < WORDS;
}

void incident_word_take(void *ring, const char *lines, size_t length)
{
	const char *end = lines + length, *eol;

	for (; lines < end; lines = eol + 1) {
		eol = memchr(lines, '\n', (size_t)(end - lines));
		if (incident_word_wanted(lines, (size_t)(eol - lines)))
			(void)line_ring_put(ring, lines, (size_t)(eol + 1 - lines));
	}
}

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = key ? json_string_value(json_object_get(object, key)) : NULL;

	return text ? text : "";
}

/* What there is of it: where, what it means, what was said. */
static void sentence(const json_t *object, char out[INCIDENT_PROBLEM_SIZE])
{
	static const char *const keys[] = {"host",  "domain", "address", "problem", "reason",
					   "stage", "reply",  "place",   "owner",   "last_message"};
	/* An octet more, as in incident_subject(). */
	char whole[INCIDENT_PROBLEM_SIZE + 1] = "";
	size_t n = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *text = text_in(object, keys[i]);
		if (text[0] != '\0' && n < sizeof(whole))
			n += (size_t)snprintf(whole + n, sizeof(whole) - n, "%s%s%s%s", n ? "; " : "",
					      i < 3 ? "" : keys[i], i < 3 ? "" : ": ", text);
	}
	span_copy(span_text(whole), out, INCIDENT_PROBLEM_SIZE);
}

/* While the token before is good for long, nobody need hear of it. */
static bool counts(enum incident_kind kind, const json_t *object)
{
	return kind != INCIDENT_TOKEN_ENDING || strcmp(text_in(object, "level"), "notice") != 0;
}

void incident_word_read(const char *line, size_t length, struct incident_word *word)
{
	struct span event = line_event(line, length);
	size_t i = event.length > 0 ? word_of(event) : WORDS;
	json_t *object;

	*word = (struct incident_word){.says = INCIDENT_SAYS_NOTHING};
	if (i == WORDS)
		return;
	object = json_loadb(line, length, 0, NULL);
	if (text_in(object, words[i].subject)[0] != '\0' && counts(words[i].kind, object)) {
		word->says = words[i].says;
		word->kind = words[i].kind;
		incident_subject(text_in(object, words[i].subject), text_in(object, words[i].more), word->subject);
		sentence(object, word->problem);
	}
	json_decref(object);
}
