/*
 * core/agents/incident_file.c - see incident_file.h.
 */
#include "core/agents/incident_file.h"

#include <jansson.h>
#include <string.h>

#include "core/base/span.h"

#define FORMAT "postrider incidents 1"

/* A file may have any name. */
static json_t *text_of(const char *text)
{
	json_t *value = json_string(text);

	return value ? value : json_string("?");
}

static void add_closed(json_t *list, const struct incident_note *note)
{
	const struct incident *one = &note->incident;

	(void)json_array_append_new(list,
				    json_pack("{ss so so sI sI sI}", "kind", incident_name(one->kind), "subject",
					      text_of(one->subject), "problem", text_of(one->problem), "opened_ms",
					      (json_int_t)one->opened_wall_ms, "again", (json_int_t)one->again,
					      "closed_ms", (json_int_t)note->closed_wall_ms));
}

static void add_over(json_t *over, const struct incident_notes *notes)
{
	for (size_t i = 0; notes && i < notes->count; i++) {
		if (notes->list[i].closed_wall_ms)
			add_closed(over, &notes->list[i]);
	}
}

static json_t *past_of(const struct incident_past *past)
{
	json_t *list = json_array();

	for (size_t i = 0; i < past->count; i++)
		add_closed(list, incident_past_get(past, i));
	return json_pack("{so sI sI}", "list", list, "forgotten", (json_int_t)past->forgotten, "forgotten_ms",
			 (json_int_t)past->forgotten_wall_ms);
}

char *incident_file_write(const struct incidents *incidents, const struct incident_notes *sending,
			  const struct incident_notes *notes, const struct incident_past *past)
{
	json_t *root = json_object(), *open = json_array(), *over = json_array();
	char *text;

	for (size_t i = 0; i < incidents->count; i++) {
		const struct incident *one = &incidents->list[i];
		if (incident_is_open(one))
			(void)json_array_append_new(
				open, json_pack("{ss so so sI sI sb}", "kind", incident_name(one->kind), "subject",
						text_of(one->subject), "problem", text_of(one->problem), "opened_ms",
						(json_int_t)one->opened_wall_ms, "again", (json_int_t)one->again,
						"told", (int)one->told));
	}
	(void)json_object_set_new(root, "format", json_string(FORMAT));
	(void)json_object_set_new(root, "open", open);
	add_over(over, sending);
	add_over(over, notes);
	(void)json_object_set_new(root, "over", over);
	(void)json_object_set_new(root, "past", past_of(past));
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

/* Of one that is open or, with when that was, over. */
static bool read_one(const json_t *value, bool over, struct incident_note *note)
{
	const char *kind, *subject, *problem;
	json_int_t opened, again, closed = 1;
	int told = 0;

	if (json_unpack((json_t *)(uintptr_t)value, over ? "{ss ss ss sI sI sI !}" : "{ss ss ss sI sI sb !}", "kind",
			&kind, "subject", &subject, "problem", &problem, "opened_ms", &opened, "again", &again,
			over ? "closed_ms" : "told", over ? (void *)&closed : (void *)&told) < 0)
		return false;
	*note = (struct incident_note){.incident = {.kind = incident_kind_of(kind),
						    .state = over ? INCIDENT_CALMING : INCIDENT_OPEN,
						    .opened_wall_ms = (uint64_t)opened,
						    .again = (uint64_t)again,
						    .told = told != 0},
				       .closed_wall_ms = over ? (uint64_t)closed : 0};
	span_copy(span_text(subject), note->incident.subject, sizeof(note->incident.subject));
	span_copy(span_text(problem), note->incident.problem, sizeof(note->incident.problem));
	return note->incident.kind != INCIDENT_KINDS && opened >= 0 && again >= 0 && closed > 0;
}

static void take_over(struct incident_notes *notes, const json_t *over)
{
	struct incident_note note;

	for (size_t i = 0; i < json_array_size(over); i++) {
		if (!read_one(json_array_get(over, i), true, &note))
			continue;
		if (notes->count < INCIDENT_NOTES_MAX)
			notes->list[notes->count++] = note;
		else
			notes->more++;
	}
}

/* False: it is none. NULL is none, too, and there is nothing in it: files of before have none. */
static bool read_past(const json_t *value, struct incident_past *past)
{
	json_int_t forgotten, forgotten_ms;
	json_t *list;
	struct incident_note note;

	if (!value)
		return true;
	if (json_unpack((json_t *)(uintptr_t)value, "{so sI sI !}", "list", &list, "forgotten", &forgotten,
			"forgotten_ms", &forgotten_ms) < 0 ||
	    !json_is_array(list) || forgotten < 0 || forgotten > INT32_MAX || forgotten_ms < 0)
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (!read_one(json_array_get(list, i), true, &note))
			return false;
	}
	past->forgotten = (uint64_t)forgotten;
	past->forgotten_wall_ms = (uint64_t)forgotten_ms;
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (read_one(json_array_get(list, i), true, &note))
			incident_past_add(past, &note.incident, note.closed_wall_ms);
	}
	return true;
}

bool incident_file_read(struct incidents *incidents, struct incident_notes *notes, struct incident_past *past,
			const char *text, size_t length, uint64_t now_ns)
{
	json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL), *open, *over, *value;
	const char *format = json_string_value(json_object_get(root, "format"));
	bool good = format && strcmp(format, FORMAT) == 0;
	struct incident_note note;
	size_t i;

	open = json_object_get(root, "open");
	good = good && json_is_array(open);
	json_array_foreach(open, i, value) good = good && read_one(value, false, &note);
	/* Files of before have none. */
	over = json_object_get(root, "over");
	good = good && (!over || json_is_array(over));
	json_array_foreach(over, i, value) good = good && read_one(value, true, &note);
	good = good && read_past(json_object_get(root, "past"), past);
	for (i = 0; good && i < json_array_size(open); i++) {
		if (read_one(json_array_get(open, i), false, &note))
			(void)incidents_restore(incidents, &note.incident, now_ns);
	}
	if (good)
		take_over(notes, over);
	json_decref(root);
	return good;
}
